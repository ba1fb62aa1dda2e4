//! What the machines of environments are initialised with, rendered and judged.

use reportctl::model::blueprint::Blueprint;
use reportctl::model::diagnostic::{Diagnostic, Kind, Report, Severity};
use reportctl::model::environment::{Environment, InstanceKind, Machine};
use reportctl::model::hide;
use reportctl::model::ids::{EnvName, TemplateName};
use reportctl::model::library::Meaning;
use reportctl::model::source::{FileId, Place, Source, Sources};
use reportctl::project::{Project, Validation};
use reportctl::render::RenderError;
use reportctl::render::check::{self, Finding};
use reportctl::render::cloud_init::{Base, Substrate, UserData, user_data};
use std::collections::{BTreeMap, BTreeSet};

/// The user-data of an environment's machine; none where it has no machine of its own.
///
/// Errors: as [`user_data`].
pub fn of(env: &Environment, base: Base) -> Option<Result<UserData, RenderError>> {
    let (blueprint, keys, substrate) = machine(env)?;
    Some(user_data(env, blueprint, keys, substrate, base))
}

fn machine(env: &Environment) -> Option<(&Blueprint, &[String], Substrate)> {
    match &env.machine {
        Machine::Host { .. } => None,
        Machine::Lxd(machine) => Some((&machine.blueprint, &machine.authorized_keys, Substrate::Lxd)),
        Machine::Multipass(machine) => Some((&machine.blueprint, &machine.authorized_keys, Substrate::Multipass)),
    }
}

/// Judges the user-data of every valid environment and adds to the report what is wrong with it. Returns the environments
/// whose machine it would not do for.
pub fn judge(found: &mut Validation, project: &Project) -> BTreeSet<EnvName> {
    let (sources, told) = std::mem::take(&mut found.report).into_parts();
    let mut judge = Judge { project, sources, told, templates: BTreeMap::new() };
    let mut wrong = BTreeSet::new();
    for file in &found.files {
        if let Meaning::Environment(env) = &file.meaning
            && !judge.environment(env)
        {
            wrong.insert(file.name.clone());
        }
    }
    found.report = Report::new(judge.sources, judge.told);
    wrong
}

struct Judge<'a> {
    project: &'a Project,
    sources: Sources,
    told: Vec<Diagnostic>,
    templates: BTreeMap<String, FileId>,
}

