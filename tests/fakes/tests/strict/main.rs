//! What the fakes refuse, what they answer, and that each fault makes exactly that wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test stands outside the walls")]

mod clickhouse;
mod grafana;
mod machine;
mod multipass;
mod multipass_words;
mod stage;
mod uptrace;

use stage::{Stage, outcome};

#[test]
fn versions_say_fake_and_a_number() {
    let stage = Stage::new();
    for (program, args, number) in [
        ("grafana", &["--version"][..], "12.4.0"),
        ("grafana", &["-v"], "12.4.0"),
        ("grafana", &["server", "-v"], "12.4.0"),
        ("grafana", &["cli", "--version"], "12.4.0"),
        ("uptrace", &["version"], "2.1.0"),
        ("uptrace", &["--version"], "2.1.0"),
        ("clickhouse", &["--version"], "25.8.15.35"),
        ("clickhouse", &["server", "--version"], "25.8.15.35"),
    ] {
        let (code, out, _) = outcome(&stage, program, args, &[]);
        assert!(code == 0 && out.contains(number) && out.contains("fake"), "{program} {args:?}: {out}");
    }
    let (_, out, _) = outcome(&stage, "uptrace", &["version"], &[("FAKE_UPTRACE_VERSION", "2.0.3")]);
    assert!(out.contains("2.0.3"), "{out}");
}

#[test]
fn unknown_commands_and_flags_are_refused() {
    let stage = Stage::new();
    for (program, args) in [
        ("grafana", &["serve"][..]),
        ("grafana", &["--config", "x", "server"]),
        ("grafana", &["server", "--homepath", "/tmp", "--port", "1"]),
        ("grafana", &["server"]),
        ("grafana", &["cli", "--homepath", "/tmp", "admin", "delete-everything"]),
        ("uptrace", &[]),
        ("uptrace", &["--conf=x", "serve"]),
        ("uptrace", &["serve", "now"]),
        ("uptrace", &["pg", "reset"]),
        ("uptrace", &["--config=/nowhere/config.yml", "config", "validate"]),
        ("clickhouse", &[]),
        ("clickhouse", &["client"]),
        ("clickhouse", &["client", "--queries-file=x"]),
        ("clickhouse", &["local"]),
        ("clickhouse", &["serve"]),
        ("clickhouse", &["server", "--port=1"]),
        ("clickhouse", &["server", "--config-file=/nowhere/config.xml"]),
    ] {
        let (code, _, err) = outcome(&stage, program, args, &[]);
        assert!(code != 0 && err.contains("fake"), "{program} {args:?}: {code} {err}");
    }
    for args in [["config", "validate"], ["db", "seed"]] {
        let (code, _, err) = outcome(&stage, "uptrace", &args, &[("FAKE_UPTRACE_VERSION", "2.0.3")]);
        assert!(code == 3 && err.contains("No help topic"), "{args:?}: {code} {err}");
    }
}

/// What no test turns on yet. One that does takes it off this list.
const UNTRIED: [(&str, &str); 1] = [("multipass", "cloud-init")];

#[test]
fn every_fault_is_tried_by_a_test() {
    let sources = [
        include_str!("grafana.rs"),
        include_str!("uptrace.rs"),
        include_str!("clickhouse.rs"),
        include_str!("machine.rs"),
    ];
    // Tests of this one alone say the fault without its program.
    let multipass =
        [include_str!("multipass.rs"), include_str!("multipass_words.rs"), include_str!("../../../it/multipass.rs")];
    for (program, fault, _) in reportctl_fakes::FAULTS {
        let (quoted, short, listed) =
            (format!("\"{program}/{fault}"), format!("\"{fault}"), format!("multipass/{fault}"));
        let tried = sources.iter().any(|source| source.contains(&quoted))
            || (*program == "multipass"
                && multipass.iter().any(|source| source.contains(&short) || source.contains(&listed)));
        assert!(tried != UNTRIED.contains(&(*program, *fault)), "{program}/{fault}: does a test turn it on?");
    }
}
