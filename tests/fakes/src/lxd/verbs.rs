//! The verbs of `lxc` that are used beside `query`.

use super::Lxd;
use super::instances::agent_is_up;
use super::store::Store;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::fs;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Words and flags of a command line.
struct Line {
    words: Vec<String>,
    flags: Vec<(String, String)>,
}

impl Line {
    /// Flags may stand anywhere. `valued` take a value, also as `--flag=value`.
    fn read(args: VecDeque<String>, valued: &[&str], plain: &[&str]) -> Result<Self, String> {
        let mut line = Self { words: Vec::new(), flags: Vec::new() };
        let mut args = args.into_iter();
        while let Some(word) = args.next() {
            if !word.starts_with('-') || word == "-" {
                line.words.push(word);
                continue;
            }
            let (flag, given) = match word.split_once('=').filter(|_| word.starts_with("--")) {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (word.clone(), None),
            };
            let value = if ["--project"].contains(&flag.as_str()) || valued.contains(&flag.as_str()) {
                given.or_else(|| args.next()).ok_or_else(|| format!("flag needs an argument: {flag}"))?
            } else if ["--quiet", "-q"].contains(&flag.as_str()) || plain.contains(&flag.as_str()) {
                String::new()
            } else {
                return Err(format!("unknown flag: {flag}"));
            };
            if flag == "--project" && value != "default" {
                return Err("Project not found".to_owned());
            }
            line.flags.push((flag, value));
        }
        Ok(line)
    }

    fn values<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a str> {
        self.flags.iter().filter(|(flag, _)| names.contains(&flag.as_str())).map(|(_, value)| value.as_str())
    }

    fn has(&self, names: &[&str]) -> bool {
        self.values(names).next().is_some()
    }

    fn word(&self, place: usize) -> Result<&str, String> {
        let word = self.words.get(place).ok_or("Invalid number of arguments")?;
        Ok(word.strip_prefix("local:").unwrap_or(word))
    }
}

/// All of standard input, as `lxc` reads it where it is no terminal.
fn input() -> Result<String, String> {
    let mut text = String::new();
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        stdin.lock().read_to_string(&mut text).map_err(|error| error.to_string())?;
    }
    Ok(text)
}

/// Any verb but `query` and `exec`.
pub(super) fn run(lxd: &Lxd, verb: &str, args: VecDeque<String>) -> Result<String, String> {
    match verb {
        "init" | "launch" => init(lxd, verb, args),
        "start" | "stop" | "restart" | "delete" => act(lxd, verb, args),
        "copy" => copy(lxd, args),
        "publish" => publish(lxd, args),
        "snapshot" => {
            let line = Line::read(args, &[], &["--no-expiry"])?;
            lxd.locked(
                "POST",
                &format!("/1.0/instances/{}/snapshots", line.word(0)?),
                &json!({"name": line.word(1)?}),
            )?;
            Ok(String::new())
        }
        "restore" => {
            let line = Line::read(args, &[], &[])?;
            lxd.locked("PUT", &format!("/1.0/instances/{}", line.word(0)?), &json!({"restore": line.word(1)?}))?;
            Ok(String::new())
        }
        "image" => image(lxd, args),
        "file" => file(lxd, args),
        "config" => config(lxd, args),
        "profile" | "network" | "storage" => thing(lxd, verb, args),
        other => Err(format!("unknown command \"{other}\" for \"lxc\", or one that the fake does not know")),
    }
}

