//! The network between edge and hub: a relay that can be cut and healed.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Told;
use crate::error::ExpectedError;

/// Passes connections on for as long as it lives.
pub(super) struct Relay {
    /// Where the edge comes to.
    pub(super) address: SocketAddr,
    whole: watch::Sender<bool>,
    /// Ends with the relay.
    _task: JoinSet<()>,
}

impl Relay {
    /// Listens, and passes on to an address.
    pub(super) async fn start(to: String) -> Told<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(|e| ExpectedError::storage(&e))?;
        let address = listener
            .local_addr()
            .map_err(|e| ExpectedError::storage(&e))?;
        let (whole, state) = watch::channel(true);
        let mut task = JoinSet::new();
        task.spawn(serve(listener, to, state));
        Ok(Self {
            address,
            whole,
            _task: task,
        })
    }

    /// Breaks every connection, and lets none through.
    pub(super) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets connections through again.
    pub(super) fn heal(&self) {
        self.whole.send_replace(true);
    }
}

async fn serve(listener: TcpListener, to: String, mut whole: watch::Receiver<bool>) {
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let is_whole = *whole.borrow();
                if let (Ok((client, _)), true) = (accepted, is_whole) {
                    streams.spawn(pass(client, to.clone()));
                }
            }
            changed = whole.changed() => {
                if changed.is_err() {
                    return;
                }
                if !*whole.borrow() {
                    streams.abort_all();
                }
            }
            Some(_) = streams.join_next() => {}
        }
    }
}

async fn pass(mut client: TcpStream, to: String) {
    if let Ok(mut server) = TcpStream::connect(to).await {
        // A stream that breaks is what a relay is for.
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}
