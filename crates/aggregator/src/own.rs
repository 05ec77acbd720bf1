//! The aggregator's own chain: what it has to say stands in the log beside the sources' entries.
//!
//! One boot a process start, numbered from 0 without holes, first a `boot` entry; no seals, as the
//! checkpoint signs all of it. When the log fails, nobody knows which of the numbers are in it: a new boot
//! begins.

use affiant_entry::record::{Body, Boot, Record};
use affiant_entry::{BootId, EncodeError, Fact, Seq, SourceId, Stamp, encode};

use crate::{clock, entropy};

/// Hands out the places of our own entries. Owned by the ledger, under its lock.
#[derive(Debug)]
pub(crate) struct OwnChain {
    source: SourceId,
    log_name: String,
    log_key: String,
    config: Option<String>,
    boot: Option<Place>,
    started: bool,
}

/// Where the chain goes on.
#[derive(Debug, Clone, Copy)]
struct Place {
    boot: BootId,
    next_seq: u64,
    /// Of the log: numbers given out in an earlier one may not be there.
    epoch: u64,
}

impl OwnChain {
    pub(crate) const fn new(
        source: SourceId,
        log_name: String,
        log_key: String,
        config: Option<String>,
    ) -> Self {
        Self {
            source,
            log_name,
            log_key,
            config,
            boot: None,
            started: false,
        }
    }

    pub(crate) const fn source(&self) -> &SourceId {
        &self.source
    }

    /// Encodes records at the next places; the first of a boot, and of an epoch of the log, gets a `boot`
    /// entry before it.
    pub(crate) fn encode(
        &mut self,
        epoch: u64,
        bodies: &[Record],
    ) -> Result<Vec<Vec<u8>>, EncodeError> {
        let mut leaves = Vec::with_capacity(bodies.len().saturating_add(1));
        let (boot, mut seq) = match self.boot.filter(|place| place.epoch == epoch) {
            Some(place) => (place.boot, place.next_seq),
            None => {
                let boot = BootId::from_parts(clock::now().utc_us, entropy::ulid());
                leaves.push(self.one(boot, 0, &self.boot_record())?);
                (boot, 1)
            }
        };
        for record in bodies {
            leaves.push(self.one(boot, seq, record)?);
            seq = seq.saturating_add(1);
        }
        self.started = true;
        self.boot = Some(Place {
            boot,
            next_seq: seq,
            epoch,
        });
        Ok(leaves)
    }

    /// After a submission that was refused at once: numbers that were given out are not in the log.
    pub(crate) const fn begin_anew(&mut self) {
        self.boot = None;
    }

    fn one(&self, boot: BootId, seq: u64, record: &Record) -> Result<Vec<u8>, EncodeError> {
        let stamp = Stamp {
            source: &self.source,
            boot,
            seq: Seq(seq),
        };
        encode(stamp, record).map(affiant_entry::EntryBytes::into_vec)
    }

    fn boot_record(&self) -> Record {
        let reason = if self.started { "recovery" } else { "start" };
        let uname = rustix::system::uname();
        let body = Body::Boot(Box::new(Boot {
            reason: reason.into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            // Not a spool: the log itself.
            spool: self.log_name.clone(),
            key: self.log_key.clone(),
            rotation: None,
            previous: Fact::absent("aggregator chains are not linked"),
            host: Fact::Known(uname.nodename().to_string_lossy().into_owned()),
            pid: std::process::id(),
            config: self
                .config
                .clone()
                .map_or_else(|| Fact::absent("no configuration file"), Fact::Known),
            clock: clock::kernel_clock(),
            recovered: None,
        }));
        record(body)
    }
}

/// A record of now.
pub(crate) fn record(body: Body) -> Record {
    Record {
        at: clock::now(),
        call: None,
        body,
    }
}
