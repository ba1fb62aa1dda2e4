//! Runs made-up plans through the real engine and the real journal, for `benches/run`.
//!
//!     synthetic noop COUNT FOLDER    COUNT steps that do nothing, none of which needs another
//!     synthetic dag FOLDER           twelve steps that each run `sleep 0.2`; the longest chain has five
//!
//! The journal is written below FOLDER, as a new run each time.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a bench stands outside the walls")]

use reportctl::context::Context;
use reportctl::engine::Engine;
use reportctl::engine::interrupt::Interrupt;
use reportctl::event::Teller;
use reportctl::exec;
use reportctl::journal::entry::{Outcome, Verb};
use reportctl::journal::log::{Log, Opening};
use reportctl::journal::store;
use reportctl::model::ids::{EnvId, EnvName, StepId};
use reportctl::model::paths::Paths;
use reportctl::model::quantity::Span;
use reportctl::plan::action::{Action, HostAction};
use reportctl::plan::step::{Goal, Plan, Step};
use reportctl::provider::{Failure, FailureKind, Notes, World};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

/// For each step of the graph, the steps that it needs. The same graph stands in `benches/run`.
const DAG: [(usize, &[usize]); 12] = [
    (1, &[]),
    (2, &[]),
    (3, &[]),
    (4, &[1]),
    (5, &[1, 2]),
    (6, &[3]),
    (7, &[4]),
    (8, &[5, 6]),
    (9, &[7]),
    (10, &[8]),
    (11, &[9, 10]),
    (12, &[10]),
];

/// A world in which every step comes to the same: nothing, or one command.
struct Synthetic {
    context: Context,
    command: Option<Vec<String>>,
}

impl World for Synthetic {
    async fn perform(&self, _: &Step, _: &Notes) -> Result<(), Failure> {
        let Some(argv) = &self.command else { return Ok(()) };
        let command = exec::Command::reads(&self.context, argv.clone());
        exec::start(command).await.map(drop).map_err(|error| Failure::new(FailureKind::Failed, error.to_string()))
    }
}

fn step(number: usize, after: &[usize]) -> Result<Step, Box<dyn std::error::Error>> {
    let id = |number: usize| StepId::parse(&format!("synthetic/s{number}"));
    Ok(Step {
        id: id(number)?,
        after: after.iter().map(|number| id(*number)).collect::<Result<BTreeSet<_>, _>>()?,
        because: "it is measured".to_owned(),
        timeout: Span::seconds(60),
        action: Action::Host(HostAction::ReservePorts { ports: BTreeMap::new() }),
    })
}

async fn perform(steps: Vec<Step>, world: Synthetic, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let env = EnvName::parse("synthetic")?;
    let id = EnvId::join(&env, "22222222")?;
    let paths = Paths::new(folder, &env);
    let context = world.context.clone();
    let plan = Plan {
        schema: Plan::SCHEMA,
        env: env.clone(),
        id: id.clone(),
        goal: Goal::Up,
        inputs: String::new(),
        steps,
        skipped: BTreeMap::new(),
        ports: BTreeMap::new(),
        left: Vec::new(),
    };
    let opening = Opening { env: env.clone(), id, verb: Verb::Up, version: env!("CARGO_PKG_VERSION").to_owned() };
    let mut log = Log::open(&context, &paths, &store::recall(&paths)?, opening)?;
    let engine = Engine {
        world: Arc::new(world),
        teller: Teller::silent(env),
        parallel: NonZeroUsize::new(12).ok_or("no parallelism")?,
        interrupt: Interrupt::never(),
    };
    let result = engine.run(&Arc::new(plan), &mut log).await?;
    log.finish(result.outcome)?;
    if result.outcome == Outcome::Succeeded { Ok(()) } else { Err("a step failed".into()) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let context = Context::real()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (steps, command, folder) = match words[..] {
        ["noop", count, folder] => {
            ((0..count.parse()?).map(|number| step(number, &[])).collect::<Result<Vec<_>, _>>()?, None, folder)
        }
        ["dag", folder] => {
            let steps = DAG.iter().map(|(number, after)| step(*number, after)).collect::<Result<Vec<_>, _>>()?;
            (steps, Some(vec!["sleep".to_owned(), "0.2".to_owned()]), folder)
        }
        _ => return Err("usage: synthetic noop COUNT FOLDER | synthetic dag FOLDER".into()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(perform(steps, Synthetic { context, command }, Path::new(folder)))
}
