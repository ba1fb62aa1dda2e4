//! `multipass get`, `set` and `authenticate`.

use super::client::{Client, CommandLineError};
use super::daemon::{Failure, fail};
use super::qt::Opt;
use super::state::{Phase, State};
use super::values;
use std::io::Read as _;

pub(crate) const PRIMARY: &str = "client.primary-name";

/// The settings that are not of one instance, and what they are without anybody's word.
const KEYS: &[(&str, &str)] = &[
    (PRIMARY, "primary"),
    ("local.bridged-network", ""),
    ("local.driver", "qemu"),
    ("local.image.mirror", ""),
    ("local.passphrase", ""),
    ("local.privileged-mounts", "true"),
];

impl Client {
    /// What a setting says.
    ///
    /// Errors: said.
    pub(crate) fn setting(&self, key: &str) -> Result<String, u8> {
        let state = State::read(&self.setup.home).map_err(|error| fail("get", &Failure::new(error)))?;
        let default = KEYS.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value);
        Ok(state.settings.get(key).cloned().unwrap_or_else(|| default.to_owned()))
    }
}

/// The instance and the property of `local.INSTANCE.PROPERTY`.
fn of_instance(key: &str) -> Option<(&str, &str)> {
    let (name, property) = key.strip_prefix("local.")?.rsplit_once('.')?;
    ["cpus", "disk", "memory", "bridged"].contains(&property).then_some((name, property))
}

fn unrecognized(key: &str, command: &str) -> u8 {
    let text = format!("Unrecognized settings key: '{key}'");
    if key.starts_with("client.") || !key.contains('.') {
        return CommandLineError(text).into();
    }
    fail(command, &Failure::new(text))
}

pub(crate) fn get(client: &Client, args: &[String]) -> Result<(), u8> {
    let parsed = client.parse(&[Opt(&["raw"], false), Opt(&["keys"], false)], args)?;
    let (state, _) = client.state("get")?;
    if parsed.has("keys") {
        let own = state
            .instances
            .keys()
            .flat_map(|name| ["bridged", "cpus", "disk", "memory"].map(|property| format!("local.{name}.{property}")));
        let mut keys: Vec<String> = KEYS.iter().map(|(key, _)| (*key).to_owned()).chain(own).collect();
        keys.sort();
        keys.iter().for_each(|key| println!("{key}"));
        return Ok(());
    }
    let [key] = parsed.positional.as_slice() else {
        let text =
            if parsed.positional.is_empty() { "Need exactly one setting key." } else { "Too many arguments given" };
        return Err(CommandLineError(text.to_owned()).into());
    };
    client.connect("get")?;
    let value = if KEYS.iter().any(|(name, _)| name == key) {
        client.setting(key)?
    } else {
        let found = of_instance(key).and_then(|(name, property)| Some((state.instances.get(name)?, property)));
        let Some((instance, property)) = found else { return Err(unrecognized(key, "get")) };
        let size = |bytes: u64| if parsed.has("raw") { bytes.to_string() } else { values::human(bytes) };
        match property {
            "cpus" => instance.spec.cpus.to_string(),
            "disk" => size(instance.spec.disk),
            "memory" => size(instance.spec.memory),
            _ => "false".to_owned(),
        }
    };
    let shown = if value.is_empty() && !parsed.has("raw") { "<empty>" } else { &value };
    println!("{shown}");
    Ok(())
}

pub(crate) fn set(client: &Client, args: &[String]) -> Result<(), u8> {
    let parsed = client.parse(&[], args)?;
    let [given] = parsed.positional.as_slice() else {
        return Err(CommandLineError("Need exactly one key-value pair (in <key>=<value> form).".to_owned()).into());
    };
    let (key, value) = match given.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| CommandLineError(error.to_string()))?;
            (given.clone(), text.trim_end_matches('\n').to_owned())
        }
    };
    client.connect("set")?;
    if KEYS.iter().any(|(name, _)| *name == key) {
        let bad = match key.as_str() {
            "local.privileged-mounts" if !["true", "false"].contains(&value.as_str()) => {
                Some("try \"true\" or \"false\"")
            }
            PRIMARY if !value.is_empty() && !values::is_name(&value) => Some("Invalid hostname"),
            "local.driver" if value != "qemu" => Some("Invalid driver"),
            _ => None,
        };
        if let Some(why) = bad {
            return Err(CommandLineError(format!("Invalid setting '{key}={value}': {why}")).into());
        }
        return State::update(&client.setup.home, |state| drop(state.settings.insert(key, value)))
            .map_err(|error| fail("set", &Failure::new(error)));
    }
    let Some((name, property)) = of_instance(&key) else { return Err(unrecognized(&key, "set")) };
    update(client, name, property, &key, &value)
}

fn update(client: &Client, name: &str, property: &str, key: &str, value: &str) -> Result<(), u8> {
    let (state, _) = client.state("set")?;
    let refused = |why: &str| {
        let text = format!("Cannot update instance settings; instance: {name}; reason: {why}");
        fail("set", &Failure::new(text))
    };
    let invalid = |why: &str| fail("set", &Failure::new(format!("Invalid setting '{key}={value}': {why}")));
    let Some(instance) = state.instances.get(name) else { return Err(refused("No such instance")) };
    if instance.deleted {
        return Err(refused("Instance is deleted"));
    }
    if instance.phase != Phase::Stopped {
        return Err(refused("Instance must be stopped for modification"));
    }
    let number = match property {
        "cpus" => {
            value.parse().ok().filter(|cpus| *cpus > 0).ok_or_else(|| invalid("Need a positive decimal integer"))?
        }
        "bridged" => return Err(invalid("no network to bridge to")),
        _ => values::size(value).ok_or_else(|| invalid("Need a positive integer or decimal with a unit"))?,
    };
    if property == "disk" && number < instance.spec.disk {
        return Err(refused("Disk can only be expanded"));
    }
    let changed = State::update(&client.setup.home, |state| {
        let Some(instance) = state.instances.get_mut(name) else { return };
        match property {
            "cpus" => instance.spec.cpus = number,
            "disk" => instance.spec.disk = number,
            _ => instance.spec.memory = number,
        }
    });
    changed.map_err(|error| fail("set", &Failure::new(error)))
}

pub(crate) fn authenticate(client: &Client, args: &[String]) -> Result<(), u8> {
    let parsed = client.parse(&[], args)?;
    if parsed.positional.len() > 1 {
        return Err(CommandLineError("Too many arguments given".to_owned()).into());
    }
    let passphrase = client.setting("local.passphrase")?;
    if passphrase.is_empty() {
        let text = "Passphrase is not set. Please `multipass set local.passphrase` with a trusted client.";
        return Err(fail("authenticate", &Failure::new(text)));
    }
    if parsed.positional.first() != Some(&passphrase) {
        return Err(fail("authenticate", &Failure::new("Passphrase is not correct. Please try again.")));
    }
    Ok(())
}
