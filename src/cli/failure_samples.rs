//! Every kind of error, as it is shown.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use super::failure::{CliError, StepError, report};
use crate::ui::style::Paint;
use reportctl::engine::EngineError;
use reportctl::fs;
use reportctl::journal::{Damage, JournalError};
use reportctl::model::component::{ComponentName, PortKey};
use reportctl::model::guest::{Guest, MadeBy};
use reportctl::model::ids::{EnvName, StepId};
use reportctl::plan::error::{Lack, PlanError};
use reportctl::plan::saved::SavedError;
use reportctl::project::Project;
use reportctl::project::init::InitError;
use reportctl::provider::host::agent::ClientError;
use reportctl::provider::{Failure, FailureKind};
use reportctl::reach::guest::GuestError;
use reportctl::smoke::evidence::Evidence;
use reportctl::smoke::{Selection, SmokeError, TargetError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn env() -> EnvName {
    EnvName::parse("plant").unwrap()
}

fn step(kind: FailureKind) -> Box<StepError> {
    let failure = Failure::new(kind, "redis did not become ready")
        .observed("nobody listens on 127.0.0.1:6379")
        .expected("PONG")
        .advice("reportctl logs -e plant redis")
        .evidence("/state/logs/redis.log");
    Box::new(StepError {
        env: env(),
        verb: "up",
        step: StepId::parse("redis/ready").ok(),
        failure,
        others: vec![(StepId::parse("prometheus/ready").unwrap(), "it ended".to_owned())],
        not_begun: 2,
        dossier: Some(PathBuf::from("/state/dossiers/0001")),
    })
}

fn fs_error() -> fs::FsError {
    fs::read(Path::new("/nowhere/file")).unwrap_err()
}

fn plans() -> Vec<CliError> {
    let redis = PortKey::new(ComponentName::Redis, "redis");
    let text = str::to_owned;
    let lack = Lack {
        component: ComponentName::Redis,
        reason: text("redis-server is not installed, and root cannot be had"),
        package: Some(text("redis-server")),
        mend: None,
    };
    [
        PlanError::Foreign { root: "/state/envs/plant".into(), reason: text("no identity"), advice: text("move it") },
        PlanError::Unknown { what: text("whether the agent runs"), reason: text("no answer"), advice: text("look") },
        PlanError::CannotBeHad(vec![lack]),
        PlanError::PortTaken { key: redis.clone(), number: 6379 },
        PlanError::NoPort { key: redis, tried: vec![6379, 20_001] },
        PlanError::Elsewhere { env: EnvName::parse("plant").unwrap(), was: MadeBy::Lxd, says: MadeBy::Host },
        PlanError::Machine { cause: text("LXD's daemon does not answer"), advice: text("start it"), is_tool: false },
        PlanError::Machine { cause: text("`lxc` is not installed"), advice: text("install it"), is_tool: true },
        PlanError::Circle(text("redis, prometheus")),
    ]
    .into_iter()
    .map(|error| CliError::Plan { env: env(), error })
    .collect()
}

fn runs() -> Vec<CliError> {
    let reclaim = || Some("reportctl down --id plant-7f3k9q2m".to_owned());
    let damage = Damage { path: "/state/journal/0001.journal".into(), line: 3, what: "its checksum".to_owned() };
    let evidence = Evidence {
        schema: 1,
        env: env(),
        id: reportctl::model::ids::EnvId::parse("plant-7f3k9q2m").unwrap(),
        at: "2026-01-01T00:00:00.000Z".to_owned(),
        millis: 1,
        versions: BTreeMap::new(),
        checks: Vec::new(),
    };
    let saved = |error| CliError::Saved { file: "plan.json".into(), error };
    let failed = vec!["redis/answers".to_owned()];
    let left = |cause| CliError::Left { env: env(), what: vec!["redis: stop".to_owned()], cause };
    vec![
        CliError::Locked { env: env(), holder: "`reportctl up` of somebody on host, process 7".to_owned() },
        saved(SavedError::Malformed("expected value at line 1".to_owned())),
        saved(SavedError::Stale("redis/start would be done as well".to_owned())),
        CliError::NobodyToAsk { verb: "up".to_owned(), env: env() },
        CliError::Declined { verb: "up".to_owned() },
        CliError::Step(step(FailureKind::Failed)),
        CliError::Step(step(FailureKind::Precondition)),
        CliError::Step(step(FailureKind::Timeout)),
        CliError::Step(step(FailureKind::ForeignTool)),
        CliError::Engine(EngineError::Plan("`a` stands twice".to_owned())),
        CliError::Journal(JournalError::Damaged(damage)),
        CliError::Journal(JournalError::Schema { path: "/state/journal/0001.journal".into(), found: 2 }),
        CliError::Journal(JournalError::Poisoned("/state/journal/0001.journal".into())),
        CliError::Interrupted { env: env(), verb: "up", terminated: false, reclaim: reclaim() },
        CliError::Interrupted { env: env(), verb: "smoke", terminated: true, reclaim: None },
        CliError::OutOfTime { env: env(), verb: "up", limit: Duration::from_secs(90), reclaim: reclaim() },
        CliError::SmokeFailed { env: env(), failed, evidence: Box::new(evidence), dossier: None },
        left(None),
        left(Some(step(FailureKind::Failed))),
    ]
}

fn others() -> Vec<CliError> {
    let none = SmokeError::NoneToRun { skipped: vec![("redis/answers".to_owned(), "not here".to_owned())] };
    let reason = "no program `grafana`".to_owned();
    let wrong = Project::embedded().with(env(), b"extends: local\nstack: {redis: {memroy: 1GiB}}\n");
    vec![
        CliError::NoFolder { variable: "XDG_STATE_HOME", found: None },
        CliError::NoFolder { variable: "XDG_STATE_HOME", found: Some("state".to_owned()) },
        CliError::Project(Project::embedded().load("plant").unwrap_err()),
        CliError::Project(Project::embedded().load("locla").unwrap_err()),
        CliError::Project(wrong.load("plant").unwrap_err()),
        CliError::Project(Project::find(Some(Path::new("/nowhere")), Path::new("/")).unwrap_err()),
        CliError::Init(InitError::Exists("environments/plant.yaml".into())),
        CliError::Init(InitError::FromBase(env())),
        CliError::NotUp { env: env() },
        CliError::NotThere { env: env(), component: ComponentName::Grafana, reason },
        CliError::Way { env: env(), error: "no tunnel to 10.101.1.2: port 8080 is taken".to_owned() },
        CliError::Link { env: env(), error: "a name is made of small letters and digits".to_owned() },
        CliError::Queue { env: env(), usage: true, said: "unrecognized subcommand 'stats'".to_owned() },
        CliError::Queue { env: env(), usage: false, said: "there is no such job".to_owned() },
        CliError::AgentAnswer { env: env(), error: ClientError::Refused { reason: "busy".to_owned() } },
        CliError::Secrets { env: env(), error: "secret redis-admin cannot be read".to_owned() },
        CliError::Target { env: env(), error: TargetError::NoProgram(ComponentName::Redis) },
        CliError::NoMachine { env: env(), verb: "shell" },
        CliError::ForeignMachine { env: env(), name: "report-plant-7f3k9q2m".to_owned() },
        CliError::Inside { env: env(), error: GuestError::NotRunning(Guest::Lxd("report-plant-7f3k9q2m".to_owned())) },
        CliError::UnknownCheck(Selection::parse(&["promethus"]).unwrap_err()),
        CliError::Smoke { env: env(), error: none },
        CliError::Fs(fs_error()),
        CliError::NotBaked { env: env() },
        CliError::Lxd(Box::new(
            Failure::new(FailureKind::Precondition, "LXD's images cannot be seen")
                .advice("sudo usermod -aG lxd \"$USER\""),
        )),
        CliError::Output("No space left on device".to_owned()),
        CliError::Host("cannot start threads".to_owned()),
        CliError::Bug("this cannot be".to_owned()),
    ]
}

#[test]
fn every_kind_of_error_is_shown_with_what_to_type_next_and_the_name_of_its_code() {
    let mut all = String::new();
    for error in plans().into_iter().chain(runs()).chain(others()) {
        let report = report(&error);
        assert!(!report.next.is_empty(), "{error:?}");
        let code = super::ExitCode::find(report.name).unwrap();
        assert_eq!(code.number(), report.exit_code);
        all.push_str(&report.shown(Paint::new(false), 80));
        all.push('\n');
        let json = report.json();
        assert_eq!(json["error"]["cause"], report.cause);
    }
    insta::assert_snapshot!(all);
}
