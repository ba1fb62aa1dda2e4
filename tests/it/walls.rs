//! The walls of the house: which module may use which, and who may step over a lint.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// For each module, the modules of the same crate that it may use. Arrows go down only: a module stands below all that
/// use it. This table is the picture in ARCHITECTURE.md.
const MAY_USE: &[(&str, &[&str])] = &[
    ("context", &[]),
    ("model", &[]),
    ("render", &["model"]),
    ("plan", &["model", "render"]),
    ("event", &["model", "plan"]),
    ("fs", &["model"]),
    ("exec", &["model", "fs", "context"]),
    ("project", &["model", "fs", "context"]),
    ("journal", &["model", "plan", "fs", "context"]),
    ("reach", &["model", "plan", "exec", "fs", "context"]),
    ("provider", &["model", "plan", "reach", "exec", "fs", "context"]),
    ("deployer", &["model", "plan", "provider", "reach", "journal", "exec", "fs", "context"]),
    ("smoke", &["model", "plan", "render", "provider", "reach", "exec", "fs", "context"]),
    ("observe", &["model", "plan", "provider", "deployer", "reach", "exec", "fs", "context"]),
    (
        "engine",
        &["model", "plan", "event", "journal", "provider", "deployer", "smoke", "reach", "exec", "fs", "context"],
    ),
    (
        "ui",
        &[
            "model", "render", "plan", "event", "journal", "engine", "smoke", "project", "provider", "exec", "fs",
            "context",
        ],
    ),
    (
        "cli",
        &[
            "ui", "model", "render", "plan", "event", "journal", "engine", "observe", "smoke", "deployer", "provider",
            "reach", "project", "exec", "fs", "context",
        ],
    ),
    ("main", &["cli", "ui", "context"]),
];

/// The lints that are walls, and the only files that may step over them.
const STEPS_OVER: &[(&str, &[&str])] = &[
    ("clippy::disallowed_methods", &["src/context.rs", "src/fs.rs", "src/exec/", "src/main.rs"]),
    ("clippy::disallowed_macros", &["src/ui/"]),
];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The top-level module that a file belongs to: `src/model/ids.rs` and `src/model.rs` belong to `model`.
fn module_of(file: &Path) -> String {
    let within = file.strip_prefix(source()).unwrap();
    let first = within.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The top-level modules that a text names after `crate::` or `reportctl::`.
fn used_modules(text: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for root in ["crate::", "reportctl::"] {
            for (at, _) in line.match_indices(root) {
                let rest = &line[at + root.len()..];
                if let Some(group) = rest.strip_prefix('{') {
                    let inner = group.split('}').next().unwrap();
                    used.extend(inner.split(',').map(|path| path.trim().split("::").next().unwrap().to_owned()));
                } else {
                    used.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
                }
            }
        }
    }
    used.retain(|module| !module.is_empty());
    used
}

#[test]
fn arrows_go_down_only() {
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(module, _)| *module).collect();
    let mut wrong = Vec::new();
    for file in rust_files(&source()) {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: module `{module}` has no place in the table", file.display()));
            continue;
        };
        for used in used_modules(&std::fs::read_to_string(&file).unwrap()) {
            if used != module && known.contains(used.as_str()) && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: `{module}` may not use `{used}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that run up:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_of_arrows_has_no_way_back_up() {
    let reaches = |from: &str| {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut next = vec![from];
        while let Some(module) = next.pop() {
            let (_, targets) = MAY_USE.iter().find(|(name, _)| *name == module).unwrap();
            next.extend(targets.iter().filter(|target| seen.insert(target)));
        }
        seen.contains(from)
    };
    let circular: Vec<_> = MAY_USE.iter().map(|(module, _)| *module).filter(|module| reaches(module)).collect();
    assert!(circular.is_empty(), "modules that reach themselves: {circular:?}");
}

#[test]
fn only_the_named_places_step_over_a_wall() {
    let mut wrong = Vec::new();
    for file in rust_files(&source()) {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = format!("src/{}", file.strip_prefix(source()).unwrap().display());
        for (lint, places) in STEPS_OVER {
            if text.contains(lint) && !places.iter().any(|place| name.starts_with(place)) {
                wrong.push(format!("{name} allows {lint}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_scan_sees_what_it_should() {
    let text =
        "use crate::model::ids;\nuse crate::{plan::step, fs};\n// use crate::cli;\nlet x = reportctl::engine::run();";
    let used: Vec<String> = used_modules(text).into_iter().collect();
    assert_eq!(used, ["engine", "fs", "model", "plan"]);
}
