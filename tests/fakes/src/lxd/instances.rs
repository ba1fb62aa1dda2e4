//! Instances of the fake LXD, and the images that are made from them.

use super::Lxd;
use super::rest::fill;
use super::store::Store;
use crate::guest::world::{Seed, address, copy};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// How an instance does.
pub(super) fn state(lxd: &Lxd, store: &Store, instance: &Value) -> Value {
    let name = instance["name"].as_str().unwrap_or_default();
    let Some(pid) = lxd.world.pid(name) else {
        return json!({
            "status": "Stopped", "status_code": 102, "disk": null, "network": null, "pid": 0, "processes": 0,
            "memory": {"usage": 0}, "cpu": {"usage": 0},
        });
    };
    let mut network = json!({
        "lo": {"addresses": [{"family": "inet", "address": "127.0.0.1", "netmask": "8", "scope": "local"}],
            "hwaddr": "", "host_name": "", "mtu": 65536, "state": "up", "type": "loopback"},
    });
    if !agent_is_up(lxd, instance) {
        network = Value::Null;
    } else if let Some((address, _)) = lease(lxd, store, instance) {
        network["eth0"] = json!({
            "addresses": [{"family": "inet", "address": address.to_string(), "netmask": "24", "scope": "global"}],
            "hwaddr": "00:16:3e:00:00:01", "host_name": "vethfake", "mtu": 1500, "state": "up", "type": "broadcast",
        });
    } else {
        network["eth0"] = json!({"addresses": [], "hwaddr": "00:16:3e:00:00:01", "host_name": "vethfake", "mtu": 1500,
            "state": "up", "type": "broadcast"});
    }
    json!({
        "status": "Running", "status_code": 103, "disk": {}, "network": network, "pid": pid.as_raw_nonzero().get(),
        "processes": 5, "memory": {"usage": 1_000_000}, "cpu": {"usage": 1_000_000},
    })
}

/// The address that it is given, and that of this host's end.
fn lease(lxd: &Lxd, store: &Store, instance: &Value) -> Option<(std::net::IpAddr, String)> {
    if lxd.faults.on("no-lease") {
        return None;
    }
    let (config, devices) = store.expanded(instance);
    let nic = devices.values().find(|device| device["type"] == "nic")?;
    let network = store.get("networks", nic["network"].as_str()?)?;
    let place = config.get("volatile.fake.place")?.as_str()?.parse().ok()?;
    let gateway = network["config"]["ipv4.address"].as_str()?;
    Some((address(gateway, place)?, gateway.split('/').next()?.to_owned()))
}

/// A container takes commands at once. A virtual machine takes them when its agent runs, a moment after it was started.
pub(super) fn agent_is_up(lxd: &Lxd, instance: &Value) -> bool {
    if instance["type"] != "virtual-machine" {
        return true;
    }
    let wait = lxd.faults.value("agent-after").and_then(|value| value.parse().ok()).unwrap_or(0.3);
    let started = instance["config"]["volatile.fake.started"].as_str().and_then(|text| text.parse::<f64>().ok());
    started.is_some_and(|started| now() - started >= wait)
}

fn now() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO).as_secs_f64()
}

/// Whether LXD takes such a name.
fn check_name(name: &str) -> Result<(), String> {
    let why = match name.chars().next() {
        _ if name.is_empty() || name.len() > 63 => "Name must be 1-63 characters long",
        Some(first) if first.is_ascii_digit() => "Name must not start with a number",
        Some('-') => "Name must not start with \"-\" character",
        _ if name.ends_with('-') => "Name must not end with \"-\" character",
        _ if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
            "Name can only contain alphanumeric and hyphen characters"
        }
        _ => return Ok(()),
    };
    Err(format!("Invalid instance name: {why}"))
}

pub(super) fn create(lxd: &Lxd, store: &mut Store, data: &Value) -> Result<Value, String> {
    let name = data["name"].as_str().unwrap_or_default();
    check_name(name)?;
    let record = |why: String| format!("Failed creating instance record: {why}");
    let source = &data["source"];
    let kind = data["type"].as_str().unwrap_or("container");
    if kind == "virtual-machine" && crate::variable("FAKE_LXD_VM").is_none() {
        return Err(record(
            "Instance type \"virtual-machine\" is not supported on this server: KVM support is missing (no /dev/kvm)"
                .to_owned(),
        ));
    }
    let (layers, base) = layers(lxd, store, source, kind)?;
    if store.get("instances", name).is_some() || lxd.faults.on("name-taken") {
        return Err(record("Add instance info to the database: This \"instances\" entry already exists".to_owned()));
    }
    let profiles = match &data["profiles"] {
        Value::Null => json!(["default"]),
        given => given.clone(),
    };
    for profile in profiles.as_array().into_iter().flatten().filter_map(Value::as_str) {
        if store.get("profiles", profile).is_none() {
            return Err(format!("Requested profile {profile:?} doesn't exist"));
        }
    }
    let place = next_place(store);
    let mut made = json!({
        "name": name, "type": kind, "architecture": "x86_64", "ephemeral": false, "stateful": false, "project": "default",
        "location": "none", "description": data["description"].as_str().unwrap_or_default(), "profiles": profiles,
        "created_at": "2026-01-01T00:00:00Z", "config": {}, "devices": {}, "snapshots": {},
    });
    if let Some(original) = original(store, source) {
        made["config"] = kept(original);
    }
    fill(store, "instances", &mut made, data).map_err(record)?;
    made["config"]["volatile.base_image"] = json!(base);
    made["config"]["volatile.fake.place"] = json!(place.to_string());
    made["config"]["volatile.apply_template"] = json!("create");
    made["config"]["volatile.last_state.power"] = json!("STOPPED");
    let (_, devices) = store.expanded(&made);
    if !devices.values().any(|device| device["type"] == "disk" && device["path"] == "/") {
        return Err(record("Failed initialising instance: No root device could be found".to_owned()));
    }
    if lxd.faults.on("pool-full") {
        return Err("Failed creating instance from image: Unpack failed: write: no space left on device".to_owned());
    }
    let seed = Seed { instance_id: name, user_data: "" };
    lxd.world.create(name, &seed, layers.as_deref())?;
    store.put("instances", name, made);
    Ok(Value::Null)
}

