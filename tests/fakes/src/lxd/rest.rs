//! The paths of LXD's interface that are used, with the words of release 5.0.2 where it refuses.

use super::Lxd;
use super::instances;
use super::store::{KINDS, Store};
use crate::guest::world::World;
use serde_json::{Map, Value, json};

/// Does what a request says. What it answers: the metadata.
///
/// Errors: LXD's words.
pub(super) fn request(lxd: &Lxd, method: &str, target: &str, data: &Value) -> Result<Value, String> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameters = parameters(query)?;
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let Some((&"1.0", rest)) = parts.split_first() else { return Err("Not Found".to_owned()) };
    let mut store = Store::open(&lxd.world)?;
    let answer = match (method, rest) {
        ("GET", []) => return Ok(server()),
        ("GET", ["operations"]) => return Ok(if parameters.contains_key("recursion") { json!({}) } else { json!([]) }),
        ("GET", ["images", "aliases", name]) => {
            let print = store.image(name).ok_or("Image alias not found")?;
            return Ok(json!({"name": name, "target": print, "type": "container", "description": ""}));
        }
        ("GET", [kind]) if KINDS.contains(kind) => return list(lxd, &store, kind, &parameters),
        ("GET", ["storage-pools", name, "resources"]) => {
            store.get("storage-pools", name).ok_or("Storage pool not found")?;
            let used: u64 = if lxd.faults.on("pool-full") { 99 << 30 } else { 1 << 30 };
            return Ok(json!({"space": {"total": 100_u64 << 30, "used": used}, "inodes": {"total": 1000, "used": 1}}));
        }
        ("GET", ["instances", name, "state"]) => {
            let instance = store.get("instances", name).ok_or("Instance not found")?;
            return Ok(instances::state(lxd, &store, instance));
        }
        ("GET", [kind, name]) if KINDS.contains(kind) => {
            let name = found(&store, kind, name)?;
            return Ok(store
                .get(kind, &name)
                .map(|one| shown(lxd, &store, kind, one, &parameters))
                .unwrap_or_default());
        }
        ("POST", ["instances"]) => instances::create(lxd, &mut store, data)?,
        ("POST", ["images"]) => instances::publish(lxd, &mut store, data)?,
        ("POST", [kind]) if KINDS.contains(kind) => create(&mut store, kind, data)?,
        ("PUT", ["instances", name, "state"]) => instances::set_state(lxd, &mut store, name, data)?,
        ("POST", ["instances", name, "snapshots"]) => instances::snapshot(lxd, &mut store, name, data)?,
        ("DELETE", ["instances", name, "snapshots", snapshot]) => instances::forget(lxd, &mut store, name, snapshot)?,
        ("PUT", ["instances", name]) if data["restore"].is_string() => instances::restore(lxd, &mut store, name, data)?,
        ("PUT" | "PATCH", [kind, name]) if KINDS.contains(kind) => update(&mut store, method, kind, name, data)?,
        ("DELETE", ["instances", name]) => instances::delete(lxd, &mut store, name)?,
        ("DELETE", ["images", "aliases", name]) => {
            let print = store.image(name).ok_or("Image alias not found")?;
            if let Some(aliases) = store.change("images", &print).and_then(|image| image["aliases"].as_array_mut()) {
                aliases.retain(|alias| alias["name"] != *name);
            }
            Value::Null
        }
        ("DELETE", [kind, name]) if KINDS.contains(kind) => delete(&lxd.world, &mut store, kind, name)?,
        _ => return Err(format!("the fake knows no {method} {path}")),
    };
    store.keep(&lxd.world)?;
    Ok(answer)
}

/// `a=b&c=d%20e`.
fn parameters(query: &str) -> Result<Map<String, Value>, String> {
    let mut found = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !["recursion", "filter", "project", "all-projects", "timeout"].contains(&name) {
            return Err(format!("the fake knows no parameter {name}"));
        }
        found.insert(name.to_owned(), json!(value.replace("%20", " ").replace("%2F", "/").replace('+', " ")));
    }
    Ok(found)
}

fn server() -> Value {
    let has_vm = crate::variable("FAKE_LXD_VM").is_some();
    json!({
        "api_extensions": [
            "api_filtering", "cloud_init", "container_full", "instances", "network", "resources", "storage",
            "instance_all_projects", "event_lifecycle", "image_types", "network_dns_records",
        ],
        "api_status": "stable", "api_version": "1.0", "auth": "trusted", "public": false,
        "environment": {
            "server": "lxd", "server_version": "5.0.2", "server_name": "fake",
            "driver": if has_vm { "lxc | qemu" } else { "lxc" }, "driver_version": "fake", "storage": "dir",
            "project": "default", "kernel_version": "fake", "architectures": ["x86_64"],
        },
        "config": {},
    })
}

