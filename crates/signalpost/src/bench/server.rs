//! A server to measure, in a process of its own that ends with it.
//!
//! In: the program and a data folder. Out: [`Server`]: where the load goes, a
//! client with the admin key, and how long it takes until nothing is left to do.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use super::{Target, cpu_seconds};
use crate::cli::client::Client;
use crate::clock;

const ADMIN: &str = "bench-admin";
const WRITE: &str = "bench-write";
/// How long is waited for a server to have nothing more to do, in seconds.
const IDLE_SECONDS_MAX: u32 = 120;

/// See the module.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Kept open, so that the server may go on talking.
    _said: BufReader<ChildStdout>,
    program: PathBuf,
    folder: PathBuf,
    url: String,
    /// Where events go, with the write key of the source `default`.
    pub target: Target,
}

impl Server {
    /// Starts `program` on a data folder, with further settings as environment
    /// variables.
    ///
    /// # Errors
    /// When it cannot be started, or says something else than where it listens.
    pub fn start(program: &Path, folder: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder)
            .envs([
                ("SIGNALPOST_ADMIN_KEY", ADMIN),
                ("SIGNALPOST_WRITE_KEY", WRITE),
                ("SIGNALPOST_LOG", "error"),
            ])
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the server has no output")?;
        let mut said = BufReader::new(stdout);
        said.read_line(&mut line)?;
        let Some((_, rest)) = line.split_once("http://") else { bail!("the server said: {line}") };
        let address = rest.split(',').next().unwrap_or_default().trim().to_owned();
        let target = Target { address: address.parse()?, path: "/api/events".into(), key: WRITE.into() };
        let (program, folder) = (program.to_owned(), folder.to_owned());
        Ok(Self { child, _said: said, program, folder, url: format!("http://{address}"), target })
    }

    /// Kills it and starts it again; answers how long it took until it was ready.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn restart(&mut self) -> anyhow::Result<Duration> {
        self.child.kill()?;
        self.child.wait()?;
        let started = clock::instant();
        *self = Self::start(&self.program.clone(), &self.folder.clone(), &[])?;
        self.ready().await;
        Ok(started.elapsed())
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A client with the admin key.
    pub fn client(&self) -> Client {
        Client::of_server(&self.url, ADMIN)
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        let client = self.client();
        while client.get("/readyz").await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many events the workers have not taken yet.
    ///
    /// # Errors
    /// When the server does not answer, or does not tell.
    pub async fn lag(&self) -> anyhow::Result<u64> {
        let stats = self.client().get("/api/stats").await?;
        stats.get("lag").and_then(serde_json::Value::as_u64).context("the server tells no lag")
    }

    /// Waits until the workers have taken everything.
    ///
    /// # Errors
    /// As [`Server::lag`].
    pub async fn rest(&self) -> anyhow::Result<()> {
        while self.lag().await? > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Waits until it has nothing more to do, its merges included; two minutes at
    /// most.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn idle(&self) -> anyhow::Result<()> {
        self.rest().await?;
        for _ in 0..IDLE_SECONDS_MAX {
            let used = || cpu_seconds(self.pid()).unwrap_or_default();
            let before = used();
            tokio::time::sleep(Duration::from_secs(1)).await;
            if used() - before < 0.1 {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
