//! What the tests of rendered text share: an environment, a folder to write it to, and real programs started from it.

use reportctl::model::component::{ComponentName, Source};
use reportctl::model::environment::{
    Component, Deployer, Environment, Fsync, Machine, Options, PortPolicy, Stack, secret_name,
};
use reportctl::model::file::RenderedFile;
use reportctl::model::ids::{EnvId, EnvName};
use reportctl::model::inventory::Program;
use reportctl::model::paths::Paths;
use reportctl::model::quantity::{Size, Span, Version};
use reportctl::model::secret::{SecretSource, SecretValue, Secrets};
use reportctl::render::native::{Active, Native, View, native};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What runs on a machine that has Debian's packages only.
pub const LOCAL: [ComponentName; 5] = [
    ComponentName::Redis,
    ComponentName::RedisExporter,
    ComponentName::NodeExporter,
    ComponentName::Prometheus,
    ComponentName::Alertmanager,
];

/// An environment with every component, made by hand so that these tests stand on rendering alone.
pub fn environment() -> Environment {
    use ComponentName::*;
    let needs = |name| match name {
        RedisExporter => vec![Redis],
        Prometheus => vec![],
        Alertmanager => vec![],
        Grafana => vec![Prometheus],
        Uptrace => vec![Redis, Postgresql, Clickhouse],
        Requestor => vec![Redis],
        Runner => vec![Redis, Requestor],
        _ => vec![],
    };
    let options = |name| match name {
        Redis => Options::Redis { fsync: Fsync::Everysec },
        Prometheus => Options::Prometheus {
            scrape_interval: Span::seconds(5),
            evaluation_interval: Span::seconds(5),
            retention: Span::seconds(15 * 86_400),
        },
        Alertmanager => Options::Alertmanager { retention: Span::seconds(120 * 3600) },
        _ => Options::None,
    };
    let version = |name| match name {
        Redis => "7.0",
        RedisExporter => "1.45",
        NodeExporter => "1.5",
        Prometheus => "2.42",
        Alertmanager => "0.25",
        Grafana => "11.0",
        Postgresql => "14.0",
        Clickhouse => "25.8",
        Uptrace => "2.0",
        Requestor | Runner => "0.1",
    };
    let component = |name: ComponentName| Component {
        name,
        version: Version::parse(version(name)).unwrap(),
        required: false,
        needs: BTreeSet::from_iter(needs(name)),
        ports: name.ports().iter().map(|(port, number)| ((*port).to_owned(), *number)).collect(),
        memory: Size(if name == Clickhouse { 1536 << 20 } else { 256 << 20 }),
        secrets: name.secrets().iter().map(|own| ((*own).to_owned(), SecretSource::Generate(24))).collect(),
        options: options(name),
    };
    Environment {
        name: EnvName::parse("local").unwrap(),
        description: "This machine".to_owned(),
        machine: Machine::Host { ports: PortPolicy::Free, memory: None },
        deployer: Deployer::Native,
        stack: Stack { components: ComponentName::ALL.into_iter().map(|name| (name, component(name))).collect() },
    }
}

/// An environment in a folder of its own, with secrets and free ports.
pub struct Stage {
    /// Removed when the test ends.
    _folder: tempfile::TempDir,
    /// The environment.
    pub env: Environment,
    /// Its folders.
    pub paths: Paths,
    /// Its identity.
    pub id: EnvId,
    /// The user to render for.
    pub uid: u32,
    /// What runs: the version and the ports.
    pub active: BTreeMap<ComponentName, (Program, BTreeMap<String, u16>)>,
    /// A value for every secret.
    pub secrets: Secrets,
}

impl Stage {
    /// Free ports, and the programs of this host at the versions of Debian 12.
    pub fn new(components: &[ComponentName]) -> Self {
        let folder = tempfile::Builder::new().prefix("reportctl-render-").tempdir().unwrap();
        let env = environment();
        let mut paths = Paths::new(folder.path(), &env.name);
        paths.shared_data = folder.path().join("shared");
        let mut secrets = Secrets::default();
        for name in ComponentName::ALL {
            for own in name.secrets() {
                let value = SecretValue::parse(&format!("{own}-of-{name}-0123456789")).unwrap();
                secrets.insert(secret_name(name, own).unwrap(), value);
            }
        }
        let mut stage = Self {
            _folder: folder,
            env,
            paths,
            id: EnvId::parse("local-7f3k9q2m").unwrap(),
            uid: 1000,
            active: BTreeMap::new(),
            secrets,
        };
        for name in components {
            let ports = name.ports().iter().map(|(port, _)| ((*port).to_owned(), free_port())).collect();
            let version = stage.env.stack.components[name].version.clone();
            stage.active.insert(*name, (Program { path: program_of(*name), version, build: None }, ports));
        }
        stage
    }

