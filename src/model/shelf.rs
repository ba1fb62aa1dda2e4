//! Blueprints and templates that were read, beside the environments that name them.

use super::blueprint::Blueprint;
use super::blueprint::valid;
use super::blueprint::written::BlueprintFile;
use super::diagnostic::{Diagnostic, Kind};
use super::ids::{BlueprintName, TemplateName};
use super::node;
use super::reader::{At, Reader};
use super::source::{Place, Source, Sources};
use std::collections::BTreeMap;

/// The files of `blueprints/` and `cloud-init/` that were read so far.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    /// None where there is no such file.
    blueprints: BTreeMap<BlueprintName, Option<Written>>,
    /// None where there is no such file.
    templates: BTreeMap<TemplateName, Option<Template>>,
    /// The blueprints to choose from.
    pub known_blueprints: Vec<BlueprintName>,
    /// The templates to choose from.
    pub known_templates: Vec<TemplateName>,
}

/// A blueprint as it was written.
#[derive(Debug, Clone)]
struct Written {
    /// None where the file is no keys and values.
    file: Option<BlueprintFile>,
    /// Its first line with a key.
    top: Place,
    /// Whether it was read without a mistake.
    good: bool,
}

/// The text of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// It is a text.
    Text(String),
    /// It is none, which was told.
    Bad,
}

/// What the file of a blueprint means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A valid blueprint, and where it says how much memory the machine gets.
    Valid(Box<Blueprint>, At),
    /// Nothing: there are errors.
    Invalid,
    /// There is no such file.
    Absent,
}

impl Shelf {
    /// Reads a blueprint.
    pub fn add_blueprint(
        &mut self,
        name: BlueprintName,
        source: Source,
        sources: &mut Sources,
        out: &mut Vec<Diagnostic>,
    ) {
        let id = sources.add(source);
        let Some(source) = sources.get_mut(id) else { return };
        let mut told = Vec::new();
        let root = node::parse(id, source, &mut told);
        super::hide::secrets(source, root.as_ref(), told.is_empty());
        for empty in told.iter_mut().filter(|diagnostic| diagnostic.kind == Kind::EmptyFile) {
            empty.help = Some("copy another blueprint, or remove the file".to_owned());
        }
        let top = root.as_ref().map_or(Place { file: id, start: 0, end: 0 }, |root| root.place);
        let file = root.and_then(|root| BlueprintFile::read(&mut Reader::new(&mut told), &root));
        let good = told.is_empty();
        out.append(&mut told);
        self.blueprints.insert(name, Some(Written { file, top, good }));
    }

    /// Notes that there is no such blueprint.
    pub fn add_absent_blueprint(&mut self, name: BlueprintName) {
        self.blueprints.insert(name, None);
    }

    /// Takes the text of a template. What it says is for whoever fills it.
    pub fn add_template(
        &mut self,
        name: TemplateName,
        source: Source,
        sources: &mut Sources,
        out: &mut Vec<Diagnostic>,
    ) {
        let text = source.text().to_owned();
        let id = sources.add(source);
        let trouble = sources.get(id).and_then(|source| Some(node::describe(id, source, source.trouble()?)));
        let template = if trouble.is_some() { Template::Bad } else { Template::Text(text) };
        out.extend(trouble);
        self.templates.insert(name, Some(template));
    }

    /// Notes that there is no such template.
    pub fn add_absent_template(&mut self, name: TemplateName) {
        self.templates.insert(name, None);
    }

    /// Whether a blueprint was added, or that it is not there.
    pub fn has(&self, name: &BlueprintName) -> bool {
        self.blueprints.contains_key(name)
    }

    /// The blueprints that are there, sorted.
    pub fn names(&self) -> Vec<BlueprintName> {
        self.blueprints.iter().filter(|(_, written)| written.is_some()).map(|(name, _)| name.clone()).collect()
    }

    /// A template that a blueprint names and that was not added yet, nor that it is not there.
    pub fn wanted_template(&self) -> Option<TemplateName> {
        let files = self.blueprints.values().flatten().filter_map(|written| written.file.as_ref());
        let mut names = files.filter_map(|file| file.cloud_init.value()?.template.value());
        names.find(|name| !self.templates.contains_key(*name)).cloned()
    }

    /// What a blueprint means; what is wrong with it is told to `out`, each time that it is asked.
    pub fn meaning(&self, name: &BlueprintName, out: &mut Vec<Diagnostic>) -> Shape {
        let Some(Some(written)) = self.blueprints.get(name) else { return Shape::Absent };
        let Some(file) = &written.file else { return Shape::Invalid };
        match valid::blueprint(name, file.clone(), written.top, self, out) {
            Some((blueprint, memory)) if written.good => Shape::Valid(Box::new(blueprint), memory),
            Some(_) | None => Shape::Invalid,
        }
    }

    /// The template of that name; none where there is none.
    pub fn template(&self, name: &TemplateName) -> Option<&Template> {
        self.templates.get(name)?.as_ref()
    }
}
