//! What the fake LXD keeps: one JSON file in the folder of its machines, changed as a whole.

use crate::guest::world::World;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::fs;

/// Kinds of things, as they are called in the paths of LXD's interface.
pub(super) const KINDS: [&str; 5] = ["instances", "images", "profiles", "networks", "storage-pools"];

/// What the fake LXD keeps.
pub(super) struct Store {
    all: Value,
}

impl Store {
    /// What is there, or what a fresh installation has: a pool, a bridge, a profile that uses both, and an image.
    pub(super) fn open(world: &World) -> Result<Self, String> {
        let path = world.at("lxd.json");
        match fs::read_to_string(&path) {
            Ok(text) => {
                Ok(Self { all: serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))? })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self { all: fresh(&bridge(world)) }),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Keeps it. There is never half of it.
    pub(super) fn keep(&self, world: &World) -> Result<(), String> {
        let (path, draft) = (world.at("lxd.json"), world.at("lxd.json.new"));
        let written = fs::write(&draft, serde_json::to_string_pretty(&self.all).unwrap_or_default());
        written.and_then(|()| fs::rename(&draft, &path)).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// All of a kind, by name.
    pub(super) fn all(&self, kind: &str) -> &Map<String, Value> {
        static NONE: std::sync::OnceLock<Map<String, Value>> = std::sync::OnceLock::new();
        self.all[kind].as_object().unwrap_or_else(|| NONE.get_or_init(Map::new))
    }

    pub(super) fn get(&self, kind: &str, name: &str) -> Option<&Value> {
        self.all(kind).get(name)
    }

    /// The same, to be changed.
    pub(super) fn change(&mut self, kind: &str, name: &str) -> Option<&mut Value> {
        self.all[kind].as_object_mut()?.get_mut(name)
    }

    pub(super) fn put(&mut self, kind: &str, name: &str, value: Value) {
        if !self.all[kind].is_object() {
            self.all[kind] = json!({});
        }
        self.all[kind][name] = value;
    }

    pub(super) fn remove(&mut self, kind: &str, name: &str) {
        if let Some(all) = self.all[kind].as_object_mut() {
            all.remove(name);
        }
    }

    /// The fingerprint of an image, by its alias or the beginning of its fingerprint.
    pub(super) fn image(&self, name: &str) -> Option<String> {
        let named =
            |image: &Value| image["aliases"].as_array().into_iter().flatten().any(|alias| alias["name"] == name);
        let found = self
            .all("images")
            .iter()
            .find(|(print, image)| named(image) || (name.len() >= 4 && print.starts_with(name)));
        found.map(|(print, _)| print.clone())
    }

    /// The settings and devices of an instance with those of its profiles.
    pub(super) fn expanded(&self, instance: &Value) -> (Map<String, Value>, Map<String, Value>) {
        let (mut config, mut devices) = (Map::new(), Map::new());
        let profiles = instance["profiles"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let all = profiles.filter_map(|name| self.get("profiles", name)).chain([instance]);
        for one in all {
            config.extend(one["config"].as_object().cloned().unwrap_or_default());
            devices.extend(one["devices"].as_object().cloned().unwrap_or_default());
        }
        (config, devices)
    }

    /// The instances that use something: a profile, a network, a pool.
    pub(super) fn users(&self, kind: &str, name: &str) -> Vec<String> {
        let key = match kind {
            "networks" => "network",
            _ => "pool",
        };
        let by_device = |devices: &Map<String, Value>| devices.values().any(|device| device[key] == name);
        let instances = self.all("instances").iter().filter(|(_, instance)| match kind {
            "profiles" => instance["profiles"].as_array().into_iter().flatten().any(|profile| profile == name),
            _ => by_device(&self.expanded(instance).1),
        });
        let instances = instances.map(|(user, _)| format!("/1.0/instances/{user}"));
        let profiles = self
            .all("profiles")
            .iter()
            .filter(|(_, profile)| kind != "profiles" && profile["devices"].as_object().is_some_and(by_device));
        instances.chain(profiles.map(|(user, _)| format!("/1.0/profiles/{user}"))).collect()
    }
}

/// Fakes side by side do not meet: each folder has addresses of its own, beyond those that this project chooses.
fn bridge(world: &World) -> String {
    let digest = Sha256::digest(world.at("").as_os_str().as_encoded_bytes());
    format!("10.{}.{}.1/24", 230 + digest[0] % 20, digest[1])
}

/// As `lxd init --auto` leaves it, with one image that was imported.
fn fresh(bridge: &str) -> Value {
    let alias = crate::variable("FAKE_LXD_IMAGE").unwrap_or_else(|| "report-test".to_owned());
    let fingerprint = "f".repeat(64);
    json!({
        "instances": {},
        "images": {&fingerprint: {
            "fingerprint": fingerprint,
            "aliases": [{"name": alias, "description": ""}],
            "properties": {"description": "fake"},
            "type": "container",
            "size": 1_048_576,
            "uploaded_at": "2026-01-01T00:00:00Z",
            "public": false, "cached": false, "auto_update": false, "architecture": "x86_64",
        }},
        "profiles": {"default": {
            "name": "default", "description": "Default LXD profile", "config": {},
            "devices": {
                "root": {"type": "disk", "path": "/", "pool": "default"},
                "eth0": {"type": "nic", "name": "eth0", "network": "lxdbr0"},
            },
        }},
        "networks": {"lxdbr0": {
            "name": "lxdbr0", "type": "bridge", "managed": true, "status": "Created", "description": "",
            "config": {"ipv4.address": bridge, "ipv4.nat": "true", "ipv6.address": "none"},
        }},
        "storage-pools": {"default": {
            "name": "default", "driver": "dir", "status": "Created", "description": "",
            "config": {"source": "/var/lib/lxd/storage-pools/default"},
        }},
    })
}
