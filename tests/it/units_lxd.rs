//! A real machine, initialised by our own user-data: nothing that apt brings runs in it, and our units do, shut in.

use crate::cloud_init_support::{in_machine, stack_blueprint};
use crate::command::{Done, done};
use crate::lxd_support::{Lxd, image, lxc};
use crate::render_support::LOCAL;
use reportctl::model::component::{ComponentName, Source};
use reportctl::model::environment::{Environment, secret_name};
use reportctl::model::guest::label;
use reportctl::model::ids::EnvId;
use reportctl::model::inventory::Program;
use reportctl::model::paths::Paths;
use reportctl::model::secret::{SecretValue, Secrets};
use reportctl::model::unit;
use reportctl::render::cloud_init::{Base, Substrate, UserData, user_data};
use reportctl::render::native::{Active, Native, View, native};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// More than this is too much (`systemd-analyze security`).
const MOST_EXPOSURE: f64 = 2.5;

/// A container of this test alone, deleted with the right to use LXD.
struct Machine(String);

/// Runs `lxc` with something to read.
fn fed(arguments: &[&str], stdin: &[u8]) -> Done {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(stdin).unwrap();
    file.rewind().unwrap();
    done(Command::new("timeout").args(["300", "lxc"]).args(arguments).env("LC_ALL", "C.UTF-8").stdin(file))
}

impl Machine {
    fn launch(lxd: &mut Lxd, data: &UserData) -> Self {
        let id = lxd.new_id();
        let machine = Self(format!("report-{id}"));
        let (name, label) = (machine.0.as_str(), format!("user.{}={id}", label::ID));
        lxc(&["init", "--quiet", &image(), name, "--config", &label]).ok();
        for key in ["user.user-data", "cloud-init.user-data"] {
            lxc(&["config", "set", name, key, &data.text]).ok();
        }
        lxc(&["start", name]).ok();
        machine
    }

    fn sh(&self, script: &str) -> Result<String, String> {
        let answer = lxc(&["exec", &self.0, "--", "sh", "-c", script]);
        if answer.code == Some(0) { Ok(answer.out) } else { Err(format!("{script}: {}{}", answer.out, answer.err)) }
    }

    fn say(&self, script: &str) -> String {
        self.sh(script).unwrap()
    }

    /// Asks until the script succeeds, at most a minute.
    fn eventually(&self, what: &str, script: &str) -> String {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            match self.sh(script) {
                Ok(said) => return said,
                Err(why) => assert!(Instant::now() < until, "{what}: not within a minute: {why}"),
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// Everything that listens, by address and port.
    fn listening(&self) -> BTreeSet<String> {
        self.say("ss -Hltn | awk '{print $4}'").lines().map(str::to_owned).collect()
    }

    fn failed(&self) -> Vec<String> {
        let units = self.say("systemctl list-units --failed --plain --no-legend | cut -d ' ' -f 1");
        units.lines().filter(|unit| *unit != "systemd-binfmt.service").map(str::to_owned).collect()
    }

    /// Writes what a component needs, secrets filled in, and the variables that its unit waits for.
    fn write(&self, native: &Native, secrets: &Secrets) {
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |path: &Path, mode: u32, owner: &str, kind, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_size(u64::try_from(bytes.len()).unwrap());
            header.set_username(owner).unwrap();
            header.set_groupname(owner).unwrap();
            archive.append_data(&mut header, path.strip_prefix("/").unwrap(), bytes).unwrap();
        };
        for folder in &native.folders {
            add(&folder.path, folder.mode, folder.owner.as_deref().unwrap(), tar::EntryType::Directory, b"");
        }
        for file in &native.files {
            let text = secrets.fill(&file.text).unwrap();
            add(&file.path, file.mode, file.owner.as_deref().unwrap(), tar::EntryType::Regular, text.as_bytes());
        }
        let variables: String = native.service.env.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let path = unit::variables(native.service.component);
        add(&path, 0o600, "root", tar::EntryType::Regular, variables.as_bytes());
        let bytes = archive.into_inner().unwrap();
        fed(&["exec", &self.0, "--", "tar", "-C", "/", "-xf", "-"], &bytes).ok();
    }
}

const RUN: [ComponentName; 6] = [LOCAL[0], LOCAL[1], LOCAL[2], LOCAL[3], LOCAL[4], ComponentName::Postgresql];

fn secrets() -> Secrets {
    let mut secrets = Secrets::default();
    for name in ComponentName::ALL {
        for own in name.secrets() {
            let value = SecretValue::parse(&format!("{own}-of-{name}-0123456789")).unwrap();
            secrets.insert(secret_name(name, own).unwrap(), value);
        }
    }
    secrets
}

fn view<'a>(env: &'a Environment, paths: &'a Paths, id: &'a EnvId) -> View<'a> {
    let active = RUN.map(|name| {
        let component = &env.stack.components[&name];
        let path = match name.source() {
            Source::Package { program: "postgres", .. } => PathBuf::from("/usr/lib/postgresql/15/bin/postgres"),
            Source::Package { program, .. } => Path::new("/usr/bin").join(program),
            Source::Program { program, .. } | Source::Ours { program } => Path::new("/usr/local/bin").join(program),
        };
        let program = Program { path, version: component.version.clone(), build: None };
        (name, Active { component, program, ports: component.ports.clone() })
    });
    View { env, paths, id, uid: 0, active: BTreeMap::from(active) }
}