    /// The view of it.
    pub fn view(&self) -> View<'_> {
        let active = self.active.iter().map(|(name, (program, ports))| {
            let component = &self.env.stack.components[name];
            (*name, Active { component, program: program.clone(), ports: ports.clone() })
        });
        View { env: &self.env, paths: &self.paths, id: &self.id, uid: self.uid, active: active.collect() }
    }

    /// What one component needs.
    pub fn native(&self, name: ComponentName) -> Native {
        native(&self.view(), name).unwrap()
    }

    /// One of its ports.
    pub fn port(&self, name: ComponentName, port: &str) -> u16 {
        self.active[&name].1[port]
    }

    /// The value of a secret.
    pub fn secret(&self, name: ComponentName, own: &str) -> String {
        self.secrets.get(&secret_name(name, own).unwrap()).unwrap().expose().to_owned()
    }

    /// Makes the folders and writes the files of a component, secrets filled in.
    pub fn write(&self, native: &Native) {
        std::fs::create_dir_all(self.paths.logs()).unwrap();
        for folder in &native.folders {
            std::fs::create_dir_all(&folder.path).unwrap();
            std::fs::set_permissions(&folder.path, std::fs::Permissions::from_mode(folder.mode)).unwrap();
        }
        native.files.iter().for_each(|file| self.write_file(file));
    }

    /// Writes one file, secrets filled in.
    pub fn write_file(&self, file: &RenderedFile) {
        std::fs::create_dir_all(file.path.parent().unwrap()).unwrap();
        std::fs::write(&file.path, self.secrets.fill(&file.text).unwrap()).unwrap();
        std::fs::set_permissions(&file.path, std::fs::Permissions::from_mode(file.mode)).unwrap();
    }

    /// Writes and starts a component.
    pub fn start(&self, name: ComponentName) -> Running {
        self.start_with(name, &[])
    }

    /// Writes and starts a component with further variables.
    pub fn start_with(&self, name: ComponentName, vars: &[(&str, &str)]) -> Running {
        let mut native = self.native(name);
        native.service.env.extend(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.start_as(name, &native)
    }

    /// Writes and starts a component as `native` says.
    pub fn start_as(&self, name: ComponentName, native: &Native) -> Running {
        self.write(native);
        let log = std::fs::File::create(&native.service.log).unwrap();
        need(Path::new(&native.service.argv[0]), package_of(name));
        let child = Command::new(&native.service.argv[0])
            .args(&native.service.argv[1..])
            .envs(&native.service.env)
            .current_dir(&native.service.cwd)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Running { child, log: native.service.log.clone() }
    }
}

/// A process that ends with the test.
pub struct Running {
    /// The process.
    pub child: Child,
    /// Its output.
    pub log: PathBuf,
}

impl Running {
    /// What it said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The package that brings a component's program.
pub fn package_of(name: ComponentName) -> &'static str {
    match name.source() {
        Source::Package { package, .. } => package,
        Source::Program { program, .. } => program,
        Source::Ours { program } => program,
    }
}

/// Where the component's program is on this host, or would be.
pub fn program_of(name: ComponentName) -> PathBuf {
    match name.source() {
        Source::Package { program: "postgres", .. } => {
            let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
                .map(|entries| entries.map(|entry| entry.unwrap().path().join("bin/postgres")).collect())
                .unwrap_or_default();
            found.sort();
            found.pop().unwrap_or_else(|| PathBuf::from("/usr/lib/postgresql/15/bin/postgres"))
        }
        Source::Package { program, .. } => PathBuf::from("/usr/bin").join(program),
        Source::Program { program, .. } => PathBuf::from("/usr/local/bin").join(program),
        // Beside the program of these tests, where Cargo builds them too.
        Source::Ours { program } => Path::new(env!("CARGO_BIN_EXE_reportctl")).with_file_name(program),
    }
}

/// A test needs the real tool: without it the test fails and says what to install.
pub fn need(program: &Path, package: &str) {
    assert!(program.exists(), "{} is missing: apt-get install --no-install-recommends {package}", program.display());
}

/// Runs a real tool to its end.
pub fn tool(package: &str, argv: &[&str]) -> Output {
    let program = std::env::split_paths("/usr/bin:/usr/sbin:/bin:/usr/local/bin")
        .map(|folder| folder.join(argv[0]))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{} is missing: apt-get install --no-install-recommends {package}", argv[0]));
    Command::new(program).args(&argv[1..]).stdin(Stdio::null()).env("LC_ALL", "C").output().unwrap()
}

/// What a tool said on both streams.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks until the answer is there, at most twenty seconds.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "{what}: not within 20 seconds");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// `POST` of a JSON text on the loopback address: status and body.
pub fn post(port: u16, path: &str, body: &str) -> Option<(u16, String)> {
    let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    exchange(port, &format!("POST {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n{head}\r\n{body}"))
}

/// `GET` on the loopback address: status and body.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    ask(port, path, &[])
}

/// `GET` with headers on the loopback address: status and body.
pub fn ask(port: u16, path: &str, headers: &[(&str, &str)]) -> Option<(u16, String)> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    exchange(port, &format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n{headers}\r\n"))
}

fn exchange(port: u16, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let answer = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
