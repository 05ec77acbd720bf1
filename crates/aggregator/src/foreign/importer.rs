//! From a foreign call to an entry: redaction, absences, and the blob of the original.

use std::sync::Arc;

use affiant_entry::call::{Blob, Call, CallDraft, DraftInput, Ending, Input, Status};
use affiant_entry::record::{Import, ImportDoor, True};
use affiant_entry::{Body, call::CorrelationOrigin};
use affiant_entry::{
    BootId, CallId, CommitKey, Moment, Record, Seq, SourceId, Stamp, Unredacted, encode, limits,
};
use affiant_policy::redact::{Echoes, Redactor};
use sha2::{Digest as _, Sha256};

use super::draft::{Context, Draft, LineProblem};
use super::format::Format;

/// One record to append, and the blobs it names. Redacted.
#[derive(Debug, Clone)]
pub struct Imported {
    /// A `call.import`.
    pub record: Record,
    /// What it names: the original, and a long input. Durable before the record is.
    pub blobs: Vec<Blob>,
}

/// Redacts foreign calls. One for a process.
#[derive(Debug, Clone)]
pub struct Importer {
    redactor: Arc<Redactor>,
    key: CommitKey,
}

impl Importer {
    /// `redactor` holds the rules in force; `key` makes the commitments to inputs and responses.
    #[must_use]
    pub const fn new(redactor: Arc<Redactor>, key: CommitKey) -> Self {
        Self { redactor, key }
    }

    pub(crate) const fn context(&self, format: Format) -> Context<'_> {
        Context {
            format,
            key: &self.key,
        }
    }

    /// Makes the entry's record. `now` gives its monotonic time.
    pub(crate) fn import(
        &self,
        draft: Draft,
        format: Format,
        door: ImportDoor,
        now: Moment,
    ) -> Result<Imported, LineProblem> {
        let id = self.call_id(&draft, format);
        let original = self.original(&draft);
        let Draft {
            at_utc_us,
            mut head,
            input,
            status,
            text,
            response,
            latency_us,
            ..
        } = draft;
        if head.correlation.id.is_empty() {
            head.correlation.id = id.to_string();
            head.correlation.origin = CorrelationOrigin::Minted;
        }
        let (call, echoes) = match input {
            None => (
                Call {
                    head,
                    input: Input::absent(format.silent()),
                },
                Echoes::default(),
            ),
            Some(raw) => self.redactor.redact_call(CallDraft {
                head,
                input: DraftInput::Json(Unredacted::new(raw)),
            }),
        };
        let status = Status {
            text: text.map(|text| self.redactor.redact_text(&text, Some(&echoes))),
            ..status
        };
        let ending = Ending {
            status,
            response,
            latency_us,
            task: None,
        };
        let import = Import {
            door,
            format: format.in_entry().into(),
            unsealed: True,
            original: original.id(),
        };
        let at = Moment {
            utc_us: at_utc_us,
            mono_us: now.mono_us,
        };
        self.fit(at, id, call, &ending, &import, original)
    }

    /// Moves the input into a blob where it is long, or where the entry would be.
    fn fit(
        &self,
        at: Moment,
        id: CallId,
        mut call: Call,
        ending: &Ending,
        import: &Import,
        original: Blob,
    ) -> Result<Imported, LineProblem> {
        let mut blobs = vec![original];
        for inline_bytes_max in [limits::INPUT_INLINE_BYTES_MAX, 0] {
            blobs.extend(call.input.take_blob(inline_bytes_max, &self.key));
            let body = Body::CallImport(
                Box::new(call.clone()),
                Box::new(ending.clone()),
                Box::new(import.clone()),
            );
            let record = Record {
                at,
                call: Some(id),
                body,
            };
            if fits(&record) {
                return Ok(Imported { record, blobs });
            }
        }
        Err(LineProblem::TooLarge)
    }

    /// The record after redaction. Values that were cut from the input are cut here too, as both are
    /// redacted as one document.
    fn original(&self, draft: &Draft) -> Blob {
        let head = &draft.head;
        let mut whole = Vec::with_capacity(draft.original.len().saturating_add(32));
        whole.extend_from_slice(b"{\"input\":");
        whole.extend_from_slice(draft.input.as_deref().unwrap_or(b"null"));
        whole.extend_from_slice(b",\"record\":");
        whole.extend_from_slice(&draft.original);
        whole.push(b'}');
        let tool = head.tool.name.known().map(String::as_str);
        let (redacted, _) = self.redactor.redact_bytes(&whole, &head.server.id, tool);
        let kept = redacted.json().and_then(|json| {
            super::fields::Fields::parse(json)?
                .raw("record")
                .map(str::to_owned)
        });
        let bytes = kept
            .unwrap_or_else(|| self.withheld(&draft.original))
            .into_bytes();
        Blob {
            sha256: Sha256::digest(&bytes).into(),
            bytes,
        }
    }

    fn withheld(&self, original: &[u8]) -> String {
        let commit = self.key.commit("import", original);
        format!(
            r#"{{"withheld":"the redactor could not read it","bytes":{},"commit":"{}"}}"#,
            original.len(),
            commit.as_str()
        )
    }

    /// The same for the same record, so that a second import of it can be told: a ULID of the time and
    /// a keyed hash of what came.
    fn call_id(&self, draft: &Draft, format: Format) -> CallId {
        let mut run = self.key.begin("import");
        run.update(format.word().as_bytes());
        run.update(&draft.at_utc_us.to_le_bytes());
        run.update(&draft.original);
        run.update(&[0]);
        run.update(draft.input.as_deref().unwrap_or_default());
        let commitment = run.finish();
        let digits = commitment.as_str().rsplit(':').next().unwrap_or_default();
        let entropy = digits
            .get(..20)
            .and_then(|hex| u128::from_str_radix(hex, 16).ok());
        CallId::from_parts(draft.at_utc_us, entropy.unwrap_or_default())
    }
}

/// Whether it can be encoded under the longest source id and the largest number.
fn fits(record: &Record) -> bool {
    let source = SourceId::sanitized(&"a".repeat(64));
    let stamp = Stamp {
        source: &source,
        boot: BootId::from_parts(0, 0),
        seq: Seq(limits::INTEGER_MAX),
    };
    encode(stamp, record).is_ok()
}
