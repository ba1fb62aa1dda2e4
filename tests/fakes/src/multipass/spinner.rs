//! What turns on standard output while the daemon works, also where nobody looks at it.

use std::io::Write as _;
use std::time::{Duration, Instant};

const FRAMES: [char; 4] = ['|', '/', '-', '\\'];
const EACH: Duration = Duration::from_millis(100);
/// Deletes the line and moves to its start.
const CLEAR: &str = "\x1b[2K\x1b[0A\x1b[0E";

#[derive(Debug, Default)]
pub(crate) struct Spinner {
    running: Option<Instant>,
    frame: usize,
}

impl Spinner {
    /// Shows a message and turns behind it.
    pub(crate) fn start(&mut self, message: &str) {
        if self.running.is_some() {
            self.stop();
        }
        put(&format!("{CLEAR}{message}  "));
        self.frame = 0;
        self.running = Some(Instant::now().checked_sub(EACH).unwrap_or_else(Instant::now));
        self.turn();
    }

    /// The next frame, when it is time.
    pub(crate) fn turn(&mut self) {
        let Some(last) = self.running.filter(|last| last.elapsed() >= EACH) else { return };
        self.frame = (self.frame + 1) % FRAMES.len();
        put(&format!("\u{8}{}", FRAMES[self.frame]));
        self.running = Some(last + EACH);
    }

    /// How much has been fetched.
    pub(crate) fn percent(&mut self, text: &str, percent: u8) {
        if self.running.is_some() {
            self.stop();
        }
        put(&format!("\r{text}{percent}%"));
    }

    pub(crate) fn stop(&mut self) {
        if self.running.take().is_some() {
            put("\u{8} ");
        }
        put(CLEAR);
    }
}

fn put(text: &str) {
    let mut out = std::io::stdout();
    // A reader that went away is no reason to stop.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
