//! Live lines: what runs stays at the bottom with its time and last note; what has ended scrolls away above.

use super::{CHECKS, Clock, Shows, words};
use crate::ui::Ui;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use reportctl::event::{Event, EventKind};
use std::collections::BTreeMap;
use std::sync::Arc;

pub struct Tty {
    ui: Arc<Ui>,
    bars: MultiProgress,
    clock: Clock,
    /// The live line of each running step, by the step's id.
    lines: BTreeMap<String, ProgressBar>,
    turn: usize,
}

impl Tty {
    pub fn new(ui: Arc<Ui>) -> Self {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(15));
        Self { ui, bars, clock: Clock::default(), lines: BTreeMap::new(), turn: 0 }
    }

    /// Makes the live lines those of the running steps.
    fn draw(&mut self) {
        const TURNS: [char; 4] = ['|', '/', '-', '\\'];
        let paint = self.ui.err.paint;
        let acting = self.clock.acting();
        self.lines.retain(|step, line| {
            let stays = acting.iter().any(|(acting, ..)| acting == step);
            if !stays {
                line.finish_and_clear();
                self.bars.remove(line);
            }
            stays
        });
        let counts = self.clock.summary.counts();
        let done = counts.succeeded + counts.failed;
        let all = done + counts.waiting + counts.acting;
        let turn = TURNS[self.turn % TURNS.len()];
        for (step, elapsed, note) in acting {
            let line = self.lines.entry(step.clone()).or_insert_with(|| {
                let line = self.bars.add(ProgressBar::new_spinner());
                // The template is fixed and valid; were it not, the default one would show as much.
                if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                    line.set_style(style);
                }
                line
            });
            let count = match step.as_str() {
                CHECKS => turn.to_string(),
                _ => format!("{turn} {done}/{all}"),
            };
            let time = words::took(elapsed);
            line.set_message(format!("{} {step}  {}  {note}", paint.dim(&format!("{count:<8}")), paint.dim(&time)));
        }
    }
}

impl Shows for Tty {
    fn event(&mut self, event: &Event) {
        self.clock.event(event);
        let has_a_live_line = matches!(
            event.kind,
            // Of the checks a table is shown at the end.
            EventKind::StepStarted { .. }
                | EventKind::StepNote { .. }
                | EventKind::ChecksStarted
                | EventKind::CheckFinished { .. }
        );
        if !has_a_live_line && let Some(line) = words::line(event, self.ui.err.paint) {
            let ui = &self.ui;
            self.bars.suspend(|| ui.err.line(&line));
        }
        self.draw();
    }

    fn say(&mut self, text: &str) {
        let ui = &self.ui;
        self.bars.suspend(|| ui.err.line(text));
    }

    fn tick(&mut self) {
        self.turn += 1;
        self.draw();
    }

    fn end(&mut self) {
        for line in self.lines.values() {
            line.finish_and_clear();
        }
        let _ = self.bars.clear();
    }
}
