//! affiant-spool
