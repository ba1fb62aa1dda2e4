//! What `status` says, for people.

use super::document::{Component, ComponentState, MachineStatus, Process, State, Status, Unfinished};
use crate::ui::human::section;
use crate::ui::style::Paint;
use crate::ui::table::{Cell, Table};
use std::fmt::Write as _;
use std::time::SystemTime;

/// The whole of it.
pub fn human(status: &Status, now: SystemTime, paint: Paint, width: usize) -> String {
    let mut text = headline(status, now, paint);
    let here: Vec<&Component> =
        status.components.iter().filter(|component| component.state != ComponentState::Skipped).collect();
    if status.state != State::Absent {
        text.push('\n');
        text.push_str(&table(&here, now, paint));
        let reasons = here.iter().filter_map(|component| Some((component.name.to_string(), component.reason.clone()?)));
        text.push_str(&section("not ready", reasons.collect(), Paint::yellow, paint, width));
    }
    let skipped = status.components.iter().filter(|component| component.state == ComponentState::Skipped);
    let skipped = skipped.map(|component| (component.name.to_string(), component.reason.clone().unwrap_or_default()));
    text.push_str(&section("skipped", skipped.collect(), Paint::yellow, paint, width));
    if status.state != State::Absent {
        let pending = status.pending.iter().map(|change| (change.subject.clone(), change.what.join(", ")));
        let heading = format!("`reportctl up -e {}` would change", status.env);
        text.push_str(&section(&heading, pending.collect(), Paint::cyan, paint, width));
    }
    if let Some(trouble) = &status.trouble {
        let _ = writeln!(text, "\n{} {trouble}", paint.yellow("`up` cannot be planned:"));
    }
    text
}

fn headline(status: &Status, now: SystemTime, paint: Paint) -> String {
    let name = paint.bold(status.env.as_str());
    let mut text = match status.state {
        State::Absent => {
            format!("{name} is not here; to bring it up: reportctl up -e {}\n", status.env)
        }
        State::Stopped => format!("{name} is {}\n", paint.yellow("stopped")),
        State::Up => format!("{name} is {}\n", paint.green("up")),
        State::Degraded => format!("{name} is {}\n", paint.red("not as it should be")),
    };
    if let Some(id) = &status.id {
        let keeper = match (&status.machine, &status.agent) {
            (Some(machine), _) => machine_line(machine),
            (None, Some(agent)) => format!("agent {}{}", agent.pid, since(Some(agent), now, ", ")),
            (None, None) => "no agent".to_owned(),
        };
        let _ = writeln!(text, "{}", paint.dim(&format!("{id}, {keeper}")));
    }
    if status.rebooted {
        let _ = writeln!(
            text,
            "{} this host was restarted since; `reportctl up -e {}` brings back the same ports and data",
            paint.yellow("note:"),
            status.env
        );
    }
    if let Some(Unfinished { run, verb, at }) = &status.unfinished {
        let _ = writeln!(
            text,
            "{} run {run} ({verb}, begun {at}) was cut off; `reportctl {verb} -e {}` goes on with it",
            paint.yellow("note:"),
            status.env
        );
    }
    text
}

/// Who looks after the components where that is a machine's systemd.
fn machine_line(machine: &MachineStatus) -> String {
    let MachineStatus { made_by, name, running, address, trouble } = machine;
    let name = name.as_deref().map_or_else(|| format!("a machine of {made_by}"), |name| format!("{made_by} {name}"));
    match (trouble, running, address) {
        (Some(trouble), ..) => format!("{name}, of which nothing can be told: {trouble}"),
        (None, true, Some(address)) => format!("{name} at {address}"),
        (None, true, None) => format!("{name}, which has no address"),
        (None, false, _) => format!("{name}, which does not run"),
    }
}

fn table(components: &[&Component], now: SystemTime, paint: Paint) -> String {
    let mut table = Table::new(&["COMPONENT", "STATE", "VERSION", "UP", "RESTARTS", "ADDRESS"]);
    for component in components {
        let Component { name, state, version, address, process, restarts, .. } = component;
        let (word, of_state): (&str, fn(Paint, &str) -> String) = match state {
            ComponentState::Ready => ("ready", Paint::green),
            ComponentState::NotReady => ("not ready", Paint::red),
            ComponentState::BackOff => ("back-off", Paint::red),
            ComponentState::Stopped => ("stopped", Paint::yellow),
            ComponentState::Orphaned => ("orphaned", Paint::yellow),
            ComponentState::Skipped => ("skipped", Paint::yellow),
            ComponentState::Unknown => ("unknown", Paint::yellow),
        };
        table.row(vec![
            name.as_str().into(),
            Cell::painted(word, of_state),
            version.as_ref().map_or("-".to_owned(), ToString::to_string).into(),
            since(process.as_ref(), now, "").into(),
            restarts.map_or("-".to_owned(), |count| count.to_string()).into(),
            address.as_deref().unwrap_or("-").into(),
        ]);
    }
    table.render(paint)
}

/// For how long a process has run, in its largest unit.
fn since(process: Option<&Process>, now: SystemTime, before: &str) -> String {
    let since = process.and_then(|process| process.since.as_deref());
    let begun = since.and_then(|since| humantime::parse_rfc3339(since).ok());
    let Some(seconds) = begun.and_then(|begun| now.duration_since(begun).ok()).map(|time| time.as_secs()) else {
        return if before.is_empty() { "-".to_owned() } else { String::new() };
    };
    let told = match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    };
    format!("{before}{told}")
}