fn init(lxd: &Lxd, verb: &str, args: VecDeque<String>) -> Result<String, String> {
    let valued = ["-c", "--config", "-d", "--device", "-p", "--profile", "-n", "--network", "-s", "--storage"];
    let line = Line::read(args, &valued, &["--no-profiles", "--vm"])?;
    let given: Value = match input()?.trim() {
        "" => json!({}),
        text => serde_saphyr::from_str(text).map_err(|error| format!("yaml: {error}"))?,
    };
    if let Some(key) = given.as_object().and_then(|given| {
        given.keys().find(|key| !["config", "devices", "description", "profiles"].contains(&key.as_str()))
    }) {
        return Err(format!("yaml: unmarshal errors: field {key} not found in type api.InstancePut"));
    }
    let mut config = given["config"].as_object().cloned().unwrap_or_default();
    for pair in line.values(&["-c", "--config"]) {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("Bad key=value pair: {pair}"))?;
        config.insert(key.to_owned(), json!(value));
    }
    let mut devices = given["devices"].as_object().cloned().unwrap_or_default();
    for text in line.values(&["-d", "--device"]) {
        let (name, pairs) =
            text.split_once(',').ok_or_else(|| format!("Bad syntax, expecting <device>,<key>=<value>: {text}"))?;
        let mut device = Map::new();
        for pair in pairs.split(',') {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| format!("Bad syntax, expecting <device>,<key>=<value>: {text}"))?;
            device.insert(key.to_owned(), json!(value));
        }
        devices.insert(name.to_owned(), Value::Object(device));
    }
    let profiles: Vec<&str> = line.values(&["-p", "--profile"]).collect();
    let profiles = match (line.has(&["--no-profiles"]), profiles.is_empty()) {
        (true, _) => json!([]),
        (false, true) => given["profiles"].clone(),
        (false, false) => json!(profiles),
    };
    let image = line.word(0)?;
    let print = {
        let store = Store::open(&lxd.world)?;
        if let Some((remote, _)) = image.split_once(':') {
            if !["images", "ubuntu", "ubuntu-daily"].contains(&remote) {
                return Err(format!("The remote \"{remote}\" doesn't exist"));
            }
            return Err(format!(
                "Failed getting remote image info: Failed to fetch https://{remote}/streams/v1/index.json: connection refused"
            ));
        }
        store.image(image).filter(|_| !lxd.faults.on("image-missing")).ok_or("Image not found")?
    };
    let kind = if line.has(&["--vm"]) { "virtual-machine" } else { "container" };
    let body = json!({
        "name": line.word(1)?, "type": kind, "source": {"type": "image", "fingerprint": print}, "profiles": profiles,
        "config": config, "devices": devices, "description": given["description"],
    });
    lxd.locked("POST", "/1.0/instances", &body)?;
    if verb == "launch" {
        lxd.locked("PUT", &format!("/1.0/instances/{}/state", line.word(1)?), &json!({"action": "start"}))?;
    }
    Ok(String::new())
}

fn act(lxd: &Lxd, verb: &str, args: VecDeque<String>) -> Result<String, String> {
    let line = Line::read(args, &["--timeout"], &["-f", "--force"])?;
    let force = line.has(&["-f", "--force"]);
    line.word(0)?;
    for name in &line.words {
        let name = name.strip_prefix("local:").unwrap_or(name);
        let state = format!("/1.0/instances/{name}/state");
        if verb != "delete" {
            lxd.locked("PUT", &state, &json!({"action": verb, "force": force}))?;
            continue;
        }
        if let Some((name, snapshot)) = name.split_once('/') {
            lxd.locked("DELETE", &format!("/1.0/instances/{name}/snapshots/{snapshot}"), &Value::Null)?;
            continue;
        }
        if Store::open(&lxd.world)?.get("instances", name).is_none() {
            return Err(format!("Failed checking instance exists \"local:{name}\": Instance not found"));
        }
        if lxd.world.pid(name).is_some() {
            if !force {
                return Err("The instance is currently running, stop it first or pass --force".to_owned());
            }
            lxd.locked("PUT", &state, &json!({"action": "stop", "force": true}))?;
        }
        lxd.locked("DELETE", &format!("/1.0/instances/{name}"), &Value::Null)?;
    }
    Ok(String::new())
}

fn pairs(texts: &[String]) -> Result<Map<String, Value>, String> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').ok_or_else(|| format!("Bad key=value pair: {text}"))?;
        Ok((key.to_owned(), json!(value)))
    };
    texts.iter().map(pair).collect()
}

fn copy(lxd: &Lxd, args: VecDeque<String>) -> Result<String, String> {
    let valued = ["-c", "--config", "-d", "--device", "-p", "--profile", "-s", "--storage"];
    let line = Line::read(args, &valued, &["--instance-only", "--container-only", "--no-profiles"])?;
    let config: Vec<String> = line.values(&["-c", "--config"]).map(str::to_owned).collect();
    let whole = line.word(0)?;
    let store = Store::open(&lxd.world)?;
    let original = store.get("instances", whole.split('/').next().unwrap_or(whole)).ok_or("Instance not found")?;
    let profiles: Vec<&str> = line.values(&["-p", "--profile"]).collect();
    let profiles = if profiles.is_empty() { original["profiles"].clone() } else { json!(profiles) };
    let body = json!({
        "name": line.word(1)?, "type": original["type"], "source": {"type": "copy", "source": whole}, "profiles": profiles,
        "config": pairs(&config)?, "devices": original["devices"],
    });
    lxd.locked("POST", "/1.0/instances", &body)?;
    Ok(String::new())
}

