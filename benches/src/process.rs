//! Child processes that end with their guard.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A child that is killed when dropped.
pub(crate) struct Guard(pub(crate) Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Guard {
    /// Resident memory now and at its highest, MiB.
    pub(crate) fn memory_mib(&self) -> (f64, f64) {
        let text =
            fs_err::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let kib = |key: &str| {
            let line = text.lines().find(|line| line.starts_with(key))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        };
        (
            kib("VmRSS:").unwrap_or(f64::NAN) / 1024.0,
            kib("VmHWM:").unwrap_or(f64::NAN) / 1024.0,
        )
    }
}

/// What a process has used so far.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    cpu_us: f64,
    switches: f64,
}

impl Cost {
    /// Processor time, µs, and voluntary context switches (a wake-up each) per call since `earlier`.
    pub(crate) fn per_call(self, earlier: Self, calls: usize) -> (f64, f64) {
        let calls = calls as f64;
        (
            (self.cpu_us - earlier.cpu_us) / calls,
            (self.switches - earlier.switches) / calls,
        )
    }
}

impl Guard {
    /// Of all its threads that live; unlike wall-clock time, it hardly depends on who else is busy.
    pub(crate) fn cost(&self) -> Cost {
        let tasks = fs_err::read_dir(format!("/proc/{}/task", self.0.id()))
            .into_iter()
            .flatten()
            .flatten();
        let mut cost = Cost {
            cpu_us: 0.0,
            switches: 0.0,
        };
        for task in tasks {
            let read =
                |name: &str| fs_err::read_to_string(task.path().join(name)).unwrap_or_default();
            let ns = read("schedstat")
                .split(' ')
                .next()
                .and_then(|ns| ns.parse::<f64>().ok());
            cost.cpu_us += ns.unwrap_or(0.0) / 1e3;
            let status = read("status");
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            cost.switches += line
                .and_then(|n| n.trim().parse::<f64>().ok())
                .unwrap_or(0.0);
        }
        cost
    }
}

/// Starts a server that prints `listening http://HOST:PORT/PATH` on stdout; returns host:port.
pub(crate) fn listening(command: &mut Command) -> (Guard, String) {
    let mut guard = Guard(
        command
            .stdout(Stdio::piped())
            .spawn()
            .expect("server starts"),
    );
    let stdout = guard.0.stdout.take().expect("stdout is piped");
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("server says where it listens");
    let url = line
        .trim()
        .strip_prefix("listening http://")
        .expect("server says where it listens");
    (guard, url.split('/').next().unwrap_or_default().to_owned())
}

/// Waits until something listens on host:port.
pub(crate) fn wait_for(address: &str) -> bool {
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        if std::net::TcpStream::connect(address).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}
