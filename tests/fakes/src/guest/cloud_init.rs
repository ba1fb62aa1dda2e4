//! cloud-init, as far as the user-data of this project asks of it: reads the NoCloud seed, does what it says once for each
//! instance, and tells how it went in the words of release 22.4.
//!
//! A key that it does not know is an error here, where cloud-init would go on without a word.

use super::init::Answer;
use super::manager;
use serde_json::{Map, Value, json};
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where the seed is.
pub(crate) const SEED: &str = "/var/lib/cloud/seed/nocloud-net";
const INSTANCE: &str = "/var/lib/cloud/instance";
const STATUS: &str = "/run/cloud-init/status";
const LOG: &str = "/var/log/cloud-init.log";
const OUTPUT: &str = "/var/log/cloud-init-output.log";
/// With this file it does nothing.
const DISABLED: &str = "/etc/cloud/cloud-init.disabled";

/// Keys that change nothing in a fake machine.
const QUIET: [&str; 15] = [
    "apt",
    "disable_root",
    "final_message",
    "growpart",
    "hostname",
    "locale",
    "manage_etc_hosts",
    "package_update",
    "package_upgrade",
    "preserve_hostname",
    "ssh",
    "ssh_deletekeys",
    "ssh_genkeytypes",
    "ssh_pwauth",
    "timezone",
];

/// Packages that the fake's image has, also where this host has them not.
const IN_IMAGE: [&str; 2] = ["ca-certificates", "openssh-server"];

/// What is done when the machine starts.
pub(crate) fn boot() {
    if Path::new(DISABLED).exists() {
        set("disabled", "Cloud-init disabled by /etc/cloud/cloud-init.disabled", &[]);
        return;
    }
    set("running", "DataSourceNoCloud", &[]);
    let read = |name: &str| fs::read_to_string(Path::new(SEED).join(name)).unwrap_or_default();
    let id = read("meta-data").lines().find_map(|line| line.strip_prefix("instance-id: ")).unwrap_or("none").to_owned();
    let marks = Path::new(INSTANCE);
    if fs::read_to_string(marks.join("fake-id")).is_ok_and(|before| before == id) {
        set("done", "DataSourceNoCloud [seed=/var/lib/cloud/seed/nocloud-net][dsmode=net]", &[]);
        return;
    }
    let _ = fs::remove_dir_all(marks);
    let _ = fs::create_dir_all(marks);
    let user_data = read("user-data");
    let _ = fs::write(marks.join("user-data.txt"), &user_data);
    let errors = keys_of_host().and_then(|()| apply(&user_data)).err();
    let _ = fs::write(marks.join("fake-id"), &id);
    let _ = fs::write(marks.join("boot-finished"), "fake\n");
    match errors {
        None => set("done", "DataSourceNoCloud [seed=/var/lib/cloud/seed/nocloud-net][dsmode=net]", &[]),
        Some(error) => {
            append(LOG, &format!("WARNING: {error}"));
            set("error", &error, &[&error]);
        }
    }
}

/// The keys of the machine's ssh server: each instance has its own.
fn keys_of_host() -> Result<(), String> {
    let key = "/etc/ssh/ssh_host_ed25519_key";
    for path in [key.to_owned(), format!("{key}.pub")] {
        let _ = fs::remove_file(path);
    }
    let _ = fs::create_dir_all("/etc/ssh");
    run(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "root@fake", "-f", key].map(str::to_owned))
}

