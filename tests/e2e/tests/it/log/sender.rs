//! Somebody with an edge's certificate who sends what lies in its spool as he likes: not the
//! shipper, which takes care not to.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use affiant_e2e::http::{self, Reply};
use affiant_e2e::wait;
use affiant_entry::batch::{BATCH_MEDIA_TYPE, BatchHeader, BatchWriter};
use affiant_entry::receipt::{Receipt, SentSeal};
use affiant_entry::{Decoded, SealPlace, SealText};
use affiant_spool::{FrameKind, Item, Reader};
use affiant_tlog::note::Note;
use affiant_tlog::{TreeSize, VerifierKey, leaf_hash};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A sealed group, as it lies in a spool.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) text: SealText,
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) seal: Vec<u8>,
}

impl Group {
    pub(super) fn place(&self) -> SealPlace {
        SealPlace {
            boot: self.text.boot,
            seal: self.text.seal,
        }
    }

    fn sent(&self) -> SentSeal {
        (self.text.boot, self.text.seal, leaf_hash(&self.seal))
    }
}

/// The groups of a spool, oldest first, up to where somebody is writing.
pub(super) fn groups(spool: &Path) -> Vec<Group> {
    let mut reader = Reader::open(spool).unwrap();
    let (mut groups, mut entries) = (Vec::new(), Vec::new());
    while let Some(Item::Frame(frame)) = reader.next_item().unwrap() {
        if frame.kind == FrameKind::Entry {
            entries.push(frame.payload);
            continue;
        }
        let note = Decoded::parse(&frame.payload).unwrap().note().unwrap();
        let note = Note::parse(note.as_bytes()).unwrap();
        groups.push(Group {
            text: SealText::parse(note.text()).unwrap(),
            entries: std::mem::take(&mut entries),
            seal: frame.payload,
        });
    }
    groups
}

/// A batch of these groups, as it goes over the wire but for the compression.
pub(super) fn batch(groups: &[Group]) -> Vec<u8> {
    let text = &groups[0].text;
    let mut writer = BatchWriter::new(&BatchHeader {
        source: text.source.clone(),
        spool: text.spool.clone(),
        sent_utc_us: text.utc_us,
        old: TreeSize(0),
        newest: groups.last().map(Group::place),
        pending_entries: 0,
        gap: None,
    });
    for group in groups {
        let entries = group.entries.iter().map(Vec::as_slice);
        writer.group(entries, &group.seal).unwrap();
    }
    writer.finish()
}

/// Certificate, key and CA of an enrolled edge.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    url: String,
    tls: Arc<ClientConfig>,
}

impl Sender {
    /// With what lies in the data directory of the edge now.
    pub(super) fn of(edge: &Path, url: &str) -> Self {
        let ship = edge.join("ship");
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(ship.join("ca.crt")).unwrap();
        roots.add(ca).unwrap();
        let chain = CertificateDer::pem_file_iter(ship.join("client.crt")).unwrap();
        let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(ship.join("client.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .unwrap();
        Self {
            url: url.to_owned(),
            tls: Arc::new(tls),
        }
    }

    /// Posts a batch on a connection of its own.
    pub(super) fn post(&self, batch: &[u8]) -> std::io::Result<Reply> {
        let address = self.url.trim_start_matches("https://");
        let tcp = TcpStream::connect(address)?;
        tcp.set_read_timeout(Some(wait::DEADLINE))?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.tls), name);
        let mut stream = StreamOwned::new(connection.map_err(std::io::Error::other)?, tcp);
        let body = zstd::bulk::compress(batch, 1)?;
        write!(
            stream,
            "POST /v1/batches HTTP/1.1\r\nHost: {address}\r\nContent-Type: {BATCH_MEDIA_TYPE}\r\n\
             Content-Encoding: zstd\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )?;
        stream.write_all(&body)?;
        http::read(&mut stream)
    }

    /// Sends groups that are taken, and gives the receipt, verified.
    pub(super) fn send(&self, groups: &[Group], log: &VerifierKey) -> Receipt {
        let reply = self.post(&batch(groups)).unwrap();
        receipt(&reply, groups, log)
    }
}

/// The receipt for these groups.
pub(super) fn receipt(reply: &Reply, groups: &[Group], log: &VerifierKey) -> Receipt {
    let said = String::from_utf8_lossy(&reply.body);
    assert_eq!(reply.status, 200, "{said}");
    let receipt = Receipt::parse(&reply.body).unwrap();
    let seals: Vec<SentSeal> = groups.iter().map(Group::sent).collect();
    receipt.verify(log, None, &seals).unwrap();
    receipt
}

/// The last part of a problem's type; empty for an answer that is none.
pub(super) fn problem(reply: &Reply) -> String {
    let json: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let code = json["type"].as_str().unwrap_or_default();
    code.rsplit('/').next().unwrap_or_default().to_owned()
}
