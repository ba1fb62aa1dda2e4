//! Secrets of known values, looked for everywhere.

use crate::command::done;
use crate::stage::{Stage, UP, all_pids, tree, which};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// The variable that holds one of them.
const VARIABLE: &str = "CANARY";

/// A stage with secrets from a variable, from a file, and from its own making.
struct Cage {
    stage: Stage,
    from_variable: String,
    from_file: String,
    /// Everything that was ever said, by the command that said it.
    said: Vec<(String, String)>,
}

impl Cage {
    fn new(change: impl FnOnce(Stage) -> Stage) -> Self {
        let stage = change(Stage::new());
        let value = |kind: &str| {
            format!("canary-{kind}-{}", std::iter::repeat_with(fastrand::alphanumeric).take(24).collect::<String>())
        };
        let (from_variable, from_file) = (value("variable"), value("file"));
        let file = stage.at("home/smoke.token");
        std::fs::write(&file, format!("{from_file}\n")).unwrap();
        let secrets = |component: &str| match component {
            "redis" => format!("secrets: {{metrics: {{env: {VARIABLE}}}, runner: {{env: {VARIABLE}}}}}\n"),
            "alertmanager" => format!("secrets: {{smoke: {{file: {}}}}}\n", file.display()),
            _ => String::new(),
        };
        stage.write_env("free", secrets);
        Self { stage, from_variable, from_file, said: Vec::new() }
    }

    /// The values, as far as they are known yet.
    fn values(&self) -> Vec<String> {
        let mut values = vec![self.from_variable.clone(), self.from_file.clone()];
        if self.stage.paths().secrets().exists() {
            values.extend(self.stage.secrets().into_values());
        }
        values.sort();
        values.dedup();
        values
    }

    /// Runs a line, which must end so, and keeps what it says.
    #[track_caller]
    fn run(&mut self, line: &str, code: i32) {
        let ran = done(self.stage.command(line).env(VARIABLE, &self.from_variable));
        assert_eq!(ran.code, Some(code), "{line}: {}", ran.shown());
        self.said.push((line.to_owned(), ran.shown()));
    }

    /// Nothing that was said, and no file but those for one's own eyes, shows a value.
    #[track_caller]
    fn nothing_is_out(&self, seen: &BTreeMap<Vec<u8>, String>) {
        let values = self.values();
        assert!(values.len() >= 5, "{} values", values.len());
        let shows = |text: &[u8]| values.iter().find(|value| contains(text, value.as_bytes()));
        for (line, text) in &self.said {
            assert_eq!(shows(text.as_bytes()), None, "`{line}` shows a secret");
        }
        let state = self.stage.at("state");
        let root = self.stage.paths().root;
        let mut holders = Vec::new();
        for (path, content) in tree(&state) {
            if shows(&content).is_none() {
                continue;
            }
            let whole = state.join(&path);
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&whole), 0o600, "{} holds a secret", path.display());
            assert!(whole.ancestors().skip(1).any(|folder| mode(folder) == 0o700), "{}", path.display());
            let within = whole.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            holders.push(within.split('/').next().unwrap().to_owned());
        }
        holders.dedup();
        let known = ["config", "secrets", "data"];
        assert!(holders.iter().all(|holder| known.contains(&holder.as_str())), "secrets are in {holders:?}");
        assert!(holders.contains(&"secrets".to_owned()), "nothing was looked at");
        for folder in ["project", "cache", "tmp", "settings"] {
            for (path, content) in tree(&self.stage.at(folder)) {
                assert_eq!(shows(&content), None, "{}", path.display());
            }
        }
        assert!(seen.len() > 10, "{} texts of processes", seen.len());
        for (text, what) in seen {
            assert_eq!(shows(text), None, "{what} shows a secret");
        }
    }
}

fn contains(text: &[u8], value: &[u8]) -> bool {
    text.windows(value.len()).any(|window| window == value)
}

/// Looks at every process all the time: its command line, and the environment of those that are ours.
struct Watch {
    stop: Arc<AtomicBool>,
    task: JoinHandle<BTreeMap<Vec<u8>, String>>,
}

impl Watch {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = std::thread::spawn(move || {
            let mut seen = BTreeMap::new();
            while !stopped.load(Ordering::Relaxed) {
                for pid in all_pids() {
                    look(pid, &mut seen);
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            seen
        });
        Self { stop, task }
    }

    /// What was seen: each text with what it is.
    fn end(self) -> BTreeMap<Vec<u8>, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.join().unwrap()
    }
}

