//! Takes requests.
