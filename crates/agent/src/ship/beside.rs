//! Shipping beside a trail, from the moment its source is enrolled.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{ShipOptions, Shipper};
use crate::enrol::Enrolment;
use crate::trail::Trail;

/// How often it is looked whether the source is enrolled by now.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// A shipper, or the wait for an enrolment. Recording never waits for either.
#[derive(Debug)]
pub struct ShipBeside {
    state: State,
}

#[derive(Debug)]
enum State {
    Shipping(Shipper),
    Waiting {
        stop: Sender<()>,
        thread: JoinHandle<Option<Shipper>>,
    },
    /// No thread was to be had.
    Nothing,
}

impl ShipBeside {
    /// Ships what the trail holds, now if its source is enrolled, else within seconds after
    /// `affiant enroll` is done. Why it cannot is logged.
    #[must_use]
    pub fn start(trail: &Trail) -> Self {
        let mut said = None;
        if let Some(shipper) = attempt(trail, &mut said) {
            return Self {
                state: State::Shipping(shipper),
            };
        }
        let (stop, stopped) = channel();
        let trail = trail.clone();
        let thread = std::thread::Builder::new()
            .name("enrolment".to_owned())
            .spawn(move || wait(&trail, &stopped, said));
        let state = match thread {
            Ok(thread) => State::Waiting { stop, thread },
            Err(error) => {
                tracing::error!(%error, "nothing is shipped");
                State::Nothing
            }
        };
        Self { state }
    }

    /// As [`Shipper::finish`]; without an enrolment there is nothing to wait for.
    pub fn finish(self, linger: Duration) {
        let shipper = match self.state {
            State::Shipping(shipper) => Some(shipper),
            State::Waiting { stop, thread } => {
                drop(stop);
                thread.join().ok().flatten()
            }
            State::Nothing => None,
        };
        if let Some(shipper) = shipper {
            shipper.finish(linger);
        }
    }
}

fn wait(trail: &Trail, stopped: &Receiver<()>, mut said: Option<String>) -> Option<Shipper> {
    loop {
        match stopped.recv_timeout(LOOK_INTERVAL) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return None,
        }
        if let Some(shipper) = attempt(trail, &mut said) {
            tracing::info!("source is enrolled; shipping begins");
            return Some(shipper);
        }
    }
}

/// `said`: why it did not go last time, so that it is said once.
fn attempt(trail: &Trail, said: &mut Option<String>) -> Option<Shipper> {
    if !Enrolment::exists(trail.dir()) {
        return None;
    }
    match Shipper::start(ShipOptions::beside(trail)) {
        Ok(shipper) => Some(shipper),
        Err(error) => {
            let mut text = error.to_string();
            if let Some(cause) = std::error::Error::source(&error) {
                text = format!("{text}: {cause}");
            }
            if said.as_ref() != Some(&text) {
                tracing::error!(error = text, "nothing is shipped");
                *said = Some(text);
            }
            None
        }
    }
}
