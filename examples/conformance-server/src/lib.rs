//! An MCP server that has every fixture the official conformance suite calls.
//!
//! It is a measuring instrument, not a product: the suite
//! (`@modelcontextprotocol/conformance`) judges it once directly and once through
//! Affiant, and the two lists of verdicts must be the same. The fixtures do what
//! the suite's scenario descriptions say and nothing else.
//!
//! Transport: Streamable HTTP at `/mcp`, both lifecycles on one port. A request
//! that carries the 2026-07-28 `_meta` is served without a session; `initialize`
//! opens a session for 2025-11-25 and earlier.
//!
//! | module | fixtures |
//! |---|---|
//! | `tools` | the plain tools, one file for each kind of answer |
//! | `resources`, `prompts`, `completion` | static content |
//! | `elicitation` | forms (SEP-1034 defaults, SEP-1330 enumerations) |
//! | `mrtr` | multi-round-trip requests (SEP-2322) |
//! | `tasks` | the tasks extension (SEP-2663) |
//! | `headers` | the tool whose argument is mirrored in a header (SEP-2243) |
//! | `subscriptions` | `subscriptions/listen` and what is sent on it (SEP-2575) |
//! | `polling` | the event stream that ends before its answer (SEP-1699) |

mod completion;
mod elicitation;
mod fixture;
mod headers;
mod http;
mod input;
mod mrtr;
mod polling;
mod prompts;
mod resources;
mod subscriptions;
mod tasks;
mod tools;

pub use http::{ServeError, bind, serve};
