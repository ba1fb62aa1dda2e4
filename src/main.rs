//! `reportctl`: brings up a report stack, proves that it works, and takes it away again.

mod cli;
mod ui;

fn main() {}
