//! What the tests share: folders, running fakes, real databases, and HTTP.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A folder, removed at the end.
pub struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    pub fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("fakes-").tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and the folders above it.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Turns one fault on, and every other off.
    pub fn fault(&self, text: &str) {
        self.write("faults", text);
    }

    /// A fake with its arguments and variables.
    pub fn command(&self, program: &str, args: &[&str], env: &[(&str, &str)]) -> Command {
        let path = match program {
            "grafana" => env!("CARGO_BIN_EXE_grafana"),
            "uptrace" => env!("CARGO_BIN_EXE_uptrace"),
            "clickhouse" => env!("CARGO_BIN_EXE_clickhouse"),
            other => panic!("no fake {other}"),
        };
        let mut command = Command::new(path);
        command.args(args).env("FAKE_FAULT_FILE", self.path("faults")).envs(env.iter().copied());
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Starts a fake and waits until it says `ready`.
    pub fn start(&self, program: &str, args: &[&str], env: &[(&str, &str)], ready: &str) -> Running {
        let log = self.path(&format!("{program}.log"));
        let file = std::fs::File::create(&log).unwrap();
        let child = self.command(program, args, env).stderr(file).stdout(Stdio::null()).spawn().unwrap();
        let mut running = Running { child };
        eventually(&format!("{program} is ready"), || {
            let said = std::fs::read_to_string(&log).unwrap();
            let ended = running.child.try_wait().unwrap();
            assert!(ended.is_none(), "{program} ended: {said}");
            said.contains(ready).then_some(())
        });
        running
    }
}

/// Exit code, stdout and stderr of a fake that ends by itself.
pub fn outcome(stage: &Stage, program: &str, args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let output = stage.command(program, args, env).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A process that ends with the test.
pub struct Running {
    pub child: Child,
}

impl Running {
    /// Asks it to end, and gives its exit code.
    pub fn end(mut self) -> Option<i32> {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success());
        let status = eventually("it ends", || self.child.try_wait().unwrap());
        status.code()
    }
}

impl Drop for Running {
    /// Asks first: PostgreSQL takes its shared memory away only when it may end by itself.
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).stderr(Stdio::null()).status();
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks until the answer is there, at most thirty seconds.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "{what}: not within 30 seconds");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub status: u16,
    pub kind: String,
    pub body: String,
}

impl Said {
    pub fn json(&self) -> serde_json::Value {
        assert!(self.kind.starts_with("application/json"), "{self:?}");
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn is_page(&self) -> bool {
        self.status == 200 && self.kind.starts_with("text/html") && self.body.contains("<html>")
    }
}

/// Asks; nothing where nobody answers within two seconds.
pub fn try_ask(port: u16, line: &str, headers: &[&str], body: &str) -> Option<Said> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    write!(stream, "{line} HTTP/1.0\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n{body}").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    assert!(head.contains("x-fake: true"), "{head}");
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
    Some(Said { status: head.split(' ').nth(1)?.parse().ok()?, kind: kind.to_owned(), body: body.to_owned() })
}

/// Asks.
pub fn ask(port: u16, line: &str, headers: &[&str], body: &str) -> Said {
    try_ask(port, line, headers, body).unwrap_or_else(|| panic!("no answer to {line}"))
}

/// The real PostgreSQL with the superuser `uptrace` and the password `pg-secret`, on a port.
pub fn postgres(stage: &Stage) -> (Running, u16) {
    let port = free_port();
    let folder = stage.path("pg");
    std::fs::create_dir(&folder).unwrap();
    let password = stage.write("pg-password", "pg-secret\n");
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    let program = |name: &str| {
        let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .expect("PostgreSQL is missing: apt-get install postgresql")
            .map(|entry| entry.unwrap().path().join("bin").join(name))
            .collect();
        found.sort();
        let path = found.pop().unwrap();
        // PostgreSQL refuses to run as root.
        let mut command = Command::new(if root { Path::new("setpriv") } else { path.as_path() });
        if root {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(&path);
        }
        command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
        command
    };
    if root {
        let open = Command::new("chown").arg("postgres").args([&folder, &password]).status().unwrap();
        assert!(open.success());
        let enter = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(stage.folder.path(), enter).unwrap();
    }
    let made = program("initdb")
        .args(["--username=uptrace", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C"])
        .arg(format!("--pwfile={}", password.display()))
        .arg("-D")
        .arg(&folder)
        .status()
        .unwrap();
    assert!(made.success());
    let child = program("postgres")
        .arg("-D")
        .arg(&folder)
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
        .args(["-c", "unix_socket_directories="])
        .spawn()
        .unwrap();
    (Running { child }, port)
}

/// The real Redis with the user `uptrace` and the password `redis-secret`, on a port.
pub fn redis(stage: &Stage) -> (Running, u16) {
    let port = free_port();
    let config = format!(
        "bind 127.0.0.1\nport {port}\nsave \"\"\ndir {}\nuser default off\n\
         user uptrace on >redis-secret ~* +@all\n",
        stage.folder.path().display()
    );
    let config = stage.write("redis.conf", &config);
    let child = Command::new("redis-server").arg(config).stdout(Stdio::null()).spawn();
    let running = Running { child: child.expect("Redis is missing: apt-get install redis-server") };
    eventually("Redis listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    (running, port)
}
