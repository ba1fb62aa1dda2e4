//! The third stage: what the merged files mean, checked part by part. What concerns several parts is in `cross`.

mod machine;

use super::blueprint::written::{BlueprintFile, CloudInitFile, ImageFile, MountFile};
use super::component::ComponentName;
use super::cross;
use super::diagnostic::{Diagnostic, Kind};
use super::environment::{Component, Environment, Options, Stack};
use super::ids::EnvName;
use super::reader::{At, Field};
use super::schema::{Form, Key};
use super::shelf::Shelf;
use super::source::{FileId, Place};
use super::suggest;
use super::written::{ComponentFile, EnvironmentFile, MachineFile, PortsFile, SecretsFile};
use std::collections::BTreeMap;

/// Checks one file's meaning and tells what is wrong with it.
pub struct Checker<'a> {
    out: &'a mut Vec<Diagnostic>,
    /// The files that were merged, the nearest first.
    order: Vec<FileId>,
    errors: usize,
}

/// The environment `name` that the merged files mean; none when there is any error in them.
///
/// `order` has a place of each merged file, the nearest first; `top` is where the nearest file begins.
pub fn environment(
    name: &EnvName,
    merged: EnvironmentFile,
    order: &[Place],
    top: Place,
    shelf: &Shelf,
    out: &mut Vec<Diagnostic>,
) -> Option<Environment> {
    let at = At { key: top, value: top };
    let written = merged.machine.value().map(MachineFile::written).unwrap_or_default();
    let file = merged.filled(at);
    let mut checker = Checker::new(out, order);
    let description = checker.need(&file.description, "this environment", at, "description");
    let deployer = checker.need(&file.deployer, "this environment", at, "deployer");
    let (machine, limit) = match checker.need(&file.machine, "this environment", at, "machine") {
        Some(machine) => checker.machine(&machine, &written, file.machine.at().unwrap_or(at), shelf),
        None => (None, None),
    };
    let stack = checker.need(&file.stack, "this environment", at, "stack").map(|stack| {
        let files = checker.enabled(&stack.0, file.stack.at().unwrap_or(at));
        let components = files.iter().map(|(name, (at, file))| (*name, checker.component(*name, *at, file)));
        let components: Vec<_> = components.collect();
        cross::check(&mut checker, &files, &stack.0, limit);
        Stack { components: components.into_iter().filter_map(|(name, component)| Some((name, component?))).collect() }
    });
    if checker.has_errors() {
        return None;
    }
    Some(Environment {
        name: name.clone(),
        description: description?.0,
        machine: machine?,
        deployer: deployer?,
        stack: stack?,
    })
}

/// The enabled components of the merged files: where each is written and what it says.
pub type Enabled = BTreeMap<ComponentName, (At, ComponentFile)>;

impl<'a> Checker<'a> {
    /// One that tells `out`. `order` has a place of each file that was merged, the nearest first.
    pub fn new(out: &'a mut Vec<Diagnostic>, order: &[Place]) -> Self {
        Self { out, order: order.iter().map(|place| place.file).collect(), errors: 0 }
    }
}

