//! What only reads: `list`, `info`, `find`, `version`, `networks`.

use super::backend::{Backend, Figures};
use super::client::{Client, CommandLineError, missing};
use super::daemon::{Failure, fail};
use super::qt::{Opt, Parsed, json};
use super::setup::Generation;
use super::state::{Instance, Phase, Snapshot, State};
use super::{tables, values};
use serde_json::{Map, Value, json};

const FORMAT: Opt = Opt(&["format"], true);

/// How something is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Json,
    Csv,
    Yaml,
}

fn format(parsed: &Parsed) -> Result<Format, u8> {
    match parsed.value("format") {
        None | Some("table") => Ok(Format::Table),
        Some("json") => Ok(Format::Json),
        Some("csv") => Ok(Format::Csv),
        Some("yaml") => Ok(Format::Yaml),
        Some(_) => Err(CommandLineError("Invalid format type given.".to_owned()).into()),
    }
}

fn no_arguments(parsed: &Parsed) -> Result<(), u8> {
    if parsed.positional.is_empty() {
        return Ok(());
    }
    Err(CommandLineError("This command takes no arguments".to_owned()).into())
}

impl Client {
    fn next(&self) -> bool {
        self.setup.generation == Generation::Next
    }

    fn json(&self, value: &Value) {
        print!("{}", json(value, !self.next()));
    }

    /// What is seen of an instance that runs.
    ///
    /// Errors: it does not let anybody in.
    fn figures(&self, backend: &dyn Backend, name: &str, phase: Phase) -> Result<Figures, String> {
        if !matches!(phase, Phase::Running | Phase::DelayedShutdown) {
            return Ok(Figures::default());
        }
        if self.setup.faults.value("unreachable") == Some(name) {
            return Err("ssh connection failed: 'Failed to connect: No route to host'".to_owned());
        }
        backend.figures(name)
    }
}

/// An instance with what is seen of it.
pub(crate) struct Seen {
    pub(crate) name: String,
    pub(crate) instance: Instance,
    pub(crate) figures: Figures,
}

impl Seen {
    pub(crate) fn state(&self) -> String {
        if self.instance.deleted { "Deleted".to_owned() } else { self.instance.phase.to_string() }
    }

    pub(crate) fn release(&self) -> String {
        let release = &self.instance.image.release;
        if release.is_empty() { "Not Available".to_owned() } else { format!("Ubuntu {release}") }
    }
}

/// The zone of an instance, of which the fake has one.
fn zone() -> Value {
    json!({"name": "zone1", "available": true})
}

pub(crate) fn list(client: &Client, args: &[String]) -> Result<(), u8> {
    let parsed = client.parse(&[FORMAT, Opt(&["snapshots"], false), Opt(&["no-ipv4"], false)], args)?;
    no_arguments(&parsed)?;
    let format = format(&parsed)?;
    client.connect("list")?;
    let (state, backend) = client.state("list")?;
    if parsed.has("snapshots") {
        return list_snapshots(client, &state, format);
    }
    let mut seen = Vec::new();
    for (name, instance) in state.instances {
        let figures = if parsed.has("no-ipv4") {
            Figures::default()
        } else {
            client.figures(&*backend, &name, instance.phase).map_err(|error| fail("list", &Failure::new(error)))?
        };
        seen.push(Seen { name, instance, figures });
    }
    match format {
        Format::Json => {
            let each = |one: &Seen| {
                let mut value = json!({
                    "name": one.name, "state": one.state(), "ipv4": one.figures.addresses, "release": one.release(),
                });
                if client.next() {
                    value["zone"] = zone();
                }
                value
            };
            client.json(&json!({"list": seen.iter().map(each).collect::<Vec<_>>()}));
        }
        Format::Table => print!("{}", tables::list(&seen)),
        Format::Csv => print!("{}", tables::list_csv(&seen, client.setup.generation)),
        Format::Yaml => print!("{}", tables::list_yaml(&seen)),
    }
    Ok(())
}

