//! Servers that listen on a port.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::guard::Guard;
use crate::wait;

/// A running server.
#[derive(Debug)]
pub struct Upstream {
    /// The process.
    pub guard: Guard,
    /// Scheme, host and port.
    pub origin: String,
}

impl Upstream {
    /// Starts a server that takes a free port and says `listening URL` on its first line.
    ///
    /// # Panics
    /// When it says something else.
    pub fn announced(command: &mut Command) -> Self {
        let mut guard = Guard::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let mut line = String::new();
        BufReader::new(guard.child().stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line.trim().strip_prefix("listening ");
        let Some(url) = url else {
            panic!("{command:?} says {line:?}")
        };
        let origin = url.split('/').take(3).collect::<Vec<_>>().join("/");
        Self { guard, origin }
    }

    /// Starts a server that takes its port from the variable `PORT`; what it says goes to a file.
    ///
    /// # Panics
    /// When nobody listens at last.
    pub fn on_port(command: &mut Command, log: &Path) -> Self {
        let address = free_address();
        let file = fs_err::File::create(log).unwrap().into_file();
        let again = file.try_clone().unwrap();
        command
            .env("PORT", address.port().to_string())
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(again);
        let mut guard = Guard::spawn(command);
        wait::until("a server listens", || {
            assert!(
                !guard.has_ended(),
                "{command:?} ended; see {}",
                log.display()
            );
            TcpStream::connect(address).ok()
        });
        Self {
            guard,
            origin: format!("http://{address}"),
        }
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.origin.trim_start_matches("http://").parse().unwrap()
    }
}

/// An address nobody listens on at the moment.
///
/// # Panics
/// When the system has none.
#[must_use]
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
