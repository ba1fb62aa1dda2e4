//! The fake `lxc`: a client without a daemon. Its instances are fake machines (`guest`); everything else is a file.
//!
//! It takes the words that this project uses, and refuses others. It cannot prove what LXD does, only what is asked of it.

mod instances;
mod rest;
mod store;
mod verbs;

use crate::fault::Active;
use crate::fault::Faults;
use crate::guest::world::World;
use serde_json::Value;
use std::collections::VecDeque;
use std::path::Path;
use std::process::ExitCode;

/// What is asked of it, and what goes wrong.
struct Lxd {
    world: World,
    faults: Active,
}

/// Runs `lxc` with these arguments. `FAKE_LXD` names the folder in which everything is.
pub(crate) fn run(args: Vec<String>) -> ExitCode {
    match attempt(args.into()) {
        Ok(said) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("Error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn attempt(mut args: VecDeque<String>) -> Result<String, String> {
    if args.iter().any(|word| word == "--version") && args.len() == 1 {
        return Ok("5.0.2\n".to_owned());
    }
    let folder = crate::variable("FAKE_LXD").ok_or("set FAKE_LXD to the folder of the fake LXD")?;
    let faults = Faults::from_environment("lxd").map_err(|refusal| refusal.text)?.now()?;
    let socket = "Get \"http://unix.socket/1.0\": dial unix /var/lib/lxd/unix.socket: connect:";
    if faults.on("daemon-down") {
        return Err(format!("{socket} no such file or directory"));
    }
    if faults.on("denied") {
        return Err(format!("{socket} permission denied"));
    }
    let lxd = Lxd { world: World::open(Path::new(&folder))?, faults };
    let verb = args.pop_front().unwrap_or_default();
    match verb.as_str() {
        "query" => query(&lxd, &mut args),
        "exec" => verbs::exec(&lxd, args),
        verb => verbs::run(&lxd, verb, args),
    }
}

/// `lxc query [--wait] [-X METHOD] [-d JSON] [REMOTE:]PATH`
fn query(lxd: &Lxd, args: &mut VecDeque<String>) -> Result<String, String> {
    let (mut method, mut data, mut path) = ("GET".to_owned(), Value::Null, None);
    while let Some(word) = args.pop_front() {
        match word.as_str() {
            "--wait" | "--raw" => {}
            "-X" | "--request" => method = args.pop_front().unwrap_or_default(),
            "-d" | "--data" => {
                let text = args.pop_front().unwrap_or_default();
                data = serde_json::from_str(&text).map_err(|error| format!("invalid JSON: {error}"))?;
            }
            word if word.starts_with('-') => return Err(format!("unknown flag: {word}")),
            word if path.is_none() => path = Some(word.to_owned()),
            word => return Err(format!("Invalid number of arguments: {word}")),
        }
    }
    let path = path.ok_or("Invalid number of arguments")?;
    let path = path.strip_prefix("local:").unwrap_or(&path);
    if !path.starts_with("/1.0") {
        return Err("Query path must start with /".to_owned());
    }
    let answer = lxd.locked(&method, path, &data)?;
    let answer = if method == "GET" || !answer.is_null() { answer } else { serde_json::json!({}) };
    Ok(format!("{}\n", serde_json::to_string_pretty(&answer).unwrap_or_default()))
}

impl Lxd {
    /// Does what a request says while nobody else changes anything.
    fn locked(&self, method: &str, path: &str, data: &Value) -> Result<Value, String> {
        let _held = if method == "GET" { None } else { Some(self.world.lock()?) };
        rest::request(self, method, path, data)
    }
}
