//! What an environment's machine means.

use super::Checker;
use crate::model::blueprint::Blueprint;
use crate::model::blueprint::written::BlueprintFile;
use crate::model::cross::Limit;
use crate::model::diagnostic::{Diagnostic, Kind};
use crate::model::environment::{LxdMachine, Machine, MultipassMachine};
use crate::model::quantity::Size;
use crate::model::reader::{At, Field};
use crate::model::schema::Key;
use crate::model::shelf::{Shape, Shelf};
use crate::model::suggest;
use crate::model::written::{MachineFile, MachineKind};

impl Checker<'_> {
    /// The machine, and how much memory there is for the components. `written` are its keys that somebody wrote; `at` is
    /// where it is.
    pub(super) fn machine(
        &mut self,
        machine: &MachineFile,
        written: &[(&'static Key, At)],
        at: At,
        shelf: &Shelf,
    ) -> (Option<Machine>, Option<Limit>) {
        let kind = self.need(&machine.kind, "`machine`", at, "kind");
        let ports = self.need(&machine.ports, "`machine`", at, "ports");
        self.unless_bad(&machine.memory);
        self.unless_bad(&machine.cpus);
        self.unless_bad(&machine.disk);
        self.unless_bad(&machine.pool);
        let keys = self.need(&machine.authorized_keys, "`machine`", at, "authorized-keys");
        let authorized_keys = keys.map(|keys| keys.values().map(|key| key.line().to_owned()).collect());
        let Some(kind) = kind else { return (None, None) };
        self.foreign(kind, written);
        if kind == MachineKind::Host {
            let limit = machine.memory.at().zip(machine.memory.value()).map(|(at, size)| Limit::of_host(at, *size));
            return (ports.map(|ports| Machine::Host { ports, memory: machine.memory.value().copied() }), limit);
        }
        let Some((blueprint, limit)) = self.shape(machine, at, shelf) else { return (None, None) };
        let made = match kind {
            MachineKind::Host => None,
            MachineKind::Lxd => {
                let instance = self.need(&machine.instance, "`machine`", at, "instance");
                let bake = self.need(&machine.bake, "`machine`", at, "bake");
                let pool = machine.pool.value().map(ToString::to_string);
                match (ports, instance, bake, authorized_keys) {
                    (Some(ports), Some(instance), Some(bake), Some(authorized_keys)) => {
                        let machine = LxdMachine { ports, instance, pool, bake, authorized_keys, blueprint };
                        Some(Machine::Lxd(Box::new(machine)))
                    }
                    _ => None,
                }
            }
            MachineKind::Multipass => ports.zip(authorized_keys).map(|(ports, authorized_keys)| {
                Machine::Multipass(Box::new(MultipassMachine { ports, authorized_keys, blueprint }))
            }),
        };
        (made, Some(limit))
    }

    /// Tells of the keys that machines of this kind do not have.
    fn foreign(&mut self, kind: MachineKind, written: &[(&'static Key, At)]) {
        for (key, at) in written.iter().filter(|(key, _)| !key.is_on(kind)) {
            let owners = suggest::list(key.on.iter().map(|kind| kind.as_str()));
            let kind = kind.as_str();
            let message =
                format!("`{}` is a key of machines of the kind {owners}, and this one is of the kind {kind}", key.name);
            let help = "remove it, or write another `kind`";
            self.tell(Diagnostic::new(Kind::ForeignOption, at.key, message).help(help));
        }
    }

    /// The machine's shape with what the environment says instead of its blueprint, and the memory that it then has.
    fn shape(&mut self, machine: &MachineFile, at: At, shelf: &Shelf) -> Option<(Blueprint, Limit)> {
        let name = self.need(&machine.blueprint, "`machine`", at, "blueprint")?;
        let named = machine.blueprint.at().unwrap_or(at).value;
        let (mut blueprint, mut memory_at) = match shelf.meaning(&name, self.out) {
            Shape::Valid(blueprint, at) => (*blueprint, at),
            Shape::Invalid => {
                let message = format!("the blueprint `{name}` is not valid");
                self.tell(Diagnostic::new(Kind::InvalidBlueprint, named, message).help("mend its file first"));
                return None;
            }
            Shape::Absent => {
                let known = shelf.known_blueprints.iter().map(|name| name.as_str());
                let message = format!("there is no blueprint `{name}`: no file blueprints/{name}.yaml");
                let diagnostic = Diagnostic::new(Kind::UnknownBlueprint, named, message);
                self.tell(diagnostic.help(suggest::help(name.as_str(), known)));
                return None;
            }
        };
        if let Field::Given(at, memory) = machine.memory {
            if !self.is_enough(memory, at) {
                return None;
            }
            (blueprint.memory, memory_at) = (memory, at);
        }
        blueprint.cpus = machine.cpus.value().copied().unwrap_or(blueprint.cpus);
        blueprint.disk = machine.disk.value().copied().unwrap_or(blueprint.disk);
        let limit = Limit::of_guest(memory_at, blueprint.memory);
        Some((blueprint, limit))
    }

    /// Whether a machine with so much memory may be asked for: the same least as for blueprints.
    fn is_enough(&mut self, memory: Size, at: At) -> bool {
        let key = BlueprintFile::KEYS.iter().find(|key| key.name == "memory");
        let Some((least, most)) = key.and_then(|key| key.within) else { return true };
        let good = Size::parse(least).is_ok_and(|least| memory >= least);
        if !good {
            let message = format!("a machine's `memory` must be {least} to {most}, not {memory}");
            self.tell(Diagnostic::new(Kind::OutOfRange, at.value, message));
        }
        good
    }

    /// Counts a bad value of a key that need not be given.
    pub fn unless_bad<T>(&mut self, field: &Field<T>) {
        if matches!(field, Field::Bad(_)) {
            self.count();
        }
    }
}
