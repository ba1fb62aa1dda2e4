//! What every template is filled with.

use super::{Base, MARKER};
use crate::model::blueprint::{Blueprint, Input};
use crate::model::component::{ComponentName, Source};
use crate::model::environment::{self, Environment};
use crate::model::ids::EnvId;
use crate::model::paths::Paths;
use crate::model::unit;
use crate::render::native::{View, native};
use crate::render::{RenderError, tree, units};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The user by whose name tunnels are opened, and who may do nothing else.
pub const TUNNEL_USER: &str = "report-tunnel";
/// That user's home, where the key is put that may open them.
pub const TUNNEL_HOME: &str = "/var/lib/report-tunnel";

/// What every template is filled with, under these names.
#[derive(Debug, Clone, Serialize)]
pub struct Given {
    /// What the blueprint says for this template alone.
    pub inputs: BTreeMap<String, Input>,
    /// Whether the image holds all of it already but for what is each machine's own.
    pub baked: bool,
    /// Public keys of people who may log in.
    pub keys: Vec<String>,
    /// The packages to install.
    pub packages: BTreeSet<String>,
    /// The units that must never start: those that packages bring, and those that would change packages by themselves.
    pub masks: BTreeSet<String>,
    /// The components.
    pub components: Vec<Component>,
    /// Where further programs come from. None unless the blueprint has `repositories: true` among its inputs.
    pub repositories: Vec<Repository>,
    /// The user of tunnels.
    pub tunnel: Tunnel,
    /// What the last act leaves.
    pub marker: Mark,
}

/// The names of it all.
pub const NAMES: [&str; 9] =
    ["inputs", "baked", "keys", "packages", "masks", "components", "repositories", "tunnel", "marker"];

/// A component of the stack.
#[derive(Debug, Clone, Serialize)]
pub struct Component {
    /// Its user.
    pub user: String,
    /// That user's home, which is where its data is.
    pub home: String,
    /// Its unit. None where its program does not come with the machine: then the unit comes with its configuration, if ever.
    pub unit: Option<Unit>,
}

/// A unit.
#[derive(Debug, Clone, Serialize)]
pub struct Unit {
    /// Its file.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// An apt repository of a component's makers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Repository {
    /// The name of its files.
    pub name: &'static str,
    /// Where the key is that signs it.
    pub key_url: &'static str,
    /// The fingerprint of that key. A key that is published there and has another one is not taken.
    pub fingerprint: &'static str,
    /// The rest of its line in apt's list, from the address on.
    pub suite: &'static str,
    /// What is installed from it.
    pub packages: &'static [&'static str],
}

/// The user of tunnels.
#[derive(Debug, Clone, Serialize)]
pub struct Tunnel {
    user: &'static str,
    home: &'static str,
}

/// What the last act leaves.
#[derive(Debug, Clone, Serialize)]
pub struct Mark {
    /// The file.
    pub path: &'static str,
    /// What it holds.
    pub digest: String,
}

/// What a machine needs beside the components' own packages: certificates for whom the services speak with, and the server
/// that tunnels go in by.
const BASE_PACKAGES: [&str; 2] = ["ca-certificates", "openssh-server"];

/// Units that packages bring beside those that components know: clusters of PostgreSQL, Grafana's and ClickHouse's servers,
/// and apt's own timers.
const FURTHER_UNITS: [&str; 8] = [
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "clickhouse-keeper.service",
    "clickhouse-server.service",
    "grafana-server.service",
    "postgresql@.service",
    "unattended-upgrades.service",
    "uptrace.service",
];

