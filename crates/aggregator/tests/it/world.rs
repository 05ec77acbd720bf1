//! An aggregator on loopback in a directory of its own.

use std::path::Path;
use std::time::Duration;

use affiant_aggregator::config::Settings;
use affiant_aggregator::token::Tokens;
use affiant_aggregator::{Parts, Server, StateDir, ca, clock, config};
use affiant_entry::{Decoded, SourceId};
use affiant_log::LogReader;
use affiant_tlog::checkpoint::Checkpoint;
use affiant_tlog::{LeafIndex, Note, VerifierKey};

use crate::source::Source;
use crate::wire::{Client, Reply};

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    server: Option<Server>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With other settings, at its first start.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = serve(dir.path(), change).await;
        Self {
            dir,
            server: Some(server),
        }
    }

    pub(crate) fn state(&self) -> StateDir {
        StateDir::new(self.dir.path())
    }

    pub(crate) async fn stop(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    pub(crate) async fn start_again(&mut self) {
        self.start_again_with(|_| {}).await;
    }

    pub(crate) async fn start_again_with(&mut self, change: impl FnOnce(&mut Settings)) {
        self.server = Some(serve(self.dir.path(), change).await);
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn token(&self, source: Option<&str>, ttl_s: i64) -> String {
        let sha256 = ca::certificate_sha256(&self.state().ca().join("ca.crt")).unwrap();
        let expires = clock::now().utc_us + ttl_s * 1_000_000;
        let source = source.map(|id| SourceId::new(id).unwrap());
        let token = Tokens::new(&self.state()).make(source, expires, &sha256);
        token.unwrap().to_string()
    }

    /// A client without a certificate.
    pub(crate) async fn stranger(&self) -> Client {
        let ca = fs_err::read_to_string(self.state().ca().join("ca.crt")).unwrap();
        Client::connect(&self.server().addresses().ingest, &ca, None).await
    }

    /// Enrols a source and connects as it.
    pub(crate) async fn enrolled(&self, id: &str) -> (Source, Client) {
        let mut source = Source::new(id);
        let reply = self.enrol(&mut source, &self.token(None, 60)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let client = self.client(&source).await;
        (source, client)
    }

    pub(crate) async fn enrol(&self, source: &mut Source, token: &str) -> Reply {
        let mut stranger = self.stranger().await;
        let reply = stranger
            .post_json("/v1/enrol", &source.enrolment(token))
            .await;
        if reply.status == 200 {
            source.certificate = reply.json()["certificate"].as_str().unwrap().to_owned();
        }
        reply
    }

    pub(crate) async fn client(&self, source: &Source) -> Client {
        let ca = fs_err::read_to_string(self.state().ca().join("ca.crt")).unwrap();
        let identity = Some((source.certificate.as_str(), source.tls_key.as_str()));
        Client::connect(&self.server().addresses().ingest, &ca, identity).await
    }

    pub(crate) fn log_key(&self) -> VerifierKey {
        self.server().log_key().parse().unwrap()
    }

    /// The published checkpoint.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let note = fs_err::read(self.dir.path().join("log/checkpoint")).unwrap();
        let note = Note::parse(&note).unwrap();
        Checkpoint::open(&note, &self.log_key()).unwrap()
    }

    /// Every leaf of the log as it lies on disk.
    pub(crate) fn leaves(&self) -> Vec<Vec<u8>> {
        let size = self.checkpoint().size;
        let reader = LogReader::open_dir(self.dir.path().join("log"));
        reader
            .leaves(LeafIndex(0)..LeafIndex(size.0), size)
            .unwrap()
    }

    /// Entries of this kind in the log.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<serde_json::Value> {
        let leaves = self.leaves();
        let entries = leaves.iter().filter_map(|leaf| Decoded::parse(leaf).ok());
        entries
            .filter(|entry| entry.header().kind.as_str() == kind)
            .map(|entry| entry.value().unwrap())
            .collect()
    }

    /// The API's answer.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        crate::wire::get(&self.server().addresses().api, path).await
    }

    pub(crate) async fn status(&self, source: &str) -> serde_json::Value {
        let status = self.get("/v1/status").await.json();
        let all = status["sources"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["source"] == source).unwrap()
    }
}

async fn serve(dir: &Path, change: impl FnOnce(&mut Settings)) -> Server {
    let dir = StateDir::new(dir);
    let mut settings = config::dev(&dir).unwrap();
    // Ports are chosen anew: another test may have taken the old ones.
    settings.ingest_listen.set_port(0);
    settings.api_listen.set_port(0);
    settings.interval = Duration::from_millis(20);
    change(&mut settings);
    Server::start(settings, dir, Parts::default())
        .await
        .unwrap()
}

/// Looks until it is there.
pub(crate) async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..300 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come");
}
