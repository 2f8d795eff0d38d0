//! What Linux tells about a process under `/proc`; `None` where it tells
//! nothing (no such process, another system).

use std::fs;

/// Clock ticks a second in `/proc`: 100 on every Linux (`USER_HZ`, proc(5)).
const TICKS_A_SECOND: f64 = 100.0;

/// CPU seconds, user and system, used so far by process `pid` with all its
/// threads, to a hundredth.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    cpu_seconds_in(&format!("/proc/{pid}/stat"))
}

/// CPU seconds used so far by the calling thread.
pub(super) fn thread_cpu_seconds() -> Option<f64> {
    cpu_seconds_in("/proc/thread-self/stat")
}

/// CPU seconds used so far by those threads of process `pid` that yield to
/// none of its others: a server's work before and at the log.
pub fn foremost_cpu_seconds(pid: u32) -> Option<f64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    let foremost = stats.filter_map(|stat| Usage::read(&stat)).filter(|usage| usage.nice <= 0);
    Some(foremost.map(|usage| usage.seconds).sum())
}

fn cpu_seconds_in(path: &str) -> Option<f64> {
    Usage::read(&fs::read_to_string(path).ok()?).map(|usage| usage.seconds)
}

/// What a line of `/proc/*/stat` says of a process or a thread.
struct Usage {
    /// CPU time, user and system.
    seconds: f64,
    /// How far it yields to others.
    nice: i32,
}

impl Usage {
    fn read(stat: &str) -> Option<Self> {
        // The second field is the command in brackets and may hold anything, so
        // counting starts behind the last bracket: utime and stime are fields
        // 14 and 15, nice is field 19.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace().skip(11);
        let user: f64 = fields.next()?.parse().ok()?;
        let system: f64 = fields.next()?.parse().ok()?;
        Some(Self { seconds: (user + system) / TICKS_A_SECOND, nice: fields.nth(3)?.parse().ok()? })
    }
}

/// Bytes of memory that process `pid` holds in RAM now.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    bytes_in_status(pid, "VmRSS:")
}

/// The most memory that process `pid` has had resident since its start, in bytes.
pub fn resident_bytes_max(pid: u32) -> Option<u64> {
    bytes_in_status(pid, "VmHWM:")
}

fn bytes_in_status(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

/// How many files process `pid` may have open (the soft limit).
pub(super) fn open_files_max(pid: u32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => None,
        soft => soft.parse().ok(),
    }
}
