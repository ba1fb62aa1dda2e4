//! Instances that are containers of the LXD of this host, with a cloud-init of their own.

use super::backend::{Backend, Command, Doing, Figures, Input, Sink, Spec};
use crate::variable;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

/// What each container carries: the folder of the fake that made it.
const LABEL: &str = "user.fake-multipass";

/// This host's LXD.
pub(crate) struct Lxd {
    home: PathBuf,
    image: String,
    prefix: String,
}

impl Lxd {
    /// Errors: nobody said which image, or it cannot be told whose the containers are.
    pub(crate) fn from_environment(home: &Path) -> Result<Self, String> {
        let image = variable("FAKE_MULTIPASS_LXD_IMAGE")
            .ok_or("set FAKE_MULTIPASS_LXD_IMAGE to the alias of an image with cloud-init and sudo")?;
        let home = home.canonicalize().map_err(|error| format!("{}: {error}", home.display()))?;
        let digest = Sha256::digest(home.as_os_str().as_encoded_bytes());
        let prefix = digest.iter().take(3).fold("fake-mp-".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        Ok(Self { home, image, prefix })
    }

    /// The container of an instance: no longer than the 63 characters that LXD takes.
    fn container(&self, name: &str) -> String {
        let whole = format!("{}-{}", self.prefix, name.to_lowercase());
        if whole.len() <= 63 {
            return whole;
        }
        let digest = Sha256::digest(name.as_bytes());
        let tail = digest.iter().take(4).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        format!("{}-{tail}", &whole[..54])
    }

    /// Runs `lxc` with that on its standard input. What it says.
    fn run(&self, words: &[&str], input: Option<&str>) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("lxc {}: {error}", words.join(" "));
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = Process::new("lxc")
            .args(words)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let (Some(text), Some(mut pipe)) = (input, child.stdin.take()) {
            pipe.write_all(text.as_bytes()).map_err(failed)?;
        }
        let output = child.wait_with_output().map_err(failed)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("lxc {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Runs a command in the container as root; whether it ended well.
    fn holds(&self, name: &str, words: &[&str]) -> bool {
        let container = self.container(name);
        let all: Vec<&str> = ["exec", &container, "-T", "--"].into_iter().chain(words.iter().copied()).collect();
        self.run(&all, None).is_ok()
    }

    fn said(&self, name: &str, words: &[&str]) -> String {
        let container = self.container(name);
        let all: Vec<&str> = ["exec", &container, "-T", "--"].into_iter().chain(words.iter().copied()).collect();
        self.run(&all, None).unwrap_or_default()
    }

    fn query(&self, path: &str) -> Result<Value, String> {
        let text = self.run(&["query", path], None)?;
        serde_json::from_str(&text).map_err(|error| format!("lxc query {path}: {error}"))
    }

    /// What makes a container like an instance of Multipass. JSON is YAML.
    fn configuration(&self, spec: &Spec) -> String {
        let seed = &spec.seed;
        let mut config = json!({
            "security.nesting": "true",
            "limits.cpu": spec.cpus.to_string(),
            "limits.memory": format!("{}B", spec.memory),
            "user.meta-data": seed.meta_data,
            LABEL: self.home.to_string_lossy(),
            "user.fake-multipass.name": spec.name,
        });
        for family in ["user", "cloud-init"] {
            config[format!("{family}.user-data")] = json!(seed.user_data);
            config[format!("{family}.vendor-data")] = json!(seed.vendor_data);
        }
        json!({ "config": config }).to_string()
    }
}

impl Backend for Lxd {
    fn create(&self, spec: &Spec) -> Result<(), String> {
        let container = self.container(&spec.name);
        // What a fake that was killed has left of an instance of the same name.
        if self.doing(&spec.name)? != Doing::Nothing {
            self.delete(&spec.name)?;
        }
        self.run(&["init", "-q", &self.image, &container], Some(&self.configuration(spec))).map(drop)
    }

    fn start(&self, name: &str) -> Result<(), String> {
        self.run(&["start", &self.container(name)], None).map(drop)
    }

    fn stop(&self, name: &str, force: bool) -> Result<(), String> {
        let container = self.container(name);
        if force {
            return self.run(&["stop", &container, "--force"], None).map(drop);
        }
        let asked = self.run(&["stop", &container, "--timeout", "30"], None);
        asked.or_else(|_| self.run(&["stop", &container, "--force"], None)).map(drop)
    }

    fn suspend(&self, name: &str) -> Result<(), String> {
        self.run(&["pause", &self.container(name)], None).map(drop)
    }

    fn delete(&self, name: &str) -> Result<(), String> {
        if self.doing(name)? == Doing::Nothing {
            return Ok(());
        }
        self.run(&["delete", "--force", &self.container(name)], None).map(drop)
    }

    fn doing(&self, name: &str) -> Result<Doing, String> {
        let container = self.container(name);
        let found = self.query(&format!("/1.0/instances?recursion=1&filter=name+eq+{container}"))?;
        let Some(found) = found.as_array().and_then(|all| all.first()) else { return Ok(Doing::Nothing) };
        if found["config"][LABEL] != json!(self.home.to_string_lossy()) {
            return Err(format!("the container {container} is not of this fake"));
        }
        Ok(match found["status"].as_str() {
            Some("Running") => Doing::Runs,
            Some("Frozen") => Doing::Frozen,
            _ => Doing::Stopped,
        })
    }

    fn answers(&self, name: &str) -> bool {
        self.holds(name, &["id", "-u", "ubuntu"])
    }

    fn is_initialized(&self, name: &str) -> bool {
        self.holds(name, &["test", "-e", "/var/lib/cloud/instance/boot-finished"])
    }

    fn figures(&self, name: &str) -> Result<Figures, String> {
        let state = self.query(&format!("/1.0/instances/{}/state", self.container(name)))?;
        let all = state["network"]["eth0"]["addresses"].as_array().cloned().unwrap_or_default();
        let is_ours = |one: &&Value| one["family"] == "inet" && one["scope"] == "global";
        let addresses = all.iter().filter(is_ours).filter_map(|one| one["address"].as_str().map(str::to_owned));
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let load = self.said(name, &["cat", "/proc/loadavg"]);
        let disk = self.said(name, &["df", "--output=size,used", "-B1", "/"]);
        let disk: Vec<u64> = disk.split_whitespace().filter_map(number).collect();
        let memory = self.said(name, &["free", "-b"]);
        let memory: Vec<u64> =
            memory.lines().nth(1).unwrap_or_default().split_whitespace().filter_map(number).collect();
        let release = self.said(name, &["sh", "-c", ". /etc/os-release; echo \"$PRETTY_NAME\""]);
        Ok(Figures {
            addresses: addresses.collect(),
            release: release.trim().to_owned(),
            cpus: self.said(name, &["nproc"]).trim().to_owned(),
            load: load.split(' ').take(3).filter_map(|word| word.parse().ok()).collect(),
            disk: disk.first().copied().zip(disk.get(1).copied()),
            memory: memory.first().copied().zip(memory.get(1).copied()),
        })
    }

    fn exec(&self, command: &Command<'_>) -> Result<u8, String> {
        let failed = |error: std::io::Error| format!("lxc exec: {error}");
        let stdin = match command.input {
            Input::Nothing => Stdio::null(),
            Input::Own => Stdio::inherit(),
            Input::File(path) => File::open(path).map_err(failed)?.into(),
        };
        let stdout = match command.output {
            Sink::Own => Stdio::inherit(),
            Sink::File(path) => File::create(path).map_err(failed)?.into(),
        };
        let container = self.container(command.name);
        let status = Process::new("lxc")
            .args(["exec", &container, "-T", "--", "runuser", "-l", "ubuntu", "-c", command.line])
            .stdin(stdin)
            .stdout(stdout)
            .status()
            .map_err(failed)?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255))
    }