impl Checker<'_> {
    /// Whether there is any mistake so far.
    pub const fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Counts a mistake that was told already.
    pub const fn count(&mut self) {
        self.errors += 1;
    }

    /// Notes a mistake.
    pub fn tell(&mut self, diagnostic: Diagnostic) {
        self.errors += 1;
        self.out.push(diagnostic);
    }

    /// Notes a mistake that several places have a part in. The one in the file that is nearest to the environment is
    /// the one to mend; among equals it is the first.
    pub fn tell_of(&mut self, kind: Kind, message: String, mut places: Vec<(Place, String)>, help: String) {
        let distance = |place: Place| self.order.iter().position(|file| *file == place.file).unwrap_or(usize::MAX);
        places.sort_by_key(|(place, _)| distance(*place));
        let mut places = places.into_iter();
        let Some((place, label)) = places.next() else { return };
        let diagnostic = Diagnostic::new(kind, place, message).label(label).help(help);
        self.tell(places.fold(diagnostic, |diagnostic, (place, label)| diagnostic.related(place, label)));
    }

    /// The value of a key that must be given. A bad one was told of already and only counts.
    pub fn need<T: Clone>(&mut self, field: &Field<T>, whose: &str, at: At, key: &str) -> Option<T> {
        match field {
            Field::Given(_, value) => return Some(value.clone()),
            Field::Bad(_) => self.errors += 1,
            Field::Absent => {
                let message = format!("{whose} has no `{key}`");
                self.tell(Diagnostic::new(Kind::MissingKey, at.key, message).help(missing_help(whose, key)));
            }
        }
        None
    }

    fn enabled(&mut self, stack: &BTreeMap<ComponentName, Field<ComponentFile>>, at: At) -> Enabled {
        let mut enabled = Enabled::new();
        let mut bad = false;
        for (name, field) in stack {
            match field {
                Field::Given(at, file) if file.enabled.value() != Some(&false) => {
                    enabled.insert(*name, (*at, file.clone()));
                }
                Field::Bad(_) => {
                    self.errors += 1;
                    bad = true;
                }
                Field::Given(..) | Field::Absent => {}
            }
        }
        if enabled.is_empty() && !bad {
            let help = "write at least one component under it, or extend `base`";
            self.tell(Diagnostic::new(Kind::EmptyStack, at.key, "the stack has no component that runs").help(help));
        }
        enabled
    }

    fn component(&mut self, name: ComponentName, at: At, file: &ComponentFile) -> Option<Component> {
        let whose = format!("{name}");
        let version = self.need(&file.version, &whose, at, "version");
        let required = self.need(&file.required, &whose, at, "required");
        let enabled = self.need(&file.enabled, &whose, at, "enabled");
        let needs = self.need(&file.needs, &whose, at, "needs");
        let memory = self.need(&file.memory, &whose, at, "memory");
        let ports = self.ports(name, at, &file.ports);
        let secrets = self.secrets(name, at, &file.secrets);
        let options = self.options(name, at, file);
        enabled.filter(|enabled| *enabled)?;
        Some(Component {
            name,
            version: version?,
            required: required?,
            needs: needs?.0.into_iter().map(|(name, _)| name).collect(),
            ports: ports?,
            memory: memory?,
            secrets: secrets?,
            options: options?,
        })
    }

    fn ports(&mut self, name: ComponentName, at: At, field: &Field<PortsFile>) -> Option<BTreeMap<String, u16>> {
        let given = match field {
            Field::Bad(_) => {
                self.errors += 1;
                return None;
            }
            field => field.value(),
        };
        let at = field.at().unwrap_or(at);
        let mut ports = BTreeMap::new();
        for (port, usual) in name.ports() {
            match given.and_then(|given| given.0.get(port)).unwrap_or(&Field::Absent) {
                Field::Given(_, number) => {
                    ports.insert((*port).to_owned(), *number);
                }
                Field::Bad(_) => self.errors += 1,
                Field::Absent => {
                    let message = format!("{name} has no number for its port `{port}`");
                    let help = format!("write `{port}: {usual}` under its `ports`");
                    self.tell(Diagnostic::new(Kind::MissingPort, at.key, message).help(help));
                }
            }
        }
        Some(ports)
    }

    fn secrets(
        &mut self,
        name: ComponentName,
        at: At,
        field: &Field<SecretsFile>,
    ) -> Option<BTreeMap<String, super::secret::SecretSource>> {
        let given = match field {
            Field::Bad(_) => {
                self.errors += 1;
                return None;
            }
            field => field.value(),
        };
        let at = field.at().unwrap_or(at);
        let mut secrets = BTreeMap::new();
        let mut missing = Vec::new();
        for secret in name.secrets() {
            match given.and_then(|given| given.0.get(secret)).unwrap_or(&Field::Absent) {
                Field::Given(_, source) => {
                    secrets.insert((*secret).to_owned(), source.clone());
                }
                Field::Bad(_) => self.errors += 1,
                Field::Absent => missing.push(*secret),
            }
        }
        if !missing.is_empty() {
            let message = format!("{name} lacks {} among its secrets", suggest::list(missing.iter().copied()));
            let lines: Vec<String> = missing.iter().map(|secret| format!("{secret}: {{generate: 24}}")).collect();
            let help = format!("write `{}` under its `secrets`", lines.join(", "));
            self.tell(Diagnostic::new(Kind::MissingSecret, at.key, message).help(help));
        }
        Some(secrets)
    }

    fn options(&mut self, name: ComponentName, at: At, file: &ComponentFile) -> Option<Options> {
        let whose = format!("{name}");
        Some(match name {
            ComponentName::Redis => Options::Redis { fsync: self.need(&file.fsync, &whose, at, "fsync")? },
            ComponentName::Prometheus => {
                let scrape_interval = self.need(&file.scrape_interval, &whose, at, "scrape-interval");
                let evaluation_interval = self.need(&file.evaluation_interval, &whose, at, "evaluation-interval");
                let retention = self.need(&file.retention, &whose, at, "retention");
                Options::Prometheus {
                    scrape_interval: scrape_interval?,
                    evaluation_interval: evaluation_interval?,
                    retention: retention?,
                }
            }
            ComponentName::Alertmanager => {
                Options::Alertmanager { retention: self.need(&file.retention, &whose, at, "retention")? }
            }
            ComponentName::RedisExporter
            | ComponentName::NodeExporter
            | ComponentName::Grafana
            | ComponentName::Postgresql
            | ComponentName::Clickhouse
            | ComponentName::Uptrace
            | ComponentName::Requestor
            | ComponentName::Runner => Options::None,
        })
    }
}

/// What to write for a key that is not there.
fn missing_help(whose: &str, key: &str) -> String {
    if let Some(known) = blueprint_key(whose, key) {
        return match (known.form, known.within) {
            (Form::Size, Some((least, _))) => format!("write `{key}:` and a size of at least {least}"),
            (form, _) => format!("write `{key}:` and {}", form.expected()),
        };
    }
    let in_base = [EnvironmentFile::KEYS, ComponentFile::KEYS].into_iter().flatten().find(|known| known.name == key);
    let in_machine = MachineFile::KEYS.iter().find(|known| known.name == key);
    match (in_base, in_machine) {
        (Some(known), _) => {
            format!("write `{key}:` and {}; `extends: base` brings what most need", known.form.expected())
        }
        (None, Some(known)) => format!("write `{key}:` and {}", known.form.expected()),
        (None, None) => format!("write `{key}:` and its value"),
    }
}

/// The key of a blueprint's file by that name, when it is one of those that lacks it.
fn blueprint_key(whose: &str, key: &str) -> Option<&'static Key> {
    let table = match whose {
        "this blueprint" => BlueprintFile::KEYS,
        "`image`" => ImageFile::KEYS,
        "this mount" => MountFile::KEYS,
        "`cloud-init`" => CloudInitFile::KEYS,
        _ => return None,
    };
    table.iter().find(|known| known.name == key)
}
