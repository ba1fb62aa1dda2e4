//! Every kind of error that the command line can come to, as it is shown.

use crate::command::{Home, done};

/// Runs a line that must fail, and shows it in both forms.
#[track_caller]
fn shown(home: &Home, line: &str, code: i32) -> String {
    let human = home.run(line);
    assert_eq!(human.code, Some(code), "{}", human.shown());
    assert_eq!(human.out, "", "an error is no result");
    let json = home.run(&format!("{line} -o json"));
    assert_eq!(json.code, Some(code), "{}", json.shown());
    assert_eq!(json.err, human.err, "people read the same in both forms");
    let document: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["error"]["exit_code"], code);
    home.steady(&format!("$ reportctl {line}\n{}\n{}", human.err, json.out))
}

#[test]
fn wrong_command_lines() {
    let home = Home::new();
    let lines =
        ["upp", "version --yes", "--yes version", "explain a b", "explain lockd", "explain 300", "version --color=red"];
    let all: Vec<String> = lines.iter().map(|line| shown(&home, line, 2)).collect();
    insta::assert_snapshot!(all.join("\n"));
    let bare = home.run("");
    assert_eq!(bare.code, Some(2));
    assert!(bare.err.contains("Usage: reportctl") && bare.err.contains("error: no verb was given"), "{}", bare.err);
    insta::assert_snapshot!("a_verb_that_prints_text", home.run("completion basj").shown());
}

#[test]
fn wrong_variables() {
    let home = Home::new();
    let mut command = home.command("version");
    insta::assert_snapshot!(done(command.env("REPORTCTL_OUTPUT", "xml")).shown());
}