fn list_snapshots(client: &Client, state: &State, format: Format) -> Result<(), u8> {
    let all = || {
        let instances = state.instances.iter();
        instances
            .flat_map(|(name, instance)| instance.snapshots.iter().map(move |(own, snapshot)| (name, own, snapshot)))
    };
    match format {
        Format::Json => {
            let mut info = Map::new();
            for (name, own, snapshot) in all() {
                let entry = info.entry(name.clone()).or_insert_with(|| json!({}));
                entry[own] = json!({"comment": snapshot.comment, "parent": snapshot.parent});
            }
            client.json(&json!({"errors": [], "info": info}));
        }
        Format::Csv => {
            println!("Instance,Snapshot,Parent,Comment");
            for (name, own, Snapshot { comment, parent, .. }) in all() {
                println!("{name},{own},{parent},\"{comment}\"");
            }
        }
        Format::Table | Format::Yaml if all().next().is_none() => {
            println!("{}", if format == Format::Table { "No snapshots found." } else { "" });
        }
        Format::Table => {
            println!("{:<18}{:<18}{:<18}Comment", "Instance", "Snapshot", "Parent");
            for (name, own, Snapshot { comment, parent, .. }) in all() {
                let or_dashes = |text: &str| if text.is_empty() { "--".to_owned() } else { text.to_owned() };
                println!("{name:<18}{own:<18}{:<18}{}", or_dashes(parent), or_dashes(comment));
            }
        }
        Format::Yaml => {
            for (name, own, Snapshot { comment, parent, .. }) in all() {
                println!("{name}:\n  - {own}:\n      - parent: {parent}\n        comment: {comment}");
            }
        }
    }
    Ok(())
}

pub(crate) fn info(client: &Client, args: &[String]) -> Result<(), u8> {
    let all: &[Opt] = if client.next() { &[] } else { &[Opt(&["all"], false)] };
    let options = [FORMAT, Opt(&["snapshots"], false), Opt(&["no-runtime-information"], false)];
    let parsed = client.parse(&[&options, all].concat(), args)?;
    let format = format(&parsed)?;
    client.connect("info")?;
    let (mut state, backend) = client.state("info")?;
    let targets: Vec<String> = if parsed.positional.is_empty() {
        state.instances.keys().cloned().collect()
    } else {
        parsed.positional.clone()
    };
    let mut wrong = Vec::new();
    let (mut seen, mut only): (Vec<Seen>, Vec<(String, Instance, String)>) = (Vec::new(), Vec::new());
    for target in targets {
        let (name, snapshot) = target.split_once('.').map_or((target.as_str(), None), |(name, own)| (name, Some(own)));
        let Some(instance) = state.instances.remove(name) else {
            wrong.push(missing(name));
            continue;
        };
        if let Some(own) = snapshot {
            if !instance.snapshots.contains_key(own) {
                wrong.push(format!("No such snapshot: {target}"));
            }
            only.push((name.to_owned(), instance, own.to_owned()));
            continue;
        }
        let phase = if parsed.has("no-runtime-information") { Phase::Stopped } else { instance.phase };
        match client.figures(&*backend, name, phase) {
            Ok(figures) => seen.push(Seen { name: name.to_owned(), instance, figures }),
            Err(error) => wrong.push(error),
        }
    }
    if !wrong.is_empty() {
        return Err(fail("info", &Failure::several(wrong)));
    }
    match format {
        Format::Json => {
            let mut info = Map::new();
            for one in &seen {
                let mut value = details(client, one);
                if parsed.has("snapshots") {
                    value["snapshots"] = snapshots(&one.instance, None);
                }
                info.insert(one.name.clone(), value);
            }
            for (name, instance, own) in &only {
                info.insert(name.clone(), json!({"snapshots": snapshots(instance, Some(own))}));
            }
            client.json(&json!({"errors": [], "info": info}));
        }
        Format::Table => print!("{}", tables::info(&seen)),
        Format::Csv => print!("{}", tables::info_csv(&seen, client.setup.generation)),
        Format::Yaml => print!("{}", tables::info_yaml(&seen)),
    }
    Ok(())
}

/// What `info` says of one instance.
fn details(client: &Client, one: &Seen) -> Value {
    let Seen { instance, figures, .. } = one;
    let disk =
        figures.disk.map_or(json!({}), |(total, used)| json!({"total": total.to_string(), "used": used.to_string()}));
    let memory = figures.memory.map_or(json!({}), |(total, used)| json!({"total": total, "used": used}));
    let mounts: Map<String, Value> = instance
        .mounts
        .iter()
        .map(|(target, source)| {
            let maps = ["0:default"];
            (target.clone(), json!({"gid_mappings": maps, "source_path": source, "uid_mappings": maps}))
        })
        .collect();
    let mut value = json!({
        "state": one.state(),
        "image_hash": instance.image.hash,
        "image_release": instance.image.release,
        "release": figures.release,
        "cpu_count": figures.cpus,
        "snapshot_count": instance.snapshots.len().to_string(),
        "load": figures.load,
        "disks": {"sda1": disk},
        "memory": memory,
        "ipv4": figures.addresses,
        "mounts": mounts,
    });
    if client.next()
        && let Some(entries) = value.as_object_mut()
    {
        entries.shift_insert(0, "zone".to_owned(), zone());
    }
    value
}

