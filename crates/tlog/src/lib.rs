//! affiant-tlog