impl Given {
    /// What the template of a blueprint is filled with. The mark is still to be made.
    ///
    /// Errors: a unit has no text form.
    pub fn new(env: &Environment, blueprint: &Blueprint, keys: &[String], base: Base) -> Result<Self, RenderError> {
        let stack = &env.stack.components;
        let package = |name: &ComponentName| match name.source() {
            Source::Package { package, .. } => Some(package),
            Source::Program { .. } | Source::Ours { .. } => None,
        };
        // What may be skipped is not installed for its own sake, here as little as on this host.
        let wanted = stack.values().filter(|component| component.required).filter_map(|it| package(&it.name));
        let units = stack.keys().filter_map(|name| match name.source() {
            Source::Package { unit, .. } => Some(unit),
            Source::Program { .. } | Source::Ours { .. } => None,
        });
        let asks = blueprint.cloud_init.inputs.get("repositories") == Some(&Input::Flag(true));
        let is_ours = |name: ComponentName| matches!(name.source(), Source::Ours { .. });
        let offers = |name: ComponentName| repository(name).filter(|_| asks);
        Ok(Self {
            inputs: blueprint.cloud_init.inputs.clone(),
            baked: base == Base::Baked,
            keys: keys.to_vec(),
            packages: BASE_PACKAGES.into_iter().chain(wanted).map(str::to_owned).collect(),
            masks: FURTHER_UNITS.into_iter().chain(units).map(str::to_owned).collect(),
            components: components(env, |it| it.required || is_ours(it.name) || offers(it.name).is_some())?,
            repositories: stack.keys().filter_map(|name| offers(*name)).collect(),
            tunnel: Tunnel { user: TUNNEL_USER, home: TUNNEL_HOME },
            marker: Mark { path: MARKER, digest: String::new() },
        })
    }
}

/// The components with their units, as they are when each has the port that it wants and its program is where it customarily
/// is. Where that turns out otherwise, the unit is written anew with the component's other files.
fn components(
    env: &Environment,
    comes: impl Fn(&environment::Component) -> bool,
) -> Result<Vec<Component>, RenderError> {
    let (paths, id) = (Paths::system(), EnvId::join(&env.name, "00000000")?);
    let (active, _) = tree::supposed(env, &BTreeMap::new(), &BTreeMap::new());
    let view = View { env, paths: &paths, id: &id, uid: 0, active };
    let unit_of = |name| -> Result<Unit, RenderError> {
        let file = units::file(&view, name, &native(&view, name)?)?;
        Ok(Unit { path: file.path.display().to_string(), text: file.text })
    };
    let stack = env.stack.components.values();
    stack
        .map(|component| {
            Ok(Component {
                user: unit::user(component.name),
                home: paths.data(component.name).display().to_string(),
                unit: if comes(component) { Some(unit_of(component.name)?) } else { None },
            })
        })
        .collect()
}

/// The apt repository of a component's makers. Uptrace has none: its makers publish a program alone.
const fn repository(name: ComponentName) -> Option<Repository> {
    match name {
        ComponentName::Grafana => Some(Repository {
            name: "grafana",
            key_url: "https://apt.grafana.com/gpg.key",
            fingerprint: "B53AE77BADB630A683046005963FA27710458545",
            suite: "https://apt.grafana.com stable main",
            packages: &["grafana"],
        }),
        ComponentName::Clickhouse => Some(Repository {
            name: "clickhouse",
            key_url: "https://packages.clickhouse.com/rpm/lts/repodata/repomd.xml.key",
            fingerprint: "3A9EA1193A97B548BE1457D48919F6BD2B48D754",
            suite: "https://packages.clickhouse.com/deb stable main",
            packages: &["clickhouse-common-static", "clickhouse-server", "clickhouse-client"],
        }),
        ComponentName::Redis
        | ComponentName::RedisExporter
        | ComponentName::NodeExporter
        | ComponentName::Prometheus
        | ComponentName::Alertmanager
        | ComponentName::Postgresql
        | ComponentName::Uptrace
        | ComponentName::Requestor
        | ComponentName::Runner => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    #[test]
    fn the_names_are_those_of_what_is_given() {
        let given = Given {
            inputs: BTreeMap::new(),
            baked: false,
            keys: Vec::new(),
            packages: BTreeSet::new(),
            masks: BTreeSet::new(),
            components: Vec::new(),
            repositories: Vec::new(),
            tunnel: Tunnel { user: TUNNEL_USER, home: TUNNEL_HOME },
            marker: Mark { path: MARKER, digest: String::new() },
        };
        let given = serde_json::to_value(given).unwrap();
        let names: BTreeSet<&str> = given.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(NAMES));
    }
}
