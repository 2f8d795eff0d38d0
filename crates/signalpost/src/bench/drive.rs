//! The client's thread: opens the connections, runs the closed or the open loop
//! over them and counts. A target and a load come in, a report goes out.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Mutex, oneshot};
use tokio::task::{JoinSet, LocalSet};

use super::body::RequestWriter;
use super::connection::Connection;
use super::pace::{self, Schedule};
use super::wire::Answer;
use super::{Clocks, Error, Load, Report, Target, process};

/// Connections opened at a time: fewer than the shortest backlog in use (128).
const OPEN_AT_ONCE: usize = 64;
/// The first and the longest pause before a lost connection is opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(10);
const REOPEN_PAUSE_MAX: Duration = Duration::from_millis(640);

/// Runs a whole load on the calling thread; ends early when nobody waits for
/// the report any more.
pub(super) fn client_thread(
    target: &Target,
    load: &Load,
    clocks: Clocks,
    grace: Duration,
    mut done: oneshot::Sender<Result<Report, Error>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let report = match runtime {
        Ok(runtime) => LocalSet::new().block_on(&runtime, async {
            tokio::select! {
                report = measure(target, load, clocks, grace) => Some(report),
                () = done.closed() => None,
            }
        }),
        Err(source) => Some(Err(Error::Start { what: "load client's runtime", source })),
    };
    if let Some(report) = report {
        // Whoever asked may have left in this very moment: then nobody is told.
        drop(done.send(report));
    }
}

async fn measure(target: &Target, load: &Load, clocks: Clocks, grace: Duration) -> Result<Report, Error> {
    let connections = open_all(target.address, load.connections).await?;
    let begin = (clocks.instant)();
    let client = Rc::new(Client::new(target, load, clocks, begin));
    let mut tasks = JoinSet::new();
    let mut overdue = None;
    let stop_pace = if let Some(rate) = load.rate {
        let schedule = Schedule { first: begin, end: client.end, rate };
        let (stop, due) = pace::start(schedule, clocks.instant)
            .map_err(|source| Error::Start { what: "load client's schedule", source })?;
        let due = Rc::new(Mutex::new(due));
        for (index, connection) in connections.into_iter().enumerate() {
            tasks.spawn_local(open_loop(Rc::clone(&client), index, connection, Rc::clone(&due)));
        }
        overdue = Some(due);
        Some(stop)
    } else {
        for (index, connection) in connections.into_iter().enumerate() {
            tasks.spawn_local(closed_loop(Rc::clone(&client), index, connection));
        }
        None
    };
    let give_up = tokio::time::Instant::from_std(client.end + grace);
    let in_time =
        tokio::time::timeout_at(give_up, async { while tasks.join_next().await.is_some() {} }).await;
    if in_time.is_err() {
        tasks.shutdown().await;
        client.count_unanswered(overdue).await;
    }
    drop(stop_pace);
    Ok(client.report())
}

async fn open_all(address: SocketAddr, count: usize) -> Result<Vec<Connection>, Error> {
    let mut connections = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    while connections.len() < count {
        while opening.len() < OPEN_AT_ONCE.min(count - connections.len()) {
            opening.spawn_local(Connection::open(address));
        }
        let opened = match opening.join_next().await {
            Some(Ok(opened)) => opened,
            Some(Err(lost)) => Err(lost.into()),
            None => Err(io::ErrorKind::Interrupted.into()),
        };
        connections.push(opened.map_err(|source| Error::Connect { address, source })?);
    }
    Ok(connections)
}

/// Sends as soon as the last request is answered.
async fn closed_loop(client: Rc<Client>, index: usize, mut connection: Connection) {
    let mut due = client.now();
    while due < client.end {
        due = client.exchange(index, &mut connection, due).await;
    }
}

/// Sends when a request is due and the connection is free. The lock queues the
/// free connections, first come, first served.
async fn open_loop(
    client: Rc<Client>,
    index: usize,
    mut connection: Connection,
    due_instants: Rc<Mutex<UnboundedReceiver<Instant>>>,
) {
    loop {
        let due = due_instants.lock().await.recv().await;
        let Some(due) = due else { return };
        client.exchange(index, &mut connection, due).await;
    }
}

