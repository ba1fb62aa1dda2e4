//! The services of a machine: what systemd would do with their units.

use super::unit::{self, Restart, Unit};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Where the units of ours are.
pub(crate) const UNITS: &str = "/etc/systemd/system";
/// Where those of the distribution are, which are known, and never run.
const OTHERS: &str = "/usr/lib/systemd/system";
/// Where the log of each unit is.
pub(crate) const JOURNAL: &str = "/var/log/fake-journal";
/// The search path of a service.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Shared by all who ask and all who wait for a process.
#[derive(Clone, Default)]
pub(crate) struct Manager(Arc<(Mutex<BTreeMap<String, Service>>, Condvar)>);

/// One unit that was asked of.
#[derive(Debug, Default)]
struct Service {
    /// Its text when it was read, and what it says.
    loaded: Option<(String, Result<Unit, String>)>,
    state: State,
    /// Rises with each start and stop, so that whoever waited knows whether it is still meant.
    turn: u64,
    pid: u32,
    restarts: u32,
    result: &'static str,
    code: i32,
    status: i32,
    condition_failed: bool,
    starts: Vec<Instant>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Inactive,
    Active,
    Stopping,
    AutoRestart,
    Failed,
}

/// What a unit's file is now. One that is masked has none.
fn text(name: &str) -> Option<String> {
    if is_masked(name) { None } else { fs::read_to_string(Path::new(UNITS).join(name)).ok() }
}

fn is_masked(name: &str) -> bool {
    fs::read_link(Path::new(UNITS).join(name)).is_ok_and(|target| target == Path::new("/dev/null"))
}

fn link(name: &str, target: &str) -> PathBuf {
    Path::new(UNITS).join(format!("{target}.wants")).join(name)
}

impl Manager {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Service>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads all units anew.
    pub(crate) fn reload(&self) {
        for (name, service) in self.lock().iter_mut() {
            service.loaded = text(name).map(|text| (text.clone(), unit::parse(name, &text)));
        }
    }

    /// Starts what is wanted when the machine starts.
    pub(crate) fn boot(&self) {
        let wanted = fs::read_dir(link("x", "multi-user.target").with_file_name("")).into_iter().flatten().flatten();
        for entry in wanted {
            let name = entry.file_name().to_string_lossy().into_owned();
            if text(&name).is_some() {
                let _ = self.start(&name);
            }
        }
    }

    /// Errors: it is none, or it did not start, in the words of `systemctl`.
    pub(crate) fn start(&self, name: &str) -> Result<(), String> {
        let mut all = self.lock();
        let service = all.entry(name.to_owned()).or_default();
        if service.state == State::Active {
            return Ok(());
        }
        service.restarts = 0;
        self.begin(name, service).inspect_err(|error| note(name, error))
    }

    fn begin(&self, name: &str, service: &mut Service) -> Result<(), String> {
        let unit = service.unit(name)?;
        service.turn += 1;
        service.condition_failed = unit.conditions.iter().any(|(path, absent)| path.exists() == *absent);
        if service.condition_failed {
            service.state = State::Inactive;
            return Ok(());
        }
        service.starts.retain(|start| start.elapsed() < Duration::from_secs(10));
        if !unit.unlimited && service.starts.len() >= 5 {
            (service.state, service.result) = (State::Failed, "start-limit-hit");
            return Err(format!("Job for {name} failed.\nStart request repeated too quickly."));
        }
        service.starts.push(Instant::now());
        match spawn(name, &unit) {
            Ok(child) => {
                (service.state, service.pid, service.result) = (State::Active, child.id(), "success");
                let (manager, name, turn) = (self.clone(), name.to_owned(), service.turn);
                std::thread::spawn(move || manager.watch(&name, child, &unit, turn));
                Ok(())
            }
            Err((status, why)) => {
                note(name, &why);
                (service.pid, service.code, service.status) = (0, 1, status);
                service.result = if status == 0 { "resources" } else { "exit-code" };
                self.again(name, service, &unit, true);
                Err(format!(
                    "Job for {name} failed because the control process exited with error code.\n\
                     See \"systemctl status {name}\" and \"journalctl -xeu {name}\" for details.\n{why}"
                ))
            }
        }
    }

