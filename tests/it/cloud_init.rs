//! What a machine is initialised with.

use crate::cloud_init_support::{CHARMS, blueprint, in_machine, stack_blueprint};
use reportctl::model::blueprint::Input;
use reportctl::render::RenderError;
use reportctl::render::cloud_init::{Base, Substrate, UserData, user_data};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA someone";

fn stack(name: &str, keys: &[String], base: Base) -> UserData {
    user_data(&in_machine(name), &stack_blueprint(), keys, Substrate::Multipass, base).unwrap()
}

#[test]
fn the_machine_of_the_stack() {
    insta::assert_snapshot!(stack("lxd", &[KEY.to_owned()], Base::Plain).text);
}

#[test]
fn a_machine_from_a_baked_image() {
    let data = stack("lxd", &[], Base::Baked);
    insta::assert_snapshot!(data.text);
    for gone in ["packages:", "package_update", "apt-get"] {
        assert!(!data.text.contains(gone), "{gone}");
    }
}

#[test]
fn the_machine_of_charms() {
    insta::assert_snapshot!(charms(&[]).unwrap().text);
}

fn charms(without: &[&str]) -> Result<UserData, RenderError> {
    let text = |text: &str| Input::Text(text.to_owned());
    let inputs = [
        ("microk8s_channel", text("1.32/stable")),
        ("microk8s_revision", text("8000")),
        ("juju_channel", text("3.6/stable")),
        ("juju_revision", text("")),
        ("addons", Input::List(vec!["dns".to_owned(), "metallb:10.64.140.43-10.64.140.49".to_owned()])),
    ];
    let inputs: Vec<(&str, Input)> = inputs.into_iter().filter(|(name, _)| !without.contains(name)).collect();
    let blueprint = blueprint("microk8s-juju", CHARMS, &inputs);
    user_data(&in_machine("lxd"), &blueprint, &[], Substrate::Multipass, Base::Plain)
}

#[test]
fn equal_environments_of_other_names_and_keys_are_baked_into_the_same_image() {
    let one = stack("lxd", &[], Base::Plain);
    let other = stack("elsewhere", &[KEY.to_owned()], Base::Baked);
    assert_eq!(one.bake, other.bake);
    assert_ne!(one.marker, other.marker);
    let mut smaller = in_machine("lxd");
    smaller.stack.components.remove(&reportctl::model::component::ComponentName::NodeExporter).unwrap();
    let smaller = user_data(&smaller, &stack_blueprint(), &[], Substrate::Multipass, Base::Plain).unwrap();
    assert_ne!(one.bake, smaller.bake, "another stack is another image");
}
