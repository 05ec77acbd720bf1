//! Random conversations: whatever both ends do, every call begins once and ends once.

use affiant_entry::call::{Reason, Transport};
use proptest::prelude::*;

use super::super::{Config, ExchangeEnd, Finish, Limits, Refusal, StreamKind};
use super::world::World;

/// One thing that happens. Small numbers, so that ids, sessions and exchanges collide.
#[derive(Debug, Clone)]
enum Step {
    Call {
        way: Way,
        id: u8,
        task: bool,
        timeout: bool,
    },
    Batch {
        way: Way,
        ids: Vec<u8>,
    },
    Ask {
        way: Way,
        id: u8,
        method: u8,
        task: u8,
    },
    Answer {
        on: u8,
        id: u8,
        kind: u8,
        task: u8,
    },
    Cancel {
        way: Way,
        id: u8,
    },
    TaskStatus {
        on: u8,
        task: u8,
        word: u8,
    },
    Head {
        on: u8,
        status: u8,
    },
    Close {
        on: u8,
        end: u8,
    },
    Delete {
        session: u8,
    },
    Refuse {
        call: u8,
    },
    Wait {
        ms: u32,
    },
    Garbage {
        on: u8,
        by_client: bool,
        text: u8,
    },
}

/// How a client speaks.
#[derive(Debug, Clone, Copy)]
enum Way {
    Stdio,
    LegacySession(u8),
    LegacyStateless,
    Modern,
    Sse(u8),
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        Just(Way::Stdio),
        (0..2_u8).prop_map(Way::LegacySession),
        Just(Way::LegacyStateless),
        Just(Way::Modern),
        (0..2_u8).prop_map(Way::Sse),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (on, id) = (0..12_u8, 0..4_u8);
    prop_oneof![
        4 => (way(), id.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(way, id, task, timeout)| Step::Call { way, id, task, timeout }),
        1 => (way(), prop::collection::vec(id.clone(), 1..4)).prop_map(|(way, ids)| Step::Batch { way, ids }),
        2 => (way(), id.clone(), 0..6_u8, 0..3_u8)
            .prop_map(|(way, id, method, task)| Step::Ask { way, id, method, task }),
        5 => (on.clone(), id.clone(), 0..9_u8, 0..3_u8)
            .prop_map(|(on, id, kind, task)| Step::Answer { on, id, kind, task }),
        1 => (way(), id).prop_map(|(way, id)| Step::Cancel { way, id }),
        1 => (on.clone(), 0..3_u8, 0..4_u8).prop_map(|(on, task, word)| Step::TaskStatus { on, task, word }),
        1 => (on.clone(), 0..4_u8).prop_map(|(on, status)| Step::Head { on, status }),
        2 => (on.clone(), 0..4_u8).prop_map(|(on, end)| Step::Close { on, end }),
        1 => (0..2_u8).prop_map(|session| Step::Delete { session }),
        1 => any::<u8>().prop_map(|call| Step::Refuse { call }),
        1 => (0..90_000_u32).prop_map(|ms| Step::Wait { ms }),
        1 => (on, any::<bool>(), 0..6_u8).prop_map(|(on, by_client, text)| Step::Garbage { on, by_client, text }),
    ]
}

/// The world, and what the model knows of it.
struct Run {
    world: World,
    exchanges: u64,
    calls_sent: usize,
}