    /// Waits for the end of a process, and does what its unit says then.
    fn watch(&self, name: &str, mut child: Child, unit: &Unit, turn: u64) {
        let group = child.id();
        let Ok(status) = child.wait() else { return };
        signal_group(group, 9);
        let mut all = self.lock();
        if let Some(service) = all.get_mut(name) {
            ended(service, status);
            note(name, &format!("Main process exited, {status}"));
            if service.turn == turn && service.state == State::Active {
                self.again(name, service, unit, !status.success());
            } else if service.turn == turn {
                service.state = State::Inactive;
                service.result = "success";
            }
        }
        self.0.1.notify_all();
    }

    fn again(&self, name: &str, service: &mut Service, unit: &Unit, failed: bool) {
        let restarts = match unit.restart {
            Restart::No => false,
            Restart::OnFailure => failed,
            Restart::Always => true,
        };
        if !restarts {
            service.state = if failed { State::Failed } else { State::Inactive };
            return;
        }
        service.state = State::AutoRestart;
        let (manager, name, turn, wait) = (self.clone(), name.to_owned(), service.turn, unit.restart_wait);
        std::thread::spawn(move || {
            std::thread::sleep(wait);
            let mut all = manager.lock();
            let Some(service) = all.get_mut(&name) else { return };
            if service.turn == turn && service.state == State::AutoRestart {
                service.restarts += 1;
                let _ = manager.begin(&name, service);
            }
        });
    }

