//! Commands and files in a machine, against real programs: a real LXD where there is one.

use crate::lxd_support::{Lxd, image, lxc};
use reportctl::context::Context;
use reportctl::model::guest::Guest;
use reportctl::model::guest::label;
use reportctl::reach::guest::{GuestError, Inside, Put, Run};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest that a test waits for what must happen.
const BOUND: Duration = Duration::from_secs(60);

/// User-data that asks for nothing. `locale`: cloud-init 22.4 fails where a minimal image has no locales.
pub const NOTHING: &str = "#cloud-config\nlocale: false\n";

/// Makes a container and starts it; it is deleted with `lxd`.
pub fn launch(lxd: &mut Lxd, user_data: &str) -> Guest {
    let id = lxd.new_id();
    let name = format!("report-{id}");
    let config = format!("user.{}={id}", label::ID);
    lxc(&["init", "--quiet", &image(), &name, "--config", &config]).ok();
    for key in ["cloud-init.user-data", "user.user-data"] {
        lxc(&["config", "set", &name, key, user_data]).ok();
    }
    lxc(&["start", &name]).ok();
    Guest::Lxd(name)
}

fn file(path: &str, bytes: &[u8], mode: u32, owner: &str) -> Put {
    Put { path: path.into(), bytes: bytes.to_vec(), mode, owner: owner.to_owned() }
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < BOUND, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lxd_real_commands_and_files_get_into_a_container_and_out_of_it() {
    let Some(mut lxd) = Lxd::take() else { return };
    let guest = launch(&mut lxd, NOTHING);
    let inside = Inside::new(&Context::real().unwrap(), &guest);
    exit_codes_are_the_commands_own(&inside).await;
    arguments_and_bytes_come_as_they_are(&inside).await;
    the_machine_ends_what_takes_too_long(&inside).await;
    what_runs_on_after_its_client_died_is_ended(&inside).await;
    files_come_whole_with_mode_and_owner(&inside).await;
    a_put_that_fails_changes_nothing(&inside).await;
    nobody_reads_what_is_being_put(&inside).await;
    folders_come_back_without_what_is_no_file(&inside).await;
    lxc(&["stop", "--force", guest.name()]).ok();
    let stopped = inside.run(Run::new(["true"])).await;
    assert!(matches!(stopped, Err(GuestError::NotRunning(_))), "{stopped:?}");
    let nobody = Inside::new(&Context::real().unwrap(), &Guest::Lxd("report-nobody-has-this".to_owned()));
    let absent = nobody.run(Run::new(["true"])).await;
    assert!(matches!(absent, Err(GuestError::NotThere(_))), "{absent:?}");
}

/// Those that LXD and Multipass use themselves among them.
async fn exit_codes_are_the_commands_own(inside: &Inside) {
    for code in [0, 1, 2, 5, 42, 124, 126, 127, 137, 255] {
        let output = inside.run(Run::new(["sh", "-c", &format!("echo out; echo err >&2; exit {code}")])).await.unwrap();
        assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (code, "out\n", "err\n"));
    }
    let killed = inside.run(Run::new(["sh", "-c", "kill -9 $$"])).await.unwrap();
    assert_eq!(killed.code, 137);
    let missing = inside.run(Run::new(["no-such-program"])).await.unwrap();
    assert_eq!(missing.code, 127, "{missing:?}");
    // What looks like LXD's own error is none.
    let same = inside.run(Run::new(["sh", "-c", "echo 'Error: Instance not found' >&2; exit 1"])).await.unwrap();
    assert_eq!(same.code, 1);
    let error = inside.check(Run::new(["sh", "-c", "echo words >&2; exit 3"])).await.unwrap_err().to_string();
    assert!(error.contains("exit code 3") && error.ends_with("words"), "{error}");
}

