//! affiant-capture
