//! What is there of LXD for one environment.

use super::answer::{self, Instance, Network, Operations, Profile, Resources, Server};
use super::lxc::{Lxc, LxcError, Sort};
use super::routes;
use crate::context::Context;
use crate::exec;
use crate::fs;
use crate::model::environment::{Environment, InstanceKind, LxdMachine, Machine};
use crate::model::facts::Facts;
use crate::model::guest::Guest;
use crate::model::ids::EnvId;
use crate::model::inventory::{Observed, Package};
use crate::model::lxd::{self, Foreign, Kind, Leftover, LxdState, Names, Pool, Settings};
use crate::model::quantity::Version;
use crate::plan::bake::recipe;
use crate::provider::host::apt::{self, System};
use crate::reach::guest::{Inside, Run};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// The API extensions that are used.
const EXTENSIONS: [&str; 7] =
    ["api_filtering", "cloud_init", "container_full", "instances", "network", "resources", "storage"];
/// The units that start the daemon: of Debian's package, and of the snap.
const UNITS: [&str; 2] = ["lxd.socket", "snap.lxd.daemon.unix.socket"];
/// Each tool of this host that is needed, and the package that has it. Any of the programs will do.
const TOOLS: [(&[&str], &str); 4] = [
    (&["lxc"], "lxd"),
    (&["dnsmasq"], "dnsmasq-base"),
    (&["iptables", "nft"], "iptables"),
    (&["ssh"], "openssh-client"),
];
/// How long a remote may take to answer.
const REMOTE: Duration = Duration::from_secs(10);

/// What is seen of LXD for one environment. Cannot fail: what could not be asked is unknown.
pub async fn observe(context: &Context, env: &Environment, _facts: &Facts, id: &EnvId) -> LxdState {
    let Machine::Lxd(machine) = &env.machine else {
        return LxdState::unseen(Observed::Absent, Observed::Absent, "the environment's machine is not in LXD");
    };
    let look = Look { context, lxc: Lxc::new(context), machine, names: Names::of(id), id };
    let packages = tools(context, TOOLS).await;
    if packages.contains_key("lxd") {
        let state = LxdState::unseen(Observed::Absent, Observed::Absent, "LXD is not installed");
        return LxdState { packages, units: units(), ..state };
    }
    let state = look.all().await;
    // The snap brings its own tools, but for the way in.
    let is_snap = state.units.iter().any(|unit| unit.starts_with("snap."));
    let needed = |name: &String| !is_snap || name == "openssh-client";
    LxdState { packages: packages.into_iter().filter(|(name, _)| needed(name)).collect(), ..state }
}

/// The packages of those tools that are not there. apt is asked only of those.
pub async fn tools<'a>(
    context: &Context,
    tools: impl IntoIterator<Item = (&'a [&'a str], &'a str)>,
) -> BTreeMap<String, Package> {
    let is_there = |programs: &[&str]| programs.iter().any(|program| exec::find(context, program).is_some());
    let missing = tools.into_iter().filter(|(programs, _)| !is_there(programs));
    // Any version will do.
    let packages: BTreeMap<String, Version> =
        missing.filter_map(|(_, package)| Some((package.to_owned(), Version::parse("0").ok()?))).collect();
    if packages.is_empty() {
        return BTreeMap::new();
    }
    apt::observe(context, &System::default(), &packages, None).await
}

/// The same for the tools that an image is made with.
async fn image_tools(context: &Context) -> BTreeMap<String, Package> {
    let all = recipe::TOOLS.map(|(package, program)| ([program], package));
    tools(context, all.iter().map(|(programs, package)| (programs.as_slice(), *package))).await
}

fn units() -> BTreeSet<String> {
    apt::observe_units(&System::default(), UNITS).into_keys().collect()
}

/// What was asked of LXD at once.
struct Answers {
    instances: Result<Vec<Instance>, LxcError>,
    profiles: Result<Vec<Profile>, LxcError>,
    networks: Result<Vec<Network>, LxcError>,
    pools: Result<Vec<answer::Pool>, LxcError>,
    images: Result<Vec<answer::Image>, LxcError>,
    operations: Result<Operations, LxcError>,
}

struct Look<'a> {
    context: &'a Context,
    lxc: Lxc,
    machine: &'a LxdMachine,
    names: Names,
    id: &'a EnvId,
}

