//! Behaviour of the edge.

mod trail;
