//! The only code that prints.
//!
//! stdout is the result, stderr the narration. A reader that goes away is no error; a disk that is full is one.
#![allow(clippy::disallowed_macros, reason = "the one place that prints")]

pub mod diagnostics;
pub mod evidence;
pub mod human;
pub mod json;
pub mod progress;
pub mod report;
pub mod style;
pub mod table;
pub mod trace;
pub mod wrap;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use style::Paint;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// At a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// In which form the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
}

/// Both streams of the command.
pub struct Ui {
    /// The result.
    pub out: Stream,
    /// The narration.
    pub err: Stream,
    /// Whether narration is wanted at all. Errors are always told.
    pub quiet: bool,
}

impl Ui {
    /// The command's own streams. `plain_terminal` says that the terminal can do nothing but
    /// show text (`TERM=dumb`).
    pub fn new(color: Color, plain_terminal: bool, quiet: bool) -> Self {
        let colored = |terminal: bool| match color {
            Color::Auto => terminal && !plain_terminal,
            Color::Always => true,
            Color::Never => false,
        };
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            out: Stream::new(Kind::Out, out, out && !plain_terminal, colored(out)),
            err: Stream::new(Kind::Err, err, err && !plain_terminal, colored(err)),
            quiet,
        }
    }

    /// Says something beside the result, unless narration is not wanted.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.err.line(text);
        }
    }

    /// Warns; that is narration too.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            self.err.line(&format!("{} {text}", self.err.paint.yellow("warning:")));
        }
    }

    /// Whether somebody can be asked: all three streams that a question needs are a terminal.
    pub fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && self.err.terminal
    }

    /// Asks; only an explicit `y` or `yes` is a yes. To be called only where [`can_ask`](Self::can_ask).
    ///
    /// Errors: the terminal cannot be read.
    pub fn ask(&self, question: &str) -> Result<bool, io::Error> {
        self.err.text(&format!("{} [y/N] ", self.err.paint.bold(question)));
        let mut answer = String::new();
        if io::stdin().read_line(&mut answer)? == 0 {
            self.err.line("");
        }
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Out,
    Err,
}

/// One stream that is written to.
pub struct Stream {
    kind: Kind,
    /// Whether a person reads it directly.
    pub terminal: bool,
    /// Whether it is a terminal on which written lines can be changed.
    pub moves: bool,
    /// Colours, or none.
    pub paint: Paint,
    closed: AtomicBool,
    broken: Mutex<Option<io::Error>>,
}

impl Stream {
    fn new(kind: Kind, terminal: bool, moves: bool, color: bool) -> Self {
        Self {
            kind,
            terminal,
            moves,
            paint: Paint::new(color),
            closed: AtomicBool::new(false),
            broken: Mutex::new(None),
        }
    }

    /// Writes the text and a line end.
    pub fn line(&self, text: &str) {
        self.text(&format!("{text}\n"));
    }

    /// Writes the text as it is. What cannot be written is remembered for [`trouble`](Self::trouble).
    pub fn text(&self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Writes bytes as they are.
    pub fn bytes(&self, bytes: &[u8]) {
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        let written = match self.kind {
            Kind::Out => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
            Kind::Err => io::stderr().lock().write_all(bytes),
        };
        if let Err(error) = written {
            self.closed.store(true, Ordering::Relaxed);
            if error.kind() != io::ErrorKind::BrokenPipe
                && let Ok(mut broken) = self.broken.lock()
            {
                *broken = Some(error);
            }
        }
    }

    /// Whether nobody reads any more, so that going on is of no use to anyone.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Why something could not be written, other than that the reader went away.
    pub fn trouble(&self) -> Option<String> {
        self.broken.lock().ok().and_then(|broken| broken.as_ref().map(ToString::to_string))
    }

    /// The columns of the terminal; 80 where it is none or does not say.
    pub fn width(&self) -> usize {
        let size = match self.kind {
            Kind::Out => rustix::termios::tcgetwinsize(io::stdout()),
            Kind::Err => rustix::termios::tcgetwinsize(io::stderr()),
        };
        size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(80)
    }
}

/// Prints an event line of the standard panic message's kind, when no stream is set up.
pub fn last_words(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
