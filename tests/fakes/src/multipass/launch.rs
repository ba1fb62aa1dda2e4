//! `multipass launch`.

use super::backend::{Doing, Spec};
use super::client::{Client, CommandLineError};
use super::daemon::{Daemon, Failure, Request, Timer, call};
use super::qt::Opt;
use super::setup::Generation;
use super::state::{Image, Instance, Phase, State};
use super::values::{self, IMAGE_SIZE};
use super::{mounts, seed, yaml};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

const OPTIONS: &[Opt] = &[
    Opt(&["name", "n"], true),
    Opt(&["cpus", "c"], true),
    Opt(&["memory", "m"], true),
    Opt(&["disk", "d"], true),
    Opt(&["cloud-init"], true),
    Opt(&["network"], true),
    Opt(&["bridged"], false),
    Opt(&["mount"], true),
    Opt(&["timeout"], true),
];

/// What is to be launched, as the client sends it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    name: Option<String>,
    cpus: u64,
    memory: Option<String>,
    disk: Option<String>,
    remote: String,
    image: String,
    user_data: String,
    networks: Vec<String>,
    timeout: u64,
    zone: Option<String>,
}

/// Errors: the exit code.
pub(crate) fn run(client: &Client, args: &[String]) -> Result<(), u8> {
    let extra: &[Opt] = match client.setup.generation {
        Generation::Stable => &[Opt(&["mem"], true)],
        Generation::Next => &[Opt(&["zone"], true)],
    };
    let parsed = client.parse(&[OPTIONS, extra].concat(), args)?;
    let (remote, image) = source(client, &parsed.positional)?;
    let cpus = parsed.value("cpus").unwrap_or("1");
    let cpus = cpus.parse::<u64>().ok().filter(|cpus| *cpus > 0);
    let cpus = cpus.ok_or_else(|| {
        let given = parsed.value("cpus").unwrap_or_default();
        CommandLineError(format!("Error: invalid CPU count '{given}', need a positive integer value."))
    })?;
    let memory = parsed.value("memory").or(parsed.value("mem")).map(str::to_owned);
    let disk = parsed.value("disk").map(str::to_owned);
    for size in [&memory, &disk].into_iter().flatten() {
        if values::size(size).is_none() {
            return Err(client.uncaught(&values::no_size(size)));
        }
    }
    let mounts = parsed.values("mount").map(|mount| mounts::source(client, mount)).collect::<Result<Vec<_>, _>>()?;
    let user_data = match parsed.value("cloud-init") {
        Some(path) => cloud_init(client, path)?,
        None => String::new(),
    };
    let timeout = client.timeout(&parsed)?;
    let bridged = parsed.has("bridged").then_some("bridged");
    let wanted = Wanted {
        name: parsed.value("name").map(str::to_owned),
        cpus,
        memory,
        disk,
        remote,
        image,
        user_data,
        networks: parsed.values("network").chain(bridged).map(str::to_owned).collect(),
        timeout: timeout.unwrap_or(300),
        zone: parsed.value("zone").map(str::to_owned),
    };
    client.connect("launch")?;
    let early = client.setup.faults.value("client-timeout").and_then(|seconds| seconds.parse::<f64>().ok());
    let timer = timeout.map(|seconds| Timer {
        after: early.map_or(Duration::from_secs(seconds), Duration::from_secs_f64),
        text: "Timed out waiting for instance launch.",
    });
    let launched = call(&client.setup, "launch", &Request::Launch(wanted), timer.as_ref())?;
    println!("Launched: {launched}");
    let name = launched.split(' ').next().unwrap_or_default();
    mounts::after_launch(client, name, &mounts)
}

/// The remote and the image.
fn source(client: &Client, positional: &[String]) -> Result<(String, String), u8> {
    let [given] = positional else {
        if positional.is_empty() {
            return Ok((String::new(), String::new()));
        }
        return Err(CommandLineError("Too many arguments supplied".to_owned()).into());
    };
    if ["http://", "https://", "file://"].iter().any(|scheme| given.starts_with(scheme)) {
        return Ok((String::new(), given.clone()));
    }
    match given.split(':').collect::<Vec<_>>().as_slice() {
        [image] => Ok((String::new(), (*image).to_owned())),
        [remote, image] => Ok(((*remote).to_owned(), (*image).to_owned())),
        _ => {
            let _ = client;
            Err(CommandLineError("Invalid remote and source image name supplied".to_owned()).into())
        }
    }
}