#[test]
fn lxd_real_nothing_but_our_units_runs_in_a_machine_and_these_are_shut_in() {
    let Some(mut lxd) = Lxd::take() else { return };
    let mut env = in_machine("lxd");
    env.stack.components.retain(|name, _| RUN.contains(name));
    env.stack.components.get_mut(&ComponentName::Postgresql).unwrap().required = true;
    let data = user_data(&env, &stack_blueprint(), &[], Substrate::Lxd, Base::Plain).unwrap();
    let machine = Machine::launch(&mut lxd, &data);
    initialised(&machine, &data);
    assert_eq!(machine.failed(), [] as [&str; 0]);
    let ssh = BTreeSet::from(["0.0.0.0:22".to_owned(), "[::]:22".to_owned()]);
    assert_eq!(machine.listening(), ssh, "nothing but the ssh server listens");
    lxc(&["restart", &machine.0]).ok();
    machine.eventually("the boot", "systemctl is-system-running --wait >/dev/null; systemctl is-active ssh.service");
    assert_eq!(machine.listening(), ssh, "nothing of apt's starts at a boot either");

    let (paths, id) = (Paths::system(), EnvId::parse("lxd-7f3k9q2m").unwrap());
    let view = view(&env, &paths, &id);
    let natives: Vec<Native> = RUN.iter().map(|name| native(&view, *name).unwrap()).collect();
    for native in &natives {
        machine.write(native, &secrets());
    }
    let names = RUN.map(unit::name).join(" ");
    assert_eq!(machine.say(&format!("systemctl daemon-reload; systemd-analyze verify {names} 2>&1")), "");
    prepare(&machine, &natives);
    machine.say(&format!("systemctl enable --quiet --now {names}"));
    answers(&machine, &view);
    exposure(&machine);
    figures(&machine);

    lxc(&["restart", &machine.0]).ok();
    answers(&machine, &view);
    let ours = view.active.values().flat_map(|active| active.ports.iter());
    let ours = ours.filter(|(name, _)| *name != "smoke").map(|(_, port)| format!("127.0.0.1:{port}"));
    let expected: BTreeSet<String> = ssh.into_iter().chain(ours).collect();
    assert_eq!(machine.listening(), expected, "after another boot our units run, and only on the loopback address");
    assert_eq!(machine.failed(), [] as [&str; 0]);
}

/// cloud-init has finished without an error or a warning, and left our mark.
fn initialised(machine: &Machine, data: &UserData) {
    let said = machine.eventually("cloud-init", "cloud-init status --wait --format json");
    let status: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&status["status"], &status["errors"]), (&"done".into(), &serde_json::json!([])), "{said}");
    let warnings = machine.say("grep -E 'WARN|ERROR|Traceback' /var/log/cloud-init.log || true");
    assert_eq!(warnings, "");
    assert_eq!(machine.say(&format!("cat {}", data.marker.path.display())), data.marker.text);
    let schema = machine.say("cloud-init schema --system 2>&1 || true");
    assert!(schema.contains("Valid"), "{schema}");
}

