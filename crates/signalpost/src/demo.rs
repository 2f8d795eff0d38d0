//! `signalpost demo`: the main job, played through the public HTTP API with
//! the clock sped up: real events or a simulated shop in, mails out.

#![expect(clippy::indexing_slicing, reason = "indexing JSON by name gives null where there is nothing")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the demo shows itself on the terminal")]

pub mod data_set;
pub mod play;
pub mod setting;
pub mod summary;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use signalpost_core::shop::{self, Shop};
use signalpost_core::time::Timestamp;

use crate::app::App;
use crate::cli::client::Client;
use crate::clock::{self, Clock};
use crate::serve::listen::Listener;
use crate::serve::routes::Routes;
use crate::settings::Settings;

/// Marks a folder that the demo made and may make anew.
const MARK: &str = "made-by-signalpost-demo";

/// What the demo may be told.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Real recorded events to play: a file of JSON lines, gzip or not.
    #[arg(long)]
    data_set: Option<PathBuf>,
    /// End after the summary.
    #[arg(long)]
    exit: bool,
    /// How much faster than life time passes; as fast as possible when not said.
    #[arg(long)]
    speed: Option<f64>,
    /// The simulated shop's seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The simulated shop's visitors.
    #[arg(long, default_value_t = 2_000)]
    visitors: u32,
    /// The simulated days.
    #[arg(long, default_value_t = 14)]
    days: u32,
    /// The address to listen on; any free port when it is taken.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

/// A finished play: the running program and what came of it.
#[derive(Debug)]
pub struct Played {
    /// The program.
    pub app: Arc<App>,
    /// What was counted.
    pub summary: summary::Summary,
}

/// Runs the demo.
///
/// # Errors
/// When a step of it fails.
pub async fn run(arguments: Arguments, mut settings: Settings, json: bool) -> anyhow::Result<ExitCode> {
    if settings.data == Settings::default().data {
        settings.data = PathBuf::from("demo-data");
    }
    make_fresh(&settings.data)?;
    settings.listen = arguments.listen;
    settings.shop_name = "Northwind & Daughters".into();
    let listener = match Listener::bind(&settings) {
        Ok(listener) => listener,
        Err(_) => {
            settings.listen.set_port(0);
            Listener::bind(&settings)?
        }
    };
    settings.listen = listener.address()?;
    let events = Events::open(&arguments)?;
    let app = App::start(settings, Clock::manual(events.start())).await?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let routes = Routes::new(Arc::clone(&app));
    let serving = tokio::spawn(listener.serve(routes, async {
        drop(stopped.await);
    }));
    let Some((admin, write)) = app.first_keys.clone() else { bail!("the demo's folder was not fresh") };
    let url = app.settings.public_url();
    eprintln!("Signalpost runs at {url}, its data in {}", app.settings.data.display());
    eprintln!("Watch it: {url}/#key={admin}");
    let played = play(&arguments, &events, &app, &url, (&admin, &write)).await?;
    if json {
        println!("{:#}", played.summary.to_json());
    } else {
        println!("{}", played.summary);
        println!("Mails as files: {}", app.settings.data.join("mail").display());
        println!("The page, signed in: {url}/#key={admin}");
    }
    if !arguments.exit {
        eprintln!("Press Ctrl-C to end.");
        crate::cli::serve::stopped().await;
    }
    drop(stop);
    drop(serving.await);
    app.stop().await;
    Ok(if played.summary.is_right() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Sets the scene, plays the events and counts.
async fn play(
    arguments: &Arguments,
    events: &Events,
    app: &Arc<App>,
    url: &str,
    (admin, write): (&str, &str),
) -> anyhow::Result<Played> {
    let client = Client::of_server(url, admin);
    setting::prepare(&client, events).await.context("the demo's scene could not be set")?;
    let started = clock::instant();
    let sent = play::play(app, url, write, events, arguments.speed).await?;
    let sending = started.elapsed();
    play::settle(app, events.end()).await?;
    let summary = summary::Summary::collect(app, events, sent, sending, started.elapsed()).await?;
    Ok(Played { app: Arc::clone(app), summary })
}

/// A folder of the demo's own, empty.
fn make_fresh(folder: &Path) -> anyhow::Result<()> {
    let is_empty = !folder.exists() || folder.read_dir()?.next().is_none();
    if !is_empty && !folder.join(MARK).is_file() {
        bail!("{} holds something the demo did not make; name another folder with --data", folder.display());
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    std::fs::write(folder.join(MARK), "")?;
    Ok(())
}

/// What is played.
#[derive(Debug)]
pub enum Events {
    /// The simulated shop.
    Shop(Box<Shop>),
    /// Recorded events.
    Recorded(data_set::DataSet),
}

impl Events {
    fn open(arguments: &Arguments) -> anyhow::Result<Self> {
        match &arguments.data_set {
            Some(file) => Ok(Self::Recorded(data_set::DataSet::open(file)?)),
            None => {
                // A fixed day, so that the same seed always gives the same summary.
                let start = Timestamp::parse("2026-03-02T00:00:00Z").unwrap_or_default();
                let mut settings = shop::Settings::new(arguments.seed, start);
                settings.visitors = arguments.visitors;
                settings.days = arguments.days;
                Ok(Self::Shop(Box::new(Shop::new(settings))))
            }
        }
    }

    /// When the first event happens.
    pub fn start(&self) -> Timestamp {
        match self {
            Self::Shop(shop) => shop.requests().next().map_or_else(|| shop.end(), |request| request.at),
            Self::Recorded(recorded) => recorded.start,
        }
    }

    /// When everything is over.
    pub fn end(&self) -> Timestamp {
        match self {
            Self::Shop(shop) => shop.end(),
            Self::Recorded(recorded) => recorded.end,
        }
    }

    /// How many events there are.
    pub fn count(&self) -> u64 {
        match self {
            Self::Shop(shop) => shop.expected().requests,
            Self::Recorded(recorded) => recorded.count,
        }
    }
}

/// Plays recorded events into a program that is already there, for tests.
///
/// # Errors
/// When a step of it fails.
pub async fn play_recorded(
    app: &Arc<App>,
    file: &Path,
    url: &str,
    keys: (&str, &str),
) -> anyhow::Result<Played> {
    let events = Events::Recorded(data_set::DataSet::open(file)?);
    let arguments = Arguments {
        data_set: Some(file.to_owned()),
        exit: true,
        speed: None,
        seed: 1,
        visitors: 0,
        days: 0,
        listen: app.settings.listen,
    };
    play(&arguments, &events, app, url, keys).await
}
