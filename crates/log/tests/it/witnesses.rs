//! A log and its witnesses, ours on both sides.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use affiant_log::net::{HttpPost, Post, PostAnswer, PostError, PostRequest};
use affiant_log::store::{MemStore, ReadObjects, Store};
use affiant_log::witness::{DirWitnessStore, MemWitnessStore, WitnessStore};
use affiant_log::{Log, OpenLogError, PublishRule, SequenceError, SystemClock, Witness, Witnesses};
use affiant_tlog::checkpoint::Origin;
use affiant_tlog::cosignature::CosignerSigner;
use affiant_tlog::note::KeyName;
use affiant_tlog::policy::Policy;
use affiant_tlog::witness::KnownLog;
use affiant_tlog::{Checkpoint, Note};

use crate::support::{NAME, audit, key, leaves, mem_reader, open_mem, open_mem_with, options};

/// Witnesses in this process, by URL.
#[derive(Default)]
struct Network {
    witnesses: BTreeMap<String, Arc<Witness>>,
    down: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl Post for Network {
    fn post(&self, request: PostRequest<'_>) -> Result<PostAnswer, PostError> {
        self.asked.lock().unwrap().push(request.url.to_owned());
        let url = request.url.strip_suffix("/add-checkpoint").unwrap();
        if self.down.load(Ordering::SeqCst) {
            return Err(PostError::Timeout {
                url: url.to_owned(),
            });
        }
        let answer = self.witnesses[url].add_checkpoint(request.body);
        Ok(PostAnswer {
            status: answer.status,
            body: answer.body,
        })
    }
}

fn cosigner(n: u8) -> CosignerSigner {
    let name = KeyName::new(&format!("witness.example/w{n}")).unwrap();
    CosignerSigner::ed25519(name, &[100 + n; 32])
}

fn witness(n: u8, store: Arc<dyn WitnessStore>) -> Arc<Witness> {
    let log = KnownLog {
        origin: Origin::new(NAME).unwrap(),
        keys: vec![key(1).verifier_key().clone()],
    };
    let clock = Arc::new(SystemClock);
    Arc::new(Witness::new(vec![log], vec![cosigner(n)], store, clock))
}

/// Three witnesses with memories of their own, any two of which are a quorum.
struct Three {
    network: Arc<Network>,
    stores: Vec<Arc<MemWitnessStore>>,
    policy: Policy,
}

fn three() -> Three {
    let mut network = Network::default();
    let mut text = format!("log {}\n", key(1).verifier_key());
    let mut stores = Vec::new();
    for n in 1..=3 {
        let store = Arc::new(MemWitnessStore::default());
        let url = format!("http://w{n}");
        network
            .witnesses
            .insert(url.clone(), witness(n, store.clone()));
        stores.push(store);
        text.push_str(&format!("witness w{n} {} {url}\n", cosigner(n).key()));
    }
    text.push_str("group all 2 w1 w2 w3\nquorum all\n");
    Three {
        network: Arc::new(network),
        stores,
        policy: Policy::parse(text.as_bytes()).unwrap(),
    }
}

/// Opens a log that asks the witnesses of a policy.
fn open(
    store: &MemStore,
    policy: &Policy,
    post: Arc<dyn Post>,
    rule: PublishRule,
) -> Result<Log, OpenLogError> {
    let mut witnesses = Witnesses::new(policy.clone(), post);
    witnesses.rule = rule;
    witnesses.interval = Duration::ZERO;
    let mut options = options(1);
    options.witnesses = Some(witnesses);
    open_mem_with(store, options)
}

fn quorum_met(note: &[u8], policy: &Policy) -> bool {
    let note = Note::parse(note).unwrap();
    policy.check(&note).unwrap().quorum_met()
}

impl Three {
    fn open(&self, store: &MemStore, rule: PublishRule) -> Result<Log, OpenLogError> {
        open(store, &self.policy, self.network.clone(), rule)
    }

    fn quorum_met(&self, note: &[u8]) -> bool {
        quorum_met(note, &self.policy)
    }