fn apply(user_data: &str) -> Result<(), String> {
    if !user_data.starts_with("#cloud-config\n") {
        append(LOG, "__init__.py[WARNING]: Unhandled non-multipart (text/x-not-multipart) userdata");
        return Ok(());
    }
    let Ok(config) = serde_saphyr::from_str::<Value>(user_data) else {
        append(LOG, "util.py[WARNING]: Failed loading yaml blob. Invalid format");
        append(
            LOG,
            "cloud_config.py[WARNING]: Failed at merging in cloud config part from part-001: empty cloud config",
        );
        return Ok(());
    };
    let empty = Map::new();
    let config = config.as_object().unwrap_or(&empty);
    let known = ["bootcmd", "groups", "packages", "runcmd", "ssh_authorized_keys", "users", "write_files"];
    if let Some(key) = config.keys().find(|key| !known.contains(&key.as_str()) && !QUIET.contains(&key.as_str())) {
        return Err(format!("the fake knows no key {key}"));
    }
    let list = |key: &str| match config.get(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items.clone()),
        Some(other) => Err(format!("('{key}', TypeError('Failed to shellify {other} into file'))")),
    };
    let late = |file: &Value| file["defer"] == true;
    let files = list("write_files")?;
    script("bootcmd", &list("bootcmd")?)?;
    files.iter().filter(|file| !late(file)).try_for_each(write_file)?;
    list("groups")?.iter().try_for_each(add_group)?;
    list("users")?.iter().try_for_each(add_user)?;
    let packages: Vec<String> = list("packages")?.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    if !packages.is_empty() {
        let words = ["apt-get", "--option=Dpkg::Options::=--force-confold", "--assume-yes", "--quiet", "install"];
        let argv: Vec<String> = words.into_iter().map(str::to_owned).chain(packages).collect();
        run(&argv).map_err(|error| format!("('package-update-upgrade-install', ProcessExecutionError({error:?}))"))?;
    }
    files.iter().filter(|file| late(file)).try_for_each(write_file)?;
    script("runcmd", &list("runcmd")?)
}

/// Writes the commands as one script, as cloud-init does, and runs it: only the last command's exit code counts.
fn script(name: &str, commands: &[Value]) -> Result<(), String> {
    if commands.is_empty() {
        return Ok(());
    }
    let mut text = "#!/bin/sh\n".to_owned();
    for command in commands {
        let line = match command {
            Value::String(line) => line.clone(),
            Value::Array(words) => {
                let words = words.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned));
                words.map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect::<Vec<_>>().join(" ")
            }
            other => return Err(format!("('{name}', TypeError('Failed to shellify {other} into file'))")),
        };
        text += &format!("{line}\n");
    }
    let path = Path::new(INSTANCE).join(name);
    put(&path, text.as_bytes(), 0o700)?;
    run(&[path.display().to_string()]).map_err(|error| {
        append(LOG, &format!("util.py[WARNING]: Failed to run module {name}: {error}"));
        format!("('scripts-user', RuntimeError('Runparts: 1 failures ({name}) in 1 attempted commands'))")
    })
}

fn write_file(file: &Value) -> Result<(), String> {
    let wrong = |why: String| format!("('write-files', {why})");
    let known = ["path", "content", "owner", "permissions", "encoding", "append", "defer"];
    if let Some(key) = file.as_object().and_then(|file| file.keys().find(|key| !known.contains(&key.as_str()))) {
        return Err(wrong(format!("the fake knows no key {key}")));
    }
    let path =
        file["path"].as_str().filter(|path| path.starts_with('/')).ok_or_else(|| wrong(format!("no path: {file}")))?;
    let mode = match &file["permissions"] {
        Value::Null => 0o644,
        Value::String(text) => {
            u32::from_str_radix(text.trim_start_matches("0o"), 8).map_err(|_| wrong(text.clone()))?
        }
        other => return Err(wrong(format!("permissions: {other} is not of type 'string'"))),
    };
    if file.get("encoding").is_some() {
        return Err(wrong("the fake knows no encoding".to_owned()));
    }
    let content = file["content"].as_str().unwrap_or_default();
    let path = Path::new(path);
    let before = if file["append"] == true { fs::read_to_string(path).unwrap_or_default() } else { String::new() };
    put(path, (before + content).as_bytes(), mode).map_err(wrong)?;
    if let Some(owner) = file["owner"].as_str() {
        let (user, group) = owner.split_once(':').map_or((owner, None), |(user, group)| (user, Some(group)));
        let unknown =
            || wrong(format!("OSError('Unknown user or group: \"getpwnam(): name not found: \\'{owner}\\'\"'))"));
        let (uid, gid) = manager::ids(user, group).ok_or_else(unknown)?;
        chown(path, Some(uid), Some(gid)).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(())
}

fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(above) = path.parent() {
        fs::create_dir_all(above).map_err(failed)?;
    }
    fs::write(path, bytes).map_err(failed)?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)
}

fn add_group(group: &Value) -> Result<(), String> {
    let name = group.as_str().ok_or_else(|| format!("the fake knows groups by name only: {group}"))?;
    if group_is_there(name) { Ok(()) } else { run(&["groupadd", "--system", name].map(str::to_owned)) }
}

