//! PostgreSQL as it is rendered, prepared and run for real: as an ordinary user, and as root.

use super::render_support::{Running, Stage, eventually, need};
use reportctl::model::component::ComponentName::Postgresql;
use reportctl::render::RenderError;
use reportctl::render::native::{Native, native};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// How commands are run as the user whom the test stands for.
#[derive(Clone, Copy, PartialEq)]
enum As {
    /// Whoever runs the test.
    Self_,
    /// An ordinary user, where the test runs as root.
    Nobody,
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

fn ordinary() -> As {
    if is_root() { As::Nobody } else { As::Self_ }
}

fn run(user: As, argv: &[String], vars: &[(&str, &str)]) -> Output {
    let prefix: &[&str] = match user {
        As::Nobody => &["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"],
        As::Self_ => &[],
    };
    let whole: Vec<&str> = prefix.iter().copied().chain(argv.iter().map(String::as_str)).collect();
    Command::new(whole[0])
        .args(&whole[1..])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(vars.iter().copied())
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs the whole preparation.
fn prepare(user: As, native: &Native) {
    for argv in &native.prepare.as_ref().unwrap().commands {
        let output = run(user, argv, &[]);
        assert!(output.status.success(), "{argv:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Prepares it in this stage and starts it.
pub fn ready_to_use(stage: &Stage) -> Running {
    let native = stage.native(Postgresql);
    need(&stage.active[&Postgresql].0.path, "postgresql");
    stage.write(&native);
    hand_over(stage);
    prepare(ordinary(), &native);
    let running = serve(ordinary(), &native);
    comes_up(stage, &native, &running);
    running
}

fn stage(uid: u32) -> (Stage, Native) {
    let mut stage = Stage::new(&[Postgresql]);
    stage.uid = uid;
    need(&stage.active[&Postgresql].0.path, "postgresql");
    let native = stage.native(Postgresql);
    stage.write(&native);
    for folder in &native.folders {
        if let Some(owner) = &folder.owner {
            assert!(Command::new("chown").arg(format!("{owner}:")).arg(&folder.path).status().unwrap().success());
        }
    }
    (stage, native)
}

/// Lets everybody pass through the test's folder, and gives what is PostgreSQL's to an ordinary user.
fn hand_over(stage: &Stage) {
    let root = stage.paths.root.clone();
    let open = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let above = [root.parent().unwrap().parent().unwrap(), root.parent().unwrap(), &root];
    above.into_iter().for_each(open);
    open(&root.join("data"));
    open(&root.join("config"));
    if is_root() {
        for own in [stage.paths.data(Postgresql), stage.paths.config(Postgresql)] {
            assert!(Command::new("chown").args(["-R", "nobody:nogroup"]).arg(own).status().unwrap().success());
        }
    }
}

fn serve(user: As, native: &Native) -> Running {
    let argv = &native.service.argv;
    let prefix: Vec<String> = match user {
        As::Nobody => ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"].map(str::to_owned).to_vec(),
        As::Self_ => Vec::new(),
    };
    let whole: Vec<&String> = prefix.iter().chain(argv).collect();
    let log = native.service.cwd.join("log-of-the-test");
    let output = std::fs::File::create(&log).unwrap();
    let child = Command::new(whole[0])
        .args(&whole[1..])
        .current_dir(&native.service.cwd)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    Running { child, log }
}

/// One statement over the loopback address.
fn sql(stage: &Stage, user: &str, database: &str, password: &str, statement: &str) -> Result<String, String> {
    let port = stage.port(Postgresql, "postgres");
    let program = stage.active[&Postgresql].0.path.with_file_name("psql").display().to_string();
    let port = format!("--port={port}");
    let argv = [&program, "-XqtA", "--host=127.0.0.1", &port, "-U", user, "-d", database, "-c", statement];
    let output = run(As::Self_, &argv.map(str::to_owned), &[("PGPASSWORD", password), ("PGCONNECT_TIMEOUT", "5")]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn comes_up(stage: &Stage, native: &Native, running: &Running) {
    let program = stage.active[&Postgresql].0.path.with_file_name("pg_isready").display().to_string();
    let port = format!("--port={}", stage.port(Postgresql, "postgres"));
    let argv = [program, "--host=127.0.0.1".to_owned(), port];
    eventually("postgres accepts", || run(As::Self_, &argv, &[]).status.success().then_some(()));
    assert!(native.address.starts_with("postgresql://uptrace@127.0.0.1:"), "{}", running.said());
}

/// What holds whoever it runs as.
fn holds(stage: &Stage) {
    let password = stage.secret(Postgresql, "uptrace");
    let ask = |statement: &str| sql(stage, "uptrace", "uptrace", &password, statement);
    assert_eq!(ask("select current_user || ' ' || current_database()").unwrap(), "uptrace uptrace");
    ask("create table t (x int); insert into t values (1)").unwrap();
    assert_eq!(ask("select pg_get_userbyid(datdba) from pg_database where datname = 'uptrace'").unwrap(), "uptrace");
    for (setting, value) in [
        ("shared_buffers", "64MB"),
        ("listen_addresses", "127.0.0.1"),
        ("max_connections", "40"),
        ("wal_level", "minimal"),
        ("password_encryption", "scram-sha-256"),
    ] {
        assert_eq!(ask(&format!("show {setting}")).unwrap(), value, "{setting}");
    }
    assert!(ask("create role other").unwrap_err().contains("permission denied"), "uptrace is no superuser");
    let wrong = sql(stage, "uptrace", "uptrace", "wrong", "select 1").unwrap_err();
    assert!(wrong.contains("password authentication failed"), "{wrong}");
    assert!(sql(stage, "postgres", "postgres", &password, "select 1").is_err(), "postgres comes in by its socket only");
    assert!(sql(stage, "uptrace", "postgres", &password, "select 1").unwrap_err().contains("permission denied"));
}

#[test]
fn an_ordinary_user_prepares_and_runs_it() {
    let (stage, native) = stage(1000);
    hand_over(&stage);
    prepare(ordinary(), &native);
    let mut running = serve(ordinary(), &native);
    comes_up(&stage, &native, &running);
    holds(&stage);
    let log = std::fs::read_to_string(native.service.cwd.join("prepare.log")).unwrap();
    assert!(!log.contains("-of-postgresql") && !running.said().contains("-of-postgresql"), "no log holds the password");

    // Prepared again, as after a cut-off run: the data is put aside and not written over, and it still works.
    stop(&mut running);
    prepare(ordinary(), &native);
    assert!(native.service.cwd.join("cluster.~1~/PG_VERSION").exists());
    assert!(!native.service.cwd.join("cluster.new").exists());
    let again = serve(ordinary(), &native);
    comes_up(&stage, &native, &again);
    holds(&stage);
}

#[test]
fn a_preparation_that_was_cut_off_is_begun_anew() {
    let (stage, native) = stage(1000);
    hand_over(&stage);
    let commands = &native.prepare.as_ref().unwrap().commands;
    for argv in &commands[..2] {
        assert!(run(ordinary(), argv, &[]).status.success());
    }
    // The half-made cluster alone would make initdb refuse.
    let refused = run(ordinary(), &commands[1], &[]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("exists but is not empty"));
    prepare(ordinary(), &native);
    let running = serve(ordinary(), &native);
    comes_up(&stage, &native, &running);
    holds(&stage);
}

#[test]
fn root_runs_it_as_the_user_postgres() {
    let (stage, native) = stage_for_root();
    let data = stage.paths.shared_data.join("postgresql");
    assert_eq!(native.service.argv[..2], ["/usr/bin/setpriv", "--reuid=postgres"]);
    assert_eq!(native.service.cwd, data);
    assert!(
        native
            .folders
            .iter()
            .filter(|folder| folder.path.starts_with(&data))
            .all(|folder| { folder.owner.as_deref() == Some("postgres") && folder.mode == 0o700 })
    );
    assert!(native.files.iter().all(|file| file.path.starts_with(&stage.paths.root) && file.owner.is_none()));
    if !is_root() {
        return;
    }
    for passed in [stage.paths.shared_data.clone(), stage.paths.shared_data.parent().unwrap().to_owned()] {
        std::fs::set_permissions(passed, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    prepare(As::Self_, &native);
    let running = serve(As::Self_, &native);
    comes_up(&stage, &native, &running);
    holds(&stage);
    let owner =
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{}", running.child.id())).unwrap());
    assert_ne!(owner, 0, "the server does not run as root");
}

fn stage_for_root() -> (Stage, Native) {
    if is_root() {
        stage(0)
    } else {
        let mut stage = Stage::new(&[Postgresql]);
        stage.uid = 0;
        let native = stage.native(Postgresql);
        (stage, native)
    }
}

#[test]
fn a_path_that_no_socket_may_have_is_an_error_and_not_a_riddle() {
    let mut stage = Stage::new(&[Postgresql]);
    stage.paths.root = Path::new("/home").join("x".repeat(90)).join("local");
    let error = native(&stage.view(), Postgresql).unwrap_err();
    assert!(matches!(error, RenderError::SocketPath(_)), "{error}");
    assert!(error.to_string().contains("XDG_STATE_HOME"), "{error}");
}

fn stop(running: &mut Running) {
    let pid = running.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    running.child.wait().unwrap();
}