    fn snapshot(&self, name: &str, snapshot: &str) -> Result<(), String> {
        self.run(&["snapshot", &self.container(name), snapshot], None).map(drop)
    }

    fn restore(&self, name: &str, snapshot: &str) -> Result<(), String> {
        self.run(&["restore", &self.container(name), snapshot], None).map(drop)
    }

    fn delete_snapshot(&self, name: &str, snapshot: &str) -> Result<(), String> {
        self.run(&["delete", &format!("{}/{snapshot}", self.container(name))], None).map(drop)
    }

    fn copy(&self, name: &str, spec: &Spec) -> Result<(), String> {
        let to = self.container(&spec.name);
        self.run(&["copy", "-q", &self.container(name), &to, "--instance-only"], None)?;
        for (key, value) in [("user.fake-multipass.name", &spec.name), ("user.meta-data", &spec.seed.meta_data)] {
            self.run(&["config", "set", &to, key, value], None)?;
        }
        Ok(())
    }

    fn mount(&self, name: &str, source: &Path, target: &str) -> Result<(), String> {
        let (device, source) = (device(target), format!("source={}", source.display()));
        let target = format!("path={target}");
        let container = self.container(name);
        self.run(&["config", "device", "add", &container, &device, "disk", &source, &target], None).map(drop)
    }

    fn umount(&self, name: &str, target: &str) -> Result<(), String> {
        self.run(&["config", "device", "remove", &self.container(name), &device(target)], None).map(drop)
    }
}

/// The name of the device that is mounted there.
fn device(target: &str) -> String {
    let digest = Sha256::digest(target.as_bytes());
    digest.iter().take(4).fold("mount-".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
