//! What an archive keeps, and what it finds, whatever is done to it.
#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod attacks;
mod faults;
mod restoring;
mod s3;
mod seaweed;
mod support;
mod writing;
