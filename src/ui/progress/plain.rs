//! One line an event, and a sign of life while something is long.

use super::{Clock, Shows, words};
use crate::ui::Ui;
use reportctl::event::Event;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest silence while steps are running.
const HEARTBEAT: Duration = Duration::from_secs(10);

pub struct Plain {
    ui: Arc<Ui>,
    clock: Clock,
    last: Instant,
}

impl Plain {
    pub fn new(ui: Arc<Ui>) -> Self {
        Self { ui, clock: Clock::default(), last: Instant::now() }
    }
}

impl Shows for Plain {
    fn event(&mut self, event: &Event) {
        self.clock.event(event);
        if let Some(line) = words::line(event, self.ui.err.paint) {
            self.ui.err.line(&line);
            self.last = Instant::now();
        }
    }

    fn say(&mut self, text: &str) {
        self.ui.err.line(text);
    }

    fn tick(&mut self) {
        if self.last.elapsed() < HEARTBEAT {
            return;
        }
        for (step, elapsed, note) in self.clock.acting() {
            let note = if note.is_empty() { note } else { format!(": {note}") };
            self.ui.err.line(&format!("still    {step} ({}){note}", words::took(elapsed)));
            self.last = Instant::now();
        }
    }

    fn end(&mut self) {}
}
