//! affiant-agent