fn group_is_there(name: &str) -> bool {
    let text = fs::read_to_string("/etc/group").unwrap_or_default();
    text.lines().any(|line| line.split(':').next() == Some(name))
}

fn add_user(user: &Value) -> Result<(), String> {
    let name = match user {
        Value::String(name) if name == "default" => return Ok(()),
        Value::String(name) => name.as_str(),
        other => other["name"].as_str().ok_or("a user without a name")?,
    };
    let known = [
        "name",
        "gecos",
        "system",
        "homedir",
        "shell",
        "no_create_home",
        "lock_passwd",
        "primary_group",
        "groups",
        "ssh_authorized_keys",
        "sudo",
        "no_user_group",
        "no_log_init",
        "create_groups",
    ];
    if let Some(key) = user.as_object().and_then(|user| user.keys().find(|key| !known.contains(&key.as_str()))) {
        return Err(format!("('users-groups', the fake knows no key {key})"));
    }
    if manager::ids(name, None).is_some() {
        append(LOG, &format!("__init__.py[INFO]: User {name} already exists, skipping."));
    } else {
        let mut argv = vec!["useradd".to_owned(), name.to_owned()];
        let mut flag = |flag: &str, value: &Value| {
            argv.extend(value.as_str().into_iter().flat_map(|value| [flag.to_owned(), value.to_owned()]));
        };
        flag("--comment", &user["gecos"]);
        flag("--home", &user["homedir"]);
        flag("--shell", &user["shell"]);
        flag("--gid", &user["primary_group"]);
        let is = |key: &str| user[key] == true;
        argv.extend(is("system").then(|| "--system".to_owned()));
        // As cloud-init: a system user has no home unless it is made otherwise.
        argv.push(if is("no_create_home") || is("system") { "-M" } else { "-m" }.to_owned());
        argv.push(if is("no_user_group") || user["primary_group"].is_string() { "-N" } else { "-U" }.to_owned());
        run(&argv).map_err(|error| format!("('users-groups', {error})"))?;
    }
    let keys: Vec<&str> =
        user["ssh_authorized_keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !keys.is_empty() {
        let home = user["homedir"].as_str().map_or_else(|| PathBuf::from("/home").join(name), PathBuf::from);
        put(&home.join(".ssh/authorized_keys"), format!("{}\n", keys.join("\n")).as_bytes(), 0o600)?;
    }
    Ok(())
}

/// Runs a program; what it says goes into the log of the output.
fn run(argv: &[String]) -> Result<(), String> {
    let _ = fs::create_dir_all("/var/log");
    let log = OpenOptions::new().create(true).append(true).open(OUTPUT).map_err(|error| error.to_string())?;
    let copy = log.try_clone().map_err(|error| error.to_string())?;
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).current_dir("/").env_clear().stdin(Stdio::null()).stdout(log).stderr(copy);
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
    let status = command.status().map_err(|error| format!("{}: {error}", argv[0]))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("Command: {argv:?}\nExit code: {}", status.code().unwrap_or(-1)))
    }
}

fn append(path: &str, line: &str) {
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
        let _ = writeln!(file, "2026-01-01 00:00:00,000 - {line}");
    }
}

fn set(status: &str, detail: &str, errors: &[&str]) {
    let _ = fs::create_dir_all("/run/cloud-init");
    let told = json!({
        "boot_status_code": if status == "disabled" { "disabled-by-marker-file" } else { "enabled-by-generator" },
        "datasource": "nocloud",
        "detail": detail,
        "errors": errors,
        "last_update": "Thu, 01 Jan 2026 00:00:00 +0000",
        "status": status,
    });
    let mut whole = json!({"_schema_version": "1"});
    if let (Some(whole), Some(told)) = (whole.as_object_mut(), told.as_object()) {
        whole.extend(told.clone());
        whole.insert("schemas".to_owned(), json!({"1": told}));
    }
    let draft = format!("{STATUS}.new");
    let _ = fs::write(&draft, serde_json::to_string_pretty(&whole).unwrap_or_default());
    let _ = fs::rename(&draft, STATUS);
}

