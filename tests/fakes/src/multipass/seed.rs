//! The seed of an instance, as Multipass writes it: what the user gave, parsed and written anew, with what Multipass adds.

use super::backend::Seed;
use super::yaml::{self, Kind, Node};

/// The public key of the fake's daemon. Nobody has its private half.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE1vY2tlZE11bHRpcGFzc0tleU9mVGhlRmFrZURhZW1vbg== fake@multipass";

/// The packages that Multipass adds. A real one adds `pollinate`, which only Ubuntu has.
const PACKAGES: &[&str] = &[];

/// The seed of an instance called `name`, from what the client has sent.
///
/// Errors: the text is no YAML.
pub(crate) fn seed(name: &str, user_data: &str, time_zone: &str) -> Result<Seed, String> {
    let mut user = yaml::load(user_data)?;
    if let Some(users) = user.list_at("users") {
        users.push(Node::text("default"));
    }
    if let Some(keys) = user.list_at("ssh_authorized_keys") {
        keys.push(Node::text(KEY));
    }
    if let Some(packages) = user.list_at("packages") {
        packages.extend(PACKAGES.iter().copied().map(Node::text));
    }
    let meta = Node::map([
        ("instance-id", Node::text(name)),
        ("local-hostname", Node::text(name)),
        ("cloud-name", Node::text("multipass")),
    ]);
    Ok(Seed {
        meta_data: with_header(&meta),
        user_data: with_header(&user),
        vendor_data: with_header(&vendor(time_zone)),
        network_config: String::new(),
    })
}

fn with_header(node: &Node) -> String {
    let text = if node.kind == Kind::Null { String::new() } else { yaml::dump(node) };
    format!("#cloud-config\n{text}\n\n")
}

fn vendor(time_zone: &str) -> Node {
    let growpart = [("mode", Node::text("auto")), ("devices", Node::list([Node::text("/")]))];
    let user = Node::map([("default_user", Node::map([("name", Node::text("ubuntu"))]))]);
    let agent = "written-by: fake-multipass\n";
    let file = Node::map([("path", Node::text("/etc/pollinate/add-user-agent")), ("content", Node::text(agent))]);
    Node::map([
        ("growpart", Node::map(growpart)),
        ("users", Node::list([Node::text("default")])),
        ("manage_etc_hosts", Node::text("true")),
        ("ssh_authorized_keys", Node::list([Node::text(KEY)])),
        ("timezone", Node::text(time_zone)),
        ("system_info", user),
        ("write_files", Node::list([file])),
        ("packages", Node::list(PACKAGES.iter().copied().map(Node::text))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_multipass_adds_is_added_only_to_lists_that_are_there() {
        let added = seed("box", "users:\n  - name: a\npackages: [redis]\n", "Etc/UTC").unwrap();
        assert!(
            added.user_data.starts_with("#cloud-config\nusers:\n  - name: a\n  - default\n"),
            "{}",
            added.user_data
        );
        assert!(!added.user_data.contains("ssh_authorized_keys"));
        let untouched = seed("box", "runcmd:\n  - [true]\n", "Etc/UTC").unwrap();
        assert_eq!(untouched.user_data, "#cloud-config\nruncmd:\n  - [true]\n\n");
        assert!(untouched.vendor_data.contains("name: ubuntu"));
        assert!(untouched.meta_data.contains("local-hostname: box"));
    }

    #[test]
    fn a_script_becomes_one_scalar_under_a_header() {
        assert_eq!(seed("box", "#!/bin/sh\necho hi\n", "Etc/UTC").unwrap().user_data, "#cloud-config\necho hi\n\n");
        assert_eq!(seed("box", "", "Etc/UTC").unwrap().user_data, "#cloud-config\n\n\n");
    }
}
