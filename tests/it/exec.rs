//! How commands run, against real programs.

use reportctl::context::Context;
use reportctl::exec::{self, Command, ExecError, Identity, Watch};
use reportctl::model::ids::SecretName;
use reportctl::model::inventory::Observed;
use reportctl::model::secret::{SecretValue, Secrets};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The longest that a test waits for what must happen.
const BOUND: Duration = Duration::from_secs(20);

fn context() -> Context {
    let vars =
        BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned()), ("LC_TIME".to_owned(), "de_DE".to_owned())]);
    Context::fixed(vars, "/".into())
}

fn sh(script: &str) -> Command {
    Command::reads(&context(), ["sh", "-c", script])
}

/// Polls until `holds`, with a bound.
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < BOUND, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lives(pid: u32) -> bool {
    matches!(exec::identity(pid), Observed::Present(reading) if !reading.ended)
}

#[test]
fn the_locale_is_fixed_and_standard_input_closed() {
    let output = exec::run(&sh("echo $LC_ALL $LANG $LC_TIME; cat; echo end")).unwrap();
    assert_eq!(output.stdout, "C.UTF-8 C.UTF-8\nend\n");
    assert_eq!(output.code, 0);
}

#[test]
fn what_is_fed_arrives_whole_even_when_the_command_answers_meanwhile() {
    let text = "0123456789abcde\n".repeat(100_000);
    let output = exec::run(&Command::reads(&context(), ["cat"]).stdin(text.clone())).unwrap();
    assert!(output.stdout == text);
    // One that does not read at all is no error.
    exec::run(&Command::reads(&context(), ["true"]).stdin(text)).unwrap();
}

#[test]
fn an_error_holds_the_command_the_status_and_the_last_words() {
    let error = exec::run(&sh("echo out; echo 'no such thing' >&2; exit 3")).unwrap_err();
    insta::assert_snapshot!(error.to_string(), @"
    `sh -c 'echo out; echo '\\''no such thing'\\'' >&2; exit 3'` ended with exit code 3:
    no such thing
    ");
    let error = exec::run(&sh("echo 'only here'; kill -9 $$")).unwrap_err();
    insta::assert_snapshot!(error.to_string(), @"
    `sh -c 'echo '\\''only here'\\''; kill -9 $$'` was ended by signal 9:
    only here
    ");
    assert_eq!(exec::run(&sh("exit 3").accept(&[0, 3])).unwrap().code, 3);
    assert!(exec::run(&sh("exit 0").accept(&[3])).is_err());
}

#[test]
fn a_program_that_is_not_there_is_named_with_the_folders() {
    let error = exec::run(&Command::reads(&context(), ["no-such-program-at-all"])).unwrap_err();
    assert!(error.is_not_found());
    insta::assert_snapshot!(error.to_string(), @"`no-such-program-at-all` is not installed: it is in none of /usr/bin, /bin, /usr/sbin, /sbin");
    let empty: [&str; 0] = [];
    assert!(exec::run(&Command::reads(&context(), empty)).is_err());
}

#[test]
fn after_the_deadline_the_whole_group_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    // The shell ignores the request to end, and so does its child.
    let script = format!("trap '' TERM; sleep 600 & echo $! >{}; wait; sleep 600", file.display());
    let error = exec::run(&sh(&script).deadline(Duration::from_millis(300))).unwrap_err();
    assert!(matches!(error, ExecError::Deadline { survives: false, .. }), "{error}");
    let child: u32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
    eventually("the child of the command is gone", || !lives(child));
}

#[test]
fn a_process_that_holds_the_output_does_not_hold_us() {
    let output = exec::run(&sh("sleep 600 & echo $!")).unwrap();
    let left: u32 = output.stdout.trim().parse().unwrap();
    assert!(lives(left), "what a command leaves on purpose is not ours to kill");
    let Observed::Present(reading) = exec::identity(left) else { panic!("gone") };
    Watch::open(reading.identity).unwrap().unwrap().signal(rustix::process::Signal::KILL).unwrap();
    eventually("gone", || !lives(left));
}

#[test]
fn output_is_bounded() {
    let endless = sh("yes").limit(1000);
    let error = exec::run(&endless.deadline(Duration::from_millis(200))).unwrap_err();
    assert!(matches!(error, ExecError::Deadline { .. }), "{error}");
    let error = exec::run(&sh("head -c 1001 /dev/zero").limit(1000)).unwrap_err();
    assert!(matches!(error, ExecError::TooMuch { limit: 1000, .. }), "{error}");
    let output = exec::run(&sh("yes | head -c 1000000 >&2; echo last >&2")).unwrap();
    assert!(output.stderr.len() <= 64 << 10 && output.stderr.ends_with("last\n"), "{}", output.stderr.len());
}

#[test]
fn secrets_are_masked_in_all_that_is_told() {
    let mut secrets = Secrets::default();
    secrets.insert(SecretName::parse("a-secret").unwrap(), SecretValue::parse("canary-value").unwrap());
    let command = sh("cat; echo canary-value >&2; exit 1").stdin("canary-value").mask(&secrets);
    let error = exec::run(&command).unwrap_err();
    assert!(!error.to_string().contains("canary"), "{error}");
    assert!(!command.to_string().contains("canary"), "{command}");
    assert!(error.tail().contains("***"), "{error}");
    let late = sh("echo canary-value; sleep 600").deadline(Duration::from_millis(200)).mask(&secrets);
    assert!(!exec::run(&late).unwrap_err().to_string().contains("canary"));
}

#[test]
fn a_hold_on_a_process_does_not_pass_to_another_with_its_number() {
    let own = std::process::id();
    let Observed::Present(reading) = exec::identity(own) else { panic!("we are not there") };
    assert!(Watch::open(reading.identity).unwrap().is_some());
    let other = Identity { started: reading.identity.started + 1, ..reading.identity };
    assert!(Watch::open(other).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_gives_up_ends_its_command() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let running = exec::start(sh(&format!("echo $$ >{}; sleep 600; true", file.display())));
    let pid = || std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u32>().ok());
    tokio::select! {
        _ = running => panic!("it ended"),
        () = async { while pid().is_none() { tokio::time::sleep(Duration::from_millis(5)).await } } => {}
    }
    let pid = pid().unwrap();
    eventually("the command is gone", || !lives(pid));
}

/// It ends every command there is, so it runs in a process of its own whatever the runner of these tests does.
#[test]
fn everything_that_runs_can_be_ended_at_once() {
    let arguments = ["--exact", "--ignored", "exec::alone_everything_that_runs_is_ended"];
    let output = std::process::Command::new(std::env::current_exe().unwrap()).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "must be alone in its process; everything_that_runs_can_be_ended_at_once runs it"]
async fn alone_everything_that_runs_is_ended() {
    let running: Vec<_> = (0..3).map(|_| tokio::spawn(exec::start(sh("sleep 600; true")))).collect();
    let done = tokio::spawn(async move {
        for task in running {
            let error = task.await.unwrap().unwrap_err();
            assert!(matches!(error, ExecError::Interrupted { .. }), "{error}");
        }
    });
    let start = Instant::now();
    while !done.is_finished() {
        assert!(start.elapsed() < BOUND);
        exec::kill_all();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    done.await.unwrap();
}