fn prepare(machine: &Machine, natives: &[Native]) {
    for native in natives {
        let user = unit::user(native.service.component);
        for command in native.prepare.iter().flat_map(|prepare| &prepare.commands) {
            let words = ["exec", &machine.0, "--", "runuser", "-u", &user, "--"].into_iter();
            lxc(&words.chain(command.iter().map(String::as_str)).collect::<Vec<_>>()).ok();
        }
    }
}

/// Each component does its work.
fn answers(machine: &Machine, view: &View<'_>) {
    let http = |name: ComponentName| view.active[&name].ports["http"];
    for (name, path, expected) in [
        (ComponentName::RedisExporter, "/metrics", "^redis_up 1$"),
        (ComponentName::NodeExporter, "/metrics", "^node_textfile_scrape_error 0$"),
        (ComponentName::Prometheus, "/-/ready", "Ready"),
        (ComponentName::Alertmanager, "/-/ready", "OK"),
    ] {
        let ask = format!("curl -sf http://127.0.0.1:{}{path} | grep -q '{expected}'", http(name));
        machine.eventually(&format!("{name} answers"), &ask);
    }
    machine.eventually(
        "redis writes",
        "printf 'AUTH admin admin-of-redis-0123456789\\nSET a b\\nWAITAOF 1 0 0\\nBGREWRITEAOF\\nSAVE\\n' | redis-cli | grep -qx OK",
    );
    machine.eventually("postgresql", "/usr/lib/postgresql/15/bin/pg_isready -h 127.0.0.1 -q");
    machine.eventually(
        "postgresql lets uptrace in",
        "PGPASSWORD=uptrace-of-postgresql-0123456789 psql -h 127.0.0.1 -U uptrace -Atc 'create table if not exists t (x int); select 1' | grep -qx 1",
    );
    let wanted = "up == 1";
    let query = format!(
        "curl -sf 'http://127.0.0.1:{}/api/v1/query' --data-urlencode 'query=count({wanted})'",
        http(ComponentName::Prometheus)
    );
    machine.eventually("prometheus scrapes all", &format!("{query} | grep -q '\"4\"'"));
    for name in RUN {
        machine.eventually(name.as_str(), &format!("systemctl is-active --quiet {}", unit::name(name)));
    }
}

fn exposure(machine: &Machine) {
    let said = machine.say("systemd-analyze security --no-pager 'report-*' 2>/dev/null | grep -E '^. Overall|^report|→' ; for u in /etc/systemd/system/report-*.service; do echo \"$(basename $u) $(systemd-analyze security --no-pager $(basename $u) | grep 'Overall exposure' | grep -oE '[0-9]+\\.[0-9]')\"; done");
    let mut seen = 0;
    for line in said.lines().filter(|line| line.starts_with("report-")) {
        let (unit, level) = line.split_once(' ').unwrap();
        eprintln!("{unit} {level}");
        assert!(level.parse::<f64>().unwrap() < MOST_EXPOSURE, "{line}");
        seen += 1;
    }
    assert_eq!(seen, RUN.len(), "{said}");
}

/// The node exporter sees the machine, and not what is left of it in its own corner.
fn figures(machine: &Machine) {
    let series = machine.say("curl -sf http://127.0.0.1:9100/metrics");
    let figure = |name: &str| {
        let line = series.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or_else(|| panic!("no {name}"))
    };
    let numbers = |script: &str| -> f64 {
        let said = machine.say(script);
        said.split_whitespace().map(|word| word.parse::<f64>().unwrap()).product()
    };
    let memory = numbers("awk '/MemTotal/ {print $2}' /proc/meminfo") * 1024.0;
    assert_eq!(figure("node_memory_MemTotal_bytes "), memory);
    let disk = numbers("stat -f -c '%b %S' /");
    let root = series
        .lines()
        .find(|line| line.starts_with("node_filesystem_size_bytes{") && line.contains("mountpoint=\"/\""));
    assert_eq!(root.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()), Some(disk), "{root:?}");
    assert!(
        series.contains("node_filesystem_readonly{") && series.contains("mountpoint=\"/\"} 0"),
        "the disk is not read-only"
    );
    assert!(series.contains("node_network_receive_bytes_total{device=\"eth0\"}"));
    for collector in ["cpu", "diskstats", "filesystem", "meminfo", "netdev", "pressure", "stat", "vmstat"] {
        let success = format!("node_scrape_collector_success{{collector=\"{collector}\"}} 1");
        assert!(series.contains(&success), "{collector}");
    }
}
