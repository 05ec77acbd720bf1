//! The columns of an entry: one flat column a field, absent facts NULL.
//!
//! The list below is the schema of the table `entries`, of every file, and of `docs/reference/store.md`:
//! they cannot differ.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Int64Builder, RecordBatch, StringViewBuilder,
    TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;

/// Time zone of every time stamp.
pub(crate) const UTC: &str = "UTC";

/// How a column is held: its type in a row, its builder and its arrow type.
macro_rules! held {
    (row Int, $a:lifetime) => { Option<i64> };
    (row Text, $a:lifetime) => { Option<Cow<$a, str>> };
    (row Bool, $a:lifetime) => { Option<bool> };
    (row Time, $a:lifetime) => { Option<i64> };
    (row Day, $a:lifetime) => { Option<i32> };
    (builder Int) => { Int64Builder };
    (builder Text) => { StringViewBuilder };
    (builder Bool) => { BooleanBuilder };
    (builder Time) => { TimestampMicrosecondBuilder };
    (builder Day) => { Date32Builder };
    (new Int) => { Int64Builder::new() };
    (new Text) => { StringViewBuilder::new() };
    (new Bool) => { BooleanBuilder::new() };
    (new Time) => { TimestampMicrosecondBuilder::new().with_timezone(UTC) };
    (new Day) => { Date32Builder::new() };
    (type Int) => { DataType::Int64 };
    (type Text) => { DataType::Utf8View };
    (type Bool) => { DataType::Boolean };
    (type Time) => { DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())) };
    (type Day) => { DataType::Date32 };
    (append Text, $builder:expr, $value:expr) => { $builder.append_option($value.as_deref()) };
    (append $other:tt, $builder:expr, $value:expr) => { $builder.append_option($value) };
}

macro_rules! columns {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:tt,)+) => {
        /// One leaf, flattened.
        #[derive(Debug, Default)]
        pub(crate) struct Row<'a> {
            $($(#[doc = $doc])+ pub(crate) $name: held!(row $kind, 'a),)+
        }

        /// Rows on their way to a batch.
        pub(crate) struct Builder {
            schema: SchemaRef,
            $($name: held!(builder $kind),)+
        }

        impl Builder {
            /// Without rows.
            pub(crate) fn new() -> Self {
                Self { schema: schema(), $($name: held!(new $kind),)+ }
            }

            /// Takes one row.
            pub(crate) fn append(&mut self, row: &Row<'_>) {
                $(held!(append $kind, self.$name, row.$name);)+
            }

            /// The rows so far as a batch; none are left.
            pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
                let arrays: Vec<ArrayRef> = vec![$(Arc::new(self.$name.finish()),)+];
                RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            }
        }

        /// What the columns are, in order: name, type in SQL, meaning.
        pub(crate) const COLUMNS: &[(&str, &str, &str)] = &[
            $((stringify!($name), sql_type(stringify!($kind)), concat!($($doc),+)),)+
        ];

        /// The schema of every batch and file.
        pub(crate) fn schema() -> SchemaRef {
            Arc::new(Schema::new(vec![
                $(Field::new(stringify!($name), held!(type $kind), true),)+
            ]))
        }
    };
}

const fn sql_type(kind: &str) -> &'static str {
    match kind.as_bytes() {
        b"Int" => "BIGINT",
        b"Bool" => "BOOLEAN",
        b"Time" => "TIMESTAMP",
        b"Day" => "DATE",
        _ => "TEXT",
    }
}

columns! {
    /// index of the leaf in the log
    leaf: Int,
    /// kind of the entry; NULL where the leaf cannot be read
    kind: Text,
    /// why the leaf is not to be believed: `not-an-entry`, `unknown-kind`, `foreign-kind`; else NULL
    problem: Text,
    /// who made it
    source: Text,
    /// one life of one chain
    boot: Text,
    /// number within the boot
    seq: Int,
    /// when: of a call, when its request had passed; of a seal, as its note says
    time: Time,
    /// the hour that `time` lies in, for grouping
    hour: Time,
    /// the day that `time` lies in, for grouping
    day: Day,
    /// monotonic clock, microseconds; comparable within one boot only
    mono_us: Int,
    /// the invocation
    call: Text,
    /// session
    session_id: Text,
    /// how the session was found
    session_origin: Text,
    /// turn of the conversation
    session_turn: Text,
    /// why there is no session
    session_absent: Text,
    /// agent's role
    role: Text,
    /// why there is no role
    role_absent: Text,
    /// on whose behalf
    user: Text,
    /// why there is no user
    user_absent: Text,
    /// commitment to the token
    token: Text,
    /// why there is no token
    token_absent: Text,
    /// client, as it calls itself
    client: Text,
    /// which of `role`, `user`, `token` were verified, with commas between
    verified: Text,
    /// server id
    server: Text,
    /// server's name, as it calls itself
    server_name: Text,
    /// server's version, as it says
    server_version: Text,
    /// revision of MCP
    protocol: Text,
    /// `stdio`, `http`, `sse`
    transport: Text,
    /// tool
    tool: Text,
    /// why there is no tool name
    tool_absent: Text,
    /// whether the tool stands in the server's manifest
    in_manifest: Bool,
    /// digest of that manifest
    manifest: Text,
    /// how to read the input: `value`, `absent`, `blob`, `withheld`
    input_form: Text,
    /// the redacted arguments, JSON in the client's spelling (`input_form` is `value`)
    input: Text,
    /// blob that holds them (`input_form` is `blob`)
    input_blob: Text,
    /// their length where they are elsewhere or withheld
    input_bytes: Int,
    /// commitment to them where they are elsewhere or withheld
    input_commit: Text,
    /// why there are none, or why they were withheld
    input_absent: Text,
    /// what was cut: JSON array of `{"at","rule","commit"}`; NULL if nothing was
    redactions: Text,
    /// number of redactions, those beyond the list too
    redacted: Int,
    /// `success`, `failure`, `error`
    status: Text,
    /// why
    status_reason: Text,
    /// JSON-RPC error code
    rpc_code: Int,
    /// HTTP status, where it was not 2xx
    http_status: Int,
    /// length of the response
    response_bytes: Int,
    /// commitment to the response
    response_commit: Text,
    /// why there is no response
    response_absent: Text,
    /// from the last byte of the request to the last byte of the response, microseconds
    latency_us: Int,
    /// why there is no latency
    latency_absent: Text,
    /// classification
    level: Text,
    /// rule that gave the classification
    level_rule: Text,
    /// why there is no classification
    level_absent: Text,
    /// `allow`, `deny`, `none`
    decision: Text,
    /// `monitor`, `enforce`
    mode: Text,
    /// policy set
    policy_set: Text,
    /// policies that were evaluated: JSON array
    evaluated: Text,
    /// why there is no decision
    decision_absent: Text,
    /// trace id, or a minted one
    correlation_id: Text,
    /// how it was found
    correlation_origin: Text,
    /// W3C traceparent, as it came
    traceparent: Text,
    /// JSON-RPC id as raw JSON
    request_id: Text,
    /// server's task id
    task: Text,
    /// first call of a multi-round-trip request
    chain_first: Text,
    /// which round
    chain_round: Int,
    /// boot whose recovery closed the call
    closed_by: Text,
    /// door of an imported call
    import_door: Text,
    /// format of an imported call
    import_format: Text,
    /// leaf of the first import of the same record; NULL for the first
    repeats: Int,
    /// length of the leaf
    bytes: Int,
    /// content of an entry that is no call: JSON
    body: Text,
}
