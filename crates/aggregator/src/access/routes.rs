//! The routes of the API, and who may use each: the one table.
//!
//! The listener for sources has no line here: there everybody but who enrols is a source, by his
//! certificate.

use http::Method;

use super::Role;

/// A route, and who may use it.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method.
    pub method: Verb,
    /// The path, as [axum](axum::Router::route) spells it.
    pub path: &'static str,
    /// Who may use it.
    pub who: Who,
    pub(crate) name: Name,
}

/// Methods that the API has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `GET`, and with it `HEAD`.
    Get,
    /// `POST`.
    Post,
}

impl Verb {
    /// As HTTP has it.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
        }
    }
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Whoever reaches it.
    Anyone,
    /// Who has one of these roles. What is given is within the dates that he may read.
    Roles(&'static [Role]),
    /// Who has one of these roles and may read all dates, as it gives the log itself; anyone with
    /// `access.log_public`.
    Log(&'static [Role]),
    /// Who has one of these roles, or the token for imports.
    Import(&'static [Role]),
}

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Health,
    Ready,
    OpenApi,
    Metrics,
    Log,
    Status,
    Sources,
    WhoAmI,
    Entries,
    Session,
    Query,
    OtlpLogs,
    OtlpTraces,
    Import,
    Login,
    Callback,
    Logout,
}

const READERS: Who = Who::Roles(&[Role::Admin, Role::Analyst, Role::Auditor]);
const KEEPERS: Who = Who::Roles(&[Role::Admin, Role::Operator]);
const INSIDERS: Who = Who::Roles(&[Role::Admin, Role::Operator, Role::Analyst, Role::Auditor]);
const DELIVERERS: Who = Who::Import(&[Role::Admin, Role::Operator, Role::Source]);

/// Every route.
pub const ROUTES: [Route; 17] = [
    get("/healthz", Who::Anyone, Name::Health),
    get("/readyz", Who::Anyone, Name::Ready),
    get("/openapi.json", Who::Anyone, Name::OpenApi),
    get("/metrics", KEEPERS, Name::Metrics),
    get(
        "/log/{*path}",
        Who::Log(&[Role::Admin, Role::Analyst, Role::Auditor]),
        Name::Log,
    ),
    get("/v1/status", INSIDERS, Name::Status),
    get("/v1/sources", INSIDERS, Name::Sources),
    get("/v1/whoami", Who::Roles(&Role::ALL), Name::WhoAmI),
    get("/v1/entries", READERS, Name::Entries),
    get("/v1/sessions/{id}", READERS, Name::Session),
    post("/v1/query", READERS, Name::Query),
    post("/v1/logs", DELIVERERS, Name::OtlpLogs),
    post("/v1/traces", DELIVERERS, Name::OtlpTraces),
    post("/v1/import/{format}", DELIVERERS, Name::Import),
    get("/login", Who::Anyone, Name::Login),
    get("/callback", Who::Anyone, Name::Callback),
    post("/logout", Who::Anyone, Name::Logout),
];

const fn get(path: &'static str, who: Who, name: Name) -> Route {
    Route {
        method: Verb::Get,
        path,
        who,
        name,
    }
}

const fn post(path: &'static str, who: Who, name: Name) -> Route {
    Route {
        method: Verb::Post,
        path,
        who,
        name,
    }
}
