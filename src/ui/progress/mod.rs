//! How a run is shown while it goes on: a thread that is told events and owns the screen.

mod plain;
mod tty;
mod words;

use super::{Output, Ui, json, style};
use reportctl::event::summary::{RunSummary, StepState};
use reportctl::event::{Event, EventKind};
use reportctl::model::ids::StepId;
use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The views of a run on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Progress {
    /// Live lines at a terminal, plain ones elsewhere.
    #[default]
    Auto,
    /// Live lines; plain ones where stderr is no terminal.
    Tty,
    /// One line an event, and a sign of life while something is long.
    Plain,
    /// One JSON object a line.
    Json,
    /// Nothing.
    Quiet,
}

/// What events are beside being shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Events {
    /// With JSON as the form of the result, every event is a line of it.
    OfTheResult,
    /// Nothing: the result is another.
    OnlyShown,
}

/// The time between two looks at the clock.
const TICK: Duration = Duration::from_millis(100);
/// The most events that wait for the screen. Events may be lost, but a run is never that far ahead of its reader.
const BACKLOG: usize = 4096;

/// What the thread is told.
enum Message {
    /// Something happened to the run.
    Event(Box<Event>),
    /// Something is to be said that is no event.
    Say(String),
}

/// One way to show events.
trait Shows: Send {
    /// Something happened.
    fn event(&mut self, event: &Event);
    /// Something is to be said that is no event.
    fn say(&mut self, text: &str);
    /// Nothing happened for a moment.
    fn tick(&mut self);
    /// Nothing more will happen.
    fn end(&mut self);
}

/// The state of the run, with the time that each running step has been running as this process has it.
#[derive(Default)]
struct Clock {
    summary: RunSummary,
    since: BTreeMap<StepId, Instant>,
    checking: Option<Instant>,
}

/// What stands for all checks among the running steps.
const CHECKS: &str = "checks";

impl Clock {
    fn event(&mut self, event: &Event) {
        self.summary.apply(event);
        match &event.kind {
            EventKind::StepStarted { step, .. } => drop(self.since.insert(step.clone(), Instant::now())),
            EventKind::ChecksStarted => self.checking = Some(Instant::now()),
            _ => {}
        }
    }

    /// The running steps: the id, milliseconds, and the last note on one line.
    fn acting(&self) -> Vec<(String, u64, String)> {
        let acting = self.summary.steps.iter().filter(|step| matches!(step.state, StepState::Acting { .. }));
        let told = acting.map(|step| {
            let elapsed = self.since.get(&step.id).map(Instant::elapsed).unwrap_or_default();
            let note = style::tame(step.note.as_deref().unwrap_or_default()).replace('\n', " ");
            (step.id.to_string(), millis(elapsed), note)
        });
        let checks = self.checking.map(|since| {
            let ended = |outcome: &str| self.summary.checks.iter().filter(|check| check.outcome == outcome).count();
            let note = format!("{} passed, {} failed", ended("passed"), ended("failed"));
            (CHECKS.to_owned(), millis(since.elapsed()), note)
        });
        if self.summary.end.is_some() { Vec::new() } else { told.chain(checks).collect() }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A run that is shown. Ends by [`finish`](Self::finish), so that no line comes after the summary.
pub struct View {
    sender: Arc<Mutex<Option<mpsc::SyncSender<Message>>>>,
    thread: Option<JoinHandle<()>>,
}

impl View {
    /// Begins to show.
    pub fn start(ui: &Arc<Ui>, progress: Progress, output: Output, events: Events) -> Self {
        let mut shows: Vec<Box<dyn Shows>> = Vec::new();
        if output == Output::Json && events == Events::OfTheResult {
            shows.push(Box::new(Lines { ui: ui.clone(), to_out: true }));
        }
        let plain = || Box::new(plain::Plain::new(ui.clone())) as Box<dyn Shows>;
        let tty = || Box::new(tty::Tty::new(ui.clone())) as Box<dyn Shows>;
        match progress {
            _ if ui.quiet => {}
            Progress::Quiet => {}
            Progress::Json => shows.push(Box::new(Lines { ui: ui.clone(), to_out: false })),
            Progress::Auto | Progress::Tty if ui.err.terminal && ui.err.moves => shows.push(tty()),
            // A program that reads the events does not need them twice.
            Progress::Auto if output == Output::Json => {}
            Progress::Auto | Progress::Tty | Progress::Plain => shows.push(plain()),
        }
        let (sender, receiver) = mpsc::sync_channel::<Message>(BACKLOG);
        let thread = std::thread::Builder::new().name("view".to_owned()).spawn(move || {
            loop {
                match receiver.recv_timeout(TICK) {
                    Ok(Message::Event(event)) => shows.iter_mut().for_each(|shown| shown.event(&event)),
                    Ok(Message::Say(text)) => shows.iter_mut().for_each(|shown| shown.say(&text)),
                    Err(RecvTimeoutError::Timeout) => shows.iter_mut().for_each(|shown| shown.tick()),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            shows.iter_mut().for_each(|shown| shown.end());
        });
        // Without a thread nothing is shown, but the run goes on: an event may be lost.
        Self { sender: Arc::new(Mutex::new(Some(sender))), thread: thread.ok() }
    }

    /// Who is to be told.
    pub fn listener(&self) -> impl Fn(Event) + Send + Sync + 'static {
        let send = self.send();
        move |event| send(Message::Event(Box::new(event)))
    }

    /// Who says what is no event, between the lines of the run.
    pub fn speaker(&self) -> impl Fn(&str) + Send + 'static {
        let send = self.send();
        move |text| send(Message::Say(text.to_owned()))
    }

    fn send(&self) -> impl Fn(Message) + Send + Sync + 'static {
        let sender = self.sender.clone();
        move |message| {
            if let Ok(sender) = sender.lock()
                && let Some(sender) = sender.as_ref()
            {
                let _ = sender.try_send(message);
            }
        }
    }

    /// Shows what is still waiting, and ends.
    pub fn finish(mut self) {
        if let Ok(mut sender) = self.sender.lock() {
            *sender = None;
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One JSON object a line.
struct Lines {
    ui: Arc<Ui>,
    to_out: bool,
}

impl Shows for Lines {
    fn event(&mut self, event: &Event) {
        let stream = if self.to_out { &self.ui.out } else { &self.ui.err };
        stream.line(&json::line(event));
    }

    /// It is no event, so it has no place among them.
    fn say(&mut self, _text: &str) {}

    fn tick(&mut self) {}

    fn end(&mut self) {}
}
