//! What may be kept of a call, decided before anything is written.
//!
//! [`redact`] cuts sensitive values out of what a client sent. Pure: no clock, randomness, file,
//! socket or environment; the rules are passed in as text.

pub mod redact;
