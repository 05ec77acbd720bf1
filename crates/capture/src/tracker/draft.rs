//! What is known of a call when its request passes.

use affiant_entry::call::{
    Agent, CallDraft, CallHead, Chain, Correlation, CorrelationOrigin, DraftInput, Session, Tool,
    Transport,
};
use affiant_entry::limits::{NAME_BYTES_MAX, REQUEST_ID_BYTES_MAX, TOOL_NAME_BYTES_MAX, clip};
use affiant_entry::{Fact, Moment, Unredacted};

use super::revision::Revision;
use super::session::SessionKey;
use super::via::Via;
use super::{Mint, Seen, Tracker, view};
use crate::scan::{JsonKind, Slot};

/// A peer's name, as long as an entry keeps.
pub(super) fn clipped(text: &str) -> String {
    clip(text, NAME_BYTES_MAX)
}

/// `params.name`, in full.
pub(super) fn tool_name(message: &Seen) -> Option<String> {
    message.text(Slot::ParamsName).map(|name| name.into_owned())
}

/// What ties a call to its surroundings.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) home: SessionKey,
    pub(super) session: SessionKey,
    /// The revision this request speaks, if it says so.
    pub(super) revision: Option<&'a Revision>,
    /// The client, if this request names it.
    pub(super) client: Option<&'a str>,
    pub(super) chain: Option<Chain>,
}

impl<M: Mint> Tracker<M> {
    pub(super) fn draft(
        &mut self,
        _now: Moment,
        via: &Via,
        message: &Seen,
        place: &Place<'_>,
    ) -> CallDraft {
        let head = CallHead {
            session: self.draft_session(place.session, message),
            agent: self.draft_agent(via, place),
            server: self.server_facts(place.home, place.revision),
            tool: self.draft_tool(via, message, place.home),
            classification: Fact::absent("not classified"),
            policy: Fact::absent("no policy evaluated"),
            correlation: self.draft_correlation(via, message),
            chain: place.chain,
        };
        CallDraft {
            head,
            input: draft_input(message),
        }
    }

    fn draft_session(&self, session: SessionKey, message: &Seen) -> Session {
        let turn = view::turn(message);
        match self.sessions.get(session) {
            Some(session) => Session {
                id: session.id.clone(),
                origin: session.name.origin(),
                turn,
            },
            // Not reached: the session was made for this message.
            None => Session {
                id: String::new(),
                origin: affiant_entry::call::SessionOrigin::Inferred,
                turn,
            },
        }
    }

    fn draft_agent(&self, via: &Via, place: &Place<'_>) -> Agent {
        let no_token = if self.config.transport == Transport::Stdio {
            "no token on stdio"
        } else {
            "no authorization header"
        };
        let remembered = self
            .sessions
            .get(place.home)
            .and_then(|home| home.peers.client.clone());
        let client = place.client.map(str::to_owned).or(remembered);
        Agent {
            role: self.config.identity.role.clone(),
            user: self.config.identity.user.clone(),
            token: Fact::from_option(via.headers.token.clone(), no_token),
            client: Fact::from_option(client, "no clientInfo seen"),
            verified: Vec::new(),
        }
    }

    fn draft_tool(&self, via: &Via, message: &Seen, home: SessionKey) -> Tool {
        let full = tool_name(message);
        let listed = self
            .sessions
            .get(home)
            .and_then(|home| home.audience.as_ref());
        let (in_manifest, manifest) =
            self.manifests
                .lookup(via.headers.token.as_ref(), listed, full.as_deref());
        let absent = match message.json_kind(Slot::ParamsName) {
            None => "no name in request",
            Some(JsonKind::String) => "name too long",
            Some(_) => "name is not a string",
        };
        let name = full.map(|name| clip(&name, TOOL_NAME_BYTES_MAX));
        Tool {
            name: Fact::from_option(name, absent),
            in_manifest,
            manifest,
        }
    }

    fn draft_correlation(&mut self, via: &Via, message: &Seen) -> Correlation {
        let raw_id = message.raw(Slot::Id).unwrap_or(b"null");
        let request_id = clip(&String::from_utf8_lossy(raw_id), REQUEST_ID_BYTES_MAX);
        let in_meta = message.text(Slot::ParamsMetaTraceparent);
        let candidates = [
            (in_meta.as_deref(), CorrelationOrigin::Meta),
            (
                via.headers.traceparent.as_deref(),
                CorrelationOrigin::Header,
            ),
        ];
        let found = candidates.into_iter().find_map(|(text, origin)| {
            let text = text?.trim();
            Some((view::trace_id(text)?, text, origin))
        });
        match found {
            Some((id, text, origin)) => Correlation {
                id: id.to_owned(),
                traceparent: Some(clipped(text)),
                request_id,
                origin,
            },
            None => Correlation {
                id: hex::encode(self.mint.trace_id()),
                traceparent: None,
                request_id,
                origin: CorrelationOrigin::Minted,
            },
        }
    }
}

fn draft_input(message: &Seen) -> DraftInput {
    match (
        message.raw(Slot::ParamsArguments),
        message.bytes_of(Slot::ParamsArguments),
    ) {
        (Some(raw), _) => DraftInput::Json(Unredacted::new(raw.to_vec())),
        (None, Some(bytes)) => DraftInput::TooLong {
            bytes,
            commit: message.digest.clone(),
        },
        (None, None) => DraftInput::None,
    }
}
