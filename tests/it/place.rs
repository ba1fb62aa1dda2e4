//! A place for one environment, with real processes, all of which end with it.

use reportctl::context::Context;
use reportctl::exec;
use reportctl::model::component::ComponentName;
use reportctl::model::ids::{EnvId, EnvName};
use reportctl::model::inventory::Observed;
use reportctl::model::paths::Paths;
use reportctl::model::quantity::Span;
use reportctl::model::service::ServiceSpec;
use reportctl::provider::host::agent::{self, AgentError};
use reportctl::provider::host::processes::{Marked, Snapshot};
use std::collections::BTreeMap;
use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The longest that a test waits for what must happen.
const BOUND: Duration = Duration::from_secs(60);

/// Names the program under test, where it is not where it was built.
const PROGRAM: &str = "REPORTCTL_TEST_PROGRAM";

/// Polls until `holds`, with a bound.
#[track_caller]
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < BOUND, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is there and has not ended.
pub fn lives(pid: u32) -> bool {
    matches!(exec::identity(pid), Observed::Present(reading) if !reading.ended)
}

/// A folder with an identity in it, and a way to run an agent there.
pub struct Place {
    folder: tempfile::TempDir,
    pub context: Context,
    pub paths: Paths,
    pub id: EnvId,
    runtime: tokio::runtime::Runtime,
    flags: Vec<String>,
    umask: Option<String>,
}

impl Place {
    /// A new one, claimed by `local-` and eight letters that no other place has.
    pub fn new() -> Self {
        Self::deep("")
    }

    /// One with these folders between the temporary one and the state.
    pub fn deep(below: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join(below).join("state");
        let paths = Paths {
            shared_data: folder.path().join("shared/local"),
            ..Paths::new(&state, &EnvName::parse("local").unwrap())
        };
        let suffix: String = std::iter::repeat_with(|| fastrand::char('a'..='z')).take(8).collect();
        let vars = [("PATH", std::env::var("PATH").unwrap()), ("HOME", folder.path().display().to_string())];
        let mut context = Context::real().unwrap();
        context.vars = vars.map(|(name, value)| (name.to_owned(), value)).into();
        context.program = std::env::var(PROGRAM).unwrap_or(env!("CARGO_BIN_EXE_reportctl").to_owned()).into();
        context.cwd = folder.path().to_owned();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let id = EnvId::parse(&format!("local-{suffix}")).unwrap();
        let place = Self { folder, context, paths, id, runtime, flags: vec![], umask: None };
        std::fs::create_dir_all(place.work()).unwrap();
        place.claim();
        place
    }

    fn claim(&self) {
        std::fs::write(self.paths.identity(), format!("{}\n", self.id)).unwrap();
    }

    /// The same with another identity.
    pub fn with_id(mut self, id: &str) -> Self {
        self.id = EnvId::parse(id).unwrap();
        self.claim();
        self
    }

