//! The fake `multipass`: its states, streams and exit codes. Behind it there is a script, so that nothing runs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A Multipass of its own.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub generation: &'static str,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Bench {
    pub fn new(generation: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "user"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let bench = Self { folder, generation };
        bench.script(r#"[{"argv": ["true"]}]"#);
        bench
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn script(&self, text: &str) {
        std::fs::write(self.at("script.json"), text).unwrap();
    }

    pub fn faults(&self, text: &str) {
        std::fs::write(self.at("faults"), text).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-multipass"));
        command.args(args).env_clear().current_dir(self.at("user"));
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("FAKE_MULTIPASS_BACKEND", "script");
        command.env("FAKE_MULTIPASS_HOME", self.at("home")).env("FAKE_MULTIPASS_SCRIPT", self.at("script.json"));
        command.env("FAKE_MULTIPASS_VISIBLE_HOME", self.at("user")).env("FAKE_FAULT_FILE", self.at("faults"));
        command.env("FAKE_MULTIPASS_GENERATION", self.generation);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn feed(&self, args: &[&str], input: &[u8]) -> Done {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // A call that reads nothing may have ended by now.
        let _ = pipe.write_all(input);
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    pub fn run(&self, args: &[&str]) -> Done {
        self.feed(args, b"")
    }

    #[track_caller]
    pub fn good(&self, args: &[&str]) -> Done {
        let done = self.run(args);
        assert_eq!(done.code, Some(0), "{args:?}: {done:?}");
        done
    }

    /// The exit code and the last lines on standard error.
    #[track_caller]
    pub fn fails(&self, args: &[&str], code: i32, err: &str) {
        let done = self.run(args);
        assert_eq!((done.code, done.err.as_str()), (Some(code), err), "{args:?}: {}", done.out);
    }

    #[track_caller]
    pub fn launched(&self, name: &str) {
        self.good(&["launch", "24.04", "--name", name]);
    }

    pub fn state(&self, name: &str) -> Option<String> {
        let done = self.run(&["info", name, "--format", "json", "--no-runtime-information"]);
        let value: serde_json::Value = serde_json::from_str(&done.out).unwrap_or_default();
        value["info"][name]["state"].as_str().map(str::to_owned)
    }
}

pub fn within(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < limit {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[test]
fn a_launch_turns_its_spinner_on_standard_output_and_ends_in_one_plain_line() {
    let bench = Bench::new("1.16.3");
    let done = bench.good(&["launch", "24.04", "--name", "box"]);
    assert_eq!(done.err, "");
    assert!(done.out.starts_with("\x1b[2K\x1b[0A\x1b[0ECreating box  \u{8}/"), "{:?}", done.out);
    assert!(done.out.contains("\rRetrieving image: 100%"), "{:?}", done.out);
    let plain = done.out.rsplit("\x1b[0E").next().unwrap();
    assert_eq!(plain, "Launched: box\n");
    let mut at = 0;
    for message in [
        "Creating box",
        "Retrieving image: ",
        "Extracting image: ",
        "Verifying image: ",
        "Preparing image for box",
        "Configuring box",
        "Starting box",
        "Waiting for initialization to complete",
    ] {
        at += done.out[at..].find(message).unwrap_or_else(|| panic!("{message} in {:?}", done.out));
    }
    let next = Bench::new("1.17").good(&["launch", "24.04", "--name", "box"]);
    assert!(next.out.ends_with("Launched: box in zone1\n"), "{:?}", next.out);
}

#[test]
fn a_name_is_blocked_until_the_instance_is_purged() {
    let bench = Bench::new("1.16.3");
    bench.launched("box");
    let taken = "launch failed: instance \"box\" already exists\n";
    bench.fails(&["launch", "--name", "box"], 2, taken);
    bench.good(&["delete", "box"]);
    assert_eq!(bench.state("box").as_deref(), Some("Deleted"));
    bench.fails(&["launch", "--name", "box"], 2, taken);
    bench.good(&["delete", "box"]);
    bench.good(&["recover", "box"]);
    assert_eq!(bench.state("box").as_deref(), Some("Stopped"));
    bench.good(&["recover", "box"]);
    bench.good(&["delete", "box"]);
    bench.good(&["delete", "--purge", "box"]);
    bench.fails(&["info", "box"], 2, "info failed: The following errors occurred:\ninstance \"box\" does not exist\n");
    bench.launched("box");
}

#[test]
fn a_client_that_is_killed_does_not_stop_the_launch() {
    let bench = Bench::new("1.16.3");
    bench.faults("multipass/slow-download=1");
    let mut child = bench.command(&["launch", "--name", "box"]).stdin(Stdio::null()).spawn().unwrap();
    let preparing = "launch failed: instance \"box\" is being prepared\n";
    assert!(within(Duration::from_secs(20), || bench.run(&["launch", "--name", "box"]).err == preparing));
    assert_eq!(bench.state("box"), None);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(within(Duration::from_secs(20), || bench.state("box").as_deref() == Some("Running")));
}

#[test]
fn a_timer_of_the_client_gives_up_with_5_and_the_daemon_goes_on() {
    let bench = Bench::new("1.16.3");
    bench.faults("multipass/slow-download=2");
    bench.fails(&["launch", "--name", "box", "--timeout", "1"], 5, "Timed out waiting for instance launch.\n");
    assert!(within(Duration::from_secs(20), || bench.state("box").as_deref() == Some("Running")));
}

#[test]
fn what_went_wrong_leaves_the_instance_in_its_state() {
    for (fault, err, state) in [
        (
            "multipass/ssh-never",
            "launch failed: The following errors occurred:\nbox: timed out waiting for response\n",
            "Unknown",
        ),
        (
            "multipass/init-never",
            "launch failed: The following errors occurred:\ntimed out waiting for initialization to complete\n",
            "Running",
        ),
        (
            "multipass/stops-while-starting",
            "launch failed: The following errors occurred:\nbox: shutdown called while starting\n",
            "Stopped",
        ),
    ] {
        let bench = Bench::new("1.16.3");
        bench.faults(fault);
        bench.fails(&["launch", "--name", "box"], 2, err);
        assert_eq!(bench.state("box").as_deref(), Some(state), "{fault}");
        if state == "Unknown" {
            let text = "start failed: The following errors occurred:\nInstance 'box' is already running, but in an \
                        unknown state.\nTry to stop and start it instead.\n";
            bench.fails(&["start", "box"], 2, text);
            bench.good(&["stop", "--force", "box"]);
        }
        bench.good(&["start", "box"]);
        assert_eq!(bench.state("box").as_deref(), Some("Running"), "{fault}");
    }
}

#[test]
fn exec_starts_what_is_stopped_reads_to_the_end_and_passes_the_exit_code() {
    let bench = Bench::new("1.16.3");
    bench.script(r#"[{"argv": ["cat"], "stdin": "hello", "stdout": "hello"}, {"argv": ["sh", "*"], "stderr": "no\n", "code": 7}]"#);
    bench.launched("box");
    bench.good(&["stop", "box"]);
    bench.good(&["stop", "box"]);
    assert_eq!(bench.state("box").as_deref(), Some("Stopped"));
    let done = bench.feed(&["exec", "-n", "box", "--", "cat"], b"hello");
    assert!(
        done.code == Some(0) && done.out.ends_with("\x1b[0Ehello") && done.out.contains("Starting box"),
        "{done:?}"
    );
    assert_eq!(bench.state("box").as_deref(), Some("Running"));
    bench.fails(&["exec", "-n", "box", "--", "sh", "-c", "exit 7"], 7, "no\n");
    let unexpected = bench.run(&["exec", "-n", "box", "--", "rm", "-rf", "/"]);
    assert_eq!(unexpected.code, Some(97), "{unexpected:?}");
    assert!(bench.at("home/unexpected").exists());
    bench.good(&["delete", "box"]);
    let deleted = "exec failed: The following errors occurred:\ninstance \"box\" is deleted\n";
    bench.fails(&["exec", "-n", "box", "--", "true"], 2, deleted);
}

#[test]
fn transfer_starts_nothing_and_sees_what_the_snap_sees() {
    let bench = Bench::new("1.16.3");
    bench.script(r#"[{"argv": ["sh", "*"], "stdout": "there"}]"#);
    bench.launched("box");
    bench.good(&["transfer", "box:/etc/hostname", "-"]);
    assert_eq!(bench.feed(&["transfer", "-", "box:x"], b"data").code, Some(0));
    let here = bench.at("user/seen");
    std::fs::write(&here, "x").unwrap();
    bench.good(&["transfer", here.to_str().unwrap(), "box:x"]);
    let hidden = bench.at("user/.hidden");
    for path in [Path::new("/etc/hostname"), &hidden] {
        std::fs::write(&hidden, "x").unwrap();
        let done = bench.run(&["transfer", path.to_str().unwrap(), "box:x"]);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.err.contains("[error] [sftp] cannot access"), "{}", done.err);
    }
    bench.good(&["stop", "box"]);
    bench.fails(&["transfer", "box:x", "-"], 2, "transfer failed: instance \"box\" is not running\n");
    bench.fails(&["transfer", "-", "-"], 1, "Only one '-' allowed\n");
    bench.fails(&["transfer", "box:x"], 1, "Not enough arguments given\n");
    bench.fails(&["transfer", "a", "b"], 1, "An instance name is needed for either source or destination\n");
}

#[test]
fn user_data_loses_its_quotes_and_is_kept_for_whoever_looks() {
    let bench = Bench::new("1.16.3");
    let text = b"# no header\nwrite_files:\n  - path: /x\n    permissions: \"0755\"\n    content: !!str \"0755\"\n\
                 users:\n  - name: a\n---\nsecond: document\n";
    let done = bench.feed(&["launch", "--name", "box", "--cloud-init", "-"], text);
    assert_eq!(done.code, Some(0), "{done:?}");
    let kept = std::fs::read_to_string(bench.at("home/seeds/box/user-data")).unwrap();
    assert_eq!(
        kept,
        "#cloud-config\nwrite_files:\n  - path: /x\n    permissions: 0755\n    content: !<tag:yaml.org,2002:str> 0755\n\
         users:\n  - name: a\n  - default\n\n"
    );
    let hidden = bench.at("data.yaml");
    std::fs::write(&hidden, "a: b").unwrap();
    let path = hidden.to_str().unwrap();
    let text = format!(
        "Could not load cloud-init configuration: bad file: {path}\nPlease ensure that Multipass can read it.\n"
    );
    bench.fails(&["launch", "--name", "other", "--cloud-init", path], 1, &text);
    let broken = bench.feed(&["launch", "--name", "other", "--cloud-init", "-"], b"a:\n\t- b\n");
    assert_eq!(broken.code, Some(1));
    assert!(broken.err.contains("yaml-cpp: error at line 2"), "{}", broken.err);
}

#[test]
fn a_mount_that_fails_is_told_although_the_instance_was_launched() {
    let bench = Bench::new("1.16.3");
    let source = bench.at("user/data");
    std::fs::create_dir(&source).unwrap();
    let source = source.canonicalize().unwrap().display().to_string();
    let done = bench.good(&["launch", "--name", "one", "--mount", &source]);
    assert!(done.out.ends_with(&format!("Mounted '{source}' into 'one:/home/ubuntu/data'\n")), "{:?}", done.out);
    bench.faults("multipass/mount-fails");
    let done = bench.run(&["launch", "--name", "two", "--mount", &format!("{source}:/data")]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.out.contains("Launched: two\n"), "{:?}", done.out);
    assert_eq!(bench.state("two").as_deref(), Some("Running"));
    let text = "Mount source path \"/etc\" does not exist\n";
    bench.fails(&["launch", "--name", "three", "--mount", "/etc"], 1, text);
}

#[test]
fn one_instance_that_does_not_answer_breaks_list_and_not_the_info_of_others() {
    let bench = Bench::new("1.16.3");
    bench.launched("good");
    bench.launched("bad");
    bench.faults("multipass/unreachable=bad");
    assert_eq!(bench.run(&["list"]).code, Some(2));
    bench.good(&["list", "--no-ipv4"]);
    bench.good(&["info", "good"]);
    assert_eq!(bench.run(&["info", "good", "bad"]).code, Some(2));
    assert_eq!(bench.state("bad").as_deref(), Some("Running"));
    assert_eq!(bench.run(&["exec", "-n", "bad", "--", "true"]).code, Some(2));
    let next = Bench::new("1.17");
    next.launched("bad");
    next.faults("multipass/unreachable=bad");
    assert_eq!(next.run(&["exec", "-n", "bad", "--", "true"]).code, Some(255));
}

#[test]
fn snapshots_are_taken_of_what_is_stopped() {
    let bench = Bench::new("1.16.3");
    bench.launched("box");
    let text = "snapshot failed: Multipass can only take snapshots of stopped instances.\n";
    bench.fails(&["snapshot", "box"], 2, text);
    bench.good(&["stop", "box"]);
    assert!(bench.good(&["snapshot", "box"]).out.ends_with("Snapshot taken: box.snapshot1\n"));
    assert!(bench.good(&["snapshot", "box", "--name", "mine"]).out.ends_with("Snapshot taken: box.mine\n"));
    bench.fails(&["snapshot", "box", "-n", "mine"], 2, "snapshot failed: Snapshot already exists: box.mine\n");
    bench.fails(&["restore", "-d", "box.none"], 2, "restore failed: No such snapshot: box.none\n");
    assert_eq!(bench.run(&["restore", "box.mine"]).code, Some(2));
    assert!(bench.good(&["restore", "-d", "box.mine"]).out.ends_with("Snapshot restored: box.mine\n"));
    assert!(bench.good(&["clone", "box"]).out.ends_with("Cloned from box to box-clone1.\n"));
    let list = bench.good(&["list", "--snapshots", "--format", "csv"]).out;
    assert_eq!(list, "Instance,Snapshot,Parent,Comment\nbox,mine,snapshot1,\"\"\nbox,snapshot1,,\"\"\n");
}

#[test]
fn what_json_holds_is_laid_out_as_each_generation_does_it() {
    let bench = Bench::new("1.16.3");
    assert_eq!(bench.good(&["list", "--format", "json"]).out, "{\n    \"list\": [\n    ]\n}\n");
    bench.launched("box");
    assert_eq!(
        bench.good(&["list", "--format", "json"]).out,
        "{\n    \"list\": [\n        {\n            \"ipv4\": [\n                \"10.21.124.56\"\n            ],\n            \
         \"name\": \"box\",\n            \"release\": \"Ubuntu 24.04 LTS\",\n            \"state\": \"Running\"\n        }\n    \
         ]\n}\n"
    );
    let keys = |bench: &Bench| {
        let out = bench.good(&["info", "box", "--format", "json"]).out;
        let keys = out.lines().filter_map(|line| line.strip_prefix("            \"")?.split_once('"'));
        keys.map(|(key, _)| key.to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        keys(&bench),
        "cpu_count disks image_hash image_release ipv4 load memory mounts release snapshot_count state"
    );
    let next = Bench::new("1.17");
    next.launched("box");
    assert_eq!(
        keys(&next),
        "zone state image_hash image_release release cpu_count snapshot_count load disks memory ipv4 mounts"
    );
    let out = next.good(&["list", "--format", "json"]).out;
    assert!(
        out.contains("\"zone\": {\n                \"name\": \"zone1\",\n                \"available\": true\n"),
        "{out}"
    );
}
