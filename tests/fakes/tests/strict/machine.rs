//! The fake LXD and its machines.

use serde_json::Value;
use std::process::{Command, Stdio};

/// A folder with a fake LXD in it. Its machines end with it.
struct Place {
    folder: tempfile::TempDir,
    fault: &'static str,
}

impl Place {
    /// None where no machine can run: the test is left out, and says why.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("left out: a fake machine needs root");
            return None;
        }
        Some(Self { folder: tempfile::tempdir().unwrap(), fault: "" })
    }

    /// The exit code, what was said, and why not.
    fn lxc(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-machine"));
        command.arg("lxc").args(words).env("FAKE_LXD", self.folder.path()).env("FAKE_FAULT", self.fault);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        let (code, out, err) = self.lxc(words);
        assert_eq!(code, 0, "{words:?}: {err}");
        out
    }

    #[track_caller]
    fn refuses(&self, words: &[&str], why: &str) {
        let (code, out, err) = self.lxc(words);
        assert!(code == 1 && err.starts_with("Error: ") && err.contains(why), "{words:?}: {code} {out} {err}");
    }

    fn query(&self, path: &str) -> Value {
        serde_json::from_str(&self.ok(&["query", path])).unwrap()
    }

    /// A shell's words in the machine `m`.
    #[track_caller]
    fn sh(&self, script: &str) -> String {
        self.ok(&["exec", "-nT", "m", "--", "sh", "-c", script])
    }

    #[track_caller]
    fn launch(&self, user_data: &str) {
        let config = format!("user.user-data={user_data}");
        self.ok(&["init", "report-test", "m", "--config", &config, "--quiet"]);
        self.ok(&["start", "m"]);
    }
}

/// A unit, started by hand, and what initialises a machine for it.
const USER_DATA: &str = "#cloud-config
users:
- default
- {name: report-x, system: true, homedir: /var/lib/x, shell: /usr/sbin/nologin}
write_files:
- path: /etc/systemd/system/report-x.service
  permissions: !!str \"0644\"
  content: |
   [Unit]
   ConditionPathExists=/etc/x.env
   StartLimitIntervalSec=0
   [Service]
   Type=exec
   User=report-x
   EnvironmentFile=/etc/x.env
   StateDirectory=x
   WorkingDirectory=/var/lib/x
   ExecStart=/bin/sh -c \"echo begins with $$WORD; exec sleep 1000\"
   Restart=always
   RestartSec=50ms
   UMask=0077
   [Install]
   WantedBy=multi-user.target
runcmd:
- |
  set -eu
  systemctl daemon-reload
  echo done >/root/mark
";

#[test]
fn a_machine_is_initialised_and_its_units_run_as_systemd_would_run_them() {
    let Some(place) = Place::new() else { return };
    place.launch(USER_DATA);
    let said = place.ok(&["exec", "m", "--", "cloud-init", "status", "--wait", "--format", "json"]);
    let status: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&status["status"], place.sh("cat mark").trim()), (&"done".into(), "done"));
    let show =
        |property: &str| place.sh(&format!("systemctl show --property={property} --value report-x")).trim().to_owned();
    // Its condition does not hold: it is not started, and that is no error.
    place.sh("systemctl start report-x");
    assert_eq!((show("ActiveState"), show("ConditionResult")), ("inactive".to_owned(), "no".to_owned()));
    place.sh("echo 'WORD=\"a b\"' >/etc/x.env; systemctl enable --quiet report-x; systemctl restart report-x");
    let pid = show("MainPID");
    let process = place
        .sh(&format!("tr '\\0' '\\n' </proc/{pid}/environ; stat -c %U /proc/{pid} /var/lib/x; ls /proc/{pid}/root"));
    assert!(process.contains("WORD=a b\n") && process.contains("report-x\nreport-x\n"), "{process}");
    assert!(place.sh("journalctl --unit report-x --output=cat").contains("begins with a b"));
    // What ends is started again.
    place.sh(&format!(
        "kill -9 {pid}; until [ \"$(systemctl show --property=NRestarts --value report-x)\" = 1 ]; do sleep 0.01; done"
    ));
    assert_eq!(show("ActiveState"), "active");
    // So it is after a restart of the machine, and cloud-init has nothing to do then.
    place.sh("rm /root/mark");
    place.ok(&["restart", "m"]);
    place.ok(&["exec", "m", "--", "cloud-init", "status", "--wait"]);
    place.sh("until systemctl is-active --quiet report-x; do sleep 0.01; done; ! test -e /root/mark");
    // What it changes is its own.
    assert!(!std::path::Path::new("/etc/x.env").exists() && !std::path::Path::new("/var/lib/x").exists());
    place.refuses(&["delete", "m"], "The instance is currently running, stop it first or pass --force");
    place.ok(&["delete", "--force", "m"]);
    assert_eq!(place.query("/1.0/instances"), serde_json::json!([]));
}

