//! One environment of its own, brought up and taken away by the real program, with real services. Whatever a test does
//! to it, nothing of it is left when the test has ended.

use crate::command::{Done, done};
use reportctl::journal::store;
use reportctl::model::ids::EnvName;
use reportctl::model::paths::Paths;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The components that run in `local` with nothing but the distribution's packages.
pub const COMPONENTS: [&str; 5] = ["redis", "redis-exporter", "node-exporter", "prometheus", "alertmanager"];

/// Our own two services, which run where a stage says so.
pub const SERVICES: [&str; 2] = ["requestor", "runner"];

/// The longest that a test waits for what must happen.
const BOUND: Duration = Duration::from_secs(60);

/// Each port of those components.
const PORTS: [(&str, &str); 6] = [
    ("redis", "redis"),
    ("redis-exporter", "http"),
    ("node-exporter", "http"),
    ("prometheus", "http"),
    ("alertmanager", "http"),
    ("alertmanager", "smoke"),
];

/// Polls until `holds`, with a bound.
#[track_caller]
pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    assert!(within(BOUND, holds), "never came true: {what}");
}

/// Polls until `holds`, or for so long.
pub fn within(bound: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > bound {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// A process that carries a marker of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marked {
    /// Its component, or `agent`.
    pub component: String,
    /// Its number.
    pub pid: u32,
}

/// The environment, its project folder and its state.
pub struct Stage {
    folder: tempfile::TempDir,
    /// Its name, which no other stage on this host has.
    pub name: String,
    /// The ports that its file asks for.
    pub wanted: BTreeMap<String, u16>,
    services: bool,
    program: PathBuf,
    user: Option<u32>,
    umask: Option<&'static str>,
    path: OsString,
}

/// A run that goes on beside the test. What it says goes into a file, so that it never waits for a reader.
pub struct Going {
    /// The process.
    pub child: Child,
    said: PathBuf,
}

impl Stage {
    /// A new one, with an environment file that extends `local` and asks for ports that are free now.
    pub fn new() -> Self {
        Self::with_ports("free")
    }

    /// The same, with what happens where a port is taken: `free` or `exact`.
    pub fn with_ports(policy: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let wanted =
            PORTS.iter().zip(free_ports(PORTS.len())).map(|((of, port), number)| (format!("{of}/{port}"), number));
        let stage = Self {
            folder: tempfile::Builder::new().prefix("stage").tempdir().unwrap(),
            name: format!("t{}n{count}", std::process::id()),
            wanted: wanted.collect(),
            services: false,
            program: PathBuf::from(env!("CARGO_BIN_EXE_reportctl")),
            user: None,
            umask: None,
            path: std::env::var_os("PATH").unwrap(),
        };
        for folder in ["project/environments", "state", "cache", "settings", "home", "tmp"] {
            std::fs::create_dir_all(stage.at(folder)).unwrap();
        }
        stage.write_env(policy, |_| String::new());
        stage
    }

    /// The requestor and the runner run too: those that Cargo has built beside the program of these tests.
    pub fn with_services(mut self) -> Self {
        self.services = true;
        let keys = SERVICES.iter().map(|name| format!("{name}/http"));
        self.wanted.extend(keys.zip(free_ports(SERVICES.len())));
        for name in SERVICES {
            let program = self.program.with_file_name(format!("report-{name}"));
            assert!(program.exists(), "{} is missing: cargo build --workspace --bins", program.display());
        }
        self.write_env("free", |_| String::new());
        self
    }

    /// The components that run.
    pub fn components(&self) -> impl Iterator<Item = &'static str> + use<> {
        COMPONENTS.into_iter().chain(SERVICES.into_iter().filter(|_| self.services).collect::<Vec<_>>())
    }

    /// The program is a copy of its own, beside which there is nothing.
    pub fn standing_alone(mut self) -> Self {
        let copy = self.at("reportctl");
        std::fs::copy(&self.program, &copy).unwrap();
        self.program = copy;
        self
    }

    /// Everything from now on is done by that user, where the tests run as root; else by whoever runs them. The program
    /// is copied, since it may lie where that user cannot go.
    pub fn by_user(mut self, user: u32) -> Self {
        let copy = self.at("reportctl");
        std::fs::copy(&self.program, &copy).unwrap();
        std::fs::set_permissions(self.folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        self.program = copy;
        if rustix::process::geteuid().is_root() {
            for folder in ["project", "project/environments", "state", "cache", "settings", "home", "tmp"] {
                chown(self.at(folder), Some(user), Some(user)).unwrap();
            }
            self.user = Some(user);
        }
        self
    }

    /// Programs are started with this umask.
    pub fn with_umask(mut self, umask: &'static str) -> Self {
        self.umask = Some(umask);
        self
    }

    /// Programs are looked for there and nowhere else.
    pub fn with_path(mut self, path: impl Into<OsString>) -> Self {
        self.path = path.into();
        self
    }

    /// A script stands before a component's program on the search path.
    pub fn with_script(mut self, program: &str, script: &str) -> Self {
        let scripts = self.at("scripts");
        std::fs::create_dir_all(&scripts).unwrap();
        write_program(&scripts.join(program), script);
        let path = std::env::split_paths(&self.path).filter(|folder| *folder != scripts).collect::<Vec<_>>();
        self.path = std::env::join_paths([scripts].into_iter().chain(path)).unwrap();
        self
    }

    /// A path within its folder.
    pub fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Where its state is.
    pub fn paths(&self) -> Paths {
        Paths::new(&self.at("state/reportctl"), &EnvName::parse(&self.name).unwrap())
    }

    /// Where its file is.
    pub fn file(&self) -> PathBuf {
        self.at("project/environments").join(format!("{}.yaml", self.name))
    }

    /// Writes the environment's file anew: `options` gives further lines of a component, each ending in a newline.
    pub fn write_env(&self, policy: &str, options: impl Fn(&str) -> String) {
        let mut text = format!("extends: local\nmachine: {{ports: {policy}}}\nstack:\n");
        if !self.services {
            text.extend(SERVICES.map(|name| format!("  {name}: {{enabled: false}}\n")));
        }
        for component in self.components() {
            let of = |key: &&String| key.split_once('/').is_some_and(|(of, _)| of == component);
            let ports: Vec<String> = (self.wanted.keys().filter(of))
                .map(|key| format!("{}: {}", key.split_once('/').unwrap().1, self.wanted[key]))
                .collect();
            text += &format!("  {component}:\n    ports: {{{}}}\n", ports.join(", "));
            text.extend(options(component).lines().map(|line| format!("    {line}\n")));
        }
        std::fs::write(self.file(), text).unwrap();
    }

    /// The command, ready to be changed further. It sees nothing of the environment that the tests run in.
    pub fn command(&self, line: &str) -> Command {
        let mut argv: Vec<OsString> = Vec::new();
        if let Some(user) = self.user {
            let user = user.to_string();
            argv.extend(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"].map(OsString::from));
        }
        if let Some(umask) = self.umask {
            argv.extend(["/bin/sh", "-c", &format!("umask {umask}; exec \"$0\" \"$@\"")].map(OsString::from));
        }
        argv.push(self.program.clone().into());
        argv.extend(line.split_whitespace().map(OsString::from));
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).env_clear().current_dir(self.at("project")).stdin(Stdio::null());
        command.env("PATH", &self.path).env("LC_ALL", "C.UTF-8").env("REPORTCTL_ENV", &self.name);
        for (name, folder) in [
            ("HOME", "home"),
            ("TMPDIR", "tmp"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_CONFIG_HOME", "settings"),
        ] {
            command.env(name, self.at(folder));
        }
        command
    }

    /// Runs the words of a line to its end.
    pub fn run(&self, line: &str) -> Done {
        done(&mut self.command(line))
    }

    /// Brings it up without smoke checks, which must succeed.
    #[track_caller]
    pub fn up(&self) -> Done {
        let done = self.run(UP);
        assert_eq!(done.code, Some(0), "{}", done.shown());
        done
    }

    /// Takes it away, which must succeed.
    #[track_caller]
    pub fn down(&self) -> Done {
        let done = self.run("down -y");
        assert_eq!(done.code, Some(0), "{}", done.shown());
        done
    }

    /// Begins to run the words of a line.
    pub fn begin(&self, line: &str) -> Going {
        let said = self.at("said");
        let file = std::fs::File::create(&said).unwrap();
        let child = self.command(line).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Going { child, said }
    }

    /// The ports that the environment has, as its journals remember them.
    pub fn ports(&self) -> BTreeMap<String, u16> {
        let facts = store::recall(&self.paths()).unwrap().facts;
        facts.ports.into_iter().map(|(key, number)| (key.to_string(), number)).collect()
    }

    /// The number of a port, such as `prometheus/http`.
    #[track_caller]
    pub fn port(&self, key: &str) -> u16 {
        self.ports().get(key).copied().unwrap_or_else(|| panic!("no port {key} is remembered"))
    }

    /// Every process that carries the marker of an environment of this name.
    pub fn processes(&self) -> Vec<Marked> {
        marked(&self.name)
    }

    /// The process of the agent and of each component, of which there must be exactly one each.
    #[track_caller]
    pub fn pids(&self) -> BTreeMap<String, u32> {
        let found = self.processes();
        let pids: BTreeMap<String, u32> = found.iter().map(|one| (one.component.clone(), one.pid)).collect();
        assert_eq!(pids.len(), found.len(), "something was started twice: {found:?}");
        let expected: BTreeSet<&str> = self.components().chain(["agent"]).collect();
        assert_eq!(pids.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);
        pids
    }

    /// Whether a component gives an answer that only it can give.
    pub fn answers(&self, component: &str) -> Result<(), String> {
        let key = if component == "redis" { "redis/redis".to_owned() } else { format!("{component}/http") };
        let port = *self.ports().get(&key).ok_or_else(|| format!("no port {key} is remembered"))?;
        let (path, word) = match component {
            "redis" => {
                let answer = self.redis_words(&["INFO", "server"]);
                return if answer.contains(&format!("tcp_port:{port}")) { Ok(()) } else { Err(answer) };
            }
            "redis-exporter" => ("/metrics", "\nredis_up 1\n"),
            "node-exporter" => ("/metrics", "\nnode_boot_time_seconds "),
            "prometheus" => ("/api/v1/status/buildinfo", "\"status\":\"success\""),
            "alertmanager" => ("/api/v2/status", "\"versionInfo\""),
            "requestor" | "runner" => ("/readyz", "\"ready\":true"),
            other => return Err(format!("{other} is not known here")),
        };
        let body = get(port, path).map_err(|error| format!("{component} on {port}: {error}"))?;
        if body.contains(word) { Ok(()) } else { Err(format!("{component} on {port} says: {body}")) }
    }

    /// Each component must answer, now.
    #[track_caller]
    pub fn all_answer(&self) {
        for component in self.components() {
            self.answers(component).unwrap();
        }
    }

    /// What its Redis says to a command of its administrator.
    pub fn redis_words(&self, words: &[&str]) -> String {
        let Ok(password) = std::fs::read_to_string(self.paths().secrets().join("redis-admin")) else {
            return "there is no password".to_owned();
        };
        redis(self.ports().get("redis/redis").copied().unwrap_or(0), "admin", password.trim(), words)
    }

    /// The same for a line of words.
    pub fn redis(&self, line: &str) -> String {
        self.redis_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Each stored secret.
    pub fn secrets(&self) -> BTreeMap<String, String> {
        let folder = self.paths().secrets();
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap()))
            .collect()
    }

    /// Nothing may be there any more: no process, no port, no file.
    #[track_caller]
    pub fn is_gone(&self, ports: &BTreeMap<String, u16>) {
        assert_eq!(self.processes(), []);
        for (key, port) in ports {
            assert!(is_free(*port), "somebody still listens on {port}, which was {key}'s");
        }
        assert_eq!(tree(&self.at("state")), BTreeMap::new());
        assert_eq!(tree(&self.at("tmp")), BTreeMap::new());
    }

    /// The plan of this environment must be empty, in the project of another stage.
    #[track_caller]
    pub fn nothing_is_pending_beside(&self, other: &Self) {
        let plan = done(other.command("plan --detailed-exitcode").env("REPORTCTL_ENV", &self.name));
        assert_eq!(plan.code, Some(0), "{}", plan.shown());
    }

    /// The plan must be empty.
    #[track_caller]
    pub fn nothing_is_pending(&self) {
        let plan = self.run("plan --detailed-exitcode");
        assert_eq!(plan.code, Some(0), "{}", plan.shown());
    }
}

/// Brings up without smoke checks.
pub const UP: &str = "up -y --no-smoke";

impl Drop for Stage {
    /// Takes away what a test that broke off has left, and kills what cannot be taken away.
    fn drop(&mut self) {
        if self.processes().is_empty() {
            return;
        }
        let down = self.run("down -y");
        if !self.processes().is_empty() {
            eprintln!("taking {} away: {}", self.name, down.shown());
        }
        for _ in 0..100 {
            let mut left = self.processes();
            if left.is_empty() {
                return;
            }
            // The agent first: it would start again what else is killed.
            left.sort_by_key(|process| process.component != "agent");
            left.iter().for_each(|process| signal(process.pid, "KILL"));
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Going {
    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap()
    }

    /// Waits until it has said something.
    #[track_caller]
    pub fn says(&self, text: &str) {
        let found = within(BOUND, || self.said().contains(text));
        assert!(found, "it never said `{text}`, but:\n{}", self.said());
    }

    /// Waits until it ends, with a bound: its exit code and all that it said.
    #[track_caller]
    pub fn end(mut self) -> (Option<i32>, String) {
        let ended = within(BOUND, || self.child.try_wait().unwrap().is_some());
        if !ended {
            let _ = self.child.kill();
        }
        let status = self.child.wait().unwrap();
        assert!(ended, "it did not end, and said:\n{}", self.said());
        (status.code(), self.said())
    }
}

/// Whether nobody listens on a port of the loopback address.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Ports that are free now and that no other test that runs now is given: below those that the kernel gives out, a
/// block for each process number.
pub fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let block = 10_000 + u16::try_from(std::process::id() % 250).unwrap() * 40;
    let mut found = Vec::new();
    while found.len() < count {
        let number = block + u16::try_from(NEXT.fetch_add(1, Ordering::Relaxed) % 40).unwrap();
        if is_free(number) {
            found.push(number);
        }
    }
    found
}

/// The body of what a server on the loopback address says.
pub fn get(port: u16, path: &str) -> Result<String, String> {
    let ask = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = ask().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").ok_or("no end of the head")?;
    if head.lines().next().is_some_and(|line| line.contains(" 200 ")) { Ok(body.to_owned()) } else { Err(text) }
}

/// What a Redis says to a command of a user.
pub fn redis(port: u16, user: &str, password: &str, words: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    if !user.is_empty() {
        command.args(["--user", user]).env("REDISCLI_AUTH", password);
    }
    let output = command.args(words).stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).replace("\r\n", "\n").trim().to_owned()
}

/// Sends a signal to a process.
pub fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args([format!("-{name}"), pid.to_string()]).stderr(Stdio::null()).status();
}

