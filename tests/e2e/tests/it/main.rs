//! End-to-end tests: real processes, real peers, real crashes.

mod crash;
