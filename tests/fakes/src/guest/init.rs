//! The first process of a machine, and the programs that speak with it: `systemctl`, `journalctl`.

use super::cloud_init;
use super::manager::{JOURNAL, Manager};
use super::ssh;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOCKET: &str = "/run/systemd/fake";

/// Units of the image. They are said to run, whatever is done to them.
const IN_IMAGE: [&str; 5] =
    ["cloud-final.service", "dbus.service", "multi-user.target", "ssh.service", "systemd-journald.service"];

/// What a program of the machine says, and its exit code.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// It did what it was told, and says that.
    pub(crate) fn said(out: impl Into<String>) -> Self {
        Self { out: out.into(), ..Self::default() }
    }

    /// It refuses.
    pub(crate) fn refused(code: u8, err: impl Into<String>) -> Self {
        Self { code, err: format!("{}\n", err.into()), ..Self::default() }
    }
}

/// Runs as the first process of a machine, until `alive` is gone or the machine is stopped.
///
/// Errors: it cannot listen.
pub(crate) fn run(alive: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{SOCKET}: {error}");
    fs::create_dir_all("/run/systemd/system").map_err(failed)?;
    let listener = UnixListener::bind(SOCKET).map_err(failed)?;
    let manager = Manager::default();
    let boots = manager.clone();
    std::thread::spawn(ssh::serve);
    std::thread::spawn(move || {
        boots.boot();
        cloud_init::boot();
    });
    let alive: PathBuf = alive.to_owned();
    // The whole world may be removed at once, as by the end of a test: then everything in it ends.
    std::thread::spawn(move || {
        while alive.exists() {
            std::thread::sleep(Duration::from_millis(200));
        }
        std::process::exit(0);
    });
    for stream in listener.incoming().flatten() {
        let manager = manager.clone();
        std::thread::spawn(move || {
            let mut line = String::new();
            if BufReader::new(&stream).read_line(&mut line).is_ok() {
                let argv: Vec<String> = serde_json::from_str(&line).unwrap_or_default();
                let answer = systemctl(&manager, &argv);
                let _ = writeln!(&stream, "{}", serde_json::to_string(&answer).unwrap_or_default());
            }
        });
    }
    Ok(())
}

/// Asks the first process of the machine.
pub(crate) fn ask(argv: &[String]) -> Answer {
    let talk = || -> std::io::Result<Answer> {
        let stream = UnixStream::connect(SOCKET)?;
        writeln!(&stream, "{}", serde_json::to_string(argv)?)?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    };
    talk().unwrap_or_else(|error| {
        Answer::refused(1, format!("System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: {error}"))
    })
}

fn systemctl(manager: &Manager, argv: &[String]) -> Answer {
    let mut flags = Vec::new();
    let mut words = Vec::new();
    for word in argv {
        if word.starts_with("--") { flags.push(word.as_str()) } else { words.push(word.as_str()) }
    }
    let Some((verb, units)) = words.split_first() else { return Answer::refused(1, "the fake lists no units") };
    let known: &[&str] = match *verb {
        "show" => &["--property", "--value", "--no-pager"],
        "enable" | "disable" => &["--quiet", "--now"],
        "is-active" | "is-enabled" | "is-failed" => &["--quiet"],
        "is-system-running" => &["--wait"],
        "list-unit-files" => &["--state", "--no-legend", "--no-pager"],
        _ => &["--quiet", "--no-pager"],
    };
    if let Some(flag) = flags.iter().find(|flag| !known.contains(&flag.split('=').next().unwrap_or(flag))) {
        return Answer::refused(
            1,
            format!("systemctl: unrecognized option '{flag}', or one that the fake does not know"),
        );
    }
    let units: Vec<String> = units.iter().map(|unit| whole_name(unit)).collect();
    if units.is_empty() && !["daemon-reload", "is-system-running", "list-unit-files", "poweroff"].contains(verb) {
        return Answer::refused(1, "Too few arguments.");
    }
    let quiet = flags.contains(&"--quiet");
    let each = |deed: &dyn Fn(&str) -> Result<(), String>| {
        let own = units.iter().filter(|unit| !IN_IMAGE.contains(&unit.as_str()));
        let failed: Vec<String> = own.filter_map(|unit| deed(unit).err()).collect();
        if failed.is_empty() { Answer::default() } else { Answer::refused(1, failed.join("\n")) }
    };
    match *verb {
        "daemon-reload" if units.is_empty() => {
            manager.reload();
            Answer::default()
        }
        "poweroff" => {
            manager.stop_all();
            std::process::exit(0);
        }
        "list-unit-files" => {
            let state = flags.iter().find_map(|flag| flag.strip_prefix("--state="));
            Answer::said(
                manager
                    .files(state)
                    .iter()
                    .map(|(name, state)| format!("{name} {state} enabled\n"))
                    .collect::<String>(),
            )
        }
        "start" => each(&|unit| manager.start(unit)),
        "stop" => each(&|unit| manager.stop(unit)),
        "try-reload-or-restart" | "reload-or-restart" | "restart" => {
            each(&|unit| manager.stop(unit).or(Ok(())).and_then(|()| manager.start(unit)))
        }
        "enable" | "disable" => each(&|unit| {
            manager.enable(unit, *verb == "enable")?;
            match (flags.contains(&"--now"), *verb) {
                (true, "enable") => manager.start(unit),
                (true, _) => manager.stop(unit),
                (false, _) => Ok(()),
            }
        }),
        "mask" | "unmask" => each(&|unit| manager.mask(unit, *verb == "mask")),
        "reset-failed" => each(&|unit| {
            manager.reset_failed(unit);
            Ok(())
        }),
        "show" => show(manager, &units, &flags),
        "is-active" => state(manager, &units, "ActiveState", &["active"], 3, quiet),
        "is-failed" => state(manager, &units, "ActiveState", &["failed"], 1, quiet),
        "is-enabled" => state(manager, &units, "UnitFileState", &["enabled", "static"], 1, quiet),
        "is-system-running" => match manager.is_degraded() {
            true => Answer { code: 1, out: "degraded\n".to_owned(), err: String::new() },
            false => Answer::said("running\n"),
        },
        other => Answer::refused(1, format!("Unknown command verb {other}, or one that the fake does not know.")),
    }
}

