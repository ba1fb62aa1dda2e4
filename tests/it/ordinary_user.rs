//! An ordinary user brings the stack up, without root, whatever the umask; and what is missing is planned for.

use crate::command::Done;
use crate::stage::{Stage, UP, tree, which, write_program};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// A user that no host has.
const USER: u32 = 12_345;

/// A folder with nothing but links to these programs.
fn bin(folder: &Path, programs: &[&str]) -> std::ffi::OsString {
    std::fs::create_dir_all(folder).unwrap();
    for program in programs {
        std::os::unix::fs::symlink(which(program), folder.join(program)).unwrap();
    }
    folder.as_os_str().to_owned()
}

/// All that the stack needs, and neither sudo nor anything else that makes somebody root.
const PROGRAMS: [&str; 7] = [
    "redis-server",
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-redis-exporter",
    "prometheus-node-exporter",
    "setpriv",
    "sh",
];

/// Every process is the user's, and every file too; secrets are for nobody else.
#[track_caller]
fn is_the_users_alone(stage: &Stage, user: u32) {
    for process in stage.processes() {
        let owner = std::fs::metadata(format!("/proc/{}", process.pid)).unwrap().uid();
        assert_eq!(owner, user, "{}", process.component);
    }
    let state = stage.at("state");
    let mut seen = 0;
    for (path, _) in tree(&state) {
        let Ok(meta) = std::fs::symlink_metadata(state.join(&path)) else { continue };
        assert_eq!(meta.uid(), user, "{}", path.display());
        seen += 1;
    }
    assert!(seen > 20, "{seen} files");
    let (root, secrets) = (stage.paths().root, stage.paths().secrets());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&root), mode(&secrets)), (0o700, 0o700));
    for secret in std::fs::read_dir(&secrets).unwrap() {
        assert_eq!(mode(&secret.unwrap().path()), 0o600);
    }
}

#[test]
fn an_ordinary_user_needs_no_root_whatever_the_umask() {
    for umask in ["022", "077", "000", "027"] {
        let stage = Stage::new().by_user(USER).with_umask(umask);
        let path = bin(&stage.at("bin"), &PROGRAMS);
        let stage = stage.with_path(path);
        let user = if rustix::process::geteuid().is_root() { USER } else { rustix::process::geteuid().as_raw() };
        stage.up();
        stage.all_answer();
        stage.pids();
        is_the_users_alone(&stage, user);
        stage.nothing_is_pending();
        let ports = stage.ports();
        stage.down();
        stage.is_gone(&ports);
    }
}

/// Programs of a Debian on which nothing of the stack is installed: they answer what was written down from real ones,
/// and refuse everything that would change something.
fn bare_debian(stage: &Stage) -> std::ffi::OsString {
    let folder = stage.at("debian");
    let path = bin(&folder, &["sh", "setpriv", "cat"]);
    let refuse = format!("echo \"$0 $*\" >>'{}'; exit 100", stage.at("refused").display());
    let dpkg_query = format!(
        "#!/bin/sh\n[ \"$1\" = --show ] || {{ {refuse}; }}\nshift 2\n\
         for name; do echo \"dpkg-query: no packages found matching $name\" >&2; done\nexit 1\n"
    );
    let apt_cache = format!(
        "#!/bin/sh\n[ \"$1\" = policy ] || {{ {refuse}; }}\nshift\nfor name; do\n  case \"$name\" in\n    \
         redis-server) version=5:7.0.15-1~deb12u5;;\n    prometheus) version=2.42.0+ds-5+b5;;\n    \
         prometheus-alertmanager) version=0.25.0-1+b4;;\n    prometheus-redis-exporter) version=1.45.0-2+b5;;\n    \
         prometheus-node-exporter) version=1.5.0-1+b6;;\n    *) continue;;\n  esac\n  \
         printf '%s:\\n  Installed: (none)\\n  Candidate: %s\\n  Version table:\\n     %s 500\\n        500 \
         http://deb.debian.org/debian bookworm/main amd64 Packages\\n' \"$name\" \"$version\" \"$version\"\ndone\n"
    );
    for (program, script) in
        [("dpkg-query", dpkg_query), ("apt-cache", apt_cache), ("apt-get", format!("#!/bin/sh\n{refuse}\n"))]
    {
        write_program(&folder.join(program), &script);
    }
    path
}

/// The lines of a section of a plan.
fn section<'a>(plan: &'a Done, heading: &str) -> &'a str {
    plan.out.split_once(heading).map_or("", |(_, rest)| rest.split("\n\n").next().unwrap_or_default())
}

#[test]
fn what_is_missing_is_installed_first_and_then_planned_again() {
    let stage = Stage::new();
    let path = bare_debian(&stage);
    let stage = stage.with_path(path);
    let plan = stage.run("plan -v --detailed-exitcode");
    assert_eq!(plan.code, Some(5), "{}", plan.shown());
    for package in ["redis-server", "prometheus", "prometheus-alertmanager", "prometheus-redis-exporter"] {
        assert!(plan.out.contains(package), "{package}: {}", plan.shown());
    }
    assert!(plan.out.contains("env/replan"), "{}", plan.shown());
    assert!(!section(&plan, "ports").contains("redis"), "ports are chosen when it is known what runs");
    let doctor = stage.run("doctor");
    assert_eq!(doctor.code, Some(8), "{}", doctor.shown());
    assert!(doctor.out.contains("apt-get") && doctor.out.contains("redis-server"), "{}", doctor.shown());
    let dry = stage.run("up --dry-run").ok();
    assert!(dry.contains("apt-get") && dry.contains("--no-install-recommends"), "{dry}");
    assert!(!stage.at("refused").exists(), "{}", std::fs::read_to_string(stage.at("refused")).unwrap());
    assert_eq!(stage.processes(), []);
}

#[test]
fn an_ordinary_user_who_lacks_packages_is_told_what_to_run_as_root() {
    let stage = Stage::new().by_user(USER);
    let path = bare_debian(&stage);
    let stage = stage.with_path(path);
    let up = stage.run(UP);
    assert!(matches!(up.code, Some(8 | 16)), "{}", up.shown());
    assert!(up.err.contains("as root, run `apt-get install"), "{}", up.shown());
    for package in ["redis-server", "prometheus-alertmanager"] {
        assert!(up.err.contains(package), "{}", up.shown());
    }
    assert_eq!(stage.processes(), []);
}
