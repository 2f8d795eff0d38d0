//! `signalpost serve`.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::app::App;
use crate::clock::Clock;
use crate::serve::listen::Listener;
use crate::serve::routes::Routes;
use crate::settings::Settings;

/// What `serve` may be told.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The address and port to listen on [default: 127.0.0.1:8080].
    #[arg(long)]
    listen: Option<SocketAddr>,
}

/// Runs everything until it is told to stop.
///
/// # Errors
/// When the folder or the address cannot be used.
pub async fn run(arguments: Arguments, mut settings: Settings) -> anyhow::Result<ExitCode> {
    if let Some(listen) = arguments.listen {
        settings.listen = listen;
    }
    let listener = Listener::bind(&settings)?;
    settings.listen = listener.address()?;
    let app = App::start(settings, Clock::system()).await?;
    // Before anybody is told that it runs, and may ask it to end.
    let stop = stopped();
    greet(&app);
    listener.serve(Routes::new(Arc::clone(&app)), stop).await;
    tracing::info!("stopping");
    app.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn greet(app: &App) {
    let (url, version, data) =
        (app.settings.public_url(), env!("CARGO_PKG_VERSION"), app.settings.data.display());
    let mut text = format!("Signalpost {version} listens on {url}, data in {data}\n");
    if let Some((admin, write)) = &app.first_keys {
        text += &format!(
            "\nTwo keys were made. They are shown this once; only their hashes are kept.\n  \
             admin key  {admin}\n  write key  {write}\n\nOpen the page, signed in: {url}/#key={admin}\n"
        );
    }
    // Whoever started the program may read none of it, or only the first line.
    drop(std::io::stdout().write_all(text.as_bytes()));
}

/// Completes when the process is asked to end; listens from the call on.
pub fn stopped() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = signal(SignalKind::terminate());
    async {
        let interrupt = tokio::signal::ctrl_c();
        match terminate {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = interrupt => {}
                    _ = terminate.recv() => {}
                }
            }
            Err(_) => drop(interrupt.await),
        }
    }
}
