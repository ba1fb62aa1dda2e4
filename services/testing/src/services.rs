//! Both services as real programs, beside each other on a Redis.

use super::{eventually, free_port};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// The token that `/admin/links` wants.
pub const ADMIN_TOKEN: &str = "admin-token-of-a-test-0123456789abcdef";

/// The requestor and the runner. They go with their owner.
pub struct Services {
    folder: TempDir,
    requestor: Child,
    runner: Child,
    ports: (u16, u16),
}

impl Services {
    /// Starts both on `redis`, with `variables` and nothing else of the environment, and waits until both are ready. They
    /// are built when they are not.
    pub fn start(redis: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = (free_port(), free_port());
        let (url, there) = (address(ports.0), address(ports.1));
        let secret = |name: &str, text: &str| secret(folder.path(), name, text);
        let webhook = secret("webhook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let (admin, results) = (secret("admin", ADMIN_TOKEN), secret("results", "results-token-0123456789abcdef"));
        let alerts = secret("alerts", "alerts-token-of-a-test-0123456789abcdef");
        let kept = folder.path().join("results-kept");
        fs::create_dir(&kept).unwrap();
        let shared = ["--redis", redis, "--webhook-secret-file", &webhook, "--alerts-token-file", &alerts];
        let start = |name: &str, port: u16, flags: &[&str]| {
            let log = File::create(folder.path().join(format!("{name}.log"))).unwrap();
            Command::new(program(name))
                .args(["--listen", &format!("127.0.0.1:{port}"), "--results-token-file", &results])
                .args(shared)
                .args(flags)
                .env_clear()
                .envs(variables.iter().copied())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap()
        };
        let front = ["--public-url", &url, "--admin-token-file", &admin, "--runner-url", &there];
        let requestor = start("report-requestor", ports.0, &front);
        let callback = format!("{url}/hooks/reports");
        let back = ["--callback-url", &callback, "--results-dir", kept.to_str().unwrap(), "--advertise-url", &there];
        let runner = start("report-runner", ports.1, &back);
        let services = Self { folder, requestor, runner, ports };
        eventually("both services are ready", || ready(services.ports.0) && ready(services.ports.1));
        services
    }

    /// The address of the requestor.
    pub fn url(&self) -> String {
        address(self.ports.0)
    }

    /// The address of the runner.
    pub fn runner_url(&self) -> String {
        address(self.ports.1)
    }

    /// What both have logged.
    pub fn logs(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap();
        read("report-requestor") + &read("report-runner")
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for child in [&mut self.requestor, &mut self.runner] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn secret(folder: &Path, name: &str, text: &str) -> String {
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.join(name);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    writeln!(file, "{text}").unwrap();
    path.to_str().unwrap().to_owned()
}

/// Whether the service at `port` says that it is ready.
fn ready(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let asked = stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// The program of a service, beside the program of the test that asks.
fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).join(name)
}

/// The folder of both services in the profile of the test that asks. They are built where a source is newer: cargo builds
/// programs for the tests of their own package only.
fn build() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap().to_owned();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = |name: &str| fs::metadata(folder.join(name)).and_then(|of| of.modified()).ok();
    let oldest = built("report-requestor").min(built("report-runner"));
    if oldest.is_some_and(|oldest| oldest > newest(&workspace.join("services"))) {
        return folder;
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "-p", "report-requestor", "-p", "report-runner"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    // Of the package whose test this is: it would make Cargo build anew what depends on these variables.
    for (name, _) in std::env::vars_os() {
        let own = ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|own| name.to_string_lossy().starts_with(own));
        if own {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(workspace).arg("--target-dir").arg(folder.parent().unwrap());
    assert!(cargo.status().unwrap().success(), "the services cannot be built");
    folder
}

/// When the youngest file below `folder` was written, without those of tests.
fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let times =
        entries.filter(|entry| entry.file_name() != "tests").map(|entry| match entry.file_type().unwrap().is_dir() {
            true => newest(&entry.path()),
            false => entry.metadata().unwrap().modified().unwrap(),
        });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
