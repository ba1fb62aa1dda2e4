//! `validate` fills in the template of each environment's machine and judges what it comes to.

use crate::cloud_init_support::STACK;
use crate::command::{Done, Home};
use serde_json::Value;

/// What `validate` says of a project that has a template of its own for the machines of the embedded environments.
fn validate(template: &str, options: &str) -> Done {
    let home = Home::new();
    for folder in ["environments", "cloud-init"] {
        std::fs::create_dir(home.work().join(folder)).unwrap();
    }
    std::fs::write(home.work().join("cloud-init/report-stack.yaml.tera"), template).unwrap();
    home.run(&format!("validate {options}"))
}

/// The project's template with one line changed, and the number of that line.
fn changed(from: &str, to: &str) -> (String, usize) {
    assert_eq!(STACK.matches(from).count(), 1, "{from}");
    let text = STACK.replace(from, to);
    let line = text[..text.find(to).unwrap()].matches('\n').count() + 1;
    (text, line)
}

/// What a program is told, and the exit code.
fn told(template: &str, options: &str) -> (Option<i32>, Value) {
    let done = validate(template, &format!("{options} -o json"));
    (done.code, serde_json::from_str(&done.out).unwrap())
}

fn of_code<'a>(document: &'a Value, code: &str) -> Vec<&'a Value> {
    document["diagnostics"].as_array().unwrap().iter().filter(|told| told["code"] == code).collect()
}

#[test]
fn a_variable_that_nobody_gives_is_told_with_its_line_and_column() {
    let (template, line) = changed("for key in keys", "for key in kees");
    let done = validate(&template, "");
    assert_eq!(done.code, Some(3), "{}", done.shown());
    let place = format!("cloud-init/report-stack.yaml.tera:{line}:");
    for words in ["error[template]: nobody gives `kees`: did you mean `keys`?", &place, "^^^^"] {
        assert!(done.out.contains(words), "{words}: {}", done.shown());
    }
    let (code, document) = told(&template, "");
    assert_eq!((code, &document["exit_code"]), (Some(3), &3.into()));
    let [found] = of_code(&document, "template")[..] else { panic!("{document:#}") };
    let (place, column) = (&found["place"], template.lines().nth(line - 1).unwrap().find("kees").unwrap() + 1);
    assert_eq!(place["file"], "cloud-init/report-stack.yaml.tera");
    assert_eq!((&place["line"], &place["column"]), (&line.into(), &column.into()));
    assert_eq!(place["end_column"], column + "kees".len());
    let kind = |name: &str| {
        let files = document["files"].as_array().unwrap();
        files.iter().find(|file| file["name"] == name).unwrap()["kind"].clone()
    };
    assert_eq!([kind("local"), kind("lxd"), kind("multipass")], ["valid", "invalid", "invalid"]);
}

#[test]
fn a_template_that_is_none_is_told_with_its_place() {
    let (template, line) = changed("{%- for key in keys %}", "{%- for key on keys %}");
    let (code, document) = told(&template, "-e lxd");
    assert_eq!(code, Some(3));
    let [found] = of_code(&document, "template")[..] else { panic!("{document:#}") };
    assert_eq!(found["place"]["line"], line);
}

#[test]
fn an_ambiguous_scalar_is_an_error_where_quotes_are_dropped_and_a_warning_elsewhere() {
    let (template, line) = changed("permissions: !!str \"0755\"", "permissions: \"0755\"");
    for (env, severity, kind, code) in
        [("multipass", "error", "user-data", 3), ("lxd", "warning", "doubtful-user-data", 0)]
    {
        let (ended, document) = told(&template, &format!("-e {env}"));
        assert_eq!(ended, Some(code), "{document:#}");
        let all = of_code(&document, kind);
        let found: Vec<&&Value> = all.iter().filter(|told| told["place"]["line"] == line).collect();
        let [found] = found[..] else { panic!("{env}: {document:#}") };
        assert_eq!((&found["severity"], &found["place"]["column"]), (&severity.into(), &16.into()));
        assert_eq!(found["place"]["file"], "cloud-init/report-stack.yaml.tera");
        assert!(found["message"].as_str().unwrap().contains("write `!!str \"0755\"`"), "{found:#}");
    }
    let human = validate(&template, "-e lxd");
    assert_eq!(human.code, Some(0), "{}", human.shown());
    assert!(human.out.contains("warning[doubtful-user-data]"), "warnings are shown: {}", human.shown());
}

#[test]
fn what_the_template_does_not_hold_word_for_word_is_shown_as_it_comes_out() {
    let (template, _) = changed("- {{ package | yaml }}", "- [{{ package | yaml }}, 1, 2, 3]");
    let (code, document) = told(&template, "-e multipass");
    assert_eq!(code, Some(3));
    let found = of_code(&document, "user-data");
    assert!(found.iter().all(|told| told["place"]["file"] == "<user-data of multipass>"), "{document:#}");
    assert!(!found.is_empty(), "{document:#}");
}

#[test]
fn a_password_in_a_template_is_told_and_never_shown() {
    let template = format!("{STACK}\npassword: \"0123456\"\nchpasswd: {{expire: false, list: \"007007\"}}\n");
    for options in ["", "-e lxd", "-o json", "-e lxd -o json"] {
        let done = validate(&template, options);
        assert_eq!(done.code, Some(3), "{}", done.shown());
        assert!(done.out.contains("`password` is a secret"), "{}", done.shown());
        for secret in ["0123456", "007007"] {
            assert!(!done.shown().contains(secret), "{options}: {}", done.shown());
        }
    }
}
