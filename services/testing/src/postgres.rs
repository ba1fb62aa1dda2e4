//! A PostgreSQL of a test's own.

use super::{Identity, eventually, free_port};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// The password of its one login, `plant`, who owns everything.
const PASSWORD: &str = "a-password-of-the-tests";

/// A server that asks for a password, also at its socket, and goes with its owner.
pub struct PostgresServer {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    child: Child,
}

impl PostgresServer {
    /// Starts one, and waits until it answers. Root starts it as the user `postgres`, since it refuses to run as root.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Starts one that also speaks TLS, as `identity`.
    pub fn start_with(identity: Option<&Identity>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (programs, port) = (programs(), free_port());
        std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
        if let Some(identity) = identity {
            std::fs::write(folder.path().join("server.crt"), identity.pem()).unwrap();
            std::fs::write(folder.path().join("server.key"), identity.key_pem()).unwrap();
            let only_owner = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(folder.path().join("server.key"), only_owner).unwrap();
        }
        if is_root() {
            assert!(Command::new("chown").args(["-R", "postgres:"]).arg(folder.path()).status().unwrap().success());
        }
        let made = command(&programs.join("initdb"))
            .args(["--username=plant", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"])
            .arg(format!("--pwfile={}", folder.path().join("password").display()))
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let child = spawn(&programs, folder.path(), port, identity.is_some());
        let server = Self { folder, programs, port, child };
        server.wait();
        server
    }

    /// Its port of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its socket.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its URL, with login and password.
    pub fn url(&self) -> String {
        format!("postgres://plant:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// The password in it.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Runs SQL as its owner.
    pub fn execute(&self, sql: &str) {
        let output = self.psql(sql);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What a query says, one line a row.
    pub fn ask(&self, sql: &str) -> String {
        String::from_utf8(self.psql(sql).stdout).unwrap().trim().to_owned()
    }

    /// Ends it without warning.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Holds all of it: it answers nobody, and nobody is told.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap(), signal).unwrap();
    }

    fn psql(&self, sql: &str) -> Output {
        Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
            .args([&self.url(), "--command", sql])
            .output()
            .unwrap()
    }

    fn wait(&self) {
        eventually("postgresql answers", || self.psql("SELECT 1").status.success());
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // A test that failed may have left it held; it ends its own children when it is told to stop at once.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.resume();
            self.signal(Signal::QUIT);
        }
        let _ = self.child.wait();
    }
}

/// The folder of the newest version's programs: Debian keeps them out of the search path.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap();
    let version = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().parse::<u32>().unwrap_or(0);
    versions.map(|entry| entry.unwrap().path()).max_by_key(version).unwrap().join("bin")
}

fn spawn(programs: &Path, folder: &Path, port: u16, tls: bool) -> Child {
    let mut command = command(&programs.join("postgres"));
    command.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
    command.arg("-k").arg(folder).args(["-c", "fsync=off", "-c", "shared_buffers=16MB"]);
    if tls {
        command.args(["-c", "ssl=on"]);
        command.arg("-c").arg(format!("ssl_cert_file={}", folder.join("server.crt").display()));
        command.arg("-c").arg(format!("ssl_key_file={}", folder.join("server.key").display()));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A program as somebody who is not root.
fn command(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program).current_dir("/");
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
