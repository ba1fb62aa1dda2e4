//! Checks that concern several parts of an environment at once. All of them work offline.

use super::component::{ComponentName, PortKey};
use super::diagnostic::{Diagnostic, Kind};
use super::quantity::Size;
use super::reader::{At, Field};
use super::source::Place;
use super::valid::{Checker, Enabled};
use super::written::ComponentFile;
use std::collections::{BTreeMap, BTreeSet};

/// How many scrapes and evaluations must fit into the time that samples are kept, for a graph or a rate to mean
/// anything.
const LEAST_SAMPLES: u64 = 100;

/// How much memory the components may have together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Where it is written.
    at: At,
    /// What is written.
    size: Size,
    /// Whether programs and the system must fit in as well: what a component's `memory` says is for its data.
    whole: bool,
}

impl Limit {
    /// What all components on this host may have for their data.
    pub const fn of_host(at: At, size: Size) -> Self {
        Self { at, size, whole: false }
    }

    /// The whole memory of a machine.
    pub const fn of_guest(at: At, size: Size) -> Self {
        Self { at, size, whole: true }
    }
}

/// All checks over the enabled components. `stack` has the others too; `limit` is the machine's memory.
pub fn check(
    checker: &mut Checker<'_>,
    enabled: &Enabled,
    stack: &BTreeMap<ComponentName, Field<ComponentFile>>,
    limit: Option<Limit>,
) {
    ports(checker, enabled);
    needs(checker, enabled, stack);
    cycles(checker, enabled);
    if let Some(limit) = limit {
        memory(checker, enabled, limit);
    }
    retention(checker, enabled);
}

/// No port number for two doors.
fn ports(checker: &mut Checker<'_>, enabled: &Enabled) {
    let mut doors: BTreeMap<u16, Vec<(PortKey, Place)>> = BTreeMap::new();
    for (name, (_, file)) in enabled {
        for (port, field) in file.ports.value().into_iter().flat_map(|ports| &ports.0) {
            if let Field::Given(at, number) = field {
                doors.entry(*number).or_default().push((PortKey::new(*name, port), at.value));
            }
        }
    }
    for (number, doors) in doors.into_iter().filter(|(_, doors)| doors.len() > 1) {
        let names: Vec<String> = doors.iter().map(|(door, _)| door.to_string()).collect();
        let message = format!("the port {number} is wanted by {}", names.join(" and by "));
        let places = doors.iter().rev().map(|(door, place)| (*place, door.to_string())).collect();
        checker.tell_of(Kind::DuplicatePort, message, places, "give one of them another number".to_owned());
    }
}

/// What is needed is there, and what cannot be done without is needed.
fn needs(checker: &mut Checker<'_>, enabled: &Enabled, stack: &BTreeMap<ComponentName, Field<ComponentFile>>) {
    for (name, (_, file)) in enabled {
        // Where nobody wrote `needs`, its place is that of the component.
        let Field::Given(needs_at, needs) = &file.needs else { continue };
        for (need, place) in &needs.0 {
            need_is_there(checker, enabled, stack, (*name, file), (*need, *place));
        }
        for need in name.needs().iter().filter(|need| !needs.0.iter().any(|(named, _)| named == *need)) {
            let message = format!("{name} cannot do without {need}, and does not name it in its `needs`");
            checker.tell(
                Diagnostic::new(Kind::MissingNeed, needs_at.key, message).help(format!("add {need} to its `needs`")),
            );
        }
    }
}

fn need_is_there(
    checker: &mut Checker<'_>,
    enabled: &Enabled,
    stack: &BTreeMap<ComponentName, Field<ComponentFile>>,
    (name, file): (ComponentName, &ComponentFile),
    (need, place): (ComponentName, Place),
) {
    match (enabled.get(&need), stack.get(&need)) {
        (Some((need_at, needed)), _) => {
            if file.required.value() == Some(&true) && needed.required.value() == Some(&false) {
                let message = format!("{name} is required and needs {need}, which may be skipped");
                let optional =
                    needed.required.at().filter(|at| at.key != need_at.key).map_or(need_at.key, |at| at.value);
                let places = vec![(place, "needed here".to_owned()), (optional, "may be skipped".to_owned())];
                let help = format!("write `required: false` for {name} too, or `required: true` for {need}");
                checker.tell_of(Kind::OptionalNeed, message, places, help);
            }
        }
        (None, Some(Field::Given(_, needed))) => {
            let message = format!("{name} needs {need}, which is switched off");
            let off = needed.enabled.at().map(|at| (at.value, "switched off here".to_owned()));
            let places = [(place, "needed here".to_owned())].into_iter().chain(off).collect();
            let help = format!("switch {need} on, or {name} off too");
            checker.tell_of(Kind::DisabledNeed, message, places, help);
        }
        // A bad one was told of already.
        (None, Some(Field::Bad(_))) => {}
        (None, Some(Field::Absent) | None) => {
            let message = format!("{name} needs {need}, which is not in the stack");
            let help = format!("add {need} under `stack`, or take it out of this list");
            checker.tell(Diagnostic::new(Kind::AbsentNeed, place, message).help(help));
        }
    }
}

