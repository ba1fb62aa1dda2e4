//! Unit files, as systemd reads them: its quoting, its specifiers, and what it refuses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A service, as its file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) exec_start: Vec<String>,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    /// Each, and whether it may be missing.
    pub(crate) environment_files: Vec<(PathBuf, bool)>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) working_directory: Option<PathBuf>,
    /// Below `/var/lib`.
    pub(crate) state_directories: Vec<String>,
    pub(crate) state_mode: u32,
    pub(crate) umask: u32,
    /// Each path, and whether it must be missing.
    pub(crate) conditions: Vec<(PathBuf, bool)>,
    pub(crate) restart: Restart,
    pub(crate) restart_wait: Duration,
    pub(crate) stop_wait: Duration,
    pub(crate) stop_signal: i32,
    /// Whether only the main process is asked to end.
    pub(crate) mixed: bool,
    /// Whether there is no limit to how often it is started.
    pub(crate) unlimited: bool,
    pub(crate) wanted_by: Vec<String>,
}

/// When a process that ended by itself is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    No,
    OnFailure,
    Always,
}

/// The sandbox of a service, which the fake does not build. Other names are unknown to it, and refused.
const SANDBOX: &[&str] = &[
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "DevicePolicy",
    "IPAddressAllow",
    "IPAddressDeny",
    "KeyringMode",
    "LimitCORE",
    "LimitNOFILE",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "MemoryMax",
    "NoNewPrivileges",
    "OOMPolicy",
    "OOMScoreAdjust",
    "PrivateDevices",
    "PrivateMounts",
    "PrivateTmp",
    "PrivateUsers",
    "ProcSubset",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectProc",
    "ProtectSystem",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "RemoveIPC",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "SuccessExitStatus",
    "SystemCallArchitectures",
    "SystemCallErrorNumber",
    "SystemCallFilter",
    "TasksMax",
];

/// Names of `[Unit]` that change nothing here.
const ORDER: &[&str] = &["After", "Before", "Description", "Documentation", "Requires", "StartLimitBurst", "Wants"];

/// Reads the text of a unit.
///
/// Errors: what systemd, or this fake, does not take.
pub(crate) fn parse(name: &str, text: &str) -> Result<Unit, String> {
    let mut unit = Unit {
        exec_start: Vec::new(),
        user: None,
        group: None,
        environment_files: Vec::new(),
        environment: BTreeMap::new(),
        working_directory: None,
        state_directories: Vec::new(),
        state_mode: 0o755,
        umask: 0o022,
        conditions: Vec::new(),
        restart: Restart::No,
        restart_wait: Duration::from_millis(100),
        stop_wait: Duration::from_secs(90),
        stop_signal: 15,
        mixed: false,
        unlimited: false,
        wanted_by: Vec::new(),
    };
    let mut section = String::new();
    for (at, line) in logical_lines(text) {
        let wrong = |why: String| format!("{name}:{at}: {why}");
        if let Some(header) = line.strip_prefix('[') {
            section = header.strip_suffix(']').ok_or_else(|| wrong("a section without an end".to_owned()))?.to_owned();
            continue;
        }
        let (key, value) = line.split_once('=').ok_or_else(|| wrong("Missing '=', ignoring line.".to_owned()))?;
        setting(&mut unit, name, &section, key.trim(), value.trim()).map_err(wrong)?;
    }
    if unit.exec_start.is_empty() {
        return Err(format!("{name}: Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing."));
    }
    Ok(unit)
}

/// Lines without comments; a backslash at the end goes on with the next.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.starts_with('#') || trimmed.starts_with(';') || (trimmed.is_empty() && open.is_none()) {
            continue;
        }
        let (from, mut whole) = open.take().unwrap_or((at + 1, String::new()));
        match trimmed.strip_suffix('\\') {
            Some(part) => {
                whole.push_str(part);
                whole.push(' ');
                open = Some((from, whole));
            }
            None => {
                whole.push_str(trimmed);
                lines.push((from, whole));
            }
        }
    }
    lines
}

