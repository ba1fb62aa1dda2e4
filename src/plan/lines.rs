//! How each action is shown: what would be typed to do the same by hand. What has no command is said in a comment, so
//! that all of it can be pasted into a shell.

use super::action::{Action, EnvAction, HostAction, MachineAction, StackAction};
use super::commands::{self, SystemCommand};
use crate::model::argv;
use crate::model::file::{Folder, RenderedFile};
use crate::model::guest::{Guest, On};
use crate::model::ids::SecretName;
use crate::model::inventory::{Orphan, RootAccess};
use crate::model::paths::Paths;
use crate::model::probe::{Body, Probe};
use crate::model::secret::SecretSource;
use crate::model::service::ServiceSpec;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

impl Action {
    /// What would be typed to do the same by hand, line by line. It holds no secret.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Env(EnvAction::Claim { paths, id, .. }) => {
                vec![folder(&paths.root, 0o700, None), format!("printf '%s\\n' {id} > {}", quoted(&paths.identity()))]
            }
            Self::Env(EnvAction::Replan { layer }) => {
                vec![format!("# look again, now that {layer} are there, and plan the rest")]
            }
            Self::Env(EnvAction::Forget { paths, .. }) => vec![remove([paths.root.as_path()])],
            Self::Host(action) => host(action),
            Self::Stack { on: On::Host, action } => stack(action),
            Self::Stack { on: On::Guest(guest), action } => within(guest, stack(action)),
            Self::Machine { guest, action } => machine(guest, action),
            Self::Lxd(action) => action.lines(),
            Self::Multipass(action) => action.lines(),
        }
    }
}

fn host(action: &HostAction) -> Vec<String> {
    match action {
        HostAction::InstallPackages { packages, root, refresh, systemd, place_policy, new_units } => {
            let before =
                [refresh.then(|| commands::refresh(*root)), place_policy.then(|| commands::place_policy(*root))];
            let install = commands::install(*root, packages.iter().map(String::as_str));
            let before = before.into_iter().flatten().map(|command| command.pasteable());
            before.chain([install.pasteable()]).chain(settle(*root, *systemd, *place_policy, new_units)).collect()
        }
        HostAction::SettlePackages { root, systemd, remove_policy, disable_units } => {
            settle(*root, *systemd, *remove_policy, disable_units).collect()
        }
        HostAction::BuildServices { checkout, target, cargo, components, form, sources: _, log: _ } => {
            let build = commands::build(cargo, target, components, *form);
            let build = with_env(&commands::build_variables(*form, None), &build);
            vec![format!("(cd {} && {build})", quoted(checkout))]
        }
        HostAction::ReservePorts { ports } => {
            ports.iter().map(|(key, number)| format!("# remember port {number} for {key}")).collect()
        }
        HostAction::StoreSecrets { paths, secrets } => store(paths, secrets),
        HostAction::StopOrphans { processes, .. } => processes.iter().map(kill).collect(),
        HostAction::StartAgent { paths, id } => {
            let root = paths.root.display().to_string();
            let agent = argv::join(["reportctl", "agent", "--root", &root, "--id", id.as_str()]);
            vec!["# start the agent in a session of its own:".to_owned(), agent]
        }
        HostAction::StopAgent { .. } => {
            vec!["# ask the agent to stop everything in reverse order, and to end".to_owned()]
        }
    }
}

fn stack(action: &StackAction) -> Vec<String> {
    match action {
        StackAction::WriteFiles { folders, files, .. } => {
            let folders = folders.iter().map(|Folder { path, mode, owner }| folder(path, *mode, owner.as_deref()));
            folders.chain(files.iter().flat_map(file)).collect()
        }
        StackAction::Prepare { commands, env, proof, .. } => {
            let runs = commands.iter().map(|command| with_env(env, command));
            runs.chain([format!("touch {}", quoted(proof))]).collect()
        }
        StackAction::StartService { spec, .. } => start(spec),
        StackAction::AwaitReady { probes, .. } => probes.iter().map(probe).collect(),
        StackAction::StopService { component, .. } => vec![format!("# ask the agent to stop {component}")],
        StackAction::RemovePaths { paths } => vec![remove(paths.iter().map(|path| path.as_path()))],
    }
}

/// What is typed in a machine.
fn within(guest: &Guest, lines: Vec<String>) -> Vec<String> {
    let enter = format!("# in {guest}:");
    [enter].into_iter().chain(lines).collect()
}