/// The user-data as the client sends it: parsed and written anew.
fn cloud_init(client: &Client, path: &str) -> Result<String, u8> {
    let refuse = |text: String| CommandLineError(format!("Could not load cloud-init configuration: {text}"));
    let bad = || refuse(format!("bad file: {path}\nPlease ensure that Multipass can read it."));
    let mut text = String::new();
    if path == "-" {
        std::io::stdin().read_to_string(&mut text).map_err(|error| refuse(error.to_string()))?;
    } else {
        // A FIFO is as good as a file: whoever writes into it decides what is read.
        let is_file = fs::metadata(path).is_ok_and(|meta| !meta.is_dir());
        if !is_file || !client.sees(Path::new(path)) {
            return Err(bad().into());
        }
        text = fs::read_to_string(path).map_err(|_| bad())?;
    }
    let node = yaml::load(&text).map_err(refuse)?;
    Ok(if node.kind == yaml::Kind::Null { String::new() } else { yaml::dump(&node) })
}

fn invalid(detail: String) -> Failure {
    Failure { message: "Invalid arguments supplied".to_owned(), details: vec![detail] }
}

/// The daemon's part. What it says at its end is the name, and in the next generation the zone.
pub(crate) fn perform(daemon: &mut Daemon, wanted: &Wanted) -> Result<String, Failure> {
    let (least_memory, least_disk) = daemon.setup.generation.minimums();
    let name = wanted.name.clone().unwrap_or_else(|| format!("fake-animal{}", std::process::id()));
    if !values::is_name(&name) {
        return Err(invalid(format!("Invalid instance name supplied: {name}")));
    }
    let bytes = |text: &Option<String>, default: u64| text.as_deref().and_then(values::size).unwrap_or(default);
    let (memory, disk) = (bytes(&wanted.memory, 1 << 30), bytes(&wanted.disk, 5 << 30));
    if memory < least_memory {
        let given = wanted.memory.as_deref().unwrap_or_default();
        return Err(invalid(format!("Invalid memory size value supplied: {given}.")));
    }
    if disk < least_disk {
        let given = wanted.disk.as_deref().unwrap_or_default();
        return Err(invalid(format!("Invalid disk size value supplied: {given}.")));
    }
    networks(daemon, wanted)?;
    if wanted.zone.as_deref().is_some_and(|zone| !["zone1", "zone2", "zone3"].contains(&zone)) {
        return Err(invalid(format!("Invalid zone supplied: {}.", wanted.zone.as_deref().unwrap_or_default())));
    }
    prepare(daemon, &name)?;
    let made = make(daemon, wanted, &name, memory, disk);
    State::update(&daemon.setup.home, |state| {
        state.preparing.remove(&name);
        if let Ok((spec, image)) = &made {
            let instance = Instance {
                spec: spec.clone(),
                image: image.clone(),
                phase: Phase::Starting,
                deleted: false,
                mounts: BTreeMap::new(),
                snapshots: BTreeMap::new(),
                snapshot_count: 0,
                head: String::new(),
                clones: 0,
            };
            state.instances.insert(name.clone(), instance);
        }
    })?;
    made?;
    daemon.progress(format!("Starting {name}"));
    boot(daemon, &name, wanted.timeout, true)?;
    let zone = wanted.zone.as_deref().unwrap_or("zone1");
    Ok(match daemon.setup.generation {
        Generation::Stable => name,
        Generation::Next => format!("{name} in {zone}"),
    })
}

fn networks(daemon: &Daemon, wanted: &Wanted) -> Result<(), Failure> {
    let Some(network) = wanted.networks.first() else { return Ok(()) };
    let bridged = network.split(',').any(|part| part == "bridged" || part == "name=bridged");
    let has_setting = State::read(&daemon.setup.home)?.settings.contains_key("local.bridged-network");
    if bridged && !has_setting {
        let text = "You have to `multipass set local.bridged-network=<name>` to use the \"bridged\" shortcut.";
        return Err(Failure::new(text));
    }
    // The fake has no network beside its own.
    Err(invalid("Invalid network options supplied".to_owned()))
}

