//! The machines of a fake: each is a folder of what differs from this host, and, while it runs, a process with namespaces of
//! its own (mount, PID, network, UTS), in which programs of this host really run. Everything ends when the folder is removed.

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::IpAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const START: &str = include_str!("start.sh");
/// The longest that a machine may take to start or to end.
const BOUND: Duration = Duration::from_secs(30);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A folder with machines.
pub(crate) struct World {
    root: PathBuf,
}

/// The files of a NoCloud seed.
pub(crate) struct Seed<'a> {
    pub(crate) instance_id: &'a str,
    pub(crate) user_data: &'a str,
}

/// Why no machine can run here, if none can.
pub(crate) fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("a fake machine needs root, who can make users in it".to_owned());
    }
    let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !filesystems.lines().any(|line| line.ends_with("\toverlay")) {
        return Some("the kernel has no overlay file system".to_owned());
    }
    None
}

impl World {
    /// Errors: the folder cannot be made.
    pub(crate) fn open(root: &Path) -> Result<Self, String> {
        fs::create_dir_all(root.join("machines")).map_err(|error| format!("{}: {error}", root.display()))?;
        let root = root.canonicalize().map_err(|error| format!("{}: {error}", root.display()))?;
        Ok(Self { root })
    }

    /// Waits until nobody else changes anything, and keeps others from it as long as the file is held.
    pub(crate) fn lock(&self) -> Result<File, String> {
        let path = self.root.join("lock");
        let file = File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(file)
    }