impl Look<'_> {
    async fn all(&self) -> LxdState {
        let (client, server) = tokio::join!(self.client(), self.lxc.get::<Server>("/1.0"));
        let server = match server {
            Ok(server) => server,
            Err(error) => {
                let why = format!("LXD does not answer: {}", error.said());
                let seen = match error.sort() {
                    Sort::NotRunning => Observed::Absent,
                    _ => Observed::Unknown(error.to_string()),
                };
                let state = LxdState::unseen(client, seen, &why);
                return LxdState { is_denied: error.sort() == Sort::Denied, units: units(), ..state };
            }
        };
        let version = server.version();
        let seen = version.map_or_else(
            || Observed::Unknown(format!("its version `{}` is not understood", server.environment.server_version)),
            Observed::Present,
        );
        if server.auth != "trusted" {
            let seen = Observed::Unknown(format!("it says that this user is {}", server.auth));
            return LxdState { is_denied: true, ..LxdState::unseen(client, seen, "LXD does not trust this user") };
        }
        let answers = self.ask().await;
        let state = LxdState { units: units(), ..self.state(client, seen, &server, answers) };
        self.look_closer(state).await
    }

    async fn client(&self) -> Observed<Version> {
        match self.lxc.ask(&["--version"], Duration::from_secs(10)).await {
            Ok(text) => Version::parse(text.trim()).ok().or_else(|| Version::find(&text)).map_or_else(
                || Observed::Unknown(format!("its version `{text}` is not understood")),
                Observed::Present,
            ),
            Err(error) => Observed::Unknown(error.to_string()),
        }
    }

    async fn ask(&self) -> Answers {
        let Self { lxc, names, id, .. } = self;
        // Those of our name, whoever made them, and those of our identity, however they are called.
        let ours = format!("name eq {} or config.user.reportctl.id eq {id}", names.instance).replace(' ', "%20");
        let instances = format!("/1.0/instances?recursion=2&filter={ours}");
        let (instances, profiles, networks, pools, images, operations) = tokio::join!(
            lxc.get(&instances),
            lxc.get("/1.0/profiles?recursion=1"),
            lxc.get("/1.0/networks?recursion=1"),
            lxc.get("/1.0/storage-pools?recursion=1"),
            lxc.get("/1.0/images?recursion=1"),
            lxc.get("/1.0/operations?recursion=1"),
        );
        Answers { instances, profiles, networks, pools, images, operations }
    }

    /// What the answers come to.
    fn state(&self, client: Observed<Version>, server: Observed<Version>, said: &Server, answers: Answers) -> LxdState {
        let names = &self.names;
        let mut state = LxdState::unseen(client, server, "LXD did not say");
        let known: BTreeSet<&str> = said.api_extensions.iter().map(String::as_str).collect();
        state.lacks = EXTENSIONS.iter().filter(|name| !known.contains(*name)).map(|name| (*name).to_owned()).collect();
        state.no_machines = no_machines(said);
        state.busy = match &answers.operations {
            Ok(all) => answer::running(all, &names.instance).map(|operation| operation.description.clone()),
            Err(_) => None,
        };
        let mut sorted = Sorted { id: self.id, foreign: Vec::new(), leftovers: Vec::new() };
        let of = |profile: &Profile| (profile.name.clone(), profile.config.clone());
        let profile = sorted.own(Kind::Profile, &names.profile, answers.profiles.as_deref(), of);
        state.default_pool = answers.profiles.as_deref().ok().and_then(default_pool);
        state.profile = map(profile, |found| lxd::Profile { config: found.config, devices: found.devices });
        let of = |network: &Network| (network.name.clone(), network.config.clone());
        let network = sorted.own(Kind::Network, &names.network, answers.networks.as_deref(), of);
        state.taken = routes::taken();
        state.taken.extend(answers.networks.iter().flatten().filter_map(Network::subnet));
        state.network = map(network, |found| lxd::Network { subnet: found.subnet() });
        let of = |instance: &Instance| (instance.name.clone(), instance.config.clone());
        let instance = sorted.own(Kind::Instance, &names.instance, answers.instances.as_deref(), of);
        let subnet = state.network.present().and_then(|network| network.subnet);
        state.instance = map(instance, |found| self.instance(&found, subnet));
        let of = |pool: &answer::Pool| (pool.name.clone(), pool.config.clone());
        // Whose it is matters only where it has our name.
        let _ = sorted.own(Kind::Pool, &names.pool, answers.pools.as_deref(), of);
        let pools = answers.pools.unwrap_or_default().into_iter();
        state.pools = pools.map(|pool| (pool.name.clone(), self.pool(&pool))).collect();
        state.images = answers.images.unwrap_or_default().into_iter().map(Into::into).collect();
        (state.foreign, state.leftovers) = (sorted.foreign, sorted.leftovers);
        state
    }

    fn pool(&self, pool: &answer::Pool) -> Pool {
        let is_ours = answer::identity(&pool.config).is_some_and(|id| id == self.id.as_str());
        Pool { driver: pool.driver.clone(), free: None, is_ours }
    }

    fn instance(&self, found: &Instance, subnet: Option<lxd::Subnet>) -> lxd::Instance {
        let state = found.state.as_ref();
        lxd::Instance {
            name: found.name.clone(),
            is_running: state.map_or(found.status.as_str(), |state| &state.status) == "Running",
            address: subnet.and_then(|subnet| state?.address(subnet)),
            marker: Observed::Unknown("it does not run".to_owned()),
            kind: found.kind(),
            promised: found.promised(),
            profiles: found.profiles.clone(),
            devices: found.devices.clone(),
            snapshots: found.snapshots.iter().map(|snapshot| snapshot.name.clone()).collect(),
            is_provisioned: found.is_provisioned(),
            image: found.config.get("volatile.base_image").cloned(),
        }
    }

    /// What costs a question more: the marker in the machine, and where there is none, what it can be made from.
    async fn look_closer(&self, mut state: LxdState) -> LxdState {
        match &mut state.instance {
            Observed::Present(instance) if instance.is_running => instance.marker = self.marker(instance).await,
            Observed::Absent => {
                let names: Vec<String> = state.pools.keys().cloned().collect();
                for name in names {
                    let free: Result<Resources, _> =
                        self.lxc.get(&format!("/1.0/storage-pools/{name}/resources")).await;
                    if let (Some(pool), Ok(resources)) = (state.pools.get_mut(&name), free) {
                        pool.free = resources.free();
                    }
                }
                let makes = self.machine.blueprint.image.debian.is_some();
                let image_tools = async { if makes { image_tools(self.context).await } else { BTreeMap::new() } };
                (state.remote, state.image_tools) = tokio::join!(self.remote(&state), image_tools);
            }
            Observed::Present(_) | Observed::Unknown(_) => {}
        }
        state
    }

    async fn marker(&self, instance: &lxd::Instance) -> Observed<String> {
        let Some(promised) = &instance.promised else {
            return Observed::Unknown("it does not say where its marker is".to_owned());
        };
        let inside = Inside::new(self.context, &Guest::Lxd(instance.name.clone()));
        let path = promised.path.display().to_string();
        let run = Run { deadline: Duration::from_secs(20), ..Run::new(["cat".to_owned(), path]) };
        match inside.run(run).await {
            Ok(output) if output.code == 0 => Observed::Present(output.stdout.trim_end().to_owned()),
            Ok(output) if output.stderr.contains("No such file or directory") => Observed::Absent,
            Ok(output) => Observed::Unknown(output.stderr.trim().to_owned()),
            Err(error) => Observed::Unknown(error.to_string()),
        }
    }

    /// Whether the remote of the image answers, and has it. Not asked where there is a local image of that name.
    async fn remote(&self, state: &LxdState) -> Observed<()> {
        let image = &self.machine.blueprint.image.lxd;
        match image.split_once(':') {
            Some(("local", _)) | None => Observed::Absent,
            Some(_) if state.alias(image).is_some() => Observed::Unknown("nobody asked".to_owned()),
            Some(_) => {
                let mut words = vec!["image", "info", image];
                if self.machine.instance == InstanceKind::VirtualMachine {
                    words.push("--vm");
                }
                match self.lxc.ask(&words, REMOTE).await {
                    Ok(_) => Observed::Present(()),
                    Err(error) if error.sort() == Sort::NotFound => Observed::Absent,
                    Err(error) => Observed::Unknown(error.to_string()),
                }
            }
        }
    }
}