/// The name under which something is kept; an image is also found by the beginning of its fingerprint.
fn found(store: &Store, kind: &str, name: &str) -> Result<String, String> {
    if kind == "images" {
        return store.image(name).ok_or_else(|| "Image not found".to_owned());
    }
    store.get(kind, name).map(|_| name.to_owned()).ok_or_else(|| not_found(kind).to_owned())
}

const fn not_found(kind: &str) -> &'static str {
    match kind.as_bytes() {
        b"instances" => "Instance not found",
        b"profiles" => "Profile not found",
        b"networks" => "Network not found",
        b"storage-pools" => "Storage pool not found",
        _ => "Image not found",
    }
}

fn list(lxd: &Lxd, store: &Store, kind: &str, parameters: &Map<String, Value>) -> Result<Value, String> {
    if !parameters.contains_key("recursion") {
        let urls = store.all(kind).keys().map(|name| json!(format!("/1.0/{kind}/{name}")));
        return Ok(Value::Array(urls.collect()));
    }
    let filter = parameters.get("filter").and_then(Value::as_str);
    let mut all = Vec::new();
    for one in store.all(kind).values() {
        if filter.map_or(Ok(true), |filter| fits(one, filter))? {
            all.push(shown(lxd, store, kind, one, parameters));
        }
    }
    Ok(Value::Array(all))
}

/// `name eq a or config.user.x eq b`: the field's name may hold dots.
fn fits(one: &Value, filter: &str) -> Result<bool, String> {
    let mut fits = false;
    for clause in filter.split(" or ") {
        let (field, wanted) =
            clause.split_once(" eq ").ok_or_else(|| format!("the fake knows no such filter: {clause}"))?;
        let value = match field.split_once('.') {
            Some((outer, inner)) => &one[outer][inner],
            None => &one[field],
        };
        fits |= value.as_str().is_some_and(|value| value.eq_ignore_ascii_case(wanted));
    }
    Ok(fits)
}

/// A thing as it is told of, with what follows from others.
fn shown(lxd: &Lxd, store: &Store, kind: &str, one: &Value, parameters: &Map<String, Value>) -> Value {
    let mut shown = one.clone();
    let name = one["name"].as_str().unwrap_or_default();
    if kind != "instances" {
        if kind != "images" {
            shown["used_by"] = json!(store.users(kind, name));
        }
        return shown;
    }
    let state = instances::state(lxd, store, one);
    let (config, devices) = store.expanded(one);
    shown["expanded_config"] = Value::Object(config);
    shown["expanded_devices"] = Value::Object(devices);
    shown["status"] = state["status"].clone();
    shown["status_code"] = state["status_code"].clone();
    if let Some(snapshots) = shown.as_object_mut().and_then(|shown| shown.remove("snapshots")) {
        let names = snapshots.as_object().into_iter().flat_map(Map::keys);
        shown["snapshots"] = match parameters.get("recursion").is_some_and(|depth| depth == "2") {
            true => names.map(|snapshot| json!({"name": snapshot, "stateful": false})).collect(),
            false => Value::Null,
        };
    }
    if parameters.get("recursion").is_some_and(|depth| depth == "2") {
        shown["state"] = state;
    }
    shown
}

/// Makes a profile, a network or a pool.
fn create(store: &mut Store, kind: &str, data: &Value) -> Result<Value, String> {
    let name = data["name"].as_str().filter(|name| !name.is_empty()).ok_or("No name provided")?;
    if store.get(kind, name).is_some() {
        return Err(match kind {
            "profiles" => "The profile already exists",
            "networks" => "The network already exists",
            _ => "Storage pool already exists",
        }
        .to_owned());
    }
    let mut made = json!({"name": name, "description": data["description"].as_str().unwrap_or_default(), "config": {}});
    match kind {
        "profiles" => made["devices"] = json!({}),
        "networks" => {
            if name.len() > 15 {
                return Err("Network name invalid: Network interface is too long (maximum 15 characters)".to_owned());
            }
            let address = data["config"]["ipv4.address"].as_str().unwrap_or("auto");
            let taken = |other: &Value| {
                other["config"]["ipv4.address"].as_str().is_some_and(|other| subnet(other) == subnet(address))
            };
            if address != "none" && store.all("networks").values().any(taken) {
                return Err(format!("Failed to create network: the address {address} is in use"));
            }
            (made["type"], made["managed"], made["status"]) = (json!("bridge"), json!(true), json!("Created"));
        }
        _ => {
            let driver = data["driver"].as_str().ok_or("No driver provided")?;
            if driver != "dir" {
                return Err(format!("the fake knows no driver {driver}"));
            }
            (made["driver"], made["status"]) = (json!(driver), json!("Created"));
        }
    }
    fill(store, kind, &mut made, data)?;
    store.put(kind, name, made);
    Ok(Value::Null)
}

fn subnet(address: &str) -> Option<&str> {
    address.rsplit_once('.').map(|(subnet, _)| subnet)
}