/// No component needs itself by way of others. Each circle is told of once, from its first component on.
fn cycles(checker: &mut Checker<'_>, enabled: &Enabled) {
    let edges = |name: ComponentName| {
        enabled
            .get(&name)
            .and_then(|(_, file)| file.needs.value())
            .into_iter()
            .flat_map(|needs| needs.0.iter().copied())
    };
    for first in enabled.keys() {
        // The shortest way back to `first` through components that come after it.
        let mut ways: Vec<Vec<(ComponentName, Place)>> = edges(*first).map(|edge| vec![edge]).collect();
        let mut seen = BTreeSet::new();
        let mut next = 0;
        while let Some(way) = ways.get(next).cloned() {
            next += 1;
            let Some((last, _)) = way.last().copied() else { continue };
            if last == *first {
                tell_cycle(checker, *first, &way);
                break;
            }
            if last > *first && seen.insert(last) {
                ways.extend(edges(last).map(|edge| way.iter().copied().chain([edge]).collect()));
            }
        }
    }
}

fn tell_cycle(checker: &mut Checker<'_>, first: ComponentName, way: &[(ComponentName, Place)]) {
    let path: Vec<&str> = [first].iter().chain(way.iter().map(|(name, _)| name)).map(|name| name.as_str()).collect();
    let message = match way {
        [_] => format!("{first} needs itself"),
        _ => format!("components need each other in a circle: {}", path.join(" → ")),
    };
    let Some((_, place)) = way.first() else { return };
    let mut diagnostic = Diagnostic::new(Kind::NeedsCycle, *place, message);
    for (from, (_, place)) in way.iter().zip(way.iter().skip(1)) {
        diagnostic = diagnostic.related(*place, format!("{} goes on here", from.0));
    }
    checker.tell(diagnostic.help("take one of them out of the other's `needs`"));
}

/// The components together fit into the machine's memory.
fn memory(checker: &mut Checker<'_>, enabled: &Enabled, Limit { at, size: limit, whole }: Limit) {
    let mut parts: Vec<(ComponentName, Size, Place)> = Vec::new();
    for (name, (_, file)) in enabled {
        // Where one is missing or bad, that is told of; a sum without it would mean nothing.
        let Field::Given(at, size) = &file.memory else { return };
        parts.push((*name, *size, at.value));
    }
    let data = parts.iter().fold(0_u64, |sum, (_, size, _)| sum.saturating_add(size.bytes()));
    // A quarter for the programs themselves, in whole MiB so that it can be written down.
    let sum = if whole { data.saturating_add(data / 4).div_ceil(1 << 20).saturating_mul(1 << 20) } else { data };
    if sum <= limit.bytes() {
        return;
    }
    parts.sort_by_key(|(name, size, _)| (std::cmp::Reverse(*size), *name));
    let what = if whole { " with a quarter for their programs" } else { "" };
    let message = format!("the components may use {} together{what}, and the machine gives {limit}", Size(sum));
    let largest = parts.iter().take(3).map(|(name, size, place)| (*place, format!("{name} has {size}")));
    let places = [(at.value, format!("the machine gives {limit}"))].into_iter().chain(largest).collect();
    let help = format!("write at least `memory: {}` for the machine, or give the components less", Size(sum));
    checker.tell_of(Kind::MemoryExceeded, message, places, help);
}

/// What is kept is kept long enough to be of use.
fn retention(checker: &mut Checker<'_>, enabled: &Enabled) {
    let Some((_, file)) = enabled.get(&ComponentName::Prometheus) else { return };
    let Field::Given(at, retention) = &file.retention else { return };
    for (key, field) in [("scrape-interval", &file.scrape_interval), ("evaluation-interval", &file.evaluation_interval)]
    {
        let Field::Given(interval_at, interval) = field else { continue };
        if retention.0 < interval.0.saturating_mul(LEAST_SAMPLES) {
            let message = format!(
                "{retention} of retention has room for fewer than {LEAST_SAMPLES} times the {key} of {interval}"
            );
            let diagnostic = Diagnostic::new(Kind::ShortRetention, at.value, message);
            let least = super::quantity::Span(interval.0.saturating_mul(LEAST_SAMPLES));
            checker.tell(diagnostic.related(interval_at.value, key).help(format!("write at least {least}")));
        }
    }
}
