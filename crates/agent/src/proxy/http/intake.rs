//! A request body on its way in: held until its calls may pass.

use std::collections::VecDeque;
use std::sync::Arc;

use affiant_capture::message::{Kind, Message};
use affiant_capture::scan::Scan;
use affiant_entry::Commitment;
use affiant_entry::record::Direction;
use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body::Frame;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::clock;
use crate::recorder::Held;

use super::answer::Asked;
use super::body::UpstreamBody;
use super::decode::{Coding, Decoder};
use super::exchange::Witness;
use super::headers;
use super::late::{LateBody, LateRefusal};
use super::tap::{self, JsonText};

/// What became of a request body.
pub(super) enum Intake {
    /// Send it on.
    Forward(Forward),
    /// The trail refused its calls.
    Refused(Asked),
    /// The client broke it off.
    Broken,
}

/// A body that may go on.
pub(super) struct Forward {
    pub(super) body: UpstreamBody,
    /// Answers it, should the upstream fail.
    pub(super) asked: Asked,
    /// Whether it held messages, so that the response may be looked into.
    pub(super) shown: bool,
    /// Set when the calls of a body too large to hold are refused at its end.
    pub(super) late: Option<LateRefusal>,
}

/// Takes in the body of a request.
///
/// Every POST is held, whatever its `Content-Type` says: a lenient server may read a call from a body
/// that is not declared as JSON. Other methods carry no messages and stream through.
pub(super) async fn take(
    witness: &Witness,
    method: &Method,
    fields: &HeaderMap,
    incoming: Incoming,
    hold_bytes_max: usize,
) -> Intake {
    if *method != Method::POST || incoming.is_end_stream() {
        let body = UpstreamBody::Stream(incoming);
        return Intake::Forward(Forward {
            body,
            asked: Asked::default(),
            shown: false,
            late: None,
        });
    }
    hold(
        incoming,
        RequestScan::new(witness.clone(), fields),
        hold_bytes_max,
    )
    .await
}

async fn hold(mut incoming: Incoming, mut scan: RequestScan, bytes_max: usize) -> Intake {
    let mut frames = VecDeque::new();
    let mut bytes = 0_usize;
    while let Some(frame) = incoming.frame().await {
        let Ok(frame) = frame else {
            return Intake::Broken;
        };
        if let Some(data) = frame.data_ref() {
            bytes = bytes.saturating_add(data.len());
            scan.push(data);
        }
        frames.push_back(frame);
        if bytes > bytes_max {
            return late(incoming, frames, scan, bytes_max);
        }
    }
    let witness = scan.witness.clone();
    let gate = scan.finish();
    let (asked, shown) = (gate.asked.clone(), gate.held.is_some());
    let since = clock::now();
    if let Err(asked) = gate.passed().await {
        return Intake::Refused(asked);
    }
    witness.count_held(clock::now().mono_us.saturating_sub(since.mono_us));
    Intake::Forward(Forward {
        body: UpstreamBody::Held(frames),
        asked,
        shown,
        late: None,
    })
}

fn late(
    incoming: Incoming,
    frames: VecDeque<Frame<Bytes>>,
    scan: RequestScan,
    bytes_max: usize,
) -> Intake {
    scan.witness.count_late(bytes_max);
    let refusal = LateRefusal::default();
    let body = LateBody::new(incoming, frames, Box::new(scan), Arc::clone(&refusal));
    Intake::Forward(Forward {
        body: UpstreamBody::Late(Box::new(body)),
        asked: Asked::default(),
        shown: true,
        late: Some(refusal),
    })
}

/// Reads a request body as it comes.
pub(super) struct RequestScan {
    witness: Witness,
    decoder: Option<Decoder<JsonText>>,
    declared_json: bool,
}

/// What a body waits for.
pub(super) struct Gate {
    asked: Asked,
    /// `None` if there was no message in it.
    held: Option<Held>,
}

impl RequestScan {
    fn new(witness: Witness, fields: &HeaderMap) -> Self {
        let declared_json = headers::media_type(fields).is_none_or(|media| tap::is_json(&media));
        let decoder = Coding::of(fields)
            .and_then(|coding| Decoder::new(coding, JsonText::new(&witness.recorder)));
        if decoder.is_none() {
            tap::undecoded(&witness, Direction::ClientToServer, 0);
        }
        Self {
            witness,
            decoder,
            declared_json,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.witness.count_request(bytes.len());
        let Some(decoder) = &mut self.decoder else {
            return;
        };
        if let Err(error) = decoder.push(bytes) {
            let at = decoder.sink().map_or(0, |text| text.bytes());
            tap::damaged(&self.witness, Direction::ClientToServer, error, at);
        }
    }

    /// The body is whole: shows its messages to the recorder.
    pub(super) fn finish(mut self) -> Gate {
        let scan = self
            .decoder
            .as_mut()
            .and_then(Decoder::sink)
            .map(JsonText::finish);
        // What is not declared as JSON and holds no message is none of ours: a form, say.
        let is_ours = |scan: &Scan<Commitment>| {
            let message = |m: &Message<Commitment>| !matches!(m.kind, Kind::Invalid(_));
            !scan.is_blank() && (self.declared_json || scan.messages.iter().any(message))
        };
        match scan.filter(is_ours) {
            Some(scan) => {
                let held =
                    self.witness
                        .recorder
                        .client_scan(clock::now(), &self.witness.via, &scan);
                Gate {
                    asked: asked(&scan),
                    held: Some(held),
                }
            }
            None => Gate {
                asked: Asked::default(),
                held: None,
            },
        }
    }
}

impl Gate {
    /// Waits until the body may pass.
    ///
    /// # Errors
    /// When any call in it may not: the body is one, and is not forwarded in part.
    pub(super) async fn passed(self) -> Result<(), Asked> {
        match self.held {
            Some(held) => held.ready().await.map_err(|_| self.asked),
            None => Ok(()),
        }
    }
}

fn asked(scan: &Scan<Commitment>) -> Asked {
    let requests = scan
        .messages
        .iter()
        .filter(|message| message.kind == Kind::Request);
    let ids = requests
        .filter_map(|message| message.id.as_ref())
        .filter_map(|id| String::from_utf8(id.raw().to_vec()).ok());
    Asked {
        ids: ids.collect(),
        batch: scan.batch,
    }
}