fn whole_name(unit: &str) -> String {
    if unit.contains('.') { unit.to_owned() } else { format!("{unit}.service") }
}

fn show(manager: &Manager, units: &[String], flags: &[&str]) -> Answer {
    let wanted: Vec<&str> =
        flags.iter().filter_map(|flag| flag.strip_prefix("--property=")).flat_map(|names| names.split(',')).collect();
    let bare = flags.contains(&"--value");
    let blocks: Vec<String> = (units.iter())
        .map(|unit| {
            let all = manager.show(unit);
            if let Some(strange) = wanted.iter().find(|name| !all.iter().any(|(known, _)| known == *name)) {
                return format!("the fake knows no property {strange}\n");
            }
            let lines = all.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name));
            lines.map(|(name, value)| if bare { format!("{value}\n") } else { format!("{name}={value}\n") }).collect()
        })
        .collect();
    Answer::said(blocks.join("\n"))
}

fn state(manager: &Manager, units: &[String], property: &str, good: &[&str], code: u8, quiet: bool) -> Answer {
    // One that is so is enough.
    let mut answer = Answer { code, ..Answer::default() };
    for unit in units {
        let shown = manager.show(unit);
        let value =
            shown.iter().find(|(name, _)| *name == property).map(|(_, value)| value.clone()).unwrap_or_default();
        let value = if IN_IMAGE.contains(&unit.as_str()) { good[0].to_owned() } else { value };
        if good.contains(&value.as_str()) {
            answer.code = 0;
        }
        if !quiet {
            answer.out += &format!("{value}\n");
        }
    }
    answer
}

/// The log of a unit.
pub(crate) fn journalctl(argv: &[String]) -> Answer {
    let (mut unit, mut lines) = (None, usize::MAX);
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        let (flag, value) =
            word.split_once('=').map_or((word.as_str(), None), |(flag, value)| (flag, Some(value.to_owned())));
        let mut value = || value.clone().or_else(|| words.next().cloned()).unwrap_or_default();
        match flag {
            "--unit" | "-u" => unit = Some(value()),
            "--lines" | "-n" => match value().parse() {
                Ok(number) => lines = number,
                Err(_) => return Answer::refused(1, "Failed to parse lines"),
            },
            "--output" | "-o" => match value().as_str() {
                "cat" | "short-iso" | "short" => {}
                other => return Answer::refused(1, format!("the fake knows no output {other}")),
            },
            "--no-pager" | "--quiet" | "-q" | "--boot" | "-b" => {}
            other => {
                return Answer::refused(
                    1,
                    format!("journalctl: unrecognized option '{other}', or one that the fake does not know"),
                );
            }
        }
    }
    let Some(unit) = unit else { return Answer::refused(1, "the fake shows the log of one unit: --unit") };
    let text = fs::read(Path::new(JOURNAL).join(whole_name(&unit))).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    let shown = &all[all.len().saturating_sub(lines)..];
    Answer::said(shown.iter().map(|line| format!("{line}\n")).collect::<String>())
}
