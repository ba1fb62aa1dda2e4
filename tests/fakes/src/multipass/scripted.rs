//! Instances that are nothing but a script: each command that may be run in one is written down with what it says.
//!
//! The file that `FAKE_MULTIPASS_SCRIPT` names is a JSON list. Each command takes the first entry that fits and still has
//! a turn; a command that fits none is an error, and is noted in the file `unexpected` of the fake's folder.

use super::backend::{Backend, Command, Doing, Figures, Input, Sink, Spec};
use super::state;
use crate::variable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The exit code of a command that nobody expected.
const UNEXPECTED: u8 = 97;

/// One command that may be run, and what comes of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    /// The words of the command; `*` as the last one stands for any more.
    argv: Vec<String>,
    /// What it must read.
    #[serde(default)]
    stdin: Option<String>,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stderr: String,
    #[serde(default)]
    code: u8,
    /// How often; any number of times without it.
    #[serde(default)]
    times: Option<u64>,
}

/// What the script's instances do.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    doing: BTreeMap<String, String>,
    turns: BTreeMap<usize, u64>,
    snapshots: Vec<String>,
}

/// Instances that only answer as they are told to.
pub(crate) struct Scripted {
    home: PathBuf,
    turns: Vec<Turn>,
}

impl Scripted {
    /// Errors: the script is not there or malformed.
    pub(crate) fn from_environment(home: &Path) -> Result<Self, String> {
        let turns = match variable("FAKE_MULTIPASS_SCRIPT") {
            None => Vec::new(),
            Some(path) => {
                let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
                serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?
            }
        };
        Ok(Self { home: home.to_owned(), turns })
    }

    fn file(&self) -> PathBuf {
        self.home.join("scripted.json")
    }

    fn with<T>(&self, change: impl FnOnce(&mut Known) -> T) -> Result<T, String> {
        let _lock = state::lock(&self.home.join("scripted.lock"))?;
        let mut known: Known = match fs::read_to_string(self.file()) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| error.to_string())?,
            Err(_) => Known::default(),
        };
        let result = change(&mut known);
        let text = serde_json::to_string(&known).map_err(|error| error.to_string())?;
        state::replace(&self.file(), text.as_bytes())?;
        Ok(result)
    }

    fn set(&self, name: &str, doing: &str) -> Result<(), String> {
        self.with(|known| drop(known.doing.insert(name.to_owned(), doing.to_owned())))
    }

    /// The turn of a command.
    fn turn(&self, argv: &[String], stdin: &str) -> Result<Option<Turn>, String> {
        let fits = |turn: &Turn| {
            let words = match turn.argv.split_last() {
                Some((last, words)) if last == "*" => argv.get(..words.len()) == Some(words),
                _ => turn.argv == argv,
            };
            words && turn.stdin.as_deref().is_none_or(|expected| expected == stdin)
        };
        self.with(|known| {
            for (index, turn) in self.turns.iter().enumerate().filter(|(_, turn)| fits(turn)) {
                let taken = known.turns.entry(index).or_default();
                if turn.times.is_none_or(|times| *taken < times) {
                    *taken += 1;
                    return Some(turn.clone());
                }
            }
            None
        })
    }
}

impl Backend for Scripted {
    fn create(&self, spec: &Spec) -> Result<(), String> {
        self.set(&spec.name, "stopped")
    }

    fn start(&self, name: &str) -> Result<(), String> {
        self.set(name, "runs")
    }

    fn stop(&self, name: &str, _force: bool) -> Result<(), String> {
        self.set(name, "stopped")
    }

    fn suspend(&self, name: &str) -> Result<(), String> {
        self.set(name, "frozen")
    }

    fn delete(&self, name: &str) -> Result<(), String> {
        self.with(|known| drop(known.doing.remove(name)))
    }

    fn doing(&self, name: &str) -> Result<Doing, String> {
        self.with(|known| match known.doing.get(name).map(String::as_str) {
            Some("runs") => Doing::Runs,
            Some("frozen") => Doing::Frozen,
            Some(_) => Doing::Stopped,
            None => Doing::Nothing,
        })
    }

    fn answers(&self, _name: &str) -> bool {
        true
    }

    fn is_initialized(&self, _name: &str) -> bool {
        true
    }

    fn figures(&self, name: &str) -> Result<Figures, String> {
        let place = self.with(|known| known.doing.keys().position(|one| one == name))?.unwrap_or_default();
        Ok(Figures {
            addresses: vec![format!("10.21.124.{}", 56 + place % 190)],
            release: "Ubuntu 24.04.2 LTS".to_owned(),
            cpus: "1".to_owned(),
            load: vec![0.03, 0.1, 0.15],
            disk: Some((6_764_573_492, 1_932_735_284)),
            memory: Some((1_610_612_736, 38_797_312)),
        })
    }

    fn exec(&self, command: &Command<'_>) -> Result<u8, String> {
        let mut stdin = String::new();
        match command.input {
            Input::Nothing => {}
            Input::Own => drop(std::io::stdin().read_to_string(&mut stdin).map_err(|error| error.to_string())?),
            Input::File(path) => stdin = fs::read_to_string(path).map_err(|error| error.to_string())?,
        }
        let Some(turn) = self.turn(command.argv, &stdin)? else {
            let line = format!("{}: {:?} < {stdin:?}\n", command.name, command.argv);
            eprint!("fake multipass: nobody expected {line}");
            let file = fs::OpenOptions::new().append(true).create(true).open(self.home.join("unexpected"));
            file.and_then(|mut file| file.write_all(line.as_bytes())).map_err(|error| error.to_string())?;
            return Ok(UNEXPECTED);
        };
        match command.output {
            Sink::Own => {
                print!("{}", turn.stdout);
                std::io::stdout().flush().map_err(|error| error.to_string())?;
            }
            Sink::File(path) => fs::write(path, &turn.stdout).map_err(|error| error.to_string())?,
        }
        eprint!("{}", turn.stderr);
        Ok(turn.code)
    }

    fn snapshot(&self, name: &str, snapshot: &str) -> Result<(), String> {
        self.with(|known| known.snapshots.push(format!("{name}.{snapshot}")))
    }

    fn restore(&self, name: &str, snapshot: &str) -> Result<(), String> {
        let whole = format!("{name}.{snapshot}");
        if self.with(|known| known.snapshots.contains(&whole))? { Ok(()) } else { Err(format!("no {whole}")) }
    }

    fn delete_snapshot(&self, name: &str, snapshot: &str) -> Result<(), String> {
        let whole = format!("{name}.{snapshot}");
        self.with(|known| known.snapshots.retain(|one| *one != whole))
    }

    fn copy(&self, _name: &str, spec: &Spec) -> Result<(), String> {
        self.set(&spec.name, "stopped")
    }

    fn mount(&self, _name: &str, _source: &Path, _target: &str) -> Result<(), String> {
        Ok(())
    }

    fn umount(&self, _name: &str, _target: &str) -> Result<(), String> {
        Ok(())
    }
}