/// What the tasks of one load share.
struct Client {
    address: SocketAddr,
    clocks: Clocks,
    /// Where measuring begins, after the warm-up, and where sending ends.
    start: Instant,
    end: Instant,
    batch: u64,
    writer: RefCell<RequestWriter>,
    report: RefCell<Report>,
    last_answer: Cell<Instant>,
    /// For each connection, since when the request under way has been due.
    under_way: Vec<Cell<Option<Instant>>>,
}

impl Client {
    fn new(target: &Target, load: &Load, clocks: Clocks, begin: Instant) -> Self {
        let start = begin + load.warm_up;
        Self {
            address: target.address,
            clocks,
            start,
            end: start + load.duration,
            batch: u64::try_from(load.batch).unwrap_or(u64::MAX),
            writer: RefCell::new(RequestWriter::new(target, load, clocks.wall_micros)),
            report: RefCell::new(Report::new(load)),
            last_answer: Cell::new(start),
            under_way: (0..load.connections).map(|_| Cell::new(None)).collect(),
        }
    }

    fn now(&self) -> Instant {
        (self.clocks.instant)()
    }

    /// Sends the next request on `connection`, counts its answer, and mends the
    /// connection if it ended. Gives the instant at which it is free again.
    async fn exchange(&self, index: usize, connection: &mut Connection, due: Instant) -> Instant {
        let under_way = self.under_way.get(index);
        if let Some(since) = under_way {
            since.set(Some(due));
        }
        self.writer.borrow_mut().write(&mut connection.request);
        let outcome = connection.exchange().await;
        let answered = self.now();
        if let Some(since) = under_way {
            since.set(None);
        }
        self.count(due, answered, &outcome);
        match outcome {
            Ok(answer) if !answer.close => answered,
            _ => self.reopen(connection).await,
        }
    }

    fn count(&self, due: Instant, answered: Instant, outcome: &io::Result<Answer>) {
        let mut report = self.report.borrow_mut();
        let measured = due >= self.start;
        let Ok(answer) = outcome else {
            report.io_errors += 1;
            return;
        };
        let good = (200..300).contains(&answer.status);
        let accepted = if good { answer.accepted.unwrap_or(self.batch) } else { 0 };
        if !good {
            *report.errors_by_status.entry(answer.status).or_default() += 1;
        }
        report.events_refused += self.batch.saturating_sub(accepted);
        if !measured {
            report.warm_up_requests += 1;
            report.warm_up_events += accepted;
            return;
        }
        report.requests += 1;
        report.events += accepted;
        if good {
            report.record(answered.saturating_duration_since(due));
        }
        self.last_answer.set(self.last_answer.get().max(answered));
    }

    /// Opens the connection anew, with growing pauses, until it stands or the
    /// load is over.
    async fn reopen(&self, connection: &mut Connection) -> Instant {
        let mut pause = REOPEN_PAUSE;
        while connection.reopen(self.address).await.is_err() {
            self.report.borrow_mut().io_errors += 1;
            if self.now() >= self.end {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(REOPEN_PAUSE_MAX);
        }
        self.now()
    }

    /// Counts what was sent or due and has no answer when patience ends: its
    /// latency is at least the time waited so far, and it is recorded as that.
    async fn count_unanswered(&self, overdue: Option<Rc<Mutex<UnboundedReceiver<Instant>>>>) {
        let mut waiting: Vec<Instant> = self.under_way.iter().filter_map(Cell::take).collect();
        if let Some(overdue) = overdue {
            let mut overdue = overdue.lock().await;
            while let Ok(due) = overdue.try_recv() {
                waiting.push(due);
            }
        }
        let now = self.now();
        self.last_answer.set(now);
        let mut report = self.report.borrow_mut();
        for due in waiting {
            report.unanswered += 1;
            report.record(now.saturating_duration_since(due));
        }
    }

    fn report(&self) -> Report {
        let mut report = self.report.borrow().clone();
        let finish = self.last_answer.get().max(self.end);
        report.seconds = finish.saturating_duration_since(self.start).as_secs_f64();
        report.client_cpu_seconds = process::thread_cpu_seconds();
        report
    }
}
