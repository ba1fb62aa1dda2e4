//! The durable record of a run: the truth.
