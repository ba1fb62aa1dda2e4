//! Which table is being read, and what is said of a key that is none of its keys.

use super::blueprint::written::{BlueprintFile, CloudInitFile, ImageFile, MountFile, TimeoutsFile};
use super::component::ComponentName;
use super::diagnostic::{Diagnostic, Kind};
use super::node::Entry;
use super::schema::Key;
use super::source::quoted;
use super::suggest;
use super::written::{ComponentFile, EnvironmentFile, MachineFile};

/// Which table is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// The top of an environment's file.
    File,
    /// The machine.
    Machine,
    /// A component.
    Component(ComponentName),
    /// The top of a blueprint's file.
    Blueprint,
    /// A blueprint's image.
    Image,
    /// One of a blueprint's mounts.
    Mount,
    /// What a blueprint's machine is initialised with.
    CloudInit,
    /// A blueprint's time limits.
    Timeouts,
}

/// Where the keys of an environment's file belong.
const ENVIRONMENT: &[(Here, &str)] = &[
    (Here::File, "to the top of the file"),
    (Here::Machine, "under `machine` at the top of the file"),
    // Which component does not matter: the table is the same for all.
    (Here::Component(ComponentName::Redis), "to a component, under `stack`"),
];

/// Where the keys of a blueprint's file belong.
const BLUEPRINT: &[(Here, &str)] = &[
    (Here::Blueprint, "to the top of the file"),
    (Here::Image, "under `image` at the top of the file"),
    (Here::CloudInit, "under `cloud-init` at the top of the file"),
    (Here::Timeouts, "under `timeouts` at the top of the file"),
    (Here::Mount, "to an entry of `mounts`"),
];

impl Here {
    /// The keys of the table.
    pub(super) fn keys(self) -> Vec<&'static str> {
        self.table()
            .iter()
            .filter(|key| self.component().is_none_or(|component| key.is_of(component)))
            .map(|key| key.name)
            .collect()
    }

    /// The whole table.
    const fn table(self) -> &'static [Key] {
        match self {
            Self::File => EnvironmentFile::KEYS,
            Self::Machine => MachineFile::KEYS,
            Self::Component(_) => ComponentFile::KEYS,
            Self::Blueprint => BlueprintFile::KEYS,
            Self::Image => ImageFile::KEYS,
            Self::Mount => MountFile::KEYS,
            Self::CloudInit => CloudInitFile::KEYS,
            Self::Timeouts => TimeoutsFile::KEYS,
        }
    }

    /// Whether the table is one of a blueprint's file.
    const fn is_of_blueprints(self) -> bool {
        !matches!(self, Self::File | Self::Machine | Self::Component(_))
    }

    const fn component(self) -> Option<ComponentName> {
        match self {
            Self::Component(component) => Some(component),
            _ => None,
        }
    }

    /// Tells what is wrong with a key that is none of the table's: another component has it, it belongs elsewhere, or
    /// nothing is known of it.
    pub(super) fn unknown(self, entry: &Entry) -> Diagnostic {
        let key = quoted(&entry.key);
        let elsewhere = |home: &str| {
            let message = format!("`{key}` does not belong here");
            Diagnostic::new(Kind::MisplacedKey, entry.key_place, message).help(format!("move it {home}"))
        };
        let home = |homes: &[(Self, &'static str)]| {
            let known = |here: &Self| here.table().iter().any(|known| known.name == key);
            homes.iter().find(|(here, _)| known(here)).map(|(_, home)| *home)
        };
        if let Self::Component(component) = self {
            let foreign = self.table().iter().find(|known| known.name == key);
            if let Some(foreign) = foreign {
                let owners = suggest::list(foreign.of.iter().map(|owner| owner.as_str()));
                let message = format!("`{key}` is an option of {owners}, and {component} has none of that name");
                return Diagnostic::new(Kind::ForeignOption, entry.key_place, message).help("remove it");
            }
            if component.ports().iter().any(|(port, _)| *port == key) {
                return elsewhere("into this component's `ports`");
            }
            if component.secrets().contains(&key.as_str()) {
                return elsewhere("into this component's `secrets`");
            }
        }
        if key == "<<" {
            let message = "a YAML merge key is not read here";
            return Diagnostic::new(Kind::Alias, entry.key_place, message)
                .help("say `extends: NAME` at the top of the file");
        }
        let homes = if self.is_of_blueprints() { BLUEPRINT } else { ENVIRONMENT };
        if !self.is_of_blueprints() && ComponentName::parse(&key).is_some() {
            return elsewhere("under `stack` at the top of the file");
        }
        if let Some(home) = home(homes) {
            return elsewhere(home);
        }
        let near = suggest::nearest(&key, self.keys());
        if !self.is_of_blueprints() && near.is_none() && home(BLUEPRINT).is_some() {
            return elsewhere("to a blueprint: a file in `blueprints/`");
        }
        let help = match near {
            None if super::hide::is_secret(&key) => super::scalars::SECRET_ADVICE.to_owned(),
            _ => suggest::help(&key, self.keys()),
        };
        Diagnostic::new(Kind::UnknownKey, entry.key_place, format!("unknown key `{key}`")).help(help)
    }
}