fn machine(guest: &Guest, action: &MachineAction) -> Vec<String> {
    let lines = match action {
        MachineAction::AwaitCloudInit { marker } => {
            vec!["cloud-init status --wait".to_owned(), format!("cat {}", quoted(&marker.path))]
        }
        MachineAction::AwaitBlueprint { commands } => commands.iter().map(argv::join).collect(),
        MachineAction::OpenWay { paths } => {
            vec![format!("# let the key {} open tunnels, and nothing else", quoted(&paths.key().with_extension("pub")))]
        }
        MachineAction::InstallPackages { packages } => {
            vec![argv::join(["apt-get", "install", "--yes"].into_iter().chain(packages.iter().map(String::as_str)))]
        }
        MachineAction::PutProgram { from, to, .. } => {
            vec![format!("# install this host's {} as {} (mode 0755)", quoted(from), quoted(to))]
        }
    };
    within(guest, lines)
}

fn settle(root: RootAccess, systemd: bool, policy: bool, units: &BTreeSet<String>) -> impl Iterator<Item = String> {
    let disable = (!units.is_empty()).then(|| commands::disable_units(root, systemd, units.iter().map(String::as_str)));
    let remove = policy.then(|| commands::remove_policy(root));
    disable.into_iter().chain(remove).map(|command: SystemCommand| command.pasteable())
}

fn store(paths: &Paths, secrets: &BTreeMap<SecretName, SecretSource>) -> Vec<String> {
    let each = secrets.iter().map(|(name, source)| {
        let to = quoted(&paths.secret(name));
        match source {
            SecretSource::Generate(length) => format!("# write {length} random letters and digits to {to} (mode 0600)"),
            SecretSource::Env(variable) => format!("# write the value of ${variable} to {to} (mode 0600)"),
            SecretSource::File(from) => format!("install -m 0600 {} {to}", argv::quote(from)),
        }
    });
    [folder(&paths.secrets(), 0o700, None)].into_iter().chain(each).collect()
}

fn file(file: &RenderedFile) -> Vec<String> {
    let RenderedFile { path, mode, text, owner } = file;
    let owned = owner.as_ref().map(|owner| format!("chown {} {}", argv::quote(owner), quoted(path)));
    let write =
        format!("# write the {} bytes that `reportctl render` shows to {} (mode {mode:04o})", text.len(), quoted(path));
    [write].into_iter().chain(owned).collect()
}

fn start(spec: &ServiceSpec) -> Vec<String> {
    let ServiceSpec { component, argv, env, cwd, log, .. } = spec;
    vec![
        format!("# ask the agent to run {component} in {}, with its output in {}:", quoted(cwd), quoted(log)),
        with_env(env, argv),
    ]
}

fn probe(probe: &Probe) -> String {
    match probe {
        Probe::Http { port, path, expect } => {
            let expected = match expect {
                Body::Contains(text) => format!("holds {}", one_line(text)),
                Body::Json { pointer, equals } => format!("has {} at {pointer}", one_line(equals)),
            };
            let url = format!("http://127.0.0.1:{port}{path}");
            format!("curl --fail --silent {}  # until it answers 200 and {expected}", argv::quote(&url))
        }
        Probe::Redis { port, user, .. } => {
            format!("redis-cli -e -p {port} --user {} --askpass ping  # until it answers PONG", argv::quote(user))
        }
        Probe::Postgres { port, program } => {
            format!(
                "{}  # until it exits 0",
                argv::join([program.as_str(), "-h", "127.0.0.1", "-p", &port.to_string()])
            )
        }
    }
}

fn kill(orphan: &Orphan) -> String {
    let what = orphan.component.map_or("an agent", |name| name.as_str());
    format!("kill -TERM {}  # {what}", orphan.pid)
}

fn with_env(env: &BTreeMap<String, String>, command: &[String]) -> String {
    if env.is_empty() {
        return argv::join(command);
    }
    let vars = env.iter().map(|(name, value)| format!("{name}={value}"));
    argv::join(["env".to_owned()].into_iter().chain(vars).chain(command.iter().cloned()))
}

fn folder(path: &Path, mode: u32, owner: Option<&str>) -> String {
    let owner = owner.map(|owner| format!("-o {} ", argv::quote(owner))).unwrap_or_default();
    format!("install -d -m {mode:04o} {owner}{}", quoted(path))
}

fn remove<'a>(paths: impl IntoIterator<Item = &'a Path>) -> String {
    let paths = paths.into_iter().map(|path| path.display().to_string());
    argv::join(["rm".to_owned(), "-rf".to_owned(), "--".to_owned()].into_iter().chain(paths))
}

fn quoted(path: &Path) -> String {
    argv::quote(&path.display().to_string()).into_owned()
}

/// A text that stays within a comment.
fn one_line(text: &str) -> String {
    format!("{text:?}")
}
