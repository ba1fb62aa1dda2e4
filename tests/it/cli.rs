//! The command line as a whole: flags, streams, and what every verb has in common.

use crate::command::{Home, done};
use std::fs::OpenOptions;
use std::process::Stdio;

#[test]
fn version_is_told_in_both_forms() {
    let home = Home::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(home.run("version").ok(), format!("reportctl {version}\n"));
    assert_eq!(home.run("--version").ok(), format!("reportctl {version}\n"));
    let json: serde_json::Value = serde_json::from_str(&home.run("version -o json").ok()).unwrap();
    assert_eq!(json, serde_json::json!({ "schema": 1, "name": "reportctl", "version": version }));
}

#[test]
fn a_flag_means_the_same_before_and_after_the_verb() {
    let home = Home::new();
    let after = home.run("version -o json").ok();
    for line in ["-o json version", "--format json version", "version --format=json", "-ojson version"] {
        assert_eq!(home.run(line).ok(), after, "{line}");
    }
    assert_eq!(home.run("-o json version -o human").ok(), home.run("version").ok(), "the verb's own wins");
}

#[test]
fn a_variable_gives_way_to_a_flag() {
    let home = Home::new();
    let by_variable = done(home.command("version").env("REPORTCTL_OUTPUT", "json")).ok();
    assert_eq!(by_variable, home.run("version -o json").ok());
    let by_flag = done(home.command("version -o human").env("REPORTCTL_OUTPUT", "json")).ok();
    assert_eq!(by_flag, home.run("version").ok());
}

#[test]
fn files_give_way_to_variables_and_the_users_to_the_projects() {
    let home = Home::new();
    let write = |path: &str, text: &str| {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
    std::fs::create_dir(home.work().join("environments")).unwrap();
    assert!(!is_json(&home.run("env list").ok()));
    write(".config/reportctl/config.yaml", "output: json\n");
    assert!(is_json(&home.run("env list").ok()), "the user's file counts");
    write("work/reportctl.yaml", "output: human\n");
    assert!(!is_json(&home.run("env list").ok()), "the project's file counts more");
    assert!(is_json(&done(home.command("env list").env("REPORTCTL_OUTPUT", "json")).ok()), "a variable counts more");
    assert!(!is_json(&done(home.command("env list -o human").env("REPORTCTL_OUTPUT", "json")).ok()));
    write("work/reportctl.yaml", "ouput: json\nparallel: 0\n");
    let wrong = home.run("env list");
    assert_eq!(wrong.code, Some(3));
    insta::assert_snapshot!(home.steady(&wrong.err));
    assert_eq!(home.run("version").code, Some(0), "no file is read that is not needed");
}

#[test]
fn a_question_without_a_terminal_is_an_error_that_names_the_flag() {
    let home = Home::new();
    let up = home.run("up");
    assert_eq!(up.code, Some(2), "{}", up.shown());
    assert!(up.err.contains("reportctl up -e local --yes"), "{}", up.err);
    assert!(!home.path().join("state/reportctl/envs").exists(), "nothing was made");
}

#[test]
fn colour_is_asked_for_or_absent() {
    let home = Home::new();
    assert!(!home.run("explain 7").ok().contains('\u{1b}'), "a pipe has no colour");
    assert!(home.run("explain 7 --color always").ok().contains('\u{1b}'));
    let silenced = done(home.command("explain 7").env("REPORTCTL_COLOR", "always").env("NO_COLOR", "1")).ok();
    assert!(silenced.contains('\u{1b}'), "our own variable says more than NO_COLOR");
}

#[test]
fn a_reader_that_goes_away_is_no_error_and_a_full_disk_is_one() {
    let home = Home::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let gone = done(home.command("completion bash").stdout(writer));
    // `output` would make pipes of its own, were they not set.
    assert_eq!((gone.code, gone.err.as_str()), (Some(0), ""));
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let full = done(home.command("completion bash").stdout(Stdio::from(full)));
    assert_eq!(full.code, Some(1));
    assert!(full.err.contains("cannot write the result: No space left on device"), "{}", full.err);
}

#[test]
fn every_exit_code_is_explained_by_number_and_by_name() {
    let home = Home::new();
    let list: serde_json::Value = serde_json::from_str(&home.run("explain -o json").ok()).unwrap();
    let codes = list["exit_codes"].as_array().unwrap();
    assert_eq!(codes.len(), 20);
    for code in codes {
        let by_number = home.run(&format!("explain {}", code["number"])).ok();
        let by_name = home.run(&format!("explain {}", code["name"].as_str().unwrap())).ok();
        assert_eq!(by_number, by_name);
        assert!(by_name.replace('\n', " ").contains(code["advice"].as_str().unwrap()), "{by_name}");
    }
    for step in list["steps"].as_array().unwrap() {
        let id = step["id"].as_str().unwrap();
        assert!(home.run(&format!("explain {id}")).ok().contains("When it fails:"), "{id}");
    }
    assert!(home.run("explain redis/start").ok().starts_with("step redis/start\n"));
    insta::assert_snapshot!(home.run("explain").ok());
}

#[test]
fn completions_are_made_for_each_shell() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.run(&format!("completion {shell}")).ok();
        assert!(script.contains("reportctl") && script.contains("explain"), "{shell}");
    }
    let checked = std::process::Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn();
    if let Ok(mut bash) = checked {
        use std::io::Write as _;
        bash.stdin.take().unwrap().write_all(home.run("completion bash").ok().as_bytes()).unwrap();
        assert!(bash.wait().unwrap().success(), "bash does not understand its completions");
    }
}

#[test]
fn a_manual_page_is_there_for_every_verb() {
    let home = Home::new();
    let written = home.run("man --output-dir pages").ok();
    let help = home.run("help").ok();
    let verbs: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.len() >= 4, "{verbs:?}");
    for verb in verbs {
        let path = home.work().join(format!("pages/reportctl-{verb}.1"));
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(page.contains(".SH \"EXIT STATUS\"") && page.contains("locked"), "{verb}");
        assert!(written.contains(&format!("pages/reportctl-{verb}.1\n")), "{written}");
        assert_eq!(home.run(&format!("man {verb}")).ok(), page);
    }
}