    /// The same with another variable set.
    pub fn with_var(mut self, name: &str, value: &str) -> Self {
        self.context.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same where only the programs in [`bin`](Self::bin) and those of the shell can be found.
    pub fn with_own_programs(self) -> Self {
        let bin = self.bin();
        std::fs::create_dir_all(&bin).unwrap();
        let path = bin.display().to_string();
        self.with_var("PATH", &path)
    }

    /// A folder for stand-ins of programs.
    pub fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// The same with an agent that is given these flags.
    pub fn with_agent_flags(mut self, flags: &[&str]) -> Self {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        self
    }

    /// The same with an agent that is started with that umask.
    pub fn with_umask(mut self, umask: &str) -> Self {
        self.umask = Some(umask.to_owned());
        self
    }

    pub fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    /// Runs an ignored test of this crate in a process of its own, as another user where we are root. An ordinary user
    /// is one already.
    #[track_caller]
    pub fn run_alone_as(uid: u32, test: &str) {
        Self::run_alone_with(uid, test, &[]);
    }

    /// The same with variables.
    #[track_caller]
    pub fn run_alone_with(uid: u32, test: &str, variables: &[(&str, String)]) {
        let folder = tempfile::tempdir().unwrap();
        // The programs may lie where that user cannot go.
        let own = std::env::current_exe().unwrap();
        let copies = [(own.as_path(), "tests"), (Path::new(env!("CARGO_BIN_EXE_reportctl")), "reportctl")];
        for (from, to) in copies {
            std::fs::copy(from, folder.path().join(to)).unwrap();
        }
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let temporary = folder.path().join("tmp");
        std::fs::create_dir(&temporary).unwrap();
        let mut command = if Self::is_root() {
            std::os::unix::fs::chown(&temporary, Some(uid), Some(uid)).unwrap();
            let mut command = Command::new("setpriv");
            let user = uid.to_string();
            command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]).arg(folder.path().join("tests"));
            command
        } else {
            Command::new(folder.path().join("tests"))
        };
        command.args(["--exact", "--ignored", test]).current_dir("/").env("TMPDIR", &temporary);
        command.env(PROGRAM, folder.path().join("reportctl"));
        let output = command.envs(variables.iter().map(|(name, value)| (name, value))).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    /// The folder that services start in.
    pub fn work(&self) -> PathBuf {
        self.paths.root.join("work")
    }

    /// Starts the agent. With flags or a umask, a script stands in for the program and adds them.
    pub fn launch(&self) -> Result<u32, AgentError> {
        let mut context = self.context.clone();
        if !self.flags.is_empty() || self.umask.is_some() {
            let quoted = |path: &Path| format!("'{}'", path.display());
            let script = format!(
                "#!/bin/sh\numask {}\nexec {} \"$@\" {}\n",
                self.umask.as_deref().unwrap_or("022"),
                quoted(&self.context.program),
                self.flags.join(" ")
            );
            context.program = self.folder.path().join("start");
            if !context.program.exists() {
                std::fs::write(&context.program, script).unwrap();
                std::fs::set_permissions(&context.program, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        agent::launch(&context, &self.paths, &self.id)
    }

    /// A service that runs a shell script.
    pub fn spec(&self, component: ComponentName, script: &str, needs: &[ComponentName]) -> ServiceSpec {
        ServiceSpec {
            component,
            argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            env: BTreeMap::new(),
            cwd: self.work(),
            log: self.paths.log(component),
            needs: needs.to_vec(),
            stop_timeout: Span::seconds(20),
            files: BTreeMap::new(),
        }
    }

    /// What a component has said so far, and what the agent said of it, without the times.
    pub fn log(&self, component: ComponentName) -> Vec<String> {
        let lines = agent::tail(component, &self.paths.log(component), 10_000).unwrap();
        lines.into_iter().map(|line| line.text).collect()
    }

    /// Waits for something asynchronous.
    pub fn block<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The whole path of a program.
    pub fn find(&self, program: &str) -> String {
        exec::find(&self.context, program).unwrap_or_else(|| panic!("{program} is not installed")).display().to_string()
    }

    pub fn kill(&self, pid: u32, signal: &str) {
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status().unwrap().success());
    }

    /// The processes that carry this place's marker.
    pub fn marked(&self) -> Vec<Marked> {
        let snapshot = Snapshot::take().unwrap();
        snapshot.marked().iter().filter(|marked| marked.id == self.id).cloned().collect()
    }

    pub fn memory_kib(&self, pid: u32) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn descriptors(&self, pid: u32) -> usize {
        std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
    }
}

impl Drop for Place {
    /// Ends whatever carries this place's marker, and what an agent wrote down.
    fn drop(&mut self) {
        for _ in 0..100 {
            let Ok(snapshot) = Snapshot::take() else { return };
            let left = reportctl::provider::host::processes::orphans(&snapshot, &self.paths, &self.id, None);
            if left.is_empty() {
                return;
            }
            for marked in left {
                if let Ok(Some(watch)) = exec::Watch::open(marked.reading.identity) {
                    let _ = watch.signal(rustix::process::Signal::KILL);
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