fn setting(unit: &mut Unit, name: &str, section: &str, key: &str, value: &str) -> Result<(), String> {
    let plain = || specifiers(name, value);
    let path = || plain().map(PathBuf::from).and_then(whole);
    match (section, key) {
        ("Unit", "ConditionPathExists") => {
            let (value, absent) = value.strip_prefix('!').map_or((value, false), |value| (value, true));
            unit.conditions.push((whole(specifiers(name, value)?.into())?, absent));
        }
        ("Unit", "StartLimitIntervalSec") => unit.unlimited = span(value)?.is_zero(),
        ("Unit", key) if ORDER.contains(&key) => {}
        ("Install", "WantedBy") => unit.wanted_by.extend(value.split_whitespace().map(str::to_owned)),
        ("Service", "Type") if ["exec", "simple"].contains(&value) => {}
        ("Service", "ExecStart") => {
            if !unit.exec_start.is_empty() {
                return Err("Service has more than one ExecStart= setting, which is only allowed for Type=oneshot services. Refusing.".to_owned());
            }
            unit.exec_start = command(name, value)?;
        }
        ("Service", "User") => unit.user = Some(plain()?),
        ("Service", "Group") => unit.group = Some(plain()?),
        ("Service", "EnvironmentFile") => {
            let (value, optional) = value.strip_prefix('-').map_or((value, false), |value| (value, true));
            unit.environment_files.push((whole(specifiers(name, value)?.into())?, optional));
        }
        ("Service", "Environment") => {
            for word in words(value)? {
                let (variable, value) =
                    word.split_once('=').ok_or_else(|| format!("Invalid environment assignment: {word}"))?;
                unit.environment.insert(variable.to_owned(), specifiers(name, value)?);
            }
        }
        ("Service", "WorkingDirectory") => unit.working_directory = Some(path()?),
        ("Service", "StateDirectory") => unit.state_directories.extend(words(value)?),
        ("Service", "StateDirectoryMode") => unit.state_mode = mode(value)?,
        ("Service", "UMask") => unit.umask = mode(value)?,
        ("Service", "Restart") => {
            unit.restart = match value {
                "no" => Restart::No,
                "on-failure" => Restart::OnFailure,
                "always" => Restart::Always,
                other => {
                    return Err(format!("Failed to parse Restart= value, or one that the fake does not know: {other}"));
                }
            }
        }
        ("Service", "RestartSec") => unit.restart_wait = span(value)?,
        ("Service", "TimeoutStopSec") => unit.stop_wait = span(value)?,
        ("Service", "TimeoutStartSec") => drop(span(value)?),
        ("Service", "KillMode") if ["control-group", "mixed"].contains(&value) => unit.mixed = value == "mixed",
        ("Service", "KillSignal") => {
            let known = [("SIGINT", 2), ("SIGQUIT", 3), ("SIGTERM", 15)].into_iter().find(|(known, _)| *known == value);
            unit.stop_signal = known.ok_or_else(|| format!("Failed to parse kill signal, ignoring: {value}"))?.1;
        }
        ("Service", key) if SANDBOX.contains(&key) => {}
        _ => {
            return Err(format!(
                "Unknown key '{key}' in section [{section}], or a value that the fake does not know: {value}"
            ));
        }
    }
    Ok(())
}

fn whole(path: PathBuf) -> Result<PathBuf, String> {
    if path.is_absolute() { Ok(path) } else { Err(format!("path is not absolute: {}", path.display())) }
}

fn mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8).map_err(|_| format!("Failed to parse mode value: {text}"))
}

/// A time span of one number and one unit, or of seconds.
fn span(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "s" | "sec" => 1000,
        "ms" => 1,
        "min" | "m" => 60_000,
        _ => return Err(format!("Failed to parse time value: {text}")),
    };
    let number: u64 = digits.trim().parse().map_err(|_| format!("Failed to parse time value: {text}"))?;
    Ok(Duration::from_millis(number * factor))
}

/// Replaces `%` specifiers.
fn specifiers(name: &str, text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('%') => out.push('%'),
            Some('n') => out.push_str(name),
            Some('N' | 'p') => out.push_str(name.strip_suffix(".service").unwrap_or(name)),
            Some('S') => out.push_str("/var/lib"),
            other => return Err(format!("Failed to resolve unit specifiers in '{text}': {other:?}")),
        }
    }
    Ok(out)
}

/// A command line: words, then specifiers, then variables.
fn command(name: &str, text: &str) -> Result<Vec<String>, String> {
    let words = words(text)?;
    let mut argv = Vec::new();
    for (place, word) in words.iter().enumerate() {
        if place == 0 && word.starts_with(['-', '@', ':', '+', '!']) {
            return Err(format!("the fake knows no prefix of a command: {word}"));
        }
        if word == ";" {
            return Err("the fake knows one command a line".to_owned());
        }
        argv.push(dollars(&specifiers(name, word)?, place > 0)?);
    }
    match argv.first() {
        Some(program) if program.starts_with('/') => Ok(argv),
        other => Err(format!("Neither a valid executable name nor an absolute path: {other:?}")),
    }
}

