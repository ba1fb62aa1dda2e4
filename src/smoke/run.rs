//! A run of checks.

use super::checks::{self, Check, Manner};
use super::evidence::{CheckResult, Evidence, Outcome};
use super::lab::{Fault, Lab, Verdict};
use super::selection::Selection;
use super::target::Target;
use crate::context::Context;
use crate::model::component::ComponentName;
use crate::provider::supervisor::Supervisor;
use crate::reach::guest::Inside;
use crate::reach::machine::{Seen, WayError};
use crate::reach::{Direct, ReachError};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How checks are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether checks may run that disturb the stack.
    pub disruptive: bool,
    /// The most checks that run at the same time.
    pub parallel: NonZeroUsize,
    /// How long a check waits for something to become so, beside the scrapes that it needs.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { disruptive: false, parallel: NonZeroUsize::MIN.saturating_add(7), patience: Duration::from_secs(20) }
    }
}

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum SmokeError {
    /// The selection fits no check of this environment.
    #[error("the selection fits no check of environment {env}")]
    NoneSelected {
        /// The environment.
        env: String,
    },
    /// All selected checks would be skipped, which proves nothing.
    #[error("every selected check would be skipped: {}", skips(.skipped))]
    NoneToRun {
        /// The checks and the reason of each.
        skipped: Vec<(String, String)>,
    },
    /// This host has no means to ask a component.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// No way leads into the machine that the components run in.
    #[error(transparent)]
    Way(#[from] WayError),
}

/// Each reason once, with its checks.
fn skips(skipped: &[(String, String)]) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, reason) in skipped {
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, names)) => names.push(name),
            None => reasons.push((reason, vec![name])),
        }
    }
    let told: Vec<String> = reasons.iter().map(|(reason, names)| format!("{} ({reason})", names.join(", "))).collect();
    told.join("; ")
}

/// Runs the selected checks and reports. `on_result` is told of each as it ends; the evidence has them in their order.
///
/// Checks that only look run side by side; those that disturb the stack run after them, one at a time, and only when
/// the options say so. When the future is dropped, the checks that run are ended and take away what they made.
///
/// Errors: no check is selected, or none of them would run.
pub async fn run(
    context: &Context,
    target: Target,
    selection: &Selection,
    options: &Options,
    mut on_result: impl FnMut(&CheckResult),
) -> Result<Evidence, SmokeError> {
    let (at, begun) = (context.timestamp(), Instant::now());
    let entries = entries(&target, selection, options)?;
    let evidence = Evidence {
        schema: Evidence::SCHEMA,
        env: target.env.name.clone(),
        id: target.id.clone(),
        at,
        millis: 0,
        versions: target.active.iter().map(|(name, placed)| (*name, placed.program.version.clone())).collect(),
        checks: Vec::new(),
    };
    let (direct, supervisor) = ways(context, &target).await?;
    let lab = Lab { context: context.clone(), target, direct, supervisor, patience: options.patience };
    let lab = Arc::new(lab);
    let mut results: Vec<Option<CheckResult>> = Vec::new();
    let (mut quiet, mut disruptive) = (Vec::new(), Vec::new());
    for (place, entry) in entries.into_iter().enumerate() {
        match entry {
            Entry::Skipped(result) => {
                on_result(&result);
                results.push(Some(result));
                continue;
            }
            Entry::Runs(check) if check.manner == Manner::Disruptive => disruptive.push((place, check)),
            Entry::Runs(check) => quiet.push((place, check)),
        }
        results.push(None);
    }
    let mut take = |place: usize, result: CheckResult| {
        on_result(&result);
        results[place] = Some(result);
    };
    side_by_side(&lab, quiet, options.parallel, &mut take).await;
    for (place, check) in disruptive {
        side_by_side(&lab, vec![(place, check)], NonZeroUsize::MIN, &mut take).await;
    }
    let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Evidence { millis, checks: results.into_iter().flatten().collect(), ..evidence })
}

/// The way to the components, and who looks after their processes.
async fn ways(context: &Context, target: &Target) -> Result<(Direct, Supervisor), SmokeError> {
    let Some((guest, address)) = &target.machine else {
        return Ok((Direct::new()?, Supervisor::Agent(target.records.clone())));
    };
    let seen = Seen { guest, address: *address, records: &target.records };
    let direct = seen.open(context, &target.secrets, &target.all_ports()).await?;
    Ok((direct, Supervisor::Systemd(Inside::new(context, guest).mask(&target.secrets))))
}

