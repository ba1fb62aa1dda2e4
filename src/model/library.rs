//! The second stage: files that extend each other, merged; and the way through all three stages.

use super::blueprint::Blueprint;
use super::diagnostic::{Diagnostic, Kind, Report};
use super::environment::Environment;
use super::ids::{BlueprintName, EnvName, TemplateName};
use super::reader::{Field, Reader, Repeat};
use super::shelf::{Shape, Shelf};
use super::source::{Place, Source, Sources};
use super::written::EnvironmentFile;
use super::{hide, node, suggest, valid};
use std::collections::{BTreeMap, BTreeSet};

/// The files of `environments/` that were read so far, and what is wrong with them.
#[derive(Debug, Clone, Default)]
pub struct Library {
    sources: Sources,
    /// None for a file that could not be read at all, or that is not there.
    files: BTreeMap<EnvName, Option<Written>>,
    /// The names that are not there.
    absent: BTreeSet<EnvName>,
    shelf: Shelf,
    diagnostics: Vec<Diagnostic>,
}

/// A file as it was written.
#[derive(Debug, Clone)]
struct Written {
    file: EnvironmentFile,
    /// Its first line with a key.
    top: Place,
    /// Whether it was read without a mistake.
    good: bool,
}

/// What the files of one name mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A valid environment.
    Environment(Box<Environment>),
    /// A base for other files: it has no machine.
    Base,
    /// Nothing: there are errors.
    Nothing,
}

impl Library {
    /// Reads a file.
    pub fn add(&mut self, name: EnvName, source: Source) {
        let file = self.sources.add(source);
        let Some(source) = self.sources.get_mut(file) else { return };
        let mut told = Vec::new();
        let root = node::parse(file, source, &mut told);
        hide::secrets(source, root.as_ref(), told.is_empty());
        let written = root.and_then(|root| {
            let file = EnvironmentFile::read(&mut Reader::new(&mut told), &root)?;
            Some(Written { file, top: root.place, good: told.is_empty() })
        });
        self.diagnostics.append(&mut told);
        self.files.insert(name, written);
    }

    /// Notes that there is no file of that name.
    pub fn add_absent(&mut self, name: EnvName) {
        self.absent.insert(name.clone());
        self.files.insert(name, None);
    }

    /// Notes a mistake about a file as such, at its beginning.
    pub fn add_misnamed(&mut self, source: Source, kind: Kind, message: &str, help: &str) {
        let file = self.sources.add(source);
        self.diagnostics.push(Diagnostic::new(kind, Place { file, start: 0, end: 0 }, message).help(help));
    }

    /// A file that is extended and was not added yet. The caller adds it, or that it is absent, and asks again.
    pub fn wanted(&self) -> Option<EnvName> {
        self.files.values().flatten().find_map(|written| {
            let base = written.file.extends.value()?;
            (!self.files.contains_key(base)).then(|| base.clone())
        })
    }

    /// The blueprints and templates to choose from.
    pub fn offer(&mut self, blueprints: Vec<BlueprintName>, templates: Vec<TemplateName>) {
        self.shelf.known_blueprints = blueprints;
        self.shelf.known_templates = templates;
    }

    /// Reads a blueprint.
    pub fn add_blueprint(&mut self, name: BlueprintName, source: Source) {
        self.shelf.add_blueprint(name, source, &mut self.sources, &mut self.diagnostics);
    }

    /// Notes that there is no such blueprint.
    pub fn add_absent_blueprint(&mut self, name: BlueprintName) {
        self.shelf.add_absent_blueprint(name);
    }

    /// A blueprint that a machine names and that was not added yet. The caller adds it, or that it is absent, and asks
    /// again.
    pub fn wanted_blueprint(&self) -> Option<BlueprintName> {
        let machines = self.files.values().flatten().filter_map(|written| written.file.machine.value());
        machines.filter_map(|machine| machine.blueprint.value()).find(|name| !self.shelf.has(name)).cloned()
    }

    /// The blueprints that were added, sorted.
    pub fn named_blueprints(&self) -> Vec<BlueprintName> {
        self.shelf.names()
    }

    /// Takes the text of a template.
    pub fn add_template(&mut self, name: TemplateName, source: Source) {
        self.shelf.add_template(name, source, &mut self.sources, &mut self.diagnostics);
    }

    /// Notes that there is no such template.
    pub fn add_absent_template(&mut self, name: TemplateName) {
        self.shelf.add_absent_template(name);
    }

    /// A template that a blueprint names and that was not added yet. The caller adds it, or that it is absent, and asks
    /// again.
    pub fn wanted_template(&self) -> Option<TemplateName> {
        self.shelf.wanted_template()
    }

    /// What the blueprint `name` means, which must have been added with the template that it names.
    pub fn blueprint(&mut self, name: &BlueprintName) -> Option<Blueprint> {
        match self.shelf.meaning(name, &mut self.diagnostics) {
            Shape::Valid(blueprint, _) => Some(*blueprint),
            Shape::Invalid | Shape::Absent => None,
        }
    }

    /// The names that are extended by a file.
    pub fn extended(&self) -> BTreeSet<EnvName> {
        self.files.values().flatten().filter_map(|written| written.file.extends.value().cloned()).collect()
    }

