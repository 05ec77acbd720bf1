//! The fields of MCP that are captured, as one table.

use super::Limits;

/// How many raw bytes of a field are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// Only type and length.
    Measured,
    /// Up to so many bytes.
    Bytes(usize),
    /// [`Limits::arguments_bytes_max`].
    Arguments,
    /// [`Limits::tools_bytes_max`].
    Tools,
}

impl Bound {
    pub(crate) fn bytes_max(self, limits: &Limits) -> usize {
        match self {
            Self::Measured => 0,
            Self::Bytes(max) => max,
            Self::Arguments => limits.arguments_bytes_max,
            Self::Tools => limits.tools_bytes_max,
        }
    }
}

/// An object (or the batch array) whose members are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Batch,
    Top,
    Params,
    ParamsMeta,
    ParamsResult,
    ParamsError,
    Result,
    ResultMeta,
    ResultTask,
    ResultResult,
    ResultError,
    Error,
    /// Anything else inside `params`: nothing is captured, but keys are compared.
    Deep,
}

impl Level {
    /// The level of members that the table does not open.
    pub(crate) fn inherited(self) -> Option<Self> {
        match self {
            Self::Params
            | Self::ParamsMeta
            | Self::ParamsResult
            | Self::ParamsError
            | Self::Deep => Some(Self::Deep),
            Self::Batch
            | Self::Top
            | Self::Result
            | Self::ResultMeta
            | Self::ResultTask
            | Self::ResultResult
            | Self::ResultError
            | Self::Error => None,
        }
    }