fn snapshots(instance: &Instance, only: Option<&str>) -> Value {
    let wanted = instance.snapshots.iter().filter(|(own, _)| only.is_none_or(|only| only == own.as_str()));
    let each = wanted.map(|(own, snapshot)| {
        let children: Vec<&String> =
            instance.snapshots.iter().filter(|(_, other)| other.parent == *own).map(|(name, _)| name).collect();
        let value = json!({
            "children": children, "comment": snapshot.comment, "cpu_count": instance.spec.cpus.to_string(),
            "created": snapshot.created, "disk_space": values::human(instance.spec.disk),
            "memory_size": values::human(instance.spec.memory), "mounts": {}, "parent": snapshot.parent, "size": "",
        });
        (own.clone(), value)
    });
    Value::Object(each.collect())
}

pub(crate) fn find(client: &Client, args: &[String]) -> Result<(), u8> {
    let options = [FORMAT, Opt(&["show-unsupported"], false), Opt(&["force-update"], false)];
    let only: &[Opt] =
        if client.next() { &[] } else { &[Opt(&["only-images"], false), Opt(&["only-blueprints"], false)] };
    let parsed = client.parse(&[&options, only].concat(), args)?;
    let format = format(&parsed)?;
    if parsed.positional.len() > 1 {
        return Err(CommandLineError("Wrong number of arguments".to_owned()).into());
    }
    client.connect("find")?;
    if parsed.has("force-update") {
        let update = State::update(&client.setup.home, |state| state.updated = true);
        update.map_err(|error| fail("find", &Failure::new(error)))?;
    }
    let wanted = parsed.positional.first().map_or("", String::as_str);
    let images =
        if parsed.has("only-blueprints") { Vec::new() } else { values::images(wanted, client.setup.generation) };
    match format {
        Format::Json => {
            let images: Map<String, Value> = images.into_iter().collect();
            let mut value = json!({"errors": [], "images": images});
            if !client.next() {
                // No blueprint is known here any more.
                value["blueprints (deprecated)"] = json!({});
            }
            client.json(&value);
        }
        Format::Csv => print!("{}", tables::find_csv(&images)),
        Format::Table => print!("{}", tables::find(&images, client.next())),
        Format::Yaml => print!("{}", tables::find_yaml(&images)),
    }
    Ok(())
}

pub(crate) fn version(client: &Client, args: &[String]) -> Result<(), u8> {
    let parsed = client.parse(&[FORMAT], args)?;
    no_arguments(&parsed)?;
    let format = format(&parsed)?;
    let version = client.setup.generation.version();
    // A daemon that is away, or lets nobody in, is no error here.
    let reached = !["daemon-down", "socket-denied", "unauthenticated"].into_iter().any(|fault| client.turn(fault));
    let daemon = reached.then_some(version);
    match (format, daemon) {
        (Format::Json, None) => client.json(&json!({"multipass": version})),
        (Format::Json, Some(_)) => client.json(&json!({"multipass": version, "multipassd": version})),
        (Format::Table, None) => println!("multipass   {version}"),
        (Format::Table, Some(_)) => println!("multipass   {version}\nmultipassd  {version}"),
        (Format::Csv, daemon) => {
            println!("Multipass,Multipassd,Title,Description,URL\n{version},{},,,", daemon.unwrap_or_default());
        }
        (Format::Yaml, None) => println!("multipass: {version}"),
        (Format::Yaml, Some(_)) => println!("multipass: {version}\nmultipassd: {version}"),
    }
    Ok(())
}

pub(crate) fn networks(client: &Client, args: &[String]) -> Result<(), u8> {
    let parsed = client.parse(&[FORMAT], args)?;
    no_arguments(&parsed)?;
    let format = format(&parsed)?;
    client.connect("networks")?;
    match format {
        Format::Json => client.json(&json!({"list": []})),
        Format::Table => println!("No network interfaces found."),
        Format::Csv => println!("Name,Type,Description"),
        Format::Yaml => println!(),
    }
    Ok(())
}