#[test]
fn what_systemd_refuses_is_refused() {
    let Some(place) = Place::new() else { return };
    place.launch("#cloud-config\n{}\n");
    let unit = |text: &str, why: &str| {
        place.sh(&format!("printf '%b' '{text}' >/etc/systemd/system/report-y.service; systemctl daemon-reload"));
        let (code, _, err) = place.lxc(&["exec", "-n", "m", "--", "systemctl", "start", "report-y"]);
        assert!(code == 1 && err.contains(why), "{text}: {code} {err}");
    };
    unit("[Service]\\nRestart=always\\n", "has no ExecStart=");
    unit("[Service]\\nExecStart=sleep 1\\n", "absolute path");
    unit("[Service]\\nExecStart=/bin/sleep 1\\nUser=nobody-at-all\\n", "user credentials");
    unit("[Service]\\nExecStart=/bin/sleep 1\\nEnvironmentFile=/etc/nothing\\n", "environment files");
    unit("[Service]\\nExecStart=/bin/sleep 1\\nWorkingDirectory=/nowhere\\n", "working directory");
    unit("[Service]\\nExecStart=/bin/no-such-program\\n", "Failed to locate executable");
    unit("[Service]\\nExecStart=/bin/sleep 1\\nProtectSytem=strict\\n", "bad unit file setting");
    let (code, _, err) = place.lxc(&["exec", "-n", "m", "--", "systemctl", "start", "report-z"]);
    assert!(code == 1 && err.contains("Unit report-z.service not found"), "{err}");
}

#[test]
fn user_data_that_fails_is_told_and_what_cloud_init_passes_over_is_logged() {
    let Some(place) = Place::new() else { return };
    for (name, user_data, state, log) in [
        ("m1", "#cloud-config\nruncmd:\n- exit 3\n", "error", "Failed to run module runcmd"),
        ("m2", "#cloud-config\npackages: [no-such-package-xyz]\n", "error", "Exit code: 100"),
        ("m3", "#cloud-config\nruncmds: [true]\n", "error", "the fake knows no key runcmds"),
        ("m4", "# cloud-config\nruncmd: [x]\n", "done", "Unhandled non-multipart"),
        ("m5", "#cloud-config\na: b: c\n", "done", "Failed loading yaml blob"),
    ] {
        let config = format!("user.user-data={user_data}");
        place.ok(&["init", "report-test", name, "--config", &config]);
        place.ok(&["start", name]);
        let (code, out, _) = place.lxc(&["exec", "-n", name, "--", "cloud-init", "status", "--wait"]);
        assert_eq!(
            (code, out.trim()),
            (i32::from(state == "error"), format!("status: {state}").as_str()),
            "{user_data}"
        );
        let logged = place.ok(&["exec", "-n", name, "--", "cat", "/var/log/cloud-init.log"]);
        assert!(logged.contains(log), "{user_data}: {logged}");
    }
}

