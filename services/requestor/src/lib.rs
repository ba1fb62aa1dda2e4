//! Takes requests.

pub mod assets;