    /// The level of an array that stands where an object of this level could.
    pub(crate) fn of_array(self) -> Option<Self> {
        match self {
            Self::Batch => Some(Self::Batch),
            Self::Params
            | Self::ParamsMeta
            | Self::ParamsResult
            | Self::ParamsError
            | Self::Deep => Some(Self::Deep),
            Self::Top
            | Self::Result
            | Self::ResultMeta
            | Self::ResultTask
            | Self::ResultResult
            | Self::ResultError
            | Self::Error => None,
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) slot: Slot,
    pub(crate) key: &'static str,
    pub(crate) opens: Option<Level>,
    pub(crate) bound: Bound,
}

/// What the table knows about a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lookup {
    Known(&'static Field),
    /// Equal to a known key but for ASCII case.
    CaseVariant,
    Unknown,
}

/// Finds the row for `key` (unescaped) in an object of level `parent`.
pub(crate) fn lookup(parent: Level, key: &[u8]) -> Lookup {
    let mut found = Lookup::Unknown;
    for field in members(parent)
        .iter()
        .filter(|field| field.key.len() == key.len())
    {
        if field.key.as_bytes() == key {
            return Lookup::Known(field);
        }
        if field.key.as_bytes().eq_ignore_ascii_case(key) {
            found = Lookup::CaseVariant;
        }
    }
    found
}

const ID: Bound = Bound::Bytes(4 << 10);
const WORD: Bound = Bound::Bytes(4 << 10);
const NAME: Bound = Bound::Bytes(64 << 10);
const OBJECT: Bound = Bound::Bytes(64 << 10);
const MEASURED: Bound = Bound::Measured;

macro_rules! opens {
    () => {
        None
    };
    ($level:ident) => {
        Some(Level::$level)
    };
}

macro_rules! slots {
    ($($parent:ident { $($(#[$doc:meta])* $slot:ident = $key:literal $(> $opens:ident)?, $bound:expr;)* })*) => {
        /// A field that the scanner captures. The path and the bytes kept are in each variant's doc.
        ///
        /// *Word* is up to 4 KiB, *object* up to 64 KiB, *measured* keeps only type and length.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Slot { $($($(#[$doc])* $slot,)*)* }

        /// The rows whose values are members of objects of level `parent`.
        pub(crate) fn members(parent: Level) -> &'static [Field] {
            match parent {
                $(Level::$parent => &[$(Field {
                    slot: Slot::$slot,
                    key: $key,
                    opens: opens!($($opens)?),
                    bound: $bound,
                },)*],)*
                Level::Batch | Level::Deep => &[],
            }
        }
    };
}

slots! {
    Top {
        /// `jsonrpc`: word.
        Jsonrpc = "jsonrpc", WORD;
        /// `id`: up to 4 KiB.
        Id = "id", ID;
        /// `method`: word.
        Method = "method", WORD;
        /// `params`: measured.
        Params = "params" > Params, MEASURED;
        /// `result`: measured.
        Result = "result" > Result, MEASURED;
        /// `error`: object.
        Error = "error" > Error, OBJECT;
    }
    Params {
        /// `params.name`: up to 64 KiB.
        ParamsName = "name", NAME;
        /// `params.arguments`: up to [`Limits::arguments_bytes_max`].
        ParamsArguments = "arguments" > Deep, Bound::Arguments;
        /// `params._meta`: object.
        ParamsMeta = "_meta" > ParamsMeta, OBJECT;
        /// `params.protocolVersion` (initialize): word.
        ParamsProtocolVersion = "protocolVersion", WORD;
        /// `params.clientInfo` (initialize): object.
        ParamsClientInfo = "clientInfo" > Deep, OBJECT;
        /// `params.task` (2025-11-25 task request): object.
        ParamsTask = "task" > Deep, OBJECT;
        /// `params.requestState` (2026-07-28 multi-round-trip request): object.
        ParamsRequestState = "requestState" > Deep, OBJECT;
        /// `params.inputResponses` (2026-07-28 multi-round-trip request): object.
        ParamsInputResponses = "inputResponses" > Deep, OBJECT;
        /// `params.requestId` (notifications/cancelled): up to 4 KiB.
        ParamsRequestId = "requestId", ID;
        /// `params.reason` (notifications/cancelled): object.
        ParamsReason = "reason", OBJECT;
        /// `params.taskId` (tasks/*, notifications/tasks and notifications/tasks/status): up to 4 KiB.
        ParamsTaskId = "taskId", ID;
        /// `params.status` (notifications/tasks and notifications/tasks/status): word.
        ParamsStatus = "status", WORD;
        /// `params.result` (notifications/tasks, 2026-07-28): measured.
        ParamsResult = "result" > ParamsResult, MEASURED;
        /// `params.error` (notifications/tasks, 2026-07-28): object.
        ParamsError = "error" > ParamsError, OBJECT;
        /// `params.progressToken` (notifications/progress): up to 4 KiB.
        ParamsProgressToken = "progressToken", ID;
        /// `params.cursor` (lists): object.
        ParamsCursor = "cursor", OBJECT;
        /// `params.uri` (resources/*): up to 64 KiB.
        ParamsUri = "uri", NAME;
    }
    ParamsMeta {
        /// `params._meta.progressToken`: up to 4 KiB.
        ParamsMetaProgressToken = "progressToken", ID;
        /// `params._meta.traceparent`: word.
        ParamsMetaTraceparent = "traceparent", WORD;
        /// `params._meta.tracestate`: word.
        ParamsMetaTracestate = "tracestate", WORD;
        /// `params._meta.baggage`: object.
        ParamsMetaBaggage = "baggage", OBJECT;
        /// `params._meta["io.modelcontextprotocol/protocolVersion"]`: word.
        ParamsMetaProtocolVersion = "io.modelcontextprotocol/protocolVersion", WORD;
        /// `params._meta["io.modelcontextprotocol/clientInfo"]`: object.
        ParamsMetaClientInfo = "io.modelcontextprotocol/clientInfo" > Deep, OBJECT;
        /// `params._meta["io.modelcontextprotocol/related-task"]`: object.
        ParamsMetaRelatedTask = "io.modelcontextprotocol/related-task" > Deep, OBJECT;
        /// `params._meta["io.modelcontextprotocol/subscriptionId"]`: up to 4 KiB.
        ParamsMetaSubscriptionId = "io.modelcontextprotocol/subscriptionId", ID;
    }
    ParamsResult {
        /// `params.result.isError` (notifications/tasks, 2026-07-28): word.
        ParamsResultIsError = "isError", WORD;
    }
    ParamsError {
        /// `params.error.code` (notifications/tasks, 2026-07-28): word.
        ParamsErrorCode = "code", WORD;
        /// `params.error.message` (notifications/tasks, 2026-07-28): object.
        ParamsErrorMessage = "message", OBJECT;
    }
    Result {
        /// `result.isError` (tools/call): word.
        ResultIsError = "isError", WORD;
        /// `result.resultType` (2026-07-28): word.
        ResultType = "resultType", WORD;
        /// `result.taskId`: up to 4 KiB.
        ResultTaskId = "taskId", ID;
        /// `result.status` (tasks/get and others): word.
        ResultStatus = "status", WORD;
        /// `result.ttlMs` (2026-07-28 tasks, and lists): word.
        ResultTtlMs = "ttlMs", WORD;
        /// `result.task` (2025-11-25 task creation): object.
        ResultTask = "task" > ResultTask, OBJECT;
        /// `result.serverInfo` (initialize): object.
        ResultServerInfo = "serverInfo", OBJECT;
        /// `result.protocolVersion` (initialize): word.
        ResultProtocolVersion = "protocolVersion", WORD;
        /// `result.supportedVersions` (server/discover): object.
        ResultSupportedVersions = "supportedVersions", OBJECT;
        /// `result.tools` (tools/list): up to [`Limits::tools_bytes_max`].
        ResultTools = "tools", Bound::Tools;
        /// `result.nextCursor` (lists): object.
        ResultNextCursor = "nextCursor", OBJECT;
        /// `result.requestState` (2026-07-28 multi-round-trip request): object.
        ResultRequestState = "requestState", OBJECT;
        /// `result.inputRequests` (2026-07-28 multi-round-trip request): measured.
        ResultInputRequests = "inputRequests", MEASURED;
        /// `result._meta`: object.
        ResultMeta = "_meta" > ResultMeta, OBJECT;
        /// `result.result` (tasks/get, 2026-07-28): measured.
        ResultResult = "result" > ResultResult, MEASURED;
        /// `result.error` (tasks/get, 2026-07-28): object.
        ResultError = "error" > ResultError, OBJECT;
    }
    ResultMeta {
        /// `result._meta["io.modelcontextprotocol/serverInfo"]`: object.
        ResultMetaServerInfo = "io.modelcontextprotocol/serverInfo", OBJECT;
        /// `result._meta["io.modelcontextprotocol/related-task"]`: object.
        ResultMetaRelatedTask = "io.modelcontextprotocol/related-task", OBJECT;
    }
    ResultTask {
        /// `result.task.taskId`: up to 4 KiB.
        ResultTaskTaskId = "taskId", ID;
        /// `result.task.status`: word.
        ResultTaskStatus = "status", WORD;
    }
    ResultResult {
        /// `result.result.isError` (tasks/get, 2026-07-28): word.
        ResultResultIsError = "isError", WORD;
    }
    ResultError {
        /// `result.error.code` (tasks/get, 2026-07-28): word.
        ResultErrorCode = "code", WORD;
        /// `result.error.message` (tasks/get, 2026-07-28): object.
        ResultErrorMessage = "message", OBJECT;
    }
    Error {
        /// `error.code`: word.
        ErrorCode = "code", WORD;
        /// `error.message`: object.
        ErrorMessage = "message", OBJECT;
        /// `error.data`: object.
        ErrorData = "data", OBJECT;
    }
}
