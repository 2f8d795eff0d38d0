//! Which way a request goes: the busiest past the router, every other through it.
//!
//! The router's boxes, tables and extensions cost a request for events a tenth
//! of its time. It stays known to the router, which describes it and answers
//! its other methods.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use tower::Service;

use super::cross_origin;
use crate::app::App;
use crate::collect::events;

/// The way of every request.
#[derive(Clone, Debug)]
pub struct Routes {
    app: Arc<App>,
    router: Router,
}

impl Routes {
    /// Every route of the program.
    pub fn new(app: Arc<App>) -> Self {
        Self { router: super::router(Arc::clone(&app)), app }
    }

    /// The answer to a request of `peer`.
    pub async fn answer(&self, peer: IpAddr, mut request: Request<Body>) -> Response {
        if is_for_events(request.method(), request.uri()) {
            let (parts, body) = request.into_parts();
            let answer = events::take(&self.app, &parts, Some(peer), body).await;
            return cross_origin::readable(answer.into_response());
        }
        request.extensions_mut().insert(ConnectInfo(peer));
        self.router.clone().call(request).await.unwrap_or_else(|never| match never {})
    }
}

fn is_for_events(method: &Method, address: &Uri) -> bool {
    method == Method::POST && address.path() == events::PATH
}