impl Judge<'_> {
    /// Whether the environment's machine, if it has one, can be initialised.
    fn environment(&mut self, env: &Environment) -> bool {
        let Some((blueprint, _, substrate)) = machine(env) else { return true };
        let bakes = matches!(&env.machine, Machine::Lxd(it) if it.bake && it.instance == InstanceKind::Container);
        let bases = [(Base::Plain, ""), (Base::Baked, ", from a baked image")];
        let mut seen = BTreeSet::new();
        let mut good = true;
        for (base, how) in bases.into_iter().take(if bakes { 2 } else { 1 }) {
            let (text, findings) = match of(env, base) {
                None => continue,
                Some(Ok(data)) => (data.text.clone(), check::user_data(&data.text, substrate)),
                Some(Err(RenderError::UserData { text, wrong, .. })) => (text, wrong),
                Some(Err(RenderError::Template { line, column, what, .. })) => {
                    good = false;
                    self.template(blueprint, (line, column), &what);
                    continue;
                }
                Some(Err(error)) => {
                    good = false;
                    self.template(blueprint, (1, 1), &error.to_string());
                    continue;
                }
            };
            good &= findings.iter().all(|finding| finding.severity == Severity::Warning);
            let shown = format!("<user-data of {}{how}>", env.name);
            // What holds for both is told once.
            let new = |it: &Finding| seen.insert((line_of(&text, it.line).to_owned(), it.what.clone()));
            self.findings(blueprint, &shown, &text, findings.into_iter().filter(new).collect());
        }
        good
    }

    /// Tells of something wrong at a place in a template.
    fn template(&mut self, blueprint: &Blueprint, at: (usize, usize), what: &str) {
        let file = self.template_file(blueprint);
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let (start, rest) = from(&blueprint.cloud_init.text, at);
        let length = rest.find(|c| !is_word(c)).filter(|length| *length > 0);
        let length = length.or_else(|| rest.chars().next().map(char::len_utf8)).unwrap_or_default();
        let place = Place { file, start, end: start + length };
        self.told.push(Diagnostic::new(Kind::Template, place, what));
    }

    /// Tells of what was found in user-data: in the template where its line stands there word for word, else in the
    /// user-data itself.
    fn findings(&mut self, blueprint: &Blueprint, shown: &str, text: &str, findings: Vec<Finding>) {
        let mut own = None;
        for Finding { line, column, severity, what } in findings {
            let kind = match severity {
                Severity::Error => Kind::UserData,
                Severity::Warning => Kind::DoubtfulUserData,
            };
            let written = only_line(&blueprint.cloud_init.text, line_of(text, line));
            let (file, (start, rest)) = match written {
                Some(line) => (self.template_file(blueprint), from(&blueprint.cloud_init.text, (line, column))),
                None => {
                    let file = *own.get_or_insert_with(|| self.add(Source::new(shown, text.as_bytes())));
                    (file, from(text, (line, column)))
                }
            };
            let place = Place { file, start, end: start + rest.trim_end().len() };
            self.told.push(Diagnostic::new(kind, place, what));
        }
    }

    /// The source of a blueprint's template, which is added once.
    fn template_file(&mut self, blueprint: &Blueprint) -> FileId {
        let name = &blueprint.cloud_init.template;
        if let Some(file) = self.templates.get(name) {
            return *file;
        }
        let source = TemplateName::parse(name).ok().and_then(|name| self.project.template(&name));
        // Where it was changed since it was read, places are those in what was read.
        let source = source.filter(|source| source.text() == blueprint.cloud_init.text).unwrap_or_else(|| {
            Source::new(&format!("cloud-init/{name}.yaml.tera"), blueprint.cloud_init.text.as_bytes())
        });
        let file = self.add(source);
        self.templates.insert(name.clone(), file);
        file
    }

    /// Adds a source, of which no secret is shown that stands there by mistake.
    fn add(&mut self, mut source: Source) -> FileId {
        hide::secrets(&mut source, None, false);
        self.sources.add(source)
    }
}

/// A line, from 1.
fn line_of(text: &str, line: usize) -> &str {
    text.lines().nth(line.saturating_sub(1)).unwrap_or_default()
}

/// The number of the one line, from 1, that a text has word for word; none where it has no such line, or several.
fn only_line(text: &str, wanted: &str) -> Option<usize> {
    let mut found = text.lines().enumerate().filter(|(_, line)| !wanted.trim().is_empty() && *line == wanted);
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Some(index + 1),
        _ => None,
    }
}

/// The byte at a line and column, both from 1, and what follows it in the line.
fn from(text: &str, (line, column): (usize, usize)) -> (usize, &str) {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let line = text[before..].lines().next().unwrap_or_default();
    let at = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    (before + at, &line[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_by_line_and_column_and_never_lie_outside() {
        let text = "a: 1\r\nß: \"x\"\n\nlast";
        assert_eq!(from(text, (2, 4)), (10, "\"x\""));
        assert_eq!(from(text, (4, 2)), (16, "ast"));
        assert_eq!(from(text, (3, 1)), (14, ""));
        assert_eq!(from(text, (9, 9)), (text.len(), ""));
        assert_eq!(from("", (1, 1)), (0, ""));
    }

    #[test]
    fn a_line_that_stands_there_twice_says_nothing_of_its_place() {
        assert_eq!(only_line("a\nb\na\n", "b"), Some(2));
        assert_eq!((only_line("a\nb\na\n", "a"), only_line("a\n\n", "")), (None, None));
    }
}
