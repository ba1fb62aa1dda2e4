//! What `-v` tells: the commands that are run, and more with each further `v`.

use std::io;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

/// Tells on stderr what the library says of itself, and with a second `v` what the crates below it say: nothing
/// without one.
pub fn start(verbose: u8, color: bool) {
    let (ours, others) = match verbose {
        0 => return,
        1 => (LevelFilter::DEBUG, LevelFilter::WARN),
        _ => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    let layer = fmt::layer().with_ansi(color).with_target(false).without_time().with_writer(io::stderr);
    let filter = Targets::new().with_default(others).with_target("reportctl", ours);
    // It can only be set once, and this is the only place that does; were it set already, that one would tell.
    let _ = registry().with(layer).with(filter).try_init();
}
