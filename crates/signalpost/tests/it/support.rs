//! What the tests share: the real program on a folder of its own, and a few
//! ways to ask it things. It is killed when a test ends, however that ends.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use signalpost_core::time::Timestamp;
use tempfile::TempDir;

use crate::http::{Answer, exchange};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_signalpost");
/// The keys every server is first started with.
pub(crate) const ADMIN: &str = "admin-secret";
/// See [`ADMIN`].
pub(crate) const WRITE: &str = "write-secret";
/// How long anything may take that should take moments: the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// A running program.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
    pub(crate) address: SocketAddr,
    pub(crate) data: PathBuf,
    /// The folder it made for itself; gone with the server.
    folder: Option<TempDir>,
}

impl Server {
    /// Starts one on a fresh folder.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one on a fresh folder, with settings beside the usual.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self::on(&folder.path().join("data"), settings);
        server.folder = Some(folder);
        server
    }

    /// Starts one on a folder.
    pub(crate) fn on(data: &Path, settings: &[(&str, &str)]) -> Self {
        Self::try_on(data, "127.0.0.1:0", settings).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts one on a folder and an address; what it said, when it did not start.
    pub(crate) fn try_on(data: &Path, listen: &str, settings: &[(&str, &str)]) -> Result<Self, String> {
        let said = data.with_extension("stderr");
        let mut child = command(data)
            .args(["serve", "--listen", listen])
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&said).unwrap())
            .spawn()
            .unwrap();
        let lines = lines_of(&mut child);
        let first = match lines.recv_timeout(Duration::from_secs(60)) {
            Ok(line) => line,
            Err(error) => {
                drop(child.kill());
                let status = child.wait().unwrap();
                let text = std::fs::read_to_string(&said).unwrap_or_default();
                return Err(format!("did not start ({status}, {error}): {text}"));
            }
        };
        let address = first
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split(',').next())
            .and_then(|text| text.parse().ok());
        // With a public URL of its own it says that one instead.
        let address =
            address.or_else(|| listen.parse().ok()).unwrap_or_else(|| panic!("no address in {first:?}"));
        Ok(Self { child, lines, address, data: data.to_owned(), folder: None })
    }

    /// What it wrote on standard output after its first line, so far.
    pub(crate) fn said(&self) -> String {
        let mut said = String::new();
        loop {
            match self.lines.recv_timeout(Duration::from_millis(300)) {
                Ok(line) => {
                    said.push_str(&line);
                    said.push('\n');
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return said,
            }
        }
    }

    /// What it wrote on standard error.
    pub(crate) fn complaints(&self) -> String {
        std::fs::read_to_string(self.data.with_extension("stderr")).unwrap_or_default()
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.complaints());
    }

    /// The address as a URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends a request with a key.
    pub(crate) fn ask(
        &self,
        key: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let bearer = format!("Bearer {key}");
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        exchange(self.address, method, path, &all, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.complaints()))
    }

    /// Reads, as an administrator.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(ADMIN, "GET", path, &[], b"")
    }

    /// Sends, as an administrator.
    pub(crate) fn post(&self, path: &str, body: &Json) -> Answer {
        self.ask(ADMIN, "POST", path, &[], body.to_string().as_bytes())
    }

    /// Sets, as an administrator.
    pub(crate) fn put(&self, path: &str, body: &Json) -> Answer {
        self.ask(ADMIN, "PUT", path, &[], body.to_string().as_bytes())
    }

    /// Posts a body of events with the write key.
    pub(crate) fn events(&self, body: &str) -> Answer {
        self.ask(WRITE, "POST", "/api/events", &[], body.as_bytes())
    }

    /// Posts events that must all be accepted.
    pub(crate) fn accept(&self, events: &Json) {
        let count = events.as_array().map_or(1, Vec::len);
        let answer = self.events(&events.to_string()).expect(202);
        assert_eq!(answer["accepted"], count, "{answer}");
    }

    /// The rows of a query.
    pub(crate) fn sql(&self, query: &str) -> Vec<Json> {
        let answer = self.post("/api/sql", &json!({"sql": query}));
        assert_eq!(answer.status, 200, "{query}\n{}", answer.text());
        answer.json()["rows"].as_array().unwrap().clone()
    }

    /// The only cell of a query's only row.
    pub(crate) fn cell(&self, query: &str) -> Json {
        let rows = self.sql(query);
        assert_eq!(rows.len(), 1, "{query}: {rows:?}");
        rows[0].as_object().unwrap().values().next().unwrap().clone()
    }

    /// Waits until everything accepted has been worked on and is in SQL's reach.
    pub(crate) fn settle(&self) {
        eventually("everything is worked on", || {
            let stats = self.get("/api/stats").expect(200);
            (stats["settled"] == true).then_some(())
        });
    }

    /// A segment's known members.
    pub(crate) fn members(&self, segment: &str) -> Vec<String> {
        let path = format!("/api/segments/{}/members?limit=10000", encode(segment));
        let answer = self.get(&path).expect(200);
        let members = answer["members"].as_array().unwrap().iter();
        members.map(|member| member["customer_id"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until a segment's members are these.
    pub(crate) fn await_members(&self, segment: &str, wanted: &[&str]) {
        eventually(&format!("{segment} holds {wanted:?}"), || {
            (self.members(segment) == wanted).then_some(())
        });
    }

    /// Defines a segment or sequence rule.
    pub(crate) fn define(&self, name: &str, text: &str) -> Json {
        let path = format!("/api/segments/{}", encode(name));
        let answer = self.ask(ADMIN, "PUT", &path, &[], text.as_bytes());
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
        answer.json()
    }

    /// Runs a command against this server.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env("SIGNALPOST_URL", self.url()).env("SIGNALPOST_KEY", ADMIN);
        command.output().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- the server said:\n{}", self.complaints());
        }
    }
}

/// The program on a folder, with the usual settings of a test.
pub(crate) fn command(data: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .arg("--data")
        .arg(data)
        .env_remove("SIGNALPOST_URL")
        .env_remove("SIGNALPOST_KEY")
        .env("SIGNALPOST_ADMIN_KEY", ADMIN)
        .env("SIGNALPOST_WRITE_KEY", WRITE)
        .env("SIGNALPOST_PARTITIONS", "3")
        .env("SIGNALPOST_MIN_FREE_BYTES", "1048576")
        .env("SIGNALPOST_LAKE_COMMIT_SECONDS", "1");
    command
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    let reader = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in reader.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A port that is free now, to be listened on over and over.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

/// Waits until `seek` finds what it looks for.
pub(crate) fn eventually<T>(what: &str, seek: impl FnMut() -> Option<T>) -> T {
    within(SOON, what, seek)
}

/// Waits at most `limit` until `seek` finds what it looks for.
pub(crate) fn within<T>(limit: Duration, what: &str, mut seek: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = seek() {
            return found;
        }
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        pause(20);
    }
}

/// Waits some milliseconds.
pub(crate) fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// A name as part of a path.
pub(crate) fn encode(name: &str) -> String {
    let letter = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    name.bytes().map(letter).collect()
}

/// Runs the shell examples of a page in `docs`, at least so many, as one script
/// against a fresh server; what they printed.
pub(crate) fn run_examples(page: &str, least: usize) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let page = std::fs::read_to_string(page).unwrap();
    let examples: Vec<&str> =
        page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= least);
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var_os("PATH").unwrap().to_str().unwrap());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &examples.concat()])
        .current_dir(&folder)
        .envs([("PATH", path.as_str()), ("SIGNALPOST_URL", &server.url()), ("SIGNALPOST_KEY", ADMIN)])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}