    /// A file of the world.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn machine(&self, name: &str) -> PathBuf {
        self.root.join("machines").join(name)
    }

    /// Makes a machine as the image has it, or as `from`, a folder of layers, says.
    pub(crate) fn create(&self, name: &str, seed: &Seed<'_>, from: Option<&Path>) -> Result<(), String> {
        let folder = self.machine(name);
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(failed)?;
        fs::create_dir_all(folder.join("layers")).map_err(failed)?;
        if let Some(from) = from {
            copy(from, &folder.join("layers"))?;
            fs::write(folder.join("made"), "").map_err(failed)?;
        }
        self.seed(name, seed)
    }

    /// What cloud-init reads when the machine starts next.
    pub(crate) fn seed(&self, name: &str, seed: &Seed<'_>) -> Result<(), String> {
        let folder = self.machine(name).join("seed");
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(failed)?;
        fs::write(folder.join("user-data"), seed.user_data).map_err(failed)?;
        let meta = format!("#cloud-config\ninstance-id: {}\nlocal-hostname: {name}\n", seed.instance_id);
        fs::write(folder.join("meta-data"), meta).map_err(failed)
    }

    /// The first process of a machine that runs.
    pub(crate) fn pid(&self, name: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.machine(name).join("pid")).ok()?;
        let (pid, began) = text.trim().split_once(' ')?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let is_dead = fields.next().is_some_and(|state| ["Z", "X"].contains(&state));
        // The state was the third field of them all; the start is the 22nd.
        let is_it = fields.nth(18)? == began;
        (is_it && !is_dead).then(|| pid.parse().ok().and_then(Pid::from_raw))?
    }

    /// Errors: it cannot be started; its own words.
    pub(crate) fn start(&self, name: &str) -> Result<(), String> {
        if let Some(obstacle) = obstacle() {
            return Err(obstacle);
        }
        let folder = self.machine(name);
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(folder.join("alive")).map_err(failed)?;
        fs::write(folder.join("alive/alive"), "").map_err(failed)?;
        let console = folder.join("console");
        let out = File::create(&console).map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new("setsid");
        command.args(["unshare", "--mount", "--pid", "--net", "--uts", "--fork", "sh", "-c", START, "start"]);
        command.arg(&folder).arg(program).arg(name).env_clear().env("PATH", PATH).current_dir("/");
        command.stdin(Stdio::null()).stdout(out.try_clone().map_err(failed)?).stderr(out);
        let mut child = command.spawn().map_err(failed)?;
        let until = Instant::now() + BOUND;
        loop {
            if self.pid(name).is_some_and(|pid| self.socket(pid).exists()) {
                return Ok(());
            }
            let ended = child.try_wait().map_err(failed)?.is_some();
            if ended || Instant::now() > until {
                let said = fs::read_to_string(&console).unwrap_or_default();
                return Err(format!("the machine {name} does not start: {}", said.trim()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Gives a machine that runs an address that this host reaches it at: two ends of a cable.
    pub(crate) fn connect(&self, name: &str, address: IpAddr, gateway: &str) -> Result<(), String> {
        let pid = self.pid(name).ok_or("Instance is not running")?.as_raw_nonzero().to_string();
        let cable = format!("fk{pid}");
        let ip = |words: &[&str]| run(Command::new("ip").args(words));
        ip(&["link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &pid])?;
        ip(&["address", "add", &format!("{gateway}/32"), "dev", &cable])?;
        ip(&["link", "set", &cable, "up"])?;
        ip(&["route", "add", &format!("{address}/32"), "dev", &cable])?;
        let inside =
            |words: &[&str]| run(Command::new("nsenter").args(["--target", &pid, "--net", "--", "ip"]).args(words));
        inside(&["address", "add", &format!("{address}/24"), "dev", "eth0"])?;
        inside(&["link", "set", "eth0", "up"])?;
        inside(&["route", "add", "default", "via", gateway])
    }

    fn socket(&self, pid: Pid) -> PathBuf {
        self.within(pid, Path::new("/run/systemd/fake"))
    }

    fn within(&self, pid: Pid, path: &Path) -> PathBuf {
        let path = path.strip_prefix("/").unwrap_or(path);
        Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("root").join(path)
    }

    /// A file of a machine that runs.
    pub(crate) fn file(&self, name: &str, path: &Path) -> Option<PathBuf> {
        self.pid(name).map(|pid| self.within(pid, path))
    }

    /// Ends it: in order, or at once.
    pub(crate) fn stop(&self, name: &str, force: bool) -> Result<(), String> {
        let Some(pid) = self.pid(name) else { return Ok(()) };
        if !force {
            let argv = ["systemctl".to_owned(), "poweroff".to_owned()];
            let _ = self.command(name, &argv).map(|mut command| command.stdin(Stdio::null()).status());
        }
        let _ = kill_process(pid, Signal::KILL);
        let until = Instant::now() + BOUND;
        while self.pid(name).is_some() {
            if Instant::now() > until {
                return Err(format!("the machine {name} does not end"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Ends it and removes it.
    pub(crate) fn delete(&self, name: &str) -> Result<(), String> {
        self.stop(name, true)?;
        remove(&self.machine(name))
    }

    /// A command in a machine that runs, as root in its home, with the variables that LXD gives.
    ///
    /// Errors: it does not run.
    pub(crate) fn command(&self, name: &str, argv: &[String]) -> Result<Command, String> {
        let pid = self.pid(name).ok_or("Instance is not running")?.as_raw_nonzero().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid, "--mount", "--uts", "--net", "--pid", "--root", "--wdns=/root", "--"]);
        // Whoever asks is its parent's parent, whose end is its own.
        command.args(["setpriv", "--pdeathsig", "KILL", "--"]).args(argv);
        command.env_clear().env("PATH", PATH).env("HOME", "/root").env("USER", "root").env("LANG", "C.UTF-8");
        Ok(command)
    }

    /// Whether the machine has a program of that name.
    pub(crate) fn has_program(&self, name: &str, program: &str) -> bool {
        if program.contains('/') {
            return self.file(name, Path::new(program)).is_some_and(|path| fs::symlink_metadata(path).is_ok());
        }
        PATH.split(':').any(|folder| {
            let path = Path::new(folder).join(program);
            self.file(name, &path).is_some_and(|path| fs::symlink_metadata(path).is_ok())
        })
    }

    /// Runs a command to its end in the place of this process.
    pub(crate) fn become_command(&self, name: &str, argv: &[String], reads: bool) -> String {
        match self.command(name, argv) {
            Ok(mut command) => {
                if !reads {
                    command.stdin(Stdio::null());
                }
                command.exec().to_string()
            }
            Err(error) => error,
        }
    }

    /// Keeps what it has changed so far.
    pub(crate) fn snapshot(&self, name: &str, snapshot: &str) -> Result<(), String> {
        let folder = self.machine(name);
        copy(&folder.join("layers"), &folder.join("snapshots").join(snapshot))
    }

    /// Puts it back. It does not run.
    pub(crate) fn restore(&self, name: &str, snapshot: &str) -> Result<(), String> {
        let folder = self.machine(name);
        remove(&folder.join("layers"))?;
        copy(&folder.join("snapshots").join(snapshot), &folder.join("layers"))
    }

    /// Where what differs from the image is: of the machine itself, or of a snapshot.
    pub(crate) fn layers(&self, name: &str, snapshot: Option<&str>) -> PathBuf {
        match snapshot {
            None => self.machine(name).join("layers"),
            Some(snapshot) => self.machine(name).join("snapshots").join(snapshot),
        }
    }

    /// Removes a snapshot.
    pub(crate) fn forget(&self, name: &str, snapshot: &str) -> Result<(), String> {
        remove(&self.layers(name, Some(snapshot)))
    }
}

/// Copies a folder as it is, what is removed in it included.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    remove(to)?;
    let above = to.parent().unwrap_or(to);
    fs::create_dir_all(above).map_err(|error| format!("{}: {error}", above.display()))?;
    run(Command::new("cp").arg("--archive").arg(from).arg(to))?;
    // Of the overlay, which makes it anew.
    for entry in fs::read_dir(to).into_iter().flatten().flatten() {
        remove(&entry.path().join("work"))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), String> {
    run(Command::new("rm").args(["--recursive", "--force"]).arg(path))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// The address that the `place`-th machine has in a network such as `10.66.3.1/24`.
pub(crate) fn address(network: &str, place: u8) -> Option<IpAddr> {
    let address: std::net::Ipv4Addr = network.split('/').next()?.parse().ok()?;
    let [a, b, c, _] = address.octets();
    Some(IpAddr::from([a, b, c, place]))
}