async fn arguments_and_bytes_come_as_they_are(inside: &Inside) {
    let words = ["a b", "", "$HOME", "it's", "\"x\"", "a\nb", "*", "-n", "--", "ä"];
    let argv = ["printf", "%s\\0"].into_iter().chain(words);
    let output = inside.run(Run::new(argv)).await.unwrap();
    assert_eq!(output.stdout, words.map(|word| format!("{word}\0")).concat());
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let back = inside.run_bytes(Run::new(["cat"]).stdin(bytes.clone())).await.unwrap();
    assert!(back.stdout == bytes, "{} of {} bytes", back.stdout.len(), bytes.len());
    let closed = inside.run(Run::new(["cat"])).await.unwrap();
    assert_eq!((closed.code, closed.stdout.as_str()), (0, ""), "nothing to read, and no waiting for it");
    let tty = inside.run(Run::new(["sh", "-c", "test -t 0 || test -t 1; echo $? $(pwd) $LC_ALL"])).await.unwrap();
    assert_eq!(tty.stdout, "1 / C.UTF-8\n");
    let much = inside.run(Run::new(["head", "-c", "5000", "/dev/zero"]).limit(4000)).await;
    assert!(much.unwrap_err().to_string().contains("more than 4000 bytes"));
}

async fn the_machine_ends_what_takes_too_long(inside: &Inside) {
    let run = Run::new(["sh", "-c", "echo begun >&2; sleep 3141"]).deadline(Duration::from_millis(800));
    let error = inside.run(run).await.unwrap_err();
    assert!(matches!(&error, GuestError::Deadline { tail, .. } if tail == "begun"), "{error}");
    assert_eq!(sleepers(inside, "3141").await, "", "it was ended there as well");
}

async fn what_runs_on_after_its_client_died_is_ended(inside: &Inside) {
    let run = Run::new(["sleep", "2718"]).deadline(Duration::from_secs(4));
    let running = tokio::spawn({
        let inside = inside.clone();
        async move { inside.run(run).await.map(|_| ()) }
    });
    eventually("it runs", async || !sleepers(inside, "2718").await.is_empty()).await;
    // Dropping what waits for it kills the client with SIGKILL.
    running.abort();
    eventually("it ended by its own deadline", async || sleepers(inside, "2718").await.is_empty()).await;
}

async fn sleepers(inside: &Inside, seconds: &str) -> String {
    let list = Run::new(["sh", "-c", "ps -e -o args= | grep \"^sleep $1\\$\" || true", "sh", seconds]);
    inside.check(list).await.unwrap()
}

async fn files_come_whole_with_mode_and_owner(inside: &Inside) {
    inside.check(Run::new(["useradd", "--system", "--user-group", "report-redis"])).await.unwrap();
    let large = vec![7; 9 << 20];
    let files = vec![
        file("/etc/reportctl/redis/redis.conf", b"port 1\n", 0o600, "report-redis"),
        file("/etc/reportctl/a b/it's", b"\x00\xff", 0o644, "root"),
        file("/usr/local/bin/report-program", &large, 0o755, "root"),
        file("/dev/shm/elsewhere", b"on another file system", 0o640, "report-redis"),
    ];
    inside.put(files.clone()).await.unwrap();
    let again = file("/etc/reportctl/redis/redis.conf", b"port 2\n", 0o600, "report-redis");
    inside.put(vec![again]).await.unwrap();
    let paths = files.iter().map(|file| file.path.to_str().unwrap());
    let stat = ["stat", "-c", "%a %U:%G %s"].into_iter().chain(paths);
    let seen = inside.check(Run::new(stat)).await.unwrap();
    let expected =
        "600 report-redis:report-redis 7\n644 root:root 2\n755 root:root 9437184\n640 report-redis:report-redis 22\n";
    assert_eq!(seen, expected);
    let parents = Run::new(["stat", "-c", "%a %U", "/etc/reportctl", "/etc/reportctl/redis"]);
    assert_eq!(inside.check(parents).await.unwrap(), "755 root\n755 root\n");
    assert_eq!(inside.check(Run::new(["cat", "/etc/reportctl/redis/redis.conf"])).await.unwrap(), "port 2\n");
    assert_eq!(leftovers(inside).await, "");
}