    fn are_down(&self, down: bool) {
        self.network.down.store(down, Ordering::SeqCst);
    }
}

#[test]
fn with_quorum_nothing_is_acknowledged_that_no_witness_saw() {
    let witnesses = three();
    let store = MemStore::new();
    let log = witnesses.open(&store, PublishRule::WithQuorum).unwrap();
    for batch in 0..5 {
        let appended = log.submit(leaves(batch, 100)).wait().unwrap();
        assert!(witnesses.quorum_met(&appended.head.note));
    }
    assert_eq!(log.witnesses().len(), 3);
    assert!(log.witnesses().iter().all(|w| w.problem.is_none()));
    log.close();
    assert!(witnesses.quorum_met(&store.get("checkpoint").unwrap().unwrap()));
    assert_eq!(audit(&mem_reader(&store), 1).len(), 500);
    // A restart keeps the cosignatures.
    let log = witnesses.open(&store, PublishRule::WithQuorum).unwrap();
    assert!(witnesses.quorum_met(&log.head().note));
}

#[test]
fn without_witnesses_a_log_with_quorum_goes_on_but_tells_nobody() {
    let witnesses = three();
    witnesses.are_down(true);
    let store = MemStore::new();
    let log = witnesses.open(&store, PublishRule::WithQuorum).unwrap();
    let pending = log.submit(leaves(0, 10));
    log.close();
    assert!(matches!(pending.wait(), Err(SequenceError::Unpublished)));
    assert_eq!(store.get("checkpoint").unwrap(), None);
    // When they are back, all of it is shown.
    witnesses.are_down(false);
    let log = witnesses.open(&store, PublishRule::WithQuorum).unwrap();
    assert_eq!(log.head().checkpoint.size.0, 10);
    assert!(witnesses.quorum_met(&log.head().note));
}

#[test]
fn at_once_cosignatures_are_added_as_they_come() {
    let witnesses = three();
    let store = MemStore::new();
    let log = witnesses.open(&store, PublishRule::AtOnce).unwrap();
    log.submit(leaves(0, 10)).wait().unwrap();
    let mut heads = log.subscribe();
    while !witnesses.quorum_met(&log.head().note) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(heads.changed()).unwrap();
    }
    log.close();
    for path in ["checkpoint", "checkpoint.cosigned"] {
        let note = store.get(path).unwrap().unwrap();
        let report = witnesses
            .policy
            .check(&Note::parse(&note).unwrap())
            .unwrap();
        assert_eq!(
            (report.checkpoint().size.0, report.cosigned().len()),
            (10, 3)
        );
    }
}

#[test]
fn a_rolled_back_log_is_stopped_by_its_witnesses() {
    let witnesses = three();
    let store = MemStore::new();
    let log = witnesses.open(&store, PublishRule::WithQuorum).unwrap();
    log.submit(leaves(0, 10)).wait().unwrap();
    log.close();
    let backup = store.snapshot();
    let log = witnesses.open(&store, PublishRule::WithQuorum).unwrap();
    log.submit(leaves(1, 10)).wait().unwrap();
    log.close();
    // All of storage is restored from yesterday: nothing in it tells.
    for rule in [PublishRule::WithQuorum, PublishRule::AtOnce] {
        let opened = witnesses.open(&backup.snapshot(), rule);
        assert!(
            matches!(opened, Err(OpenLogError::Witness(_))),
            "{opened:?}"
        );
    }
}

#[test]
fn a_forked_log_is_refused_and_the_evidence_kept() {
    let witnesses = three();
    let store = MemStore::new();
    let log = witnesses.open(&store, PublishRule::WithQuorum).unwrap();
    log.submit(leaves(0, 10)).wait().unwrap();
    log.close();
    // Another history of the same key, longer than the one that was cosigned.
    let fork = MemStore::new();
    let log = open_mem(&fork).unwrap();
    log.submit(leaves(7, 20)).wait().unwrap();
    log.close();
    let opened = witnesses.open(&fork, PublishRule::WithQuorum);
    assert!(matches!(opened, Err(OpenLogError::Witness(_))));
    assert!(
        witnesses
            .stores
            .iter()
            .all(|store| store.evidence().len() == 1)
    );
    let remembered = witnesses.stores[0]
        .latest(&Origin::new(NAME).unwrap())
        .unwrap()
        .unwrap();
    let remembered = Note::parse(&remembered).unwrap();
    assert_eq!(Checkpoint::parse(remembered.text()).unwrap().size.0, 10);
}