/// Where the disk of a new instance comes from, and the image that it goes back to.
fn layers(
    lxd: &Lxd,
    store: &Store,
    source: &Value,
    kind: &str,
) -> Result<(Option<std::path::PathBuf>, String), String> {
    let text = |key: &str| source[key].as_str().filter(|text| !text.is_empty());
    match text("type") {
        Some("image") => {
            let name = text("alias")
                .or(text("fingerprint"))
                .ok_or("Must specify one of alias, fingerprint or properties for init from image")?;
            if text("server").is_some() {
                return Err(format!(
                    "Failed getting remote image info: Get \"{}\": dial tcp: connection refused",
                    source["server"]
                ));
            }
            let print = store.image(name).filter(|_| !lxd.faults.on("image-missing"));
            let print =
                print.ok_or(if source["alias"].is_string() { "Image alias not found" } else { "Image not found" })?;
            if store.get("images", &print).is_some_and(|image| image["type"] != kind) {
                return Err(format!(
                    "Asked for a {} but image is of type container",
                    if kind == "container" { "container" } else { "VM" }
                ));
            }
            let folder = lxd.world.at("images").join(&print);
            Ok((folder.exists().then_some(folder), print))
        }
        Some("copy") => {
            let whole = text("source").ok_or("must specify a source container")?;
            let (name, snapshot) =
                whole.split_once('/').map_or((whole, None), |(name, snapshot)| (name, Some(snapshot)));
            let original = store.get("instances", name).ok_or("Instance not found")?;
            if snapshot.is_some_and(|snapshot| original["snapshots"].get(snapshot).is_none()) {
                return Err("Instance snapshot not found".to_owned());
            }
            let base = original["config"]["volatile.base_image"].as_str().unwrap_or_default().to_owned();
            Ok((Some(lxd.world.layers(name, snapshot)), base))
        }
        other => Err(format!("Unknown source type {}", other.unwrap_or_default())),
    }
}

fn original<'a>(store: &'a Store, source: &Value) -> Option<&'a Value> {
    let whole = source["source"].as_str().filter(|_| source["type"] == "copy")?;
    store.get("instances", whole.split('/').next()?)
}

/// A copy has the settings of what it is a copy of, but for what is its own.
fn kept(original: &Value) -> Value {
    let config = original["config"].as_object().into_iter().flatten();
    let kept = config.filter(|(key, _)| !key.starts_with("volatile.") || *key == "volatile.base_image");
    Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
}

fn next_place(store: &Store) -> u8 {
    let taken: Vec<&str> =
        store.all("instances").values().filter_map(|one| one["config"]["volatile.fake.place"].as_str()).collect();
    (2..=250).find(|place: &u8| !taken.contains(&place.to_string().as_str())).unwrap_or(251)
}

pub(super) fn set_state(lxd: &Lxd, store: &mut Store, name: &str, data: &Value) -> Result<Value, String> {
    let instance = store.get("instances", name).ok_or("Instance not found")?.clone();
    let runs = lxd.world.pid(name).is_some();
    let force = data["force"] == true;
    match data["action"].as_str().unwrap_or_default() {
        "start" if runs => return Err("The instance is already running".to_owned()),
        "stop" | "restart" if !runs => return Err("The instance is already stopped".to_owned()),
        "start" => start(lxd, store, name, &instance)?,
        "stop" => lxd.world.stop(name, force)?,
        "restart" => {
            lxd.world.stop(name, force)?;
            start(lxd, store, name, &instance)?;
        }
        other => return Err(format!("Unknown state action {other:?}, or one that the fake does not know")),
    }
    Ok(Value::Null)
}