/// Takes the name.
fn prepare(daemon: &Daemon, name: &str) -> Result<(), Failure> {
    let taken = State::update(&daemon.setup.home, |state| {
        if state.instances.contains_key(name) {
            return Some(format!("instance \"{name}\" already exists"));
        }
        let is_alive = |pid: &u32| Path::new(&format!("/proc/{pid}")).exists();
        if state.preparing.get(name).is_some_and(is_alive) {
            return Some(format!("instance \"{name}\" is being prepared"));
        }
        state.preparing.insert(name.to_owned(), std::process::id());
        None
    })?;
    taken.map_or(Ok(()), |text| Err(Failure::new(text)))
}

/// Fetches the image and makes the instance.
fn make(daemon: &mut Daemon, wanted: &Wanted, name: &str, memory: u64, disk: u64) -> Result<(Spec, Image), Failure> {
    daemon.progress(format!("Creating {name}"));
    let image = fetch(daemon, wanted, disk)?;
    daemon.progress(format!("Preparing image for {name}"));
    daemon.progress(format!("Configuring {name}"));
    let zone = fs::read_to_string("/etc/timezone").unwrap_or_default();
    let zone = if zone.trim().is_empty() { "Etc/UTC" } else { zone.trim() };
    let seed = seed::seed(name, &wanted.user_data, zone)?;
    keep(daemon, name, &seed)?;
    let spec = Spec { name: name.to_owned(), cpus: wanted.cpus, memory, disk, seed };
    daemon.backend.create(&spec)?;
    Ok((spec, image))
}

/// Keeps the seed for whoever wants to look at it.
fn keep(daemon: &Daemon, name: &str, seed: &super::backend::Seed) -> Result<(), Failure> {
    let folder = daemon.setup.home.join("seeds").join(name);
    let failed = |error: std::io::Error| Failure::new(error.to_string());
    fs::create_dir_all(&folder).map_err(failed)?;
    fs::write(folder.join("user-data"), &seed.user_data).map_err(failed)?;
    fs::write(folder.join("vendor-data"), &seed.vendor_data).map_err(failed)?;
    fs::write(folder.join("meta-data"), &seed.meta_data).map_err(failed)
}

/// The image, with all that can go wrong on the way to it.
fn fetch(daemon: &mut Daemon, wanted: &Wanted, disk: u64) -> Result<Image, Failure> {
    let faults = daemon.setup.faults.clone();
    let Wanted { remote, image, .. } = wanted;
    if faults.on("no-kvm") {
        return Err(Failure::new(
            "KVM support is not enabled on this machine.\nPlease ensure the following:\n* The user has permission to \
             access /dev/kvm\n* KVM is enabled in the BIOS",
        ));
    }
    if faults.on("image-missing") {
        return Err(Failure::new(format!("Unable to find an image matching \"{image}\" in remote \"{remote}\".")));
    }
    if faults.on("manifest-unreachable") {
        let hint = "If image mirror is enabled, please confirm it is valid.";
        return Err(Failure::new(format!("Remote \"{remote}\" is unknown or unreachable. {hint}")));
    }
    if faults.on("image-old") {
        return Err(Failure::new(format!("The {image} release is no longer supported.")));
    }
    let found = if let Some(path) = image.strip_prefix("file://") {
        if !Path::new(path).is_file() || (daemon.setup.snap && !values::is_visible(Path::new(path), Path::new("/"))) {
            return Err(Failure::new(format!("Custom image `{path}` does not exist.")));
        }
        Image { release: String::new(), hash: String::new() }
    } else if image.contains("://") {
        return Err(Failure::new(format!("failed to download from '{image}': Host not found")));
    } else {
        values::image(remote, image, daemon.setup.generation)?
    };
    if faults.on("download-failed") {
        let url = "https://cloud-images.ubuntu.com/releases/server/releases/noble/release/image.img";
        return Err(Failure::new(format!("failed to download from '{url}': Connection timed out")));
    }
    download(daemon);
    let updated = State::read(&daemon.setup.home)?.updated;
    if faults.on("hash-mismatch") && (faults.value("hash-mismatch") == Some("always") || !updated) {
        let file = "/var/snap/multipass/common/cache/multipassd/vault/images/image.img";
        return Err(Failure::new(format!("Hash of {file} does not match {}", found.hash)));
    }
    if faults.on("disk-full") {
        return Err(Failure::new(format!(
            "Available disk (1073741824 bytes) below minimum for this image ({IMAGE_SIZE} bytes)"
        )));
    }
    if disk < IMAGE_SIZE {
        let text = format!("Requested disk ({disk} bytes) below minimum for this image ({IMAGE_SIZE} bytes)");
        return Err(Failure::new(text));
    }
    Ok(found)
}

