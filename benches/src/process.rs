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

/// Scheduler ticks a second in `/proc`: a constant of the kernel's interface on all Linux machines of today.
const TICKS: f64 = 100.0;

impl Guard {
    /// Processor time of all its threads, also of those that ended, µs; in steps of 10 ms.
    pub(crate) fn cpu_us(&self) -> f64 {
        let text =
            fs_err::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        // The name in brackets may hold blanks; user and system time are fields 14 and 15.
        let fields = text.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2);
        ticks
            .filter_map(|field| field.parse::<f64>().ok())
            .sum::<f64>()
            * 1e6
            / TICKS
    }
}

/// What a process used from its start to its end.
pub(crate) struct Usage {
    pub(crate) cpu_us: f64,
    pub(crate) peak_mib: f64,
}

impl Usage {
    /// Runs a command to its end, which must be a success.
    pub(crate) fn of(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        let mut guard = Guard(child);
        let stat = format!("/proc/{}/stat", guard.0.id());
        let mut peak_mib: f64 = 0.0;
        loop {
            peak_mib = peak_mib.max(guard.memory_mib().1);
            let text = fs_err::read_to_string(&stat).unwrap_or_default();
            // Ended and not yet waited for: its times are final and can still be read.
            if text
                .rsplit(')')
                .next()
                .is_some_and(|fields| fields.starts_with(" Z"))
            {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let cpu_us = guard.cpu_us();
        let status = guard.0.wait().expect("ends");
        assert!(status.success(), "{command:?}: {status}");
        Self { cpu_us, peak_mib }
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