fn start(lxd: &Lxd, store: &mut Store, name: &str, instance: &Value) -> Result<(), String> {
    let (config, _) = store.expanded(instance);
    // The image has templates that write a seed from this key alone, when the instance is new.
    if config.contains_key("volatile.apply_template") {
        let text = config.get("user.user-data").and_then(Value::as_str).unwrap_or("#cloud-config\n{}\n");
        lxd.world.seed(name, &Seed { instance_id: name, user_data: text })?;
    }
    lxd.world.start(name)?;
    let instance = store.get("instances", name).unwrap_or(instance);
    if let Some((address, gateway)) = lease(lxd, store, instance) {
        lxd.world.connect(name, address, &gateway)?;
    }
    if let Some(config) = store.change("instances", name).and_then(|one| one["config"].as_object_mut()) {
        config.remove("volatile.apply_template");
        config.insert("volatile.fake.started".to_owned(), json!(now().to_string()));
        config.insert("volatile.last_state.power".to_owned(), json!("RUNNING"));
    }
    Ok(())
}

pub(super) fn delete(lxd: &Lxd, store: &mut Store, name: &str) -> Result<Value, String> {
    store.get("instances", name).ok_or("Instance not found")?;
    if lxd.world.pid(name).is_some() {
        return Err("Instance is running".to_owned());
    }
    lxd.world.delete(name)?;
    store.remove("instances", name);
    Ok(Value::Null)
}

pub(super) fn snapshot(lxd: &Lxd, store: &mut Store, name: &str, data: &Value) -> Result<Value, String> {
    let instance = store.change("instances", name).ok_or("Instance not found")?;
    let snapshot = data["name"].as_str().filter(|name| !name.is_empty()).ok_or("No name provided")?;
    if instance["snapshots"].get(snapshot).is_some() {
        return Err(format!("Snapshot \"{name}/{snapshot}\" already exists"));
    }
    lxd.world.snapshot(name, snapshot)?;
    instance["snapshots"][snapshot] =
        json!({"config": instance["config"], "devices": instance["devices"], "profiles": instance["profiles"]});
    Ok(Value::Null)
}

pub(super) fn forget(lxd: &Lxd, store: &mut Store, name: &str, snapshot: &str) -> Result<Value, String> {
    let instance = store.change("instances", name).ok_or("Instance not found")?;
    let all = instance["snapshots"].as_object_mut().ok_or("Instance snapshot not found")?;
    all.remove(snapshot).ok_or("Instance snapshot not found")?;
    lxd.world.forget(name, snapshot)?;
    Ok(Value::Null)
}

/// LXD stops an instance that runs, restores it and starts it again; its settings are those of the snapshot then.
pub(super) fn restore(lxd: &Lxd, store: &mut Store, name: &str, data: &Value) -> Result<Value, String> {
    let snapshot = data["restore"].as_str().unwrap_or_default();
    let instance = store.get("instances", name).ok_or("Instance not found")?.clone();
    let saved = instance["snapshots"].get(snapshot).ok_or("Instance snapshot not found")?;
    let runs = lxd.world.pid(name).is_some();
    if runs {
        lxd.world.stop(name, false)?;
    }
    lxd.world.restore(name, snapshot)?;
    let mut config: Map<String, Value> = saved["config"].as_object().cloned().unwrap_or_default();
    config.remove("volatile.apply_template");
    if let Some(one) = store.change("instances", name) {
        (one["config"], one["devices"], one["profiles"]) =
            (Value::Object(config), saved["devices"].clone(), saved["profiles"].clone());
    }
    if runs {
        start(lxd, store, name, &instance)?;
    }
    Ok(Value::Null)
}

/// Makes an image from an instance that does not run.
pub(super) fn publish(lxd: &Lxd, store: &mut Store, data: &Value) -> Result<Value, String> {
    let source = &data["source"];
    let whole = source["name"]
        .as_str()
        .filter(|_| ["instance", "container", "snapshot"].contains(&source["type"].as_str().unwrap_or_default()));
    let whole = whole.ok_or("the fake makes images from instances only")?;
    let (name, snapshot) = whole.split_once('/').map_or((whole, None), |(name, snapshot)| (name, Some(snapshot)));
    let instance = store.get("instances", name).ok_or("Instance not found")?;
    if snapshot.is_none() && lxd.world.pid(name).is_some() {
        return Err("Cannot publish running container: The instance is currently running".to_owned());
    }
    let aliases = data["aliases"].as_array().cloned().unwrap_or_default();
    for alias in &aliases {
        let alias = alias["name"].as_str().unwrap_or_default();
        if store.image(alias).is_some() {
            return Err(format!("Alias already exists: {alias}"));
        }
    }
    let kind = instance["type"].clone();
    let mut digest = Sha256::new();
    digest.update(format!("{whole} {} {:?}", now(), data));
    let print = digest.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    copy(&lxd.world.layers(name, snapshot), &lxd.world.at("images").join(&print))?;
    let aliases: Vec<Value> = aliases.iter().map(|alias| json!({"name": alias["name"], "description": ""})).collect();
    let image = json!({
        "fingerprint": print, "aliases": aliases, "properties": data["properties"].as_object().cloned().unwrap_or_default(),
        "type": kind, "size": 2_000_000, "uploaded_at": "2026-01-01T00:00:01Z", "public": data["public"] == true,
        "cached": false, "auto_update": false, "architecture": "x86_64",
    });
    store.put("images", &print, image);
    Ok(json!({"metadata": {"fingerprint": print}}))
}
