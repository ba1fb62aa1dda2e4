//! The fakes of `tests/fakes`, for tests that need a Grafana, an Uptrace or a ClickHouse.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs that there is a fake of.
pub const PROGRAMS: [&str; 3] = ["grafana", "uptrace", "clickhouse"];

/// The fake of that name. A test run of the whole workspace builds it.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.ancestors().nth(2).unwrap().join(name);
    assert!(path.exists(), "{} is missing: cargo build -p reportctl-fakes", path.display());
    path
}

/// Makes the folder `bin` in `folder`, with a script for each fake that sets these variables and runs it.
///
/// A service of an environment inherits no variable: this is how `FAKE_FAULT_FILE` and the like reach a fake.
pub fn search_path(folder: &Path, env: &[(&str, &str)]) -> PathBuf {
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let quote = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let exports: String = env.iter().map(|(name, value)| format!("export {name}={}\n", quote(value))).collect();
    for name in PROGRAMS {
        let script = format!("#!/bin/sh\n{exports}exec {} \"$@\"\n", quote(program(name).to_str().unwrap()));
        std::fs::write(bin.join(name), script).unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    bin
}

#[test]
fn each_fake_is_found_on_a_search_path_and_says_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let bin = search_path(folder.path(), &[("FAKE_UPTRACE_VERSION", "2.0.3"), ("FAKE_FAULT", "it's no fault")]);
    for (name, version) in PROGRAMS.into_iter().zip(["12.4.0", "2.0.3", "25.8.15.35"]) {
        let output = Command::new(name).arg("--version").env("PATH", &bin).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("fake"), "{text}");
        let found = reportctl::model::quantity::Version::find(&text).unwrap();
        assert_eq!(found.to_string(), version, "{text}");
    }
}
