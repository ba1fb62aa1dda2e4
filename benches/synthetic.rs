//! Plans that do nothing, or only sleep, through the real engine and the real journal: what `benches/run` measures.
//!
//! `synthetic noop COUNT FOLDER` or `synthetic dag FOLDER`; the journal goes into a fresh folder FOLDER.
#![allow(clippy::disallowed_methods, reason = "a bench stands outside the walls")]

use reportctl::context::Context;
use reportctl::engine::{Engine, interrupt::Interrupt};
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
use std::error::Error;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Twelve steps of 0.2 s whose longest chain has five. `benches/run` has the same for its peers.
const DAG: [(u32, &[u32]); 12] = [
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

/// Runs a program for each step, or does nothing.
struct Synthetic {
    context: Context,
    argv: Option<Vec<String>>,
}

impl World for Synthetic {
    async fn perform(&self, _: &Step, _: &Notes) -> Result<(), Failure> {
        let Some(argv) = &self.argv else { return Ok(()) };
        let command = exec::Command::reads(&self.context, argv.clone());
        exec::start(command).await.map(|_| ()).map_err(|error| Failure::new(FailureKind::Failed, error.to_string()))
    }
}

fn plan(env: EnvName, id: EnvId, steps: &[(u32, &[u32])]) -> Result<Plan, Box<dyn Error>> {
    let step_id = |number: &u32| StepId::parse(&format!("s{number}"));
    let steps = steps
        .iter()
        .map(|(number, after)| {
            Ok(Step {
                id: step_id(number)?,
                after: after.iter().map(step_id).collect::<Result<BTreeSet<_>, _>>()?,
                because: "it is measured".to_owned(),
                timeout: Span::seconds(60),
                action: Action::Host(HostAction::RemovePaths { paths: Vec::new() }),
            })
        })
        .collect::<Result<_, reportctl::model::ids::BadId>>()?;
    Ok(Plan {
        schema: Plan::SCHEMA,
        env,
        id,
        goal: Goal::Up,
        inputs: String::new(),
        steps,
        skipped: BTreeMap::new(),
        ports: BTreeMap::new(),
        left: Vec::new(),
    })
}

async fn measure(
    steps: &[(u32, &[u32])],
    folder: &Path,
    parallel: usize,
    argv: Option<&[&str]>,
) -> Result<(), Box<dyn Error>> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    let context = Context::real()?;
    let env = EnvName::parse("bench")?;
    let id = EnvId::parse("bench-00000000")?;
    let paths = Paths::new(folder, &env);
    let memory = store::recall(&paths)?;
    let opening = Opening { env: env.clone(), id: id.clone(), verb: Verb::Up, version: "bench".to_owned() };
    let mut log = Log::open(&context, &paths, &memory, opening)?;
    let argv = argv.map(|argv| argv.iter().map(|&word| word.to_owned()).collect());
    let engine = Engine {
        world: Arc::new(Synthetic { context, argv }),
        teller: Teller::silent(env.clone()),
        parallel: NonZeroUsize::new(parallel).ok_or("at least one step at a time")?,
        interrupt: Interrupt::never(),
    };
    let result = engine.run(&Arc::new(plan(env, id, steps)?), &mut log).await?;
    log.finish(result.outcome)?;
    if result.outcome == Outcome::Succeeded { Ok(()) } else { Err(format!("{result:?}").into()) }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["noop", count, folder] => {
            let steps: Vec<(u32, &[u32])> = (1..=count.parse()?).map(|number| (number, &[][..])).collect();
            measure(&steps, &PathBuf::from(folder), 8, None).await
        }
        ["dag", folder] => measure(&DAG, &PathBuf::from(folder), 12, Some(&["sleep", "0.2"])).await,
        _ => Err("usage: synthetic noop COUNT FOLDER | synthetic dag FOLDER".into()),
    }
}
