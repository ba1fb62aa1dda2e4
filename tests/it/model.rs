//! Files of environments: every kind of mistake with its place, and what the good ones mean.

#[path = "../../src/ui/diagnostics.rs"]
pub mod diagnostics;

use reportctl::model::component::ComponentName;
use reportctl::model::diagnostic::{Kind, Report};
use reportctl::model::environment::{Environment, Fsync, Machine, Options, PortPolicy};
use reportctl::model::ids::EnvName;
use reportctl::model::library::Meaning;
use reportctl::model::quantity::{Size, Span};
use reportctl::model::secret::SecretSource;
use reportctl::project::{Project, ProjectError, Validation};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn fixtures(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind)
}

fn name(text: &str) -> EnvName {
    EnvName::parse(text).unwrap()
}

/// What is said of a fixture: a file is an environment beside the embedded ones, which is loaded; a folder is a
/// project, all of whose files are validated.
fn report(path: &Path) -> Report {
    let Validation { report, files, .. } = validation(path);
    match files.as_slice() {
        [file] if file.meaning == Meaning::Base => {
            let project = Project::embedded().with(file.name.clone(), &std::fs::read(path).unwrap());
            match project.load(file.name.as_str()) {
                Err(ProjectError::Invalid(report)) => *report,
                other => panic!("a base was loaded: {other:?}"),
            }
        }
        _ => report,
    }
}

fn validation(path: &Path) -> Validation {
    if path.is_dir() {
        return Project::find(Some(Path::new(".")), path).unwrap().validate(None).unwrap();
    }
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let project = Project::embedded().with(name(stem), &std::fs::read(path).unwrap());
    project.validate(Some(stem)).unwrap()
}

