//! Behaviour of the judge of a log, as its users see it.

mod attacks;
mod benign;
mod files;
mod log;
mod proof;
mod vectors;
mod world;