    /// Errors: there is no such unit.
    pub(crate) fn stop(&self, name: &str) -> Result<(), String> {
        let mut all = self.lock();
        let service = all.entry(name.to_owned()).or_default();
        let unit = service.unit(name).ok();
        if unit.is_none() && service.pid == 0 {
            return Err(format!("Failed to stop {name}: Unit {name} not loaded."));
        }
        if service.state == State::AutoRestart {
            service.turn += 1;
            service.state = State::Inactive;
        }
        if service.state != State::Active {
            return Ok(());
        }
        service.state = State::Stopping;
        let (pid, wait) = (service.pid, unit.as_ref().map_or(Duration::from_secs(90), |unit| unit.stop_wait));
        let signal = unit.as_ref().map_or(15, |unit| unit.stop_signal);
        if unit.is_some_and(|unit| unit.mixed) {
            signal_one(pid, signal)
        } else {
            signal_group(pid, signal)
        }
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let waited = self.0.1.wait_timeout(all, left.max(Duration::from_millis(1)));
            all = waited.unwrap_or_else(PoisonError::into_inner).0;
            let stops = all.get(name).is_some_and(|service| service.state == State::Stopping);
            if !stops {
                return Ok(());
            }
            if Instant::now() >= until {
                note(name, "State 'stop-sigterm' timed out. Killing.");
                signal_group(pid, 9);
            }
        }
    }

    /// Before the machine ends.
    pub(crate) fn stop_all(&self) {
        let names: Vec<String> = self.lock().keys().cloned().collect();
        let stops = names.into_iter().map(|name| {
            let manager = self.clone();
            std::thread::spawn(move || drop(manager.stop(&name)))
        });
        let stops: Vec<_> = stops.collect();
        for stop in stops {
            let _ = stop.join();
        }
    }

    /// Errors: it has no file, or its file says not what wants it.
    pub(crate) fn enable(&self, name: &str, on: bool) -> Result<(), String> {
        let verb = if on { "enable" } else { "disable" };
        let Some(text) = text(name) else {
            if Path::new(OTHERS).join(name).exists() {
                return Ok(());
            }
            return Err(format!("Failed to {verb} unit: Unit file {name} does not exist."));
        };
        let unit = unit::parse(name, &text)?;
        for target in &unit.wanted_by {
            let link = link(name, target);
            let failed = |error: std::io::Error| format!("Failed to {verb} unit: {}: {error}", link.display());
            if on && fs::symlink_metadata(&link).is_err() {
                fs::create_dir_all(link.with_file_name("")).map_err(failed)?;
                symlink(Path::new(UNITS).join(name), &link).map_err(failed)?;
            } else if !on && fs::symlink_metadata(&link).is_ok() {
                fs::remove_file(&link).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Errors: a file of that name is in the way.
    pub(crate) fn mask(&self, name: &str, on: bool) -> Result<(), String> {
        let path = Path::new(UNITS).join(name);
        let done = match (on, is_masked(name)) {
            (true, false) if fs::symlink_metadata(&path).is_ok() => {
                return Err(format!("Failed to mask unit: File {} already exists.", path.display()));
            }
            (true, false) => symlink("/dev/null", &path),
            (false, true) => fs::remove_file(&path),
            _ => Ok(()),
        };
        done.map_err(|error| format!("Failed to mask unit: {}: {error}", path.display()))
    }

    pub(crate) fn reset_failed(&self, name: &str) {
        if let Some(service) = self.lock().get_mut(name) {
            service.starts.clear();
            service.restarts = 0;
            if service.state == State::Failed {
                (service.state, service.result) = (State::Inactive, "success");
            }
        }
    }

    /// What `systemctl show` says, in its order.
    pub(crate) fn show(&self, name: &str) -> Vec<(&'static str, String)> {
        let mut all = self.lock();
        let service = all.entry(name.to_owned()).or_default();
        let parsed = service.unit(name);
        let now = text(name);
        let load = match (&service.loaded, &parsed) {
            (Some(_), Ok(_)) => "loaded",
            (Some(_), Err(_)) => "bad-setting",
            (None, _) if is_masked(name) => "masked",
            (None, _) if Path::new(OTHERS).join(name).exists() => "loaded",
            (None, _) => "not-found",
        };
        let stale = service.loaded.as_ref().is_some_and(|(text, _)| now.as_ref() != Some(text));
        let wanted = parsed.map(|unit| unit.wanted_by).unwrap_or_default();
        let enabled = wanted.iter().any(|target| link(name, target).exists());
        let file = match (now, enabled) {
            (Some(_), true) => "enabled",
            (Some(_), false) if !wanted.is_empty() => "disabled",
            (Some(_), false) => "static",
            (None, _) if load == "masked" => "masked",
            (None, _) if load == "loaded" => "disabled",
            (None, _) => "",
        };
        let (active, sub) = service.state.words();
        let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let live = if matches!(service.state, State::Active | State::Stopping) { service.pid } else { 0 };
        vec![
            ("MainPID", live.to_string()),
            ("Result", if service.result.is_empty() { "success" } else { service.result }.to_owned()),
            ("NRestarts", service.restarts.to_string()),
            ("ExecMainCode", service.code.to_string()),
            ("ExecMainStatus", service.status.to_string()),
            ("Id", name.to_owned()),
            ("LoadState", load.to_owned()),
            ("ActiveState", active.to_owned()),
            ("SubState", sub.to_owned()),
            ("UnitFileState", file.to_owned()),
            ("NeedDaemonReload", yes(stale)),
            ("ConditionResult", yes(!service.condition_failed && service.turn > 0)),
            ("InvocationID", if service.turn > 0 { format!("{:032x}", service.turn) } else { String::new() }),
        ]
    }

    /// The units that have a file, with its state, or those in one state alone.
    pub(crate) fn files(&self, state: Option<&str>) -> Vec<(String, String)> {
        let entries = fs::read_dir(UNITS).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut found: Vec<(String, String)> = names
            .filter(|name| name.contains('.') && !name.ends_with(".wants"))
            .map(|name| {
                let shown = self.show(&name);
                let state =
                    shown.into_iter().find(|(property, _)| *property == "UnitFileState").map(|(_, state)| state);
                (name, state.unwrap_or_default())
            })
            .filter(|(_, found)| state.is_none_or(|state| state == found))
            .collect();
        found.sort();
        found
    }

    /// Whether a unit has failed.
    pub(crate) fn is_degraded(&self) -> bool {
        self.lock().values().any(|service| service.state == State::Failed)
    }
}

impl Service {
    /// The unit as it was read when it was first asked of, or by a reload.
    fn unit(&mut self, name: &str) -> Result<Unit, String> {
        if self.loaded.is_none() {
            self.loaded = text(name).map(|text| (text.clone(), unit::parse(name, &text)));
        }
        match &self.loaded {
            Some((_, Ok(unit))) => Ok(unit.clone()),
            Some((_, Err(why))) => {
                Err(format!("Failed to start {name}: Unit {name} has a bad unit file setting.\n{why}"))
            }
            None if is_masked(name) => Err(format!("Failed to start {name}: Unit {name} is masked.")),
            None if Path::new(OTHERS).join(name).exists() => {
                Err(format!("the fake runs no unit of the distribution: {name}"))
            }
            None => Err(format!("Failed to start {name}: Unit {name} not found.")),
        }
    }
}

impl State {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Inactive => ("inactive", "dead"),
            Self::Active => ("active", "running"),
            Self::Stopping => ("deactivating", "stop-sigterm"),
            Self::AutoRestart => ("activating", "auto-restart"),
            Self::Failed => ("failed", "failed"),
        }
    }
}