/// Whether a process is there and has not ended.
pub fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X'))
}

/// The numbers of all processes.
pub fn all_pids() -> Vec<u32> {
    let names = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

/// Every living process that carries the marker of an environment of that name. It is read from the kernel here, so
/// that the tests do not believe what they test.
pub fn marked(name: &str) -> Vec<Marked> {
    let start = format!("{name}-");
    let look = |pid: u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let value = |variable: &str| {
            let mut all = environment.split(|byte| *byte == 0);
            all.find_map(|one| one.strip_prefix(variable.as_bytes())).map(|it| String::from_utf8_lossy(it).into_owned())
        };
        value("REPORTCTL_ID=").filter(|id| id.starts_with(&start))?;
        let component = value("REPORTCTL_COMPONENT=").unwrap_or_default();
        lives(pid).then_some(Marked { component, pid })
    };
    let mut found: Vec<Marked> = all_pids().into_iter().filter_map(look).collect();
    found.sort();
    found
}

/// Every file below a folder with what is in it; a folder has its mode.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(&at).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
            let content = if meta.is_dir() {
                folders.push(path.clone());
                format!("folder {:o}", meta.permissions().mode()).into_bytes()
            } else {
                std::fs::read(&path).unwrap_or_else(|error| error.to_string().into_bytes())
            };
            found.insert(path.strip_prefix(folder).unwrap().to_owned(), content);
        }
    }
    found
}

/// A stage whose program of that name says its version at once and does nothing else until the file `gate` is there.
pub fn gated(stage: Stage, program: &str, gate: &Path) -> Stage {
    let real = which(program);
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) ;; *) while [ ! -e '{}' ]; do sleep 0.05; done ;; esac\n\
         exec '{}' \"$@\"\n",
        gate.display(),
        real.display()
    );
    stage.with_script(program, &script)
}

/// Writes a script that can be started.
pub fn write_program(path: &Path, script: &str) {
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Where a program of the host is.
pub fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file()).unwrap()
}