fn publish(lxd: &Lxd, args: VecDeque<String>) -> Result<String, String> {
    let line = Line::read(args, &["--alias", "--compression", "--expire"], &["-f", "--force", "--public"])?;
    let aliases: Vec<Value> = line.values(&["--alias"]).map(|alias| json!({"name": alias})).collect();
    let name = line.word(0)?;
    let properties = pairs(line.words.get(1..).unwrap_or_default())?;
    let kind = if name.contains('/') { "snapshot" } else { "instance" };
    let body = json!({"source": {"type": kind, "name": name}, "aliases": aliases, "properties": properties});
    let made = lxd.locked("POST", "/1.0/images", &body)?;
    Ok(format!(
        "Instance published with fingerprint: {}\n",
        made["metadata"]["fingerprint"].as_str().unwrap_or_default()
    ))
}

fn image(lxd: &Lxd, mut args: VecDeque<String>) -> Result<String, String> {
    match args.pop_front().as_deref() {
        Some("info") => {
            let line = Line::read(args, &[], &["--vm"])?;
            let name = line.word(0)?;
            if name.contains(':') {
                return Err("Failed to fetch streams/v1/index.json: dial tcp: connection refused".to_owned());
            }
            let print = Store::open(&lxd.world)?.image(name).ok_or("Image not found")?;
            Ok(format!("Fingerprint: {print}\n"))
        }
        Some("import") => {
            let line = Line::read(args, &["--alias"], &["--public"])?;
            let count = line.words.iter().take_while(|word| !word.contains('=')).count();
            for path in line.words.iter().take(count) {
                fs::metadata(path).map_err(|_| format!("open {path}: no such file or directory"))?;
            }
            let aliases: Vec<Value> =
                line.values(&["--alias"]).map(|alias| json!({"name": alias, "description": ""})).collect();
            let is_disk = |path: &String| path.ends_with(".qcow2") || path.ends_with(".img");
            let kind = if line.words.iter().take(count).any(is_disk) { "virtual-machine" } else { "container" };
            let print = format!("{:0<64}", format!("{:x}", std::process::id()));
            let _held = lxd.world.lock()?;
            let mut store = Store::open(&lxd.world)?;
            store.put("images", &print, json!({
                "fingerprint": print, "aliases": aliases, "properties": pairs(line.words.get(count..).unwrap_or_default())?,
                "type": kind, "size": 1_048_576, "uploaded_at": "2026-01-01T00:00:02Z", "public": false,
                "cached": false, "auto_update": false, "architecture": "x86_64",
            }));
            store.keep(&lxd.world)?;
            Ok(format!("Image imported with fingerprint: {print}\n"))
        }
        Some("delete") => {
            let line = Line::read(args, &[], &[])?;
            lxd.locked("DELETE", &format!("/1.0/images/{}", line.word(0)?), &Value::Null)?;
            Ok(String::new())
        }
        other => Err(format!("the fake knows no lxc image {}", other.unwrap_or_default())),
    }
}

/// `lxc file push [-p] [--uid N --gid N --mode M] SOURCE NAME/PATH`, also into an instance that does not run.
fn file(lxd: &Lxd, mut args: VecDeque<String>) -> Result<String, String> {
    let verb = args.pop_front().unwrap_or_default();
    let line = Line::read(args, &["--uid", "--gid", "--mode"], &["-p", "--create-dirs"])?;
    let place = |word: &str| -> Result<PathBuf, String> {
        let (name, path) = word.split_once('/').ok_or_else(|| format!("Invalid path {word}"))?;
        Store::open(&lxd.world)?.get("instances", name).ok_or("Instance not found")?;
        if let Some(path) = lxd.world.file(name, &Path::new("/").join(path)) {
            return Ok(path);
        }
        let (top, rest) = path.split_once('/').ok_or("Not Found")?;
        Ok(lxd.world.layers(name, None).join(top).join("upper").join(rest))
    };
    let failed = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::NotFound { "Not Found".to_owned() } else { error.to_string() }
    };
    match verb.as_str() {
        "push" => {
            let source = line.word(0)?;
            let bytes = match source {
                "-" => input()?.into_bytes(),
                path => fs::read(path).map_err(|_| format!("open {path}: no such file or directory"))?,
            };
            let target = place(line.word(1)?)?;
            if let Some(above) = target.parent() {
                fs::create_dir_all(above).map_err(failed)?;
            }
            fs::write(&target, bytes).map_err(failed)?;
            if let Some(mode) = line.values(&["--mode"]).next() {
                let mode = u32::from_str_radix(mode, 8).map_err(|_| format!("Invalid mode {mode}"))?;
                fs::set_permissions(&target, std::os::unix::fs::PermissionsExt::from_mode(mode)).map_err(failed)?;
            }
            Ok(String::new())
        }
        "delete" => fs::remove_file(place(line.word(0)?)?).map_err(failed).map(|()| String::new()),
        other => Err(format!("the fake knows no lxc file {other}")),
    }
}