    /// What the file `name` means, together with those that it extends. `known` are the names to choose from.
    pub fn meaning(&mut self, name: &EnvName, known: &[EnvName]) -> Meaning {
        let Some(chain) = self.chain(name, known) else { return Meaning::Nothing };
        let good = chain.iter().all(|written| written.good);
        let Some((merged, order, top)) = self.merge(chain) else { return Meaning::Nothing };
        if merged.machine.is_absent() {
            return if good { Meaning::Base } else { Meaning::Nothing };
        }
        // What can be checked is checked even where something else is wrong.
        match valid::environment(name, merged, &order, top, &self.shelf, &mut self.diagnostics) {
            Some(environment) if good => Meaning::Environment(Box::new(environment)),
            Some(_) | None => Meaning::Nothing,
        }
    }

    /// Notes that the base `name` was taken for an environment.
    pub fn tell_no_machine(&mut self, name: &EnvName) {
        self.tell_base(name, |top| {
            Diagnostic::new(
                Kind::MissingKey,
                top,
                format!("`{name}` has no `machine`, so there is nowhere to bring it up"),
            )
            .help("write `machine: {kind: host}`, or choose an environment that extends this file")
        });
    }

    /// Notes that the base `name` is of no use.
    pub fn tell_unused(&mut self, name: &EnvName) {
        self.tell_base(name, |top| {
            Diagnostic::new(Kind::UnusedBase, top, format!("`{name}` has no `machine`, and no file extends it"))
                .help("write `machine: {kind: host}` to make it an environment")
        });
    }

    fn tell_base(&mut self, name: &EnvName, tell: impl FnOnce(Place) -> Diagnostic) {
        if let Some(Some(written)) = self.files.get(name) {
            self.diagnostics.push(tell(written.top));
        }
    }

    /// Everything that was found.
    pub fn report(self) -> Report {
        Report::new(self.sources, self.diagnostics)
    }

    /// The nearest file with all the others under it, a place of each from the nearest on, and the nearest's top.
    fn merge(&mut self, chain: Vec<Written>) -> Option<(EnvironmentFile, Vec<Place>, Place)> {
        let top = chain.first()?.top;
        let order = chain.iter().map(|written| written.top).collect();
        let mut repeats: Vec<Repeat> = Vec::new();
        let mut upwards = chain.into_iter().rev();
        let mut merged = upwards.next()?.file;
        for written in upwards {
            merged = written.file.over(&EnvironmentFile { extends: Field::Absent, ..merged }, &mut repeats);
        }
        for (again, first) in repeats {
            let message = "this says what the base says already";
            let diagnostic = Diagnostic::new(Kind::Redundant, again.value, message);
            self.diagnostics
                .push(diagnostic.related(first.value, "here").help("remove it: a file says only what differs"));
        }
        Some((merged, order, top))
    }

    /// The file and those that it extends, the nearest first. None when one of them is no use, which was or is told.
    fn chain(&mut self, name: &EnvName, known: &[EnvName]) -> Option<Vec<Written>> {
        let mut names = vec![name.clone()];
        let mut chain = Vec::new();
        loop {
            let last = names.last()?;
            let written = self.files.get(last)?.clone()?;
            let next = match &written.file.extends {
                Field::Absent => None,
                Field::Bad(_) => return None,
                Field::Given(at, base) => Some((at.value, base.clone())),
            };
            chain.push(written);
            let Some((place, base)) = next else { return Some(chain) };
            if self.absent.contains(&base) {
                let help = suggest::help(base.as_str(), known.iter().map(EnvName::as_str));
                let message = format!("there is no file `{base}` to extend");
                self.diagnostics.push(Diagnostic::new(Kind::UnknownBase, place, message).help(help));
                return None;
            }
            if let Some(start) = names.iter().position(|name| *name == base) {
                self.tell_cycle(&names[start..]);
                return None;
            }
            names.push(base);
        }
    }

    /// Tells of files that extend each other, always from the first of them by name, so that it is told once.
    fn tell_cycle(&mut self, names: &[EnvName]) {
        let first = names.iter().enumerate().min_by_key(|(_, name)| *name).map_or(0, |(at, _)| at);
        let names: Vec<&EnvName> = names.iter().cycle().skip(first).take(names.len()).collect();
        let mut places = names.iter().filter_map(|name| {
            let written = self.files.get(*name)?.as_ref()?;
            Some((*name, written.file.extends.at()?.value))
        });
        let Some((start, place)) = places.next() else { return };
        let path: Vec<String> = names.iter().chain([&start]).map(|name| format!("`{name}`")).collect();
        let message = match names.len() {
            1 => format!("`{start}` extends itself"),
            _ => format!("files extend each other in a circle: {}", path.join(" → ")),
        };
        let diagnostic = Diagnostic::new(Kind::ExtendsCycle, place, message).help("take `extends` out of one of them");
        let diagnostic = places
            .fold(diagnostic, |diagnostic, (name, place)| diagnostic.related(place, format!("`{name}` goes on here")));
        self.diagnostics.push(diagnostic);
    }
}
