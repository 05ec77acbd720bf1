//! The ground of both configuration files, `agent.toml` and `serve.toml`: a text becomes plain structs,
//! each value is checked, and what is refused is refused in one line that names file, line and key.
//!
//! It knows no key: which keys there are, their bounds and their defaults is the business of the crate
//! that owns the file. It opens no file either; a path is for messages, and for paths that start from it.
//!
//! ```text
//!  text ─▶ Place::parse (plain structs, unknown keys refused) ─▶ Place::{number, word, …} ─▶ settings
//! ```
//!
//! ```
//! use std::path::Path;
//!
//! use affiant_config::{At, Place};
//!
//! #[derive(Default, serde::Deserialize)]
//! #[serde(deny_unknown_fields, default)]
//! struct File {
//!     idle_s: At<u64>,
//! }
//!
//! let idle = |text| {
//!     let at = Place::new(Path::new("serve.toml"), text);
//!     let file: File = at.parse()?;
//!     at.number("idle_s", file.idle_s, 1..=60)
//! };
//! assert_eq!(idle("idle_s = 60")?, Some(60));
//! assert_eq!(
//!     idle("idle_s = 61").unwrap_err().to_string(),
//!     "serve.toml:1: `idle_s` is 61; it takes 1 to 60"
//! );
//! assert_eq!(
//!     idle("idles = 1").unwrap_err().to_string(),
//!     "serve.toml:1: unknown key `idles`; did you mean `idle_s`?"
//! );
//! # Ok::<(), affiant_config::ConfigError>(())
//! ```

mod check;
mod error;
mod near;
mod place;

pub use error::ConfigError;
pub use place::Place;

/// A value with the place where it stands; `None` where the file is silent.
pub type At<T> = Option<toml::Spanned<T>>;
