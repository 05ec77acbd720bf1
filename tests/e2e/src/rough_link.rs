//! A TCP relay whose condition a test chooses: fine, cut, half open, slow.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bytes that pass at once; a slow link pauses after each.
const CHUNK: usize = 16 * 1024;

/// What becomes of bytes and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// They pass.
    Fine,
    /// Connections end at once, old and new ones.
    Cut,
    /// Connections stay open and nothing passes.
    HalfOpen,
    /// A pause of so many milliseconds after each 16 KiB.
    Slow(u64),
}

/// A relay in front of a server.
#[derive(Debug, Clone)]
pub struct RoughLink {
    /// Where to connect to instead.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    condition: Mutex<Condition>,
    server: Mutex<SocketAddr>,
    streams: Mutex<Vec<TcpStream>>,
    bytes: AtomicU64,
}

impl RoughLink {
    /// Listens in front of a server. Its threads end with the test.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            condition: Mutex::new(Condition::Fine),
            server: Mutex::new(server),
            streams: Mutex::default(),
            bytes: AtomicU64::new(0),
        });
        let relay = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let _ = relay.splice(client);
            }
        });
        Self { address, shared }
    }

    /// Changes the condition, for connections that are open as well.
    pub fn set(&self, condition: Condition) {
        *lock(&self.shared.condition) = condition;
        if condition == Condition::Cut {
            for stream in lock(&self.shared.streams).drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    /// The server moved.
    pub fn lead_to(&self, server: SocketAddr) {
        *lock(&self.shared.server) = server;
    }

    /// Bytes that passed in both directions.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn splice(self: &Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        if *lock(&self.condition) == Condition::Cut {
            return client.shutdown(Shutdown::Both);
        }
        let server = TcpStream::connect(*lock(&self.server))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ends = (client.try_clone()?, server.try_clone()?);
        lock(&self.streams).extend([client.try_clone()?, server.try_clone()?]);
        for (from, to) in [(client, server), (ends.1, ends.0)] {
            let shared = Arc::clone(self);
            std::thread::spawn(move || shared.pass(from, to));
        }
        Ok(())
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut chunk = vec![0; CHUNK];
        while let Ok(n @ 1..) = from.read(&mut chunk) {
            self.hold();
            if to.write_all(chunk.get(..n).unwrap_or_default()).is_err() {
                break;
            }
            self.bytes
                .fetch_add(u64::try_from(n).unwrap_or(0), Ordering::Relaxed);
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }

    /// Holds a chunk for as long as the condition asks.
    fn hold(&self) {
        loop {
            let condition = *lock(&self.condition);
            match condition {
                Condition::Fine | Condition::Cut => return,
                Condition::Slow(pause_ms) => {
                    return std::thread::sleep(Duration::from_millis(pause_ms));
                }
                Condition::HalfOpen => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