/// `lxc config set|get|unset NAME KEY[=VALUE]`
fn config(lxd: &Lxd, mut args: VecDeque<String>) -> Result<String, String> {
    let verb = args.pop_front().unwrap_or_default();
    let line = Line::read(args, &[], &[])?;
    let path = format!("/1.0/instances/{}", line.word(0)?);
    match verb.as_str() {
        "set" => lxd
            .locked("PATCH", &path, &json!({"config": pairs(line.words.get(1..).unwrap_or_default())?}))
            .map(|_| String::new()),
        "get" => Ok(format!(
            "{}\n",
            lxd.locked("GET", &path, &Value::Null)?["config"][line.word(1)?].as_str().unwrap_or_default()
        )),
        other => Err(format!("the fake knows no lxc config {other}")),
    }
}

/// `lxc profile|network|storage create|delete|set|list NAME …`
fn thing(lxd: &Lxd, kind: &str, mut args: VecDeque<String>) -> Result<String, String> {
    let verb = args.pop_front().unwrap_or_default();
    let line = Line::read(args, &["-t", "--type", "--format", "-f"], &[])?;
    let plural = match kind {
        "profile" => "profiles",
        "network" => "networks",
        _ => "storage-pools",
    };
    let rest = |from: usize| pairs(line.words.get(from..).unwrap_or_default());
    match verb.as_str() {
        "create" => {
            let driver = if kind == "storage" { Some(line.word(1)?) } else { None };
            let body =
                json!({"name": line.word(0)?, "driver": driver, "config": rest(if driver.is_some() { 2 } else { 1 })?});
            lxd.locked("POST", &format!("/1.0/{plural}"), &body)?;
        }
        "delete" => drop(lxd.locked("DELETE", &format!("/1.0/{plural}/{}", line.word(0)?), &Value::Null)?),
        "set" => {
            drop(lxd.locked("PATCH", &format!("/1.0/{plural}/{}", line.word(0)?), &json!({"config": rest(1)?}))?)
        }
        "list" => {
            let store = Store::open(&lxd.world)?;
            return Ok(store.all(plural).keys().map(|name| format!("{name}\n")).collect());
        }
        other => return Err(format!("the fake knows no lxc {kind} {other}")),
    }
    Ok(String::new())
}

/// `lxc exec [-n|-T|-nT] NAME -- COMMAND…`: the command takes the place of this process.
pub(super) fn exec(lxd: &Lxd, args: VecDeque<String>) -> Result<String, String> {
    let at = args.iter().position(|word| word == "--").ok_or("the fake wants `--` before the command")?;
    let mut before = args;
    let argv: Vec<String> = before.split_off(at + 1).into();
    before.pop_back();
    let line = Line::read(before, &[], &["-n", "-T", "-nT", "-t", "--disable-stdin"])?;
    let name = line.word(0)?;
    let store = Store::open(&lxd.world)?;
    let instance = store.get("instances", name).ok_or("Instance not found")?;
    let program = argv.first().ok_or("Invalid number of arguments")?;
    if lxd.world.pid(name).is_none() {
        return Err("Instance is not running".to_owned());
    }
    if !agent_is_up(lxd, instance) {
        return Err("LXD VM agent isn't currently running".to_owned());
    }
    if !lxd.world.has_program(name, program) {
        eprintln!("Error: Command not found");
        std::process::exit(127);
    }
    let reads = !line.has(&["-n", "-nT", "--disable-stdin"]);
    if let Some(word) = lxd.faults.value("exec-lost") {
        // Only a command that holds the word: it runs, and nobody hears of its end.
        if argv.iter().any(|argument| argument.contains(word)) {
            let mut command: Command = lxd.world.command(name, &argv)?;
            let _ = command.stdin(if reads { Stdio::inherit() } else { Stdio::null() }).output();
            return Err("websocket: close 1006 (abnormal closure): unexpected EOF".to_owned());
        }
    }
    Err(lxd.world.become_command(name, &argv, reads))
}
