//! A splice in front of a server that remembers what was sent to it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// Remembers the bytes of each connection towards the server.
#[derive(Debug)]
pub struct TcpTap {
    /// Scheme, host and port to connect to instead of the server's.
    pub origin: String,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl TcpTap {
    /// Listens in front of a server. Its threads end with the test.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let sent = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let shared = Arc::clone(&sent);
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let _ = splice(client, server, &shared);
            }
        });
        Self { origin, sent }
    }

    /// How often a text was sent to the server.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter()
            .map(|bytes| {
                bytes
                    .windows(text.len())
                    .filter(|part| *part == text.as_bytes())
                    .count()
            })
            .sum()
    }
}

fn splice(
    client: TcpStream,
    server: SocketAddr,
    sent: &Arc<Mutex<Vec<Vec<u8>>>>,
) -> std::io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let number = {
        let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.push(Vec::new());
        sent.len() - 1
    };
    let back = (server.try_clone()?, client.try_clone()?);
    let sent = Arc::clone(sent);
    std::thread::spawn(move || {
        pass(client, server, |bytes| {
            if let Some(all) = sent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_mut(number)
            {
                all.extend_from_slice(bytes);
            }
        });
    });
    std::thread::spawn(move || pass(back.0, back.1, |_| {}));
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut see: impl FnMut(&[u8])) {
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut chunk) {
        let bytes = chunk.get(..n).unwrap_or_default();
        see(bytes);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
