//! affiant-policy
