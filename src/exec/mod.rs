//! The only place where a process starts.
