//! Behaviour of the edge.

mod gateway;
mod trail;
