//! Serve: every route, and the server they stand behind. The only file that
//! knows every step.

pub mod auth;
pub mod cross_origin;
mod description;
pub mod explained;
pub mod gate;
pub mod listen;
pub mod oauth;
pub mod operation;
pub mod patience;
pub mod routes;
pub mod sdk;
pub mod tls;
pub mod web;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::admin::{
    campaigns, catalog, debug, deliveries, destinations, hooks, imports, inbox, keys, live, plan, privacy,
    profiles, quarantine, segments, sources, sql, stats, templates, timeline,
};
use crate::app::App;
use crate::collect::{events, hooks as hooks_in, pixel, tracking};
use crate::unsubscribe;

/// The largest body of an administration request, in bytes.
const ADMIN_BODY_BYTES_MAX: usize = 16 << 20;

#[derive(OpenApi)]
#[openapi(info(
    title = "Signalpost",
    description = "Behavioural events in, personal mail out. Authenticate with `Authorization: Bearer KEY` or `X-Api-Key: KEY`; in place of a key, a token from `/oauth/token` will do. Errors are RFC 9457 problem documents."
))]
struct Api;

/// What pages of other origins may call.
fn collect() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(events::post_events))
        .routes(routes!(pixel::pixel))
        .routes(routes!(tracking::post))
        .routes(routes!(tracking::settings))
}

fn documented(collect: OpenApiRouter<Arc<App>>) -> OpenApiRouter<Arc<App>> {
    administration().layer(DefaultBodyLimit::max(ADMIN_BODY_BYTES_MAX)).merge(collect)
}

/// How events are cleaned, what they have to look like, and what became of them.
fn cleaning() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(plan::list, plan::import))
        .routes(routes!(plan::get, plan::put, plan::delete))
        .routes(routes!(plan::versions))
        .routes(routes!(plan::learn))
        .routes(routes!(plan::check))
        .routes(routes!(debug::events))
        .routes(routes!(debug::live))
        .routes(routes!(quarantine::list))
        .routes(routes!(quarantine::groups))
        .routes(routes!(quarantine::replay))
        .routes(routes!(quarantine::discard))
}

fn administration() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Api::openapi())
        .merge(cleaning())
        .routes(routes!(hooks_in::post))
        .routes(routes!(hooks::list))
        .routes(routes!(hooks::get, hooks::put, hooks::delete))
        .routes(routes!(privacy::list, privacy::create))
        .routes(routes!(privacy::get, privacy::update))
        .routes(routes!(privacy::erase))
        .routes(routes!(privacy::export))
        .routes(routes!(sources::list))
        .routes(routes!(sources::put))
        .routes(routes!(segments::list))
        .routes(routes!(segments::check))
        .routes(routes!(segments::preview::preview))
        .routes(routes!(segments::get, segments::put, segments::delete))
        .routes(routes!(segments::builder_schema))
        .routes(routes!(segments::membership::members))
        .routes(routes!(segments::membership::history))
        .routes(routes!(segments::simulate::simulate))
        .routes(routes!(segments::forecast::forecast))
        .routes(routes!(segments::unexpected::list))
        .routes(routes!(segments::refresh::list))
        .routes(routes!(segments::refresh::run))
        .routes(routes!(segments::versions))
        .routes(routes!(segments::verify))
        .routes(routes!(live::live))
        .routes(routes!(profiles::find))
        .routes(routes!(profiles::get))
        .routes(routes!(profiles::segments))
        .routes(routes!(timeline::get_timeline))
        .routes(routes!(profiles::explain))
        .routes(routes!(profiles::consent))
        .routes(routes!(templates::list))
        .routes(routes!(templates::check))
        .routes(routes!(templates::put))
        .routes(routes!(templates::render))
        .routes(routes!(catalog::list, catalog::put))
        .routes(routes!(catalog::recommend))
        .routes(routes!(destinations::list))
        .routes(routes!(destinations::put))
        .routes(routes!(campaigns::list))
        .routes(routes!(campaigns::put, campaigns::delete))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::get))
        .routes(routes!(deliveries::retry))
        .routes(routes!(inbox::list))
        .routes(routes!(inbox::get))
        .routes(routes!(inbox::eml))
        .routes(routes!(imports::list))
        .routes(routes!(imports::get, imports::put))
        .routes(routes!(imports::refused))
        .routes(routes!(sql::run))
        .routes(routes!(stats::stats))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::update, keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::list_clients, keys::create_client))
        .routes(routes!(keys::update_client, keys::revoke_client))
        .routes(routes!(keys::rotate_client))
        .routes(routes!(keys::rotate_signing))
        .routes(routes!(oauth::token))
        .routes(routes!(oauth::jwks))
        .routes(routes!(oauth::metadata))
        .routes(routes!(unsubscribe::page, unsubscribe::unsubscribe))
        .routes(routes!(operation::healthz))
        .routes(routes!(operation::readyz))
        .routes(routes!(operation::metrics))
}

/// The description of the API, JSON.
pub fn openapi() -> String {
    format!("{:#}", description::document(documented(collect()).into_openapi()))
}

/// Every route.
pub fn router(app: Arc<App>) -> Router {
    let collect = collect().layer(from_fn_with_state(Arc::clone(&app), cross_origin::open));
    let (router, api) = documented(collect).split_for_parts();
    let document: Arc<str> = description::document(api).to_string().into();
    let openapi = move || {
        let document = Arc::clone(&document);
        async move { ([(axum::http::header::CONTENT_TYPE, "application/json")], document.to_string()) }
    };
    router
        .route("/api/openapi.json", get(openapi))
        .merge(web::routes())
        .merge(sdk::routes())
        .fallback(operation::not_found)
        .with_state(app)
}