fn look(pid: u32, seen: &mut BTreeMap<Vec<u8>, String>) {
    let Ok(argv) = std::fs::read(format!("/proc/{pid}/cmdline")) else { return };
    let name = String::from_utf8_lossy(argv.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    if contains(&environment, b"REPORTCTL_ID=") {
        seen.entry(environment).or_insert_with(|| format!("the environment of {name}"));
    }
    seen.entry(argv).or_insert_with(|| format!("the command line of {name}"));
}

#[test]
fn no_secret_is_shown_by_anything_that_works() {
    let mut cage = Cage::new(|stage| stage);
    let watch = Watch::start();
    cage.run("plan -v -v", 0);
    cage.run("plan -o json", 0);
    cage.run("plan --out saved", 0);
    cage.run("up --dry-run", 0);
    cage.run("render -v -v", 0);
    cage.run("render -o json", 0);
    cage.run("render -o rendered", 0);
    cage.run("up -y -v -v saved", 0);
    for component in crate::stage::COMPONENTS {
        cage.run(&format!("logs {component} --tail 1000 -v -v"), 0);
        cage.run(&format!("open {component} -v -v"), 0);
    }
    for line in ["status -v -v", "status -o json", "logs -o json", "doctor -v -v", "doctor -o json", "env list -o json"]
    {
        cage.run(line, 0);
    }
    cage.run("smoke redis redis-exporter */answers -v -v --junit junit.xml --html report.html", 0);
    cage.run("smoke redis -o json -v -v", 0);
    cage.run("down -y --keep-data -o json -v -v", 0);
    cage.run(&format!("{UP} -o json -v -v"), 0);
    let values = cage.values();
    let pid = cage.stage.pids()["redis"];
    crate::stage::signal(pid, "STOP");
    cage.run("smoke redis -o json -v -v", 11);
    crate::stage::signal(pid, "CONT");
    cage.nothing_is_out(&watch.end());
    let watch = Watch::start();
    cage.run("down -y -v -v", 0);
    let seen = watch.end();
    for value in values {
        let shown = cage.said.iter().find(|(_, text)| text.contains(&value));
        assert_eq!(shown.map(|(line, _)| line), None);
        let shown = seen.iter().find(|(text, _)| contains(text, value.as_bytes()));
        assert_eq!(shown.map(|(_, what)| what), None);
    }
}

#[test]
fn a_program_that_blurts_its_secrets_out_is_masked_in_all_that_is_shown() {
    let real = which("prometheus-redis-exporter");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *-version*) exec '{}' \"$@\";; esac\nfor word; do\n  case \"$word\" in \
         *passwords.json) cat \"${{word#*=}}\" >&2; echo >&2; echo;; esac\ndone\nexit 3\n",
        real.display()
    );
    let mut cage = Cage::new(|stage| stage.with_script("prometheus-redis-exporter", &script));
    let watch = Watch::start();
    cage.run("up -y -v -v", 10);
    cage.run("up -y -o json", 10);
    cage.run("logs -v -v", 0);
    cage.run("logs redis-exporter -o json", 0);
    cage.run("status -o json", 0);
    cage.run("smoke redis-exporter -o json", 11);
    let told = cage.said.iter().map(|(_, text)| text.as_str()).collect::<String>();
    assert!(told.contains("redis://") && told.contains("***"), "it never blurted anything out: {told}");
    let log = std::fs::read_to_string(cage.stage.paths().logs().join("redis-exporter.log")).unwrap();
    assert!(log.contains(&cage.from_variable), "the log itself is the program's own words");
    std::fs::remove_file(cage.stage.paths().logs().join("redis-exporter.log")).unwrap();
    cage.nothing_is_out(&watch.end());
    cage.run("down -y", 0);
}

#[test]
fn a_secret_whose_source_has_nothing_is_an_error_that_shows_no_value() {
    let cage = Cage::new(|stage| stage);
    let none = cage.stage.run(UP);
    assert!(matches!(none.code, Some(8 | 10)), "{}", none.shown());
    assert!(none.err.contains(VARIABLE) && none.err.contains("not set"), "{}", none.shown());
    let unfit = done(cage.stage.command(UP).env(VARIABLE, "canary with blanks"));
    assert!(matches!(unfit.code, Some(8 | 10)), "{}", unfit.shown());
    assert!(!unfit.shown().contains("with blanks"), "{}", unfit.shown());
    let up = done(cage.stage.command(UP).env(VARIABLE, &cage.from_variable));
    assert_eq!(up.code, Some(0), "{}", up.shown());
    // It is stored now, so its source is not needed any more.
    cage.stage.up();
    cage.stage.all_answer();
    assert_eq!(cage.stage.secrets()["redis-metrics"], cage.from_variable);
}