/// Sorts what is there into ours, foreign, and what is left of ours.
struct Sorted<'a> {
    id: &'a EnvId,
    foreign: Vec<Foreign>,
    leftovers: Vec<Leftover>,
}

impl Sorted<'_> {
    fn own<T: Clone>(
        &mut self,
        kind: Kind,
        name: &str,
        all: Result<&[T], &LxcError>,
        of: impl Fn(&T) -> (String, Settings),
    ) -> Observed<T> {
        let all = match all {
            Ok(all) => all,
            Err(error) => return Observed::Unknown(error.to_string()),
        };
        let mut own = Observed::Absent;
        for one in all {
            let (found, config) = of(one);
            let id = answer::identity(&config);
            let is_ours = id.is_some_and(|id| id == self.id.as_str());
            match (found == name, is_ours) {
                (true, true) => own = Observed::Present(one.clone()),
                (true, false) => {
                    own = Observed::Unknown(format!("the {} {name} is somebody else's", kind.word()));
                    self.foreign.push(Foreign { kind, name: found, id: id.cloned() });
                }
                (false, true) => self.leftovers.push(Leftover { kind, name: found }),
                (false, false) => {}
            }
        }
        own
    }
}

fn map<T, U>(seen: Observed<T>, with: impl FnOnce(T) -> U) -> Observed<U> {
    match seen {
        Observed::Present(found) => Observed::Present(with(found)),
        Observed::Absent => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason),
    }
}

fn default_pool(profiles: &[Profile]) -> Option<String> {
    let default = profiles.iter().find(|profile| profile.name == "default")?;
    let root = default.devices.values().find(|device| device.get("path").is_some_and(|path| path == "/"))?;
    root.get("pool").cloned()
}

fn no_machines(server: &Server) -> Option<String> {
    if server.environment.driver.contains("qemu") {
        return None;
    }
    let reason = match fs::observe_meta(Path::new("/dev/kvm")) {
        Observed::Absent => "this host has no /dev/kvm",
        Observed::Present(_) | Observed::Unknown(_) => {
            "it has no driver for them: QEMU, its firmware or the kernel's module vhost_vsock is missing"
        }
    };
    Some(reason.to_owned())
}
