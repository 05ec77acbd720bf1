//! One call with all twelve fields, for whoever needs one: the tests of this crate, its example, and the
//! tests of the crate that judges logs.

use affiant_entry::call::{
    Agent, Call, CallHead, Classification, Correlation, CorrelationOrigin, Ending, Input, Policy,
    Reason, Response, Server, Session, SessionOrigin, Status, StatusCode, Tool, Transport,
};
use affiant_entry::record::Clock;
use affiant_entry::{CommitKey, Fact};

pub(crate) fn commit_key() -> CommitKey {
    CommitKey::new("k1", &[9; 32])
}

/// Raw JSON as a redacted input; only the redactor makes one in production.
pub(crate) fn input(json: &str) -> Input {
    Input::redacted(
        serde_json::value::RawValue::from_string(json.to_owned()).unwrap(),
        Vec::new(),
        0,
    )
}

pub(crate) fn call(json: &str) -> Call {
    let head = CallHead {
        session: Session {
            id: "s-1".to_owned(),
            origin: SessionOrigin::McpSessionId,
            turn: None,
        },
        agent: Agent {
            role: Fact::Known("support".to_owned()),
            user: Fact::Known("alice@example.com".to_owned()),
            token: Fact::Known(commit_key().commit("token", b"bearer")),
            client: Fact::Known("claude-code/2.1".to_owned()),
            verified: vec!["user".into()],
        },
        server: Server {
            id: "crm".to_owned(),
            name: Fact::Known("CRM".to_owned()),
            version: Fact::Known("1.4.2".to_owned()),
            protocol: Fact::Known("2025-11-25".to_owned()),
            transport: Transport::Http,
        },
        tool: Tool {
            name: Fact::Known("search_customers".to_owned()),
            in_manifest: Fact::Known(true),
            manifest: Fact::Known(format!("sha256:{}", "0".repeat(64))),
        },
        classification: Fact::Known(Classification {
            level: "restricted".to_owned(),
            rule: "crm-pii".to_owned(),
        }),
        policy: Fact::Known(Policy {
            decision: "allow".into(),
            mode: "monitor".into(),
            set: Fact::absent("no policy set"),
            evaluated: Vec::new(),
        }),
        correlation: Correlation {
            id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
            traceparent: None,
            request_id: "1".to_owned(),
            origin: CorrelationOrigin::Minted,
        },
        chain: None,
    };
    Call {
        head,
        input: input(json),
    }
}

pub(crate) fn ending() -> Ending {
    Ending {
        status: Status::new(StatusCode::Success, Reason::Ok),
        response: Fact::Known(Response {
            bytes: 1234,
            commit: commit_key().commit("response", b"{}"),
        }),
        latency_us: Fact::Known(12_345),
        task: None,
    }
}

pub(crate) fn clock() -> Clock {
    Clock {
        synchronised: Fact::Known(true),
        error_us_max: Fact::Known(500),
    }
}