/// The program `cloud-init`.
pub(crate) fn command(argv: &[String]) -> Answer {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    match words.split_first() {
        Some((&"status", flags)) => status(flags),
        Some((&"clean", flags)) => clean(flags),
        Some((&"query", ["userdata"])) => {
            Answer::said(fs::read_to_string(Path::new(INSTANCE).join("user-data.txt")).unwrap_or_default())
        }
        Some((&("--version" | "-v"), [])) => Answer::said("/usr/bin/cloud-init 22.4.2\n"),
        _ => Answer::refused(
            2,
            format!("cloud-init: error: invalid choice, or one that the fake does not know: {argv:?}"),
        ),
    }
}

fn status(flags: &[&str]) -> Answer {
    let (mut wait, mut long, mut as_json) = (false, false, false);
    let mut words = flags.iter();
    while let Some(word) = words.next() {
        match *word {
            "--wait" => wait = true,
            "--long" => long = true,
            "--format=json" => as_json = true,
            "--format" => match words.next() {
                Some(&"json") => as_json = true,
                other => return Answer::refused(2, format!("the fake knows no format {other:?}")),
            },
            other => return Answer::refused(2, format!("cloud-init: error: unrecognized arguments: {other}")),
        }
    }
    let read = || {
        let text = fs::read_to_string(STATUS).unwrap_or_default();
        serde_json::from_str::<Value>(&text)
            .unwrap_or_else(|_| json!({"status": "not run", "errors": [], "detail": ""}))
    };
    let mut found = read();
    while wait && ["running", "not run"].contains(&found["status"].as_str().unwrap_or_default()) {
        std::thread::sleep(Duration::from_millis(20));
        found = read();
    }
    let state = found["status"].as_str().unwrap_or_default();
    let out = match (as_json, long) {
        (true, _) => serde_json::to_string_pretty(&found).unwrap_or_default(),
        (false, true) => format!("status: {state}\ndetail:\n{}", found["detail"].as_str().unwrap_or_default()),
        (false, false) => format!("status: {state}"),
    };
    Answer { code: u8::from(state == "error"), out: out + "\n", err: String::new() }
}

/// Forgets what was done, so that it is done again.
fn clean(flags: &[&str]) -> Answer {
    for flag in flags {
        match *flag {
            "--logs" | "-l" => [LOG, OUTPUT].iter().for_each(|path| drop(fs::remove_file(path))),
            "--machine-id" => drop(fs::write("/etc/machine-id", "uninitialized\n")),
            "--seed" | "-s" => drop(fs::remove_dir_all(SEED)),
            other => return Answer::refused(2, format!("cloud-init: error: unrecognized arguments: {other}")),
        }
    }
    let _ = fs::remove_dir_all(INSTANCE);
    Answer::default()
}

/// The program `cloud-init-per instance NAME COMMAND…`: runs a command once for each instance.
pub(crate) fn per(argv: &[String]) -> Answer {
    let [frequency, name, command @ ..] = argv else {
        return Answer::refused(1, "Usage: cloud-init-per frequency name cmd [ arg1 [ arg2 [ ... ] ]");
    };
    if frequency != "instance" || command.is_empty() {
        return Answer::refused(1, format!("the fake knows no frequency {frequency}"));
    }
    let mark = Path::new(INSTANCE).join(format!("sem-{name}"));
    if mark.exists() {
        return Answer::default();
    }
    match run(command).and_then(|()| put(&mark, b"", 0o644)) {
        Ok(()) => Answer::default(),
        Err(why) => Answer::refused(1, why),
    }
}

/// The program `apt-get`: a package can be installed where this host has it, and is there then already.
pub(crate) fn apt_get(argv: &[String]) -> Answer {
    let words: Vec<&str> = argv.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    match words.split_first() {
        Some((&("update" | "clean" | "autoclean" | "autoremove"), _)) => Answer::said("Reading package lists...\n"),
        Some((&"install", packages)) => {
            let missing = |name: &&&str| {
                if IN_IMAGE.contains(*name) {
                    return false;
                }
                let shown =
                    Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", name]).output();
                shown.map_or(true, |output| output.stdout != b"installed")
            };
            let missing: Vec<String> =
                packages.iter().filter(missing).map(|name| format!("E: Unable to locate package {name}")).collect();
            if missing.is_empty() {
                Answer::said("Reading package lists...\n")
            } else {
                Answer::refused(100, missing.join("\n"))
            }
        }
        _ => Answer::refused(100, format!("E: Invalid operation, or one that the fake does not know: {argv:?}")),
    }
}
