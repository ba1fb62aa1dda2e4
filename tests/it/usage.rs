//! Every usage text. They change only on purpose.

use crate::command::Home;

/// The verbs that `help` lists below a command, by the words that lead there.
fn verbs(home: &Home, path: &str) -> Vec<String> {
    let help = home.run(&format!("help {path}")).ok();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(|name| format!("{path} {name}").trim().to_owned()).collect()
}

#[test]
fn every_usage_text_is_known() {
    let home = Home::new();
    let mut all = String::new();
    let mut next = vec![String::new()];
    while let Some(path) = next.pop() {
        let help = home.run(&format!("{path} --help")).ok();
        assert_eq!(help, home.run(&format!("help {path}")).ok(), "{path}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{path}: a line is too long");
        all.push_str(&format!("==== reportctl {path}\n{help}\n"));
        let mut below = verbs(&home, &path);
        below.reverse();
        next.extend(below);
    }
    insta::assert_snapshot!(all);
}