impl Run {
    /// Declares the exchange of a client message, and returns it with the message's `_meta`.
    fn open(&mut self, way: Way) -> (u64, &'static str) {
        const MODERN: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        let on = self.exchanges + 1;
        match way {
            Way::Stdio => return (0, r#""_meta":{"progressToken":1}"#),
            Way::LegacySession(session) => self.world.post(on, Some(&format!("s{session}"))),
            Way::LegacyStateless => self.world.post(on, None),
            Way::Modern => {
                self.world.post(on, None);
                self.exchanges = on;
                return (on, MODERN);
            }
            Way::Sse(connection) => {
                let endpoint = format!("/m?{connection}");
                self.world.exchange(on, StreamKind::SsePost, |via| {
                    via.sse_endpoint = Some(endpoint)
                });
            }
        }
        self.exchanges = on;
        (on, r#""_meta":{}"#)
    }

    /// An exchange that exists: 0 is stdio, some are GETs.
    fn existing(&mut self, on: u8) -> u64 {
        match on {
            0 => 0,
            10 => {
                self.world.exchange(10_000, StreamKind::Get, |via| {
                    via.headers.session_id = Some("s0".to_owned())
                });
                10_000
            }
            11 => {
                self.world.exchange(10_001, StreamKind::SseGet, |via| {
                    via.sse_endpoint = Some("/m?0".to_owned())
                });
                10_001
            }
            // Mostly the newest ones.
            near => self.exchanges.saturating_sub(u64::from(near) - 1),
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Call {
                way,
                id,
                task,
                timeout,
            } => {
                let (on, meta) = self.open(*way);
                let task = if *task { r#","task":{}"# } else { "" };
                let id = if *timeout {
                    format!("\"{id}\"")
                } else {
                    id.to_string()
                };
                self.calls_sent += 1;
                self.world.client(on, &format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t",{meta}{task}}}}}"#
                ));
            }
            Step::Batch { way, ids } => {
                let (on, meta) = self.open(*way);
                let one = |id: &u8| {
                    format!(
                        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"t",{meta}}}}}"#
                    )
                };
                self.calls_sent += ids.len();
                let all: Vec<String> = ids.iter().map(one).collect();
                self.world.client(on, &format!("[{}]", all.join(",")));
            }
            Step::Ask {
                way,
                id,
                method,
                task,
            } => {
                let (on, meta) = self.open(*way);
                let methods = [
                    "tasks/get",
                    "tasks/result",
                    "tasks/cancel",
                    "tools/list",
                    "initialize",
                    "ping",
                ];
                let method = methods[usize::from(*method)];
                self.world.client(on, &format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{"taskId":"t{task}",{meta}}}}}"#
                ));
            }
            Step::Answer { on, id, kind, task } => {
                let on = self.existing(*on);
                if on == 0 || self.world.has(on) {
                    self.world.server(on, &answer(*id, *kind, *task));
                }
            }
            Step::Cancel { way, id } => {
                let (on, _) = self.open(*way);
                self.world.client(on, &format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
                ));
            }
            Step::TaskStatus { on, task, word } => {
                let on = self.existing(*on);
                let word = ["working", "completed", "failed", "cancelled"][usize::from(*word)];
                if on == 0 || self.world.has(on) {
                    self.world.server(on, &format!(
                        r#"{{"jsonrpc":"2.0","method":"notifications/tasks","params":{{"taskId":"t{task}","status":"{word}"}}}}"#
                    ));
                }
            }
            Step::Head { on, status } => {
                let on = self.existing(*on);
                let status = [200, 202, 404, 500][usize::from(*status)];
                if self.world.has(on) {
                    self.world.head(on, status, None, status == 200);
                }
            }
            Step::Close { on, end } => {
                let on = self.existing(*on);
                let ends = [
                    ExchangeEnd::Complete,
                    ExchangeEnd::ClientClosed,
                    ExchangeEnd::UpstreamBroken,
                    ExchangeEnd::ConnectFailed,
                ];
                if self.world.has(on) {
                    self.world.closed(on, ends[usize::from(*end)]);
                }
            }
            Step::Delete { session } => {
                let (on, _) = self.open(Way::LegacySession(*session));
                self.world.delete(on, 200);
            }
            Step::Refuse { call } => {
                if self.calls_sent > 0 {
                    let call = usize::from(*call) % self.calls_sent;
                    self.world
                        .refused(&format!("c{}", call + 1), Refusal::Denied);
                }
            }
            Step::Wait { ms } => self.world.wait_us(u64::from(*ms) * 1000),
            Step::Garbage {
                on,
                by_client,
                text,
            } => {
                let on = self.existing(*on);
                let texts = [
                    "",
                    "{",
                    "[]",
                    "[1,{}]",
                    r#"{"id":1}"#,
                    r#"{"jsonrpc":"2.0","id":null,"error":{"code":1}}"#,
                ];
                let text = texts[usize::from(*text)];
                if on != 0 && !self.world.has(on) {
                    return;
                }
                if *by_client {
                    self.world.client(on, text);
                } else {
                    self.world.server(on, text);
                }
            }
        }
    }
}

