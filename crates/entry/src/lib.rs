//! affiant-entry
