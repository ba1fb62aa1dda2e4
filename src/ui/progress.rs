//! How a run is shown while it goes on.

/// The views of a run on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Progress {
    /// Live lines at a terminal, plain ones elsewhere
    #[default]
    Auto,
    /// Live lines
    Tty,
    /// One line an event, and a sign of life while something is long
    Plain,
    /// One JSON object a line
    Json,
    /// Nothing
    Quiet,
}