#[test]
fn a_rollback_under_a_running_log_stops_it() {
    let witnesses = three();
    let store = MemStore::new();
    let log = witnesses.open(&store, PublishRule::WithQuorum).unwrap();
    log.submit(leaves(0, 10)).wait().unwrap();
    log.close();
    let backup = store.snapshot();
    let log = witnesses.open(&store, PublishRule::WithQuorum).unwrap();
    log.submit(leaves(1, 30)).wait().unwrap();
    log.close();
    // The witnesses come back only after the rolled back log has started.
    witnesses.are_down(true);
    let log = witnesses.open(&backup, PublishRule::WithQuorum).unwrap();
    witnesses.are_down(false);
    let pending = log.submit(leaves(2, 5));
    let stopped = loop {
        match log.submit(Vec::new()).wait() {
            Err(SequenceError::Stopped(_)) => break true,
            Ok(_) | Err(SequenceError::Unpublished) => std::thread::yield_now(),
            Err(error) => panic!("{error:?}"),
        }
    };
    assert!(stopped);
    assert_eq!(log.head().checkpoint.size.0, 10);
    log.close();
    assert!(matches!(
        pending.wait(),
        Err(SequenceError::Unpublished | SequenceError::Stopped(_))
    ));
}

#[test]
fn a_witness_remembers_across_restarts_and_alone() {
    let dir = tempfile::tempdir().unwrap();
    let open = || DirWitnessStore::open(dir.path().join("witness"));
    let origin = Origin::new("log.example/../../with spaces").unwrap();
    let store = open().unwrap();
    assert!(open().is_err(), "one witness at a time");
    assert_eq!(store.latest(&origin).unwrap(), None);
    store.replace(&origin, None, b"one").unwrap();
    assert!(store.replace(&origin, None, b"two").is_err());
    store.keep_evidence(&origin, b"one", b"request").unwrap();
    store.keep_evidence(&origin, b"one", b"request").unwrap();
    drop(store);
    let store = open().unwrap();
    assert_eq!(store.latest(&origin).unwrap().unwrap(), b"one");
    store.replace(&origin, Some(b"one"), b"two").unwrap();
    assert_eq!(store.latest(&origin).unwrap().unwrap(), b"two");
}

#[test]
fn malformed_requests_are_answered() {
    let witness = witness(1, Arc::new(MemWitnessStore::default()));
    for (body, status) in [
        (&b""[..], 400),
        (b"old 0\n\nnonsense", 400),
        (b"old -1\n\n", 400),
        (&[0xff; 100], 400),
    ] {
        assert_eq!(witness.add_checkpoint(body).status, status);
    }
    let log = open_mem(&MemStore::new()).unwrap();
    let mut body = b"old 3\n\n".to_vec();
    body.extend_from_slice(&log.head().note);
    assert_eq!(witness.add_checkpoint(&body).status, 400);
}

/// The client over real sockets; the server is a loop of twenty lines.
#[test]
fn a_witness_is_asked_over_http() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let witness = witness(1, Arc::new(MemWitnessStore::default()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let body = loop {
                let mut buffer = [0; 4096];
                let count = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..count]);
                let text = String::from_utf8_lossy(&request).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let head = head.to_lowercase();
                    let (_, length) = head.split_once("content-length: ").unwrap();
                    let length = length.split("\r\n").next().unwrap();
                    if body.len() >= length.parse().unwrap() {
                        break body.to_owned();
                    }
                }
            };
            let answer = witness.add_checkpoint(body.as_bytes());
            let head = format!(
                "HTTP/1.1 {} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                answer.status,
                answer.body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&answer.body).unwrap();
        }
    });
    let policy = format!(
        "log {}\nwitness w1 {} http://{address}/some/prefix\nquorum w1\n",
        key(1).verifier_key(),
        cosigner(1).key()
    );
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let store = MemStore::new();
    let post = Arc::new(HttpPost::new().unwrap());
    let log = open(&store, &policy, post, PublishRule::WithQuorum).unwrap();
    for batch in 0..3 {
        let appended = log.submit(leaves(batch, 50)).wait().unwrap();
        assert!(quorum_met(&appended.head.note, &policy));
    }
    assert!(store.head().unwrap().is_some());
}