#[test]
fn snapshots_copies_and_images_hold_what_was_in_the_machine() {
    let Some(place) = Place::new() else { return };
    place.launch("#cloud-config\nruncmd: [echo first >/etc/x]\n");
    place.ok(&["exec", "m", "--", "cloud-init", "status", "--wait"]);
    let key = place.sh("cat /etc/ssh/ssh_host_ed25519_key.pub");
    place.ok(&["query", "--wait", "-X", "POST", "-d", r#"{"name":"s"}"#, "local:/1.0/instances/m/snapshots"]);
    place.sh("echo second >/etc/x; rm /etc/passwd");
    place.ok(&["copy", "m/s", "copy", "--quiet"]);
    place.ok(&["stop", "m"]);
    place.ok(&["query", "--wait", "-X", "PUT", "-d", r#"{"restore":"s"}"#, "local:/1.0/instances/m"]);
    place.ok(&["start", "m"]);
    assert_eq!(place.sh("cat /etc/x; grep -c ^root: /etc/passwd"), "first\n1\n");
    assert_eq!(place.sh("cat /etc/ssh/ssh_host_ed25519_key.pub"), key, "it is the same instance");
    place.ok(&["publish", "copy", "--alias", "baked", "user.reportctl.bake=x"]);
    place.ok(&["init", "baked", "n"]);
    place.ok(&["start", "n"]);
    place.ok(&["exec", "n", "--", "cloud-init", "status", "--wait"]);
    let new = place.ok(&["exec", "-n", "n", "--", "cat", "/etc/x", "/etc/ssh/ssh_host_ed25519_key.pub"]);
    assert!(new.starts_with("first\n") && !new.contains(&key), "{new}");
}

#[test]
fn lxd_refuses_in_its_own_words() {
    let Some(place) = Place::new() else { return };
    place.ok(&["init", "report-test", "m"]);
    place.refuses(&["init", "report-test", "m"], "This \"instances\" entry already exists");
    place.refuses(&["init", "nope", "n"], "Image not found");
    place.refuses(&["init", "report-test", "1n"], "Name must not start with a number");
    place.refuses(&["init", "report-test", "n", "--profile", "nope"], "Requested profile \"nope\" doesn't exist");
    place.refuses(&["init", "report-test", "n", "--config", "nosuch.key=1"], "Unknown configuration key: nosuch.key");
    place.refuses(&["init", "report-test", "n", "--vm"], "is not supported on this server");
    place.refuses(&["exec", "m", "--", "true"], "Instance is not running");
    place.refuses(&["exec", "nope", "--", "true"], "Instance not found");
    place.refuses(&["stop", "m"], "The instance is already stopped");
    place.refuses(&["delete", "nope"], "Failed checking instance exists \"local:nope\": Instance not found");
    place.refuses(&["query", "/1.0/instances/nope"], "Instance not found");
    place.refuses(&["query", "/1.0/images/aliases/nope"], "Image alias not found");
    place.refuses(&["query", "-X", "DELETE", "/1.0/profiles/default"], "Profile is currently in use");
    place.refuses(&["query", "-X", "DELETE", "/1.0/networks/lxdbr0"], "The network is currently in use");
    place.refuses(&["launch-all"], "unknown command");
    place.ok(&["start", "m"]);
    place.refuses(&["start", "m"], "The instance is already running");
    assert_eq!(place.lxc(&["exec", "m", "--", "no-such-program"]).0, 127);
    assert_eq!(place.lxc(&["exec", "m", "--", "sh", "-c", "exit 42"]).0, 42);
}

#[test]
fn faults_of_lxd() {
    let Some(mut place) = Place::new() else { return };
    let mut with = |fault: &'static str, words: &[&str], why: &str| {
        place.fault = fault;
        place.refuses(words, why);
        place.fault = "";
    };
    with("lxd/daemon-down", &["query", "/1.0"], "connect: no such file or directory");
    with("lxd/denied", &["query", "/1.0"], "connect: permission denied");
    with("lxd/name-taken", &["init", "report-test", "m"], "already exists");
    with("lxd/pool-full", &["init", "report-test", "m"], "no space left on device");
    with("lxd/image-missing", &["init", "report-test", "m"], "Image not found");
    place.launch("#cloud-config\n{}\n");
    let address =
        |place: &Place| place.query("/1.0/instances/m/state")["network"]["eth0"]["addresses"][0]["address"].clone();
    assert!(address(&place).as_str().is_some_and(|address| address.ends_with(".2")));
    place.fault = "lxd/no-lease";
    assert_eq!(address(&place), Value::Null);
    place.fault = "lxd/exec-lost=/root/mark";
    place.refuses(&["exec", "-nT", "m", "--", "touch", "/root/mark"], "websocket: close 1006");
    assert_eq!(place.sh("ls /root | grep -c mark"), "1\n", "it was run all the same");
}

#[test]
fn a_virtual_machine_takes_commands_once_its_agent_runs() {
    let Some(place) = Place::new() else { return };
    place.refuses(&["init", "report-test", "m", "--vm"], "KVM support is missing");
    let folder = place.folder.path();
    let vm = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-machine"));
        command.arg("lxc").args(words).env("FAKE_LXD", folder).env("FAKE_LXD_VM", "1");
        let output = command.env("FAKE_FAULT", "lxd/agent-after=0.5").stdin(Stdio::null()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (meta, disk) = (folder.join("meta.tar.gz"), folder.join("disk.qcow2"));
    std::fs::write(&meta, "").unwrap();
    std::fs::write(&disk, "").unwrap();
    assert!(vm(&["init", "report-test", "m", "--vm"]).1.contains("Asked for a VM but image is of type container"));
    vm(&["image", "import", meta.to_str().unwrap(), disk.to_str().unwrap(), "--alias", "machine"]);
    assert_eq!(vm(&["init", "machine", "m", "--vm"]), (0, String::new()));
    assert_eq!(vm(&["start", "m"]), (0, String::new()));
    let early = vm(&["exec", "-n", "m", "--", "true"]);
    assert_eq!(early, (1, "Error: LXD VM agent isn't currently running\n".to_owned()));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while vm(&["exec", "-n", "m", "--", "true"]).0 != 0 {
        assert!(std::time::Instant::now() < until, "its agent never runs");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