/// One line of the evidence to be.
enum Entry {
    Runs(&'static Check),
    Skipped(CheckResult),
}

/// What is selected, in its order, and which of it is skipped from the start.
fn entries(target: &Target, selection: &Selection, options: &Options) -> Result<Vec<Entry>, SmokeError> {
    let mut entries = Vec::new();
    for name in target.env.stack.components.keys().copied() {
        let own: Vec<&Check> = checks::all().iter().filter(|check| check.component == name).collect();
        for check in own.iter().filter(|check| selection.wants(check.name, name)) {
            entries.push(match why_not(target, check, options) {
                Some(reason) => Entry::Skipped(skipped(check.name, name, check.title, reason)),
                None => Entry::Runs(check),
            });
        }
        // A component without any check of its own still has to be heard of.
        let stand_in = checks::stand_in(name);
        if own.is_empty() && selection.wants(&stand_in, name) {
            let reason = target.skipped.get(&name).cloned();
            let reason = reason.unwrap_or_else(|| "this release has no check of it".to_owned());
            entries.push(Entry::Skipped(skipped(&stand_in, name, &format!("The {name} answers"), reason)));
        }
    }
    let reasons = |entry: &Entry| match entry {
        Entry::Runs(_) => None,
        Entry::Skipped(result) => Some((result.name.clone(), result.detail.clone())),
    };
    if entries.is_empty() {
        return Err(SmokeError::NoneSelected { env: target.env.name.to_string() });
    }
    match entries.iter().map(reasons).collect::<Option<Vec<_>>>() {
        Some(skipped) => Err(SmokeError::NoneToRun { skipped }),
        None => Ok(entries),
    }
}

/// Why a check does not run, if it does not.
fn why_not(target: &Target, check: &Check, options: &Options) -> Option<String> {
    let absent = |name: ComponentName| match (target.active.contains_key(&name), target.skipped.get(&name)) {
        (true, _) => None,
        (false, Some(reason)) => Some(reason.clone()),
        (false, None) => Some("it is not part of this environment".to_owned()),
    };
    if let Some(reason) = absent(check.component) {
        return Some(reason);
    }
    if let Some((name, reason)) = check.needs.iter().find_map(|name| Some((name, absent(*name)?))) {
        return Some(format!("it needs {name}, which does not run: {reason}"));
    }
    (check.manner == Manner::Disruptive && !options.disruptive)
        .then(|| format!("it restarts {}: `--disruptive` allows that", check.component))
}

fn skipped(name: &str, component: ComponentName, title: &str, reason: String) -> CheckResult {
    CheckResult {
        name: name.to_owned(),
        component,
        title: title.to_owned(),
        outcome: Outcome::Skipped,
        detail: reason,
        expected: None,
        advice: None,
        millis: 0,
    }
}

/// Runs checks at the same time, at most `parallel` of them, and hands each result on as it comes.
async fn side_by_side(
    lab: &Arc<Lab>,
    checks: Vec<(usize, &'static Check)>,
    parallel: NonZeroUsize,
    take: &mut impl FnMut(usize, CheckResult),
) {
    let turns = Arc::new(Semaphore::new(parallel.get()));
    let mut running = JoinSet::new();
    for (place, check) in checks.iter().copied() {
        let (lab, turns) = (Arc::clone(lab), Arc::clone(&turns));
        running.spawn(async move {
            // The semaphore is never closed, so there is always a turn.
            let _turn = turns.acquire_owned().await;
            (place, one(lab, check).await)
        });
    }
    let mut open: Vec<(usize, &Check)> = checks;
    while let Some(ended) = running.join_next().await {
        if let Ok((place, result)) = ended {
            open.retain(|(other, _)| *other != place);
            take(place, result);
        }
    }
    for (place, check) in open {
        let fault =
            Fault::new("the check itself broke", "a check that ends").advice("report this as a mistake of reportctl");
        take(place, result(lab, check, Err(fault), Duration::ZERO));
    }
}

/// Runs one check within its bound.
async fn one(lab: Arc<Lab>, check: &'static Check) -> CheckResult {
    let begun = Instant::now();
    let bound = Duration::from_secs(60) + lab.patience_for(6) * 4;
    let verdict = match tokio::time::timeout(bound, (check.run)(Arc::clone(&lab))).await {
        Ok(verdict) => verdict,
        Err(_) => Err(Fault::new(
            format!("the check did not end within {}", humantime::format_duration(bound)),
            "an end, good or bad",
        )),
    };
    result(&lab, check, verdict, begun.elapsed())
}

/// What goes into the evidence. A foreign program may have repeated a secret, so all of it is masked.
fn result(lab: &Lab, check: &Check, verdict: Verdict, took: Duration) -> CheckResult {
    let mask = |text: &str| lab.target.secrets.mask(text);
    let (outcome, detail, expected, advice) = match verdict {
        Ok(proof) => (Outcome::Passed, mask(&proof), None, None),
        Err(Fault { seen, expected, advice }) => {
            let advice = advice.unwrap_or_else(|| format!("{}; {}", lab.logs(check.component), lab.up()));
            (Outcome::Failed, mask(&seen), Some(mask(&expected)), Some(mask(&advice)))
        }
    };
    CheckResult {
        name: check.name.to_owned(),
        component: check.component,
        title: check.title.to_owned(),
        outcome,
        detail,
        expected,
        advice,
        millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    }
}