/// Takes settings and devices over, if they are such as LXD takes.
pub(super) fn fill(store: &Store, kind: &str, one: &mut Value, data: &Value) -> Result<(), String> {
    for (key, value) in data["config"].as_object().into_iter().flatten() {
        let value =
            value.as_str().ok_or_else(|| format!("Invalid config: cannot unmarshal {value} into a string: {key}"))?;
        check_key(kind, key, value)?;
        one["config"][key] = json!(value);
    }
    for (name, device) in data["devices"].as_object().into_iter().flatten() {
        check_device(store, name, device)?;
        one["devices"][name] = device.clone();
    }
    Ok(())
}

fn check_key(kind: &str, key: &str, value: &str) -> Result<(), String> {
    let known: &[&str] = match kind {
        "networks" => &["ipv4.address", "ipv4.nat", "ipv6.address", "ipv6.nat", "dns.domain", "dns.mode", "ipv4.dhcp"],
        "storage-pools" => &["source", "size", "volatile.initial_source"],
        _ => &[
            "boot.autostart",
            "cloud-init.network-config",
            "cloud-init.user-data",
            "cloud-init.vendor-data",
            "limits.cpu",
            "limits.memory",
            "security.nesting",
            "security.secureboot",
            "linux.kernel_modules",
        ],
    };
    let is_known =
        known.contains(&key) || key.starts_with("user.") || key.starts_with("volatile.") || key.starts_with("image.");
    if !is_known {
        return Err(format!("Unknown configuration key: {key}"));
    }
    let is_number = value.chars().all(|c| c.is_ascii_digit());
    match key {
        "limits.cpu" if !is_number => Err(format!("Invalid config: Invalid value: {value}")),
        "limits.memory" if !value.starts_with(|c: char| c.is_ascii_digit()) => {
            Err(format!("Invalid config: Invalid value: {value}"))
        }
        _ => Ok(()),
    }
}

fn check_device(store: &Store, name: &str, device: &Value) -> Result<(), String> {
    let text = |key: &str| device[key].as_str().unwrap_or_default();
    match text("type") {
        "nic" if store.get("networks", text("network")).is_none() => Err(format!(
            "Device validation failed for {name:?}: Failed loading network {:?}: Network not found",
            text("network")
        )),
        "nic" | "none" => Ok(()),
        "disk" if text("path").is_empty() => {
            Err(format!("Device validation failed for {name:?}: Disk entry is missing the required \"path\" property"))
        }
        "disk" if text("path") == "/" && store.get("storage-pools", text("pool")).is_none() => Err(format!(
            "Device validation failed for {name:?}: Failed loading storage pool {:?}: Storage pool not found",
            text("pool")
        )),
        "disk" if text("path") != "/" && !std::path::Path::new(text("source")).exists() => Err(format!(
            "Device validation failed for {name:?}: Missing source path {:?} for disk {name:?}",
            text("source")
        )),
        "disk" => Ok(()),
        other => Err(format!("Failed detecting instance type or a device that the fake does not know: {other:?}")),
    }
}

fn update(store: &mut Store, method: &str, kind: &str, name: &str, data: &Value) -> Result<Value, String> {
    let name = found(store, kind, name)?;
    let mut one = store.get(kind, &name).cloned().unwrap_or_default();
    if method == "PUT" {
        // What is not said is taken away, but for what LXD itself keeps there.
        let own: Map<String, Value> = one["config"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| kind == "instances" && (key.starts_with("volatile.") || key.starts_with("image.")))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        one["config"] = Value::Object(own);
        if one.get("devices").is_some() {
            one["devices"] = json!({});
        }
    }
    if kind == "images" {
        for key in ["properties", "public", "auto_update"] {
            if data.get(key).is_some() {
                one[key] = data[key].clone();
            }
        }
        if method == "PUT" {
            one.as_object_mut().map(|image| image.remove("config"));
        }
    } else {
        fill(store, kind, &mut one, data)?;
    }
    for key in ["profiles", "description", "ephemeral"] {
        if data.get(key).is_some() && kind != "images" {
            one[key] = data[key].clone();
        }
    }
    store.put(kind, &name, one);
    Ok(Value::Null)
}

fn delete(world: &World, store: &mut Store, kind: &str, name: &str) -> Result<Value, String> {
    let name = found(store, kind, name)?;
    if kind != "images" && !store.users(kind, &name).is_empty() {
        return Err(match kind {
            "profiles" => "Profile is currently in use",
            "networks" => "The network is currently in use",
            _ => "The storage pool is currently in use",
        }
        .to_owned());
    }
    if (kind, name.as_str()) == ("profiles", "default") {
        return Err("The \"default\" profile cannot be deleted".to_owned());
    }
    if kind == "images" {
        let _ = std::fs::remove_dir_all(world.at("images").join(&name));
    }
    store.remove(kind, &name);
    Ok(Value::Null)
}
