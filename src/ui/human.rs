//! Results for people.

use super::style::Paint;
use super::wrap::{columns, wrap};
use reportctl::model::inventory::Inventory;
use reportctl::plan::diff;
use reportctl::plan::step::{Goal, Plan};

/// The widest that the first column of a list becomes.
const MOST_HEAD: usize = 28;

/// A plan: what changes about each thing, or with `steps` each step and why; what will not run; where things will be
/// found; what stays.
pub fn plan(plan: &Plan, inventory: &Inventory, steps: bool, paint: Paint, width: usize) -> String {
    let mut text = plan_line(plan, inventory, paint) + "\n";
    if steps {
        let rows = plan.steps.iter().map(|step| (step.id.to_string(), step.because.clone()));
        text.push_str(&section("", rows.collect(), Paint::cyan, paint, width));
    } else {
        let changes = diff::changes(plan, inventory);
        let rows = changes.into_iter().map(|change| (change.subject, change.what.join(", ")));
        text.push_str(&section("", rows.collect(), Paint::cyan, paint, width));
    }
    let skipped = plan.skipped.iter().map(|(name, why)| (name.to_string(), why.clone()));
    text.push_str(&section("skipped", skipped.collect(), Paint::yellow, paint, width));
    if plan.goal == Goal::Up && !plan.is_empty() {
        let ports = plan.ports.iter().map(|(key, port)| (key.to_string(), port.to_string()));
        text.push_str(&section("ports on 127.0.0.1", ports.collect(), Paint::dim, paint, width));
    }
    if !plan.left.is_empty() {
        text.push_str(&left(&plan.left, width));
    }
    text
}

/// A plan in one line.
pub fn plan_line(plan: &Plan, inventory: &Inventory, paint: Paint) -> String {
    let title = match (plan.is_empty(), plan.goal) {
        (true, Goal::Up) => "nothing to do, it is as it should be".to_owned(),
        (true, Goal::Stopped) => "nothing to do, nothing of it runs".to_owned(),
        (true, Goal::Gone) => "nothing to do, nothing of it is here".to_owned(),
        (false, _) => diff::summary(plan, inventory),
    };
    format!("{}: {title}", paint.bold(plan.env.as_str()))
}

/// What stays and why it does.
pub fn left(left: &[String], width: usize) -> String {
    let lines = left.iter().flat_map(|left| wrap(left, width.saturating_sub(2)));
    lines.fold("\nstays\n".to_owned(), |text, line| text + "  " + &line + "\n")
}

/// A list under a heading: a name and what is to be said of it. Nothing when there is nothing to say.
pub fn section(
    heading: &str,
    rows: Vec<(String, String)>,
    of_names: fn(Paint, &str) -> String,
    paint: Paint,
    width: usize,
) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = rows.iter().map(|(name, _)| columns(name)).max().unwrap_or(0).min(MOST_HEAD);
    let mut text = if heading.is_empty() { "\n".to_owned() } else { format!("\n{heading}\n") };
    for (name, rest) in rows {
        let lines = wrap(&rest, width.saturating_sub(head + 4).max(20));
        let pad = " ".repeat(head.saturating_sub(columns(&name)) + 2);
        let rest = lines.join(&format!("\n{}", " ".repeat(head + 4)));
        text.push_str(format!("  {}{pad}{rest}", of_names(paint, &name)).trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_line_up_and_break_between_words() {
        let rows = vec![("a".to_owned(), "one two three four five six".to_owned()), ("long".to_owned(), String::new())];
        let text = section("things", rows, Paint::cyan, Paint::new(false), 30);
        assert_eq!(text, "\nthings\n  a     one two three four\n        five six\n  long\n");
        assert_eq!(section("none", Vec::new(), Paint::cyan, Paint::new(false), 30), "");
    }
}
