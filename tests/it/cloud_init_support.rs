//! What the tests of user-data share: an environment in a machine, and blueprints with the templates of this project.

use crate::render_support::{LOCAL, environment};
use reportctl::model::blueprint::{Blueprint, CloudInit, Image, Input, Network, Timeouts};
use reportctl::model::component::ComponentName;
use reportctl::model::environment::{Environment, InstanceKind, LxdMachine, Machine, PortPolicy};
use reportctl::model::ids::EnvName;
use reportctl::model::quantity::{Size, Span};
use std::collections::BTreeMap;

/// The template of the stack's machine.
pub const STACK: &str = include_str!("../../cloud-init/report-stack.yaml.tera");
/// The template of the charms' machine.
pub const CHARMS: &str = include_str!("../../cloud-init/microk8s-juju.yaml.tera");

/// A blueprint with a template and its inputs.
pub fn blueprint(name: &str, text: &str, inputs: &[(&str, Input)]) -> Blueprint {
    Blueprint {
        name: name.to_owned(),
        description: "A machine".to_owned(),
        image: Image { lxd: "images:debian/12/cloud".to_owned(), multipass: "24.04".to_owned(), debian: None },
        cpus: 2,
        memory: Size(4 << 30),
        disk: Size(10 << 30),
        network: Network::Private,
        mounts: Vec::new(),
        cloud_init: CloudInit {
            template: name.to_owned(),
            text: text.to_owned(),
            inputs: inputs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<BTreeMap<_, _>>(),
        },
        ports: vec![22],
        ready: Vec::new(),
        timeouts: Timeouts { launch: Span::seconds(600), cloud_init: Span::seconds(900), ready: Span::seconds(60) },
    }
}

/// The blueprint of the stack's machine.
pub fn stack_blueprint() -> Blueprint {
    blueprint("report-stack", STACK, &[])
}

/// An environment with every component in a machine of LXD.
pub fn in_machine(name: &str) -> Environment {
    let machine = LxdMachine {
        ports: PortPolicy::Free,
        instance: InstanceKind::Container,
        bake: true,
        pool: None,
        authorized_keys: Vec::new(),
        blueprint: stack_blueprint(),
    };
    let mut env = environment();
    env.name = EnvName::parse(name).unwrap();
    env.machine = Machine::Lxd(Box::new(machine));
    // What Debian has, and what is brought in.
    for name in LOCAL.into_iter().chain([ComponentName::Requestor, ComponentName::Runner]) {
        env.stack.components.get_mut(&name).unwrap().required = true;
    }
    env
}