fn ended(service: &mut Service, status: ExitStatus) {
    service.pid = 0;
    (service.code, service.status, service.result) = match (status.code(), status.signal()) {
        (Some(0), _) => (1, 0, "success"),
        (Some(code), _) => (1, code, "exit-code"),
        (None, signal) => (2, signal.unwrap_or(0), "signal"),
    };
}

/// Starts the process of a service. Errors: the exit code that systemd gives (0: before it had a process), and why.
fn spawn(name: &str, unit: &Unit) -> Result<Child, (i32, String)> {
    let mut env: BTreeMap<String, String> = [("PATH", PATH), ("LANG", "C.UTF-8")].map(own).into();
    env.insert(
        "INVOCATION_ID".to_owned(),
        format!("{:x}", SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_nanos())),
    );
    env.extend(unit.environment.clone());
    for (path, optional) in &unit.environment_files {
        match fs::read_to_string(path) {
            Ok(text) => env.extend(unit::variables(path, &text).map_err(|why| (0, why))?),
            Err(_) if *optional => {}
            Err(error) => return Err((0, format!("Failed to load environment files: {}: {error}", path.display()))),
        }
    }
    let (uid, gid) = match &unit.user {
        None => (0, 0),
        Some(user) => {
            ids(user, unit.group.as_deref()).ok_or((217, format!("Failed to determine user credentials: {user}")))?
        }
    };
    for folder in &unit.state_directories {
        let path = Path::new("/var/lib").join(folder);
        let made = fs::create_dir_all(&path)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(unit.state_mode)))
            .and_then(|()| chown(&path, Some(uid), Some(gid)));
        made.map_err(|error| (238, format!("Failed to set up special execution directory: {error}")))?;
    }
    let cwd = unit.working_directory.as_deref().unwrap_or(Path::new("/"));
    if !cwd.is_dir() {
        return Err((200, format!("Changing to the requested working directory failed: {}", cwd.display())));
    }
    let program = Path::new(&unit.exec_start[0]);
    if !program.is_file() {
        return Err((203, format!("Failed to locate executable {}: No such file or directory", program.display())));
    }
    fs::create_dir_all(JOURNAL).map_err(|error| (209, error.to_string()))?;
    let log = OpenOptions::new().create(true).append(true).open(Path::new(JOURNAL).join(name));
    let log = log.map_err(|error| (209, error.to_string()))?;
    let copy = log.try_clone().map_err(|error| (209, error.to_string()))?;
    let mut command = Command::new(program);
    command.args(&unit.exec_start[1..]).env_clear().envs(env).current_dir(cwd).process_group(0);
    command.stdin(Stdio::null()).stdout(log).stderr(copy);
    if unit.user.is_some() {
        command.uid(uid).gid(gid);
    }
    // One service is started at a time, and nothing else of this process makes files meanwhile.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(unit.umask));
    let child = command.spawn();
    rustix::process::umask(before);
    child.map_err(|error| (203, format!("Failed to execute {}: {error}", program.display())))
}

fn own((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The numbers of a user and a group of the machine.
pub(crate) fn ids(user: &str, group: Option<&str>) -> Option<(u32, u32)> {
    let find = |path: &str, name: &str, field: usize| -> Option<u32> {
        let text = fs::read_to_string(path).ok()?;
        let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(field)?.parse().ok()
    };
    let uid = find("/etc/passwd", user, 2)?;
    let gid = match group {
        Some(group) => find("/etc/group", group, 2)?,
        None => find("/etc/passwd", user, 3)?,
    };
    Some((uid, gid))
}

/// One more line in the log of a unit.
fn note(name: &str, text: &str) {
    let _ = fs::create_dir_all(JOURNAL);
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(Path::new(JOURNAL).join(name)) {
        let _ = writeln!(file, "{name}: {text}");
    }
}

fn signal_group(pid: u32, signal: i32) {
    send(pid, signal, true);
}

fn signal_one(pid: u32, signal: i32) {
    send(pid, signal, false);
}

fn send(pid: u32, signal: i32, group: bool) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    let signal = rustix::process::Signal::from_named_raw(signal);
    if let (Some(pid), Some(signal)) = (pid, signal) {
        let _ = if group {
            rustix::process::kill_process_group(pid, signal)
        } else {
            rustix::process::kill_process(pid, signal)
        };
    }
}