fn download(daemon: &mut Daemon) {
    let seconds = daemon.setup.faults.value("slow-download").and_then(|text| text.parse::<f64>().ok());
    let steps: u8 = if seconds.is_some() { 20 } else { 2 };
    for step in 0..=steps {
        daemon.percent("Retrieving image: ", step.saturating_mul(100 / steps));
        if let Some(seconds) = seconds {
            std::thread::sleep(Duration::from_secs_f64(seconds / f64::from(steps)));
        }
    }
    daemon.percent("Extracting image: ", 100);
    daemon.percent("Verifying image: ", 100);
}

/// Starts an instance, and waits as the daemon does: for SSH, and then for the file that cloud-init leaves at its end,
/// whatever that end was.
pub(crate) fn boot(daemon: &mut Daemon, name: &str, timeout: u64, first: bool) -> Result<(), Failure> {
    let faults = daemon.setup.faults.clone();
    let unreachable = faults.on("ssh-dead") || (first && faults.on("ssh-never"));
    if daemon.backend.doing(name)? != Doing::Runs {
        daemon.backend.start(name)?;
    }
    if faults.on("stops-while-starting") && (first || faults.value("stops-while-starting") == Some("always")) {
        daemon.backend.stop(name, true)?;
        set(daemon, name, Phase::Stopped)?;
        return Err(Failure::several([format!("{name}: shutdown called while starting")]));
    }
    let limit = |never: bool| if never { Duration::from_millis(200) } else { Duration::from_secs(timeout) };
    let answered = wait(daemon, name, limit(unreachable), |daemon| !unreachable && daemon.backend.answers(name));
    match answered {
        Waited::Done => set(daemon, name, Phase::Running)?,
        Waited::Stopped => {
            set(daemon, name, Phase::Stopped)?;
            return Err(Failure::several([format!("{name}: shutdown called while starting")]));
        }
        Waited::TooLong => {
            set(daemon, name, Phase::Unknown)?;
            return Err(Failure::several([format!("{name}: timed out waiting for response")]));
        }
    }
    daemon.progress("Waiting for initialization to complete");
    let hangs = first && faults.on("init-never");
    let initialized = wait(daemon, name, limit(hangs), |daemon| !hangs && daemon.backend.is_initialized(name));
    match initialized {
        Waited::Done => Ok(()),
        Waited::Stopped | Waited::TooLong => {
            Err(Failure::several(["timed out waiting for initialization to complete".to_owned()]))
        }
    }
}

enum Waited {
    Done,
    Stopped,
    TooLong,
}

fn wait(daemon: &Daemon, name: &str, limit: Duration, done: impl Fn(&Daemon) -> bool) -> Waited {
    let began = Instant::now();
    let mut stopped: Option<Instant> = None;
    loop {
        if done(daemon) {
            return Waited::Done;
        }
        // One that is started again is stopped for a moment.
        stopped = match daemon.backend.doing(name) {
            Ok(Doing::Stopped | Doing::Nothing) => stopped.or_else(|| Some(Instant::now())),
            _ => None,
        };
        if stopped.is_some_and(|since| since.elapsed() > Duration::from_secs(5)) {
            return Waited::Stopped;
        }
        if began.elapsed() >= limit {
            return Waited::TooLong;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Remembers what an instance does now.
pub(crate) fn set(daemon: &Daemon, name: &str, phase: Phase) -> Result<(), Failure> {
    Ok(State::update(&daemon.setup.home, |state| {
        if let Some(instance) = state.instances.get_mut(name) {
            instance.phase = phase;
        }
    })?)
}