fn answer(id: u8, kind: u8, task: u8) -> String {
    let outcome = match kind {
        0 => r#""result":{"content":[]}"#.to_owned(),
        1 => r#""result":{"content":[],"isError":true}"#.to_owned(),
        2 => r#""error":{"code":-32000,"message":"no"}"#.to_owned(),
        3 => format!(
            r#""result":{{"resultType":"task","taskId":"t{task}","status":"working","ttlMs":5000}}"#
        ),
        4 => format!(r#""result":{{"task":{{"taskId":"t{task}","status":"working","ttl":5000}}}}"#),
        5 => format!(
            r#""result":{{"taskId":"t{task}","status":"completed","result":{{"content":[]}}}}"#
        ),
        6 => format!(r#""result":{{"taskId":"t{task}","status":"failed"}}"#),
        7 => r#""result":{"resultType":"input_required","requestState":"x"}"#.to_owned(),
        _ => r#""result":{},"error":{"code":1,"message":""}"#.to_owned(),
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},{outcome}}}"#)
}

fn run(steps: &[Step], limits: Limits, call_timeout_us: Option<u64>) {
    let mut config = Config::new("srv", Transport::Http);
    config.limits = limits;
    config.call_timeout_us = call_timeout_us;
    config.session_idle_us = 40_000_000;
    let mut run = Run {
        world: World::new(config),
        exchanges: 0,
        calls_sent: 0,
    };
    for step in steps {
        run.take(step);
        let world = &run.world;
        assert_eq!(
            world.drafts.len(),
            run.calls_sent,
            "every call begins, once, and nothing else does"
        );
        assert_eq!(
            world.tracker.calls_open(),
            world.drafts.len() - world.ends.len()
        );
        assert!(world.tracker.requests.is_consistent());
        assert!(world.tracker.requests.len() <= limits.calls_open_max);
        assert!(world.tracker.tasks.len() <= limits.tasks_max);
        assert!(world.tracker.sessions.len() <= limits.sessions_max);
    }
    run.world.finish(Finish::Shutdown);
    assert_eq!(run.world.ends.len(), run.calls_sent);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_call_begins_once_and_ends_once(steps in prop::collection::vec(step(), 0..120)) {
        run(&steps, Limits::default(), Some(20_000_000));
    }

    #[test]
    fn every_call_begins_once_and_ends_once_when_tables_are_small(steps in prop::collection::vec(step(), 0..120)) {
        let limits = Limits {
            calls_open_max: 3,
            sessions_max: 2,
            tasks_max: 2,
            tasks_early_max: 1,
            chains_max: 1,
            manifests_max: 1,
            exchanges_max: 2,
            ended_max: 2,
            anomalies_per_minute_max: 2,
            ..Limits::default()
        };
        run(&steps, limits, None);
    }

    /// Where ids live in exchanges, an answer ends the call of its own exchange and no other, in
    /// whatever order answers come.
    #[test]
    fn modern_answers_end_the_call_of_their_exchange(order in Just((1..=20_u64).collect::<Vec<_>>()).prop_shuffle()) {
        let mut run = Run { world: World::http(), exchanges: 0, calls_sent: 0 };
        for on in 1..=20_u64 {
            let id = u8::try_from(on % 2).unwrap();
            run.take(&Step::Call { way: Way::Modern, id, task: false, timeout: false });
        }
        for on in order {
            let id = u8::try_from(on % 2).unwrap();
            run.world.told();
            run.world.server(on, &answer(id, 0, 0));
            run.world.expect_calls(&[&format!("end c{on} success ok")]);
        }
        prop_assert!(run.world.ends.iter().all(|end| end.ending.status.reason == Reason::Ok));
        run.world.finish(Finish::Shutdown);
    }
}