fn all(kind: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(fixtures(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_dir() || path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
}

/// Holds a text against the file beside a fixture. `UPDATE_FIXTURES=1` writes it anew, to be looked at.
fn hold(expected: &Path, text: &str, wrong: &mut Vec<String>) {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(expected, text).unwrap();
    } else if std::fs::read_to_string(expected).unwrap_or_default() != text {
        wrong.push(format!("{}:\n{text}", expected.display()));
    }
}

fn kinds(report: &Report) -> BTreeSet<Kind> {
    report.diagnostics().iter().map(|diagnostic| diagnostic.kind).collect()
}

#[test]
fn each_bad_file_gives_exactly_its_diagnostics_and_every_kind_occurs() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    let paths = all("bad");
    for path in &paths {
        let report = report(path);
        assert!(!report.diagnostics().is_empty(), "{} is not bad", path.display());
        let text = diagnostics::human(&report, false, 120);
        hold(&path.with_extension("txt"), &text, &mut wrong);
        seen.extend(kinds(&report));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(paths.len() >= 60, "{}", paths.len());
    let files: usize = paths.iter().filter(|path| path.is_file()).count();
    assert!(files >= 60, "{files}");
    // The one kind that would need a large fixture.
    let big = Project::embedded().with(name("big"), &vec![b'#'; 300 * 1024]).validate(Some("big")).unwrap();
    seen.extend(kinds(&big.report));
    // What templates come to is judged by the command alone: see `cloud_init_validate.rs`.
    seen.extend([Kind::Template, Kind::UserData, Kind::DoubtfulUserData]);
    let never: Vec<&Kind> = Kind::ALL.iter().filter(|kind| !seen.contains(kind)).collect();
    assert!(never.is_empty(), "no fixture shows {never:?}");
}

#[test]
fn good_files_give_no_diagnostics() {
    for path in all("good") {
        let Validation { report, files, .. } = validation(&path);
        assert_eq!(diagnostics::human(&report, false, 120), "", "{}", path.display());
        assert!(files.iter().all(|file| matches!(file.meaning, Meaning::Environment(_))), "{}", path.display());
    }
    let own = Project::embedded().validate(None).unwrap();
    assert_eq!(diagnostics::human(&own.report, false, 120), "");
}

#[test]
fn nothing_that_is_said_of_a_bad_file_shows_a_secret() {
    for path in all("bad") {
        let report = report(&path);
        let said = format!("{}{}", diagnostics::human(&report, true, 200), diagnostics::json(&report));
        for secret in ["correct", "horse", "battery", "12345678"] {
            assert!(!said.contains(secret), "{}: {said}", path.display());
        }
    }
}

#[test]
fn programs_get_the_same_places_as_people() {
    let report = report(&fixtures("bad").join("non-ascii-key.yaml"));
    let json = diagnostics::json(&report);
    assert_eq!(json["errors"], 2);
    let second = &json["diagnostics"][1];
    assert_eq!(second["code"], "unknown-key");
    let place = &second["place"];
    let file = "environments/non-ascii-key.yaml";
    assert_eq!((&place["file"], &place["line"], &place["column"]), (&file.into(), &6.into(), &11.into()));
    assert_eq!(place["end_column"], 21);
}

fn load(name: &str, text: &str) -> Environment {
    let project = Project::embedded().with(self::name(name), text.as_bytes());
    match project.load(name) {
        Ok(environment) => environment,
        Err(ProjectError::Invalid(report)) => panic!("{}", diagnostics::human(&report, false, 120)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn an_environment_says_only_what_differs_key_by_key() {
    let text = "extends: local\ndescription: Mine\nmachine: {ports: exact}\nstack:\n  redis:\n    ports: {redis: 7000}\n    \
                secrets: {admin: {env: ADMIN}}\n    fsync: always\n  alertmanager: {ports: {smoke: 9999}}\n  uptrace: {needs: \
                [clickhouse, redis, postgresql, prometheus]}\n  grafana: {enabled: false}\n";
    let (mine, local) = (load("mine", text), Project::embedded().load("local").unwrap());
    assert_eq!((mine.name.as_str(), mine.description.as_str()), ("mine", "Mine"));
    assert_eq!(mine.machine, Machine::Host { ports: PortPolicy::Exact, memory: Some(Size(8 << 30)) });
    let mut stack = local.stack;
    let redis = stack.components.get_mut(&ComponentName::Redis).unwrap();
    redis.ports.insert("redis".to_owned(), 7000);
    redis.secrets.insert("admin".to_owned(), SecretSource::Env("ADMIN".to_owned()));
    redis.options = Options::Redis { fsync: Fsync::Always };
    let alertmanager = stack.components.get_mut(&ComponentName::Alertmanager).unwrap();
    alertmanager.ports.insert("smoke".to_owned(), 9999);
    let uptrace = stack.components.get_mut(&ComponentName::Uptrace).unwrap();
    uptrace.needs.insert(ComponentName::Prometheus);
    stack.components.remove(&ComponentName::Grafana);
    assert_eq!(mine.stack, stack);
}

#[test]
fn base_alone_is_no_environment_and_an_unknown_name_gets_a_suggestion() {
    let project = Project::embedded();
    let Err(ProjectError::Invalid(report)) = project.load("base") else { panic!("base was loaded") };
    assert_eq!(kinds(&report), BTreeSet::from([Kind::MissingKey]));
    match project.load("locl") {
        Err(ProjectError::NotFound { near, known, .. }) => {
            assert_eq!((near, known), (Some(name("local")), ["local", "lxd", "multipass"].map(name).to_vec()))
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        project.load("No Name").unwrap_err().to_string(),
        "there is no environment `No Name`; there are: local, lxd, multipass"
    );
}

#[test]
fn local_is_quick_and_the_base_takes_its_time() {
    let intervals = |environment: &Environment| match environment.stack.components[&ComponentName::Prometheus].options {
        Options::Prometheus { scrape_interval, evaluation_interval, .. } => (scrape_interval, evaluation_interval),
        _ => panic!("no options of Prometheus"),
    };
    let five = Span::seconds(5);
    assert_eq!(intervals(&Project::embedded().load("local").unwrap()), (five, five));
    let fifteen = Span::seconds(15);
    assert_eq!(intervals(&load("slow", "extends: base\nmachine: {kind: host}\n")), (fifteen, fifteen));
}

#[test]
fn a_version_is_read_by_its_text() {
    let text = "extends: base\nmachine: {kind: host}\nstack: {redis: {version: 7.10}, prometheus: {version: '3'}}\n";
    let environment = load("versions", text);
    let version = |name| environment.stack.components[&name].version.to_string();
    assert_eq!(version(ComponentName::Redis), "7.10");
    assert_eq!(version(ComponentName::Prometheus), "3");
}

#[test]
fn the_environment_that_the_readme_shows_is_valid() {
    let readme = include_str!("../../README.md");
    let blocks = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let shown: Vec<&str> = blocks.filter(|block| block.contains("extends:")).collect();
    assert!(!shown.is_empty(), "the README shows no environment");
    for text in shown {
        load("shown", text);
    }
}
