//! Everything at once: edges and aggregator killed, network cut, slow and half open, disk full,
//! certificates that live for seconds, batches sent again by somebody else, all of it under load.
//!
//! What fails when is drawn from one seed, which is printed; `AFFIANT_SEED` gives it again. Which
//! call meets which failure is the machine's affair.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use affiant_e2e::aggregator::{Aggregator, ship_all};
use affiant_e2e::conserved::{assert_edge_adds_up, assert_hub_adds_up, assert_shipped};
use affiant_e2e::gateway::{Gateway, Setup};
use affiant_e2e::http;
use affiant_e2e::metrics::Metrics;
use affiant_e2e::program::built;
use affiant_e2e::random::Random;
use affiant_e2e::rough_link::{Condition, RoughLink};
use affiant_e2e::scratch::Scratch;
use affiant_e2e::small_disk::SmallDisk;
use affiant_e2e::upstream::Upstream;
use affiant_e2e::wait;

use super::outage::{address, calls};
use super::sender::{Sender, batch, groups, problem};
use super::{assert_log_verifies, serve_toml, wrapped};

const WRAPPED: [&str; 2] = ["one", "two"];
const GATEWAY: &str = "gateway";
const ROUNDS: usize = 50;
/// Room for all that is recorded at this pace, however fast the machine.
const HUB_BYTES: u64 = 256 << 20;
/// From one call of a client to the next, at least.
const PACE: Duration = Duration::from_millis(4);

/// What happens to the system, one at a time; what lasts, lasts until another one ends it.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Fine,
    Cut,
    HalfOpen,
    Slow(u64),
    FullDisk,
    KillHub,
    RestartHub,
    KillGateway,
    Replay(usize),
}

/// Pauses in milliseconds, and what happens after each.
fn schedule(random: &mut Random) -> Vec<(u64, Fault)> {
    let fault = |random: &mut Random| match random.below(12) {
        0 => Fault::Cut,
        1 => Fault::HalfOpen,
        2 => Fault::Slow(1 + random.below(20)),
        3 => Fault::FullDisk,
        4 => Fault::KillHub,
        5 => Fault::RestartHub,
        6 | 7 => Fault::KillGateway,
        8 | 9 => Fault::Replay(usize::try_from(random.below(3)).unwrap_or(0)),
        _ => Fault::Fine,
    };
    let round = |_| (200 + random.below(900), fault(random));
    (0..ROUNDS).map(round).collect()
}

#[test]
fn nothing_acknowledged_is_lost_whatever_fails() {
    let scratch = Scratch::new("soak");
    let mut random = Random::seeded("soak");
    let schedule = schedule(&mut random);
    eprintln!("{schedule:?}");
    let mut world = World::new(&scratch);
    let load = Load::start(&world, &mut random);
    for (pause_ms, fault) in schedule {
        std::thread::sleep(Duration::from_millis(pause_ms));
        world.suffer(fault);
        *lock(&load.url) = world.gateway.url("witness", "/mcp");
        assert_edge_adds_up(&Metrics::read(&world.gateway.admin("/metrics")));
    }
    world.heal();
    let (answered, called) = load.finish();
    world.judge(&answered, called);
}

/// The system: three edges, an aggregator on a disk of its own, a network between them.
struct World {
    hub: Aggregator,
    gateway: Gateway,
    link: RoughLink,
    setup: Setup,
    config: PathBuf,
    disk: SmallDisk,
    edges: Vec<(PathBuf, &'static str)>,
    seen: PathBuf,
    _server: Upstream,
}

impl World {
    fn new(scratch: &Scratch) -> Self {
        let disk = SmallDisk::over(scratch.path("hub"), HUB_BYTES);
        let config = serve_toml(scratch, "[ca]\nsource_lifetime_s = 6\n");
        let hub = Aggregator::start_configured(&disk.dir, &config);
        let link = RoughLink::before(address(&hub.url("ingest")));
        let edges: Vec<_> = [WRAPPED[0], WRAPPED[1], GATEWAY]
            .map(|name| (scratch.path(name), name))
            .into();
        for (edge, name) in &edges {
            hub.enrol_through(&format!("https://{}", link.address), edge, name);
        }
        let seen = scratch.path("seen");
        let server = Upstream::announced(Command::new(built("witness-http")).arg(&seen));
        let setup = Setup::new(&scratch.path(GATEWAY)).route("witness", &server.origin);
        Self {
            hub,
            gateway: setup.start(),
            link,
            setup,
            config,
            disk,
            edges,
            seen,
            _server: server,
        }
    }

    fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::Fine => self.heal(),
            Fault::Cut => self.link.set(Condition::Cut),
            Fault::HalfOpen => self.link.set(Condition::HalfOpen),
            Fault::Slow(pause_ms) => self.link.set(Condition::Slow(pause_ms)),
            Fault::FullDisk => self.disk.fill(),
            Fault::KillHub => {
                self.hub.guard.kill();
                self.start_hub();
            }
            Fault::RestartHub => {
                self.hub.guard.terminate();
                self.start_hub();
            }
            Fault::KillGateway => {
                self.gateway.guard.kill();
                self.gateway = self.setup.start();
            }
            Fault::Replay(edge) => self.replay(edge),
        }
    }

    /// It does not start on a full disk, which another test sees to.
    fn start_hub(&mut self) {
        let _ = self.disk.free();
        self.hub = Aggregator::start_configured(&self.disk.dir, &self.config);
    }

    fn heal(&self) {
        let _ = self.disk.free();
        // What hung in a half open connection does not come to life again.
        self.link.set(Condition::Cut);
        self.link.set(Condition::Fine);
    }

    /// Somebody with the edge's certificate sends the oldest of what it still has, last group first.
    fn replay(&self, edge: usize) {
        let Some((edge, _)) = self.edges.get(edge) else {
            return;
        };
        let sender = Sender::of(edge, &self.hub.url("ingest"));
        for spool in fs_err::read_dir(edge.join("spools")).unwrap() {
            let groups = groups(&spool.unwrap().path());
            for group in groups.iter().take(6).rev() {
                let Ok(reply) = sender.post(&batch(std::slice::from_ref(group))) else {
                    continue;
                };
                let code = problem(&reply);
                let said = String::from_utf8_lossy(&reply.body);
                let passes = matches!(
                    (reply.status, code.as_str()),
                    // A certificate that ended between the look at the file and the answer.
                    (200 | 429 | 503, _) | (409, "gap") | (403, "not-enrolled")
                );
                assert!(passes, "{} {said}", reply.status);
            }
        }
    }

    /// At rest: all of it is there, once, and every number says so.
    fn judge(self, answered: &[u64], called: u64) {
        assert!(answered.len() > 500, "only {} answered", answered.len());
        self.gateway.stop();
        wait::until("the aggregator is ready", || {
            self.hub.is_ready().then_some(())
        });
        let mut status = serde_json::Value::Null;
        for (edge, _) in &self.edges {
            ship_all(edge);
            status = self.hub.status();
        }
        for (edge, source) in &self.edges {
            assert_shipped(edge, source, &status);
            assert_hub_adds_up(&self.hub.metrics(), source);
        }
        self.hub.stop();
        let calls = calls(&self.disk.dir);
        for n in answered {
            assert_eq!(calls.get(n), Some(&(1, 1)), "call {n} of {called}");
        }
        for (n, times) in &calls {
            assert_eq!(times, &(1, 1), "call {n}");
        }
        assert_log_verifies(&self.disk.dir);
    }
}

/// Clients that call, whatever becomes of it, until they are told to stop.
struct Load {
    next: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    url: Arc<Mutex<String>>,
    clients: Vec<JoinHandle<Vec<u64>>>,
}

impl Load {
    fn start(world: &World, random: &mut Random) -> Self {
        let (next, over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let url = Arc::new(Mutex::new(world.gateway.url("witness", "/mcp")));
        let mut clients = Vec::new();
        for (edge, _) in world.edges.iter().take(WRAPPED.len()) {
            let (edge, seen) = (edge.clone(), world.seen.clone());
            let (next, over, random) = (Arc::clone(&next), Arc::clone(&over), random.fork());
            clients.push(std::thread::spawn(move || {
                wrapper_lives(&edge, &seen, &next, &over, random)
            }));
        }
        let (calls, until, to) = (Arc::clone(&next), Arc::clone(&over), Arc::clone(&url));
        clients.push(std::thread::spawn(move || http_client(&to, &calls, &until)));
        Self {
            next,
            over,
            url,
            clients,
        }
    }

    /// The numbers of the calls that were answered, and how many were made.
    fn finish(self) -> (Vec<u64>, u64) {
        self.over.store(true, Ordering::Relaxed);
        let answered = self.clients.into_iter().flat_map(|c| c.join().unwrap());
        (answered.collect(), self.next.load(Ordering::Relaxed))
    }
}

/// Wrappers one after another; half of them are killed.
fn wrapper_lives(
    data: &Path,
    seen: &Path,
    next: &AtomicU64,
    over: &AtomicBool,
    mut random: Random,
) -> Vec<u64> {
    let mut answered = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let mut wrapper = wrapped(data, "crm", seen);
        let mut stdin = wrapper.child().stdin.take().unwrap();
        let mut stdout = BufReader::new(wrapper.child().stdout.take().unwrap());
        for _ in 0..50 + random.below(400) {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let mut answer = String::new();
            if stdin.write_all(super::note(n).as_bytes()).is_err()
                || !matches!(stdout.read_line(&mut answer), Ok(1..))
            {
                break;
            }
            assert!(answer.contains("noted"), "{answer}");
            answered.push(n);
            std::thread::sleep(PACE);
        }
        if random.below(2) == 0 {
            wrapper.kill();
        } else {
            drop(stdin);
            wrapper.wait();
        }
    }
    answered
}

/// Calls through the gateway, wherever that is by now.
fn http_client(url: &Mutex<String>, next: &AtomicU64, over: &AtomicBool) -> Vec<u64> {
    let mut answered = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let to = lock(url).clone();
        let n = next.fetch_add(1, Ordering::Relaxed);
        match http::post(&to, &[], super::note(n).as_bytes()) {
            Ok(reply) if reply.status == 200 => {
                answered.push(n);
                std::thread::sleep(PACE);
            }
            Ok(reply) => panic!("call {n}: {}", reply.head),
            // Killed; another one comes.
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    answered
}

fn lock(url: &Mutex<String>) -> std::sync::MutexGuard<'_, String> {
    url.lock().unwrap_or_else(PoisonError::into_inner)
}