/// `$$` is a dollar; the fake replaces no variables, and refuses what would be one.
fn dollars(word: &str, replaces: bool) -> Result<String, String> {
    if !replaces {
        return Ok(word.to_owned());
    }
    let mut out = String::new();
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '$' {
            match chars.peek() {
                Some('$') => drop(chars.next()),
                Some(next) if next.is_ascii_alphabetic() || ['_', '{'].contains(next) => {
                    return Err(format!("a variable in a command line, which the fake does not replace: {word}"));
                }
                _ => {}
            }
        }
    }
    Ok(out)
}

/// Splits at blanks; takes quotes away, and C-style escapes within and without them (systemd.syntax(7)).
pub(crate) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('\\', _) => word.get_or_insert_default().push(escape(&mut chars)?),
            (c, None) if c.is_whitespace() => found.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(format!("Unbalanced quoting, ignoring: \"{text}\""));
    }
    found.extend(word);
    Ok(found)
}

fn escape(chars: &mut std::str::Chars<'_>) -> Result<char, String> {
    let bad = || "Invalid escape sequences in line".to_owned();
    Ok(match chars.next().ok_or_else(bad)? {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        's' => ' ',
        '\\' => '\\',
        '"' => '"',
        '\'' => '\'',
        'x' => {
            let digits: String = chars.by_ref().take(2).collect();
            u8::from_str_radix(&digits, 16).map_err(|_| bad())?.into()
        }
        _ => return Err(bad()),
    })
}

/// The variables of an `EnvironmentFile=` (systemd.exec(5)).
///
/// Errors: a line that is no assignment.
pub(crate) fn variables(path: &Path, text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        let (name, value) = line.split_once('=').ok_or_else(|| format!("{}: {line}", path.display()))?;
        let mut parts = Vec::new();
        let mut chars = value.chars();
        let mut quote = None;
        while let Some(c) = chars.next() {
            match (c, quote) {
                (c, Some(open)) if c == open => quote = None,
                ('"' | '\'', None) => quote = Some(c),
                ('\\', Some('"') | None) => parts.extend(chars.next()),
                (c, _) => parts.push(c),
            }
        }
        if quote.is_some() {
            return Err(format!("{}: unbalanced quotes: {name}", path.display()));
        }
        found.insert(name.trim().to_owned(), parts.into_iter().collect());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_split_as_systemd_does() {
        let argv = |text: &str| command("report-x.service", text);
        let words = |words: &[&str]| Ok(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            argv(r#"/bin/x "" "a b" ";x" "50%%" "$$HOME" 'it\'s'"#),
            words(&["/bin/x", "", "a b", ";x", "50%", "$HOME", "it's"])
        );
        assert_eq!(argv(r#"/bin/x "(127\\.0|\x41)\n""#), words(&["/bin/x", "(127\\.0|A)\n"]));
        for bad in ["x", "-/bin/x", "/bin/x \"open", r"/bin/x \q", "/bin/x $HOME", "/bin/x %z", "/bin/x ; /bin/y"] {
            assert!(argv(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_systemd_refuses_is_refused() {
        let good = "[Unit]\nConditionPathExists=/etc/x\n[Service]\nExecStart=/bin/x \\\n  -y\nRestart=always\nRestartSec=2000ms\nUMask=0077\n";
        let unit = parse("a.service", good).unwrap();
        assert_eq!((unit.exec_start.len(), unit.umask, unit.restart_wait), (2, 0o077, Duration::from_secs(2)));
        for bad in [
            "",
            "[Service]\nExecStart=x\n",
            "[Service]\nExecStart=/bin/x\nExecStart=/bin/y\n",
            "[Service]\nExecStart=/bin/x\nProtectSytem=strict\n",
            "[Service]\nExecStart=/bin/x\nWorkingDirectory=here\n",
            "[Service]\nExecStart=/bin/x\nRestartSec=soon\n",
            "[Service]\nExecStart=/bin/x\nfree words\n",
        ] {
            assert!(parse("a.service", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn variables_lose_their_quotes() {
        let text = "# comment\nA=plain\nB=\"a b \\\"c\\\" \\\\ $d\"\nC='x'\n";
        let found = variables(Path::new("/e"), text).unwrap();
        assert_eq!((found["A"].as_str(), found["B"].as_str(), found["C"].as_str()), ("plain", "a b \"c\" \\ $d", "x"));
        assert!(variables(Path::new("/e"), "no assignment").is_err());
    }
}