async fn a_put_that_fails_changes_nothing(inside: &Inside) {
    let files = vec![
        file("/etc/reportctl/redis/redis.conf", b"port 3\n", 0o600, "report-redis"),
        file("/etc/reportctl/new", b"x", 0o600, "nobody-has-this-name"),
    ];
    let error = inside.put(files).await.unwrap_err().to_string();
    assert!(error.contains("nobody-has-this-name"), "{error}");
    let folder = inside.put(vec![file("/etc/reportctl/redis", b"x", 0o600, "root")]).await.unwrap_err().to_string();
    assert!(folder.ends_with("/etc/reportctl/redis is a folder"), "{folder}");
    assert_eq!(inside.check(Run::new(["cat", "/etc/reportctl/redis/redis.conf"])).await.unwrap(), "port 2\n");
    assert_eq!(inside.run(Run::new(["test", "-e", "/etc/reportctl/new"])).await.unwrap().code, 1);
    assert_eq!(leftovers(inside).await, "");
    let error = inside.put(vec![file("relative", b"", 0o600, "root")]).await.unwrap_err().to_string();
    assert!(error.contains("no whole path"), "{error}");
}

async fn leftovers(inside: &Inside) -> String {
    let find = ["find", "/etc", "/run", "/var/tmp", "/tmp", "/usr/local", "/dev/shm", "-name", "*reportctl-*"];
    inside.check(Run::new(find)).await.unwrap()
}

/// Another user of the machine looks at all that appears while a secret is put there again and again.
async fn nobody_reads_what_is_being_put(inside: &Inside) {
    inside.check(Run::new(["useradd", "--system", "spy"])).await.unwrap();
    let spy = "until [ -e /run/over ]; do cat /etc/reportctl/redis/* /etc/reportctl/redis/.* /run/reportctl-* \
               /run/reportctl-*/* 2>/dev/null; done | grep -c hunter2 || true";
    let watching = tokio::spawn({
        let inside = inside.clone();
        async move { inside.check(Run::new(["runuser", "-u", "spy", "--", "sh", "-c", spy])).await }
    });
    for _ in 0..10 {
        let secret = file("/etc/reportctl/redis/secret", b"hunter2", 0o600, "report-redis");
        inside.put(vec![secret]).await.unwrap();
    }
    inside.check(Run::new(["touch", "/run/over"])).await.unwrap();
    assert_eq!(watching.await.unwrap().unwrap(), "0\n");
    let argv = inside.check(Run::new(["ps", "-e", "-o", "args="])).await.unwrap();
    assert!(!argv.contains("hunter2"), "{argv}");
}

async fn folders_come_back_without_what_is_no_file(inside: &Inside) {
    let make = "mkdir -p /srv/x/deep; echo 1 > /srv/x/deep/one; ln -s deep/one /srv/x/link; mkfifo /srv/x/pipe; \
                chmod 640 /srv/x/deep/one; i=0; while [ $i -lt 40 ]; do d=$d/$i-a-long-name; i=$((i+1)); done; \
                mkdir -p /srv/x$d; echo 2 > /srv/x$d/two";
    inside.check(Run::new(["sh", "-c", make])).await.unwrap();
    let folders = [PathBuf::from("/srv/x"), PathBuf::from("/srv/not-there")];
    let got = inside.get(&folders).await.unwrap();
    assert_eq!(got.len(), 2, "{:?}", got.iter().map(|got| &got.path).collect::<Vec<_>>());
    assert!(got.iter().any(|got| got.path == Path::new("/srv/x/deep/one") && got.mode == 0o640 && got.bytes == b"1\n"));
    assert!(got.iter().any(|got| got.path.ends_with("39-a-long-name/two") && got.bytes == b"2\n"));
    assert_eq!(inside.get(&folders[1..]).await.unwrap(), []);
    let held = inside.get(&[PathBuf::from("/etc/reportctl")]).await.unwrap();
    let paths: Vec<&str> = held.iter().map(|got| got.path.to_str().unwrap()).collect();
    assert_eq!(paths, ["/etc/reportctl/a b/it's", "/etc/reportctl/redis/redis.conf", "/etc/reportctl/redis/secret"]);
}

/// Runs `lxc` with something to read.
pub fn lxc_fed(words: &[&str], input: &str) {
    let mut child = std::process::Command::new("timeout")
        .args(["120", "lxc"])
        .args(words)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "lxc {words:?}");
}
