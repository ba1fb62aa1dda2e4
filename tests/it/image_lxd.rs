//! Images that reportctl makes on a real LXD: a plain one of Debian, and one that is baked of a machine.

use crate::lxd_support::{Lxd, lxc, query};
use reportctl::context::Context;
use reportctl::model::ids::{EnvId, RunId};
use reportctl::model::paths::Paths;
use reportctl::plan::bake::recipe::{self, property};
use reportctl::plan::bake::{ImageAction, baked_alias, copy_name};
use reportctl::plan::lxd::LxdAction;
use reportctl::provider::lxd::{Lxd as Provider, bake};
use reportctl::provider::{Failure, FailureKind, Notes};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(900);

/// What a machine of the test is initialised with: a package, a service of it that is switched off, and a key.
const USER_DATA: &str = "#cloud-config
package_update: true
packages: [redis-server]
ssh_authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0000000000000000000000000000000000000000000 somebody]
users: [default]
runcmd:
- [systemctl, disable, --now, redis-server.service]
- [mkdir, -p, /var/lib/reportctl]
- [sh, -c, 'echo first > /var/lib/reportctl/marker; echo first > /var/log/first.log; echo first > /tmp/first']
";

/// Images that a test has made, deleted with this value. What was there before stays.
struct Images {
    before: BTreeSet<String>,
}

impl Images {
    fn look() -> Self {
        Self { before: ours() }
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        for fingerprint in ours().difference(&self.before) {
            lxc(&["image", "delete", fingerprint]);
        }
    }
}

fn ours() -> BTreeSet<String> {
    let images = query("/1.0/images?recursion=1").unwrap();
    let is_ours = |image: &&serde_json::Value| {
        [property::BAKE, property::BASE].iter().any(|key| image["properties"][*key].is_string())
    };
    images
        .as_array()
        .unwrap()
        .iter()
        .filter(is_ours)
        .map(|image| image["fingerprint"].as_str().unwrap().to_owned())
        .collect()
}

struct Stage {
    provider: Provider,
    id: EnvId,
    folder: TempDir,
}

impl Stage {
    fn new(id: &EnvId) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(folder.path(), &reportctl::model::ids::EnvName::parse("lxd").unwrap());
        let (context, run) = (Context::real().unwrap(), RunId::numbered(1));
        Self { provider: Provider { context, paths, id: id.clone(), run }, id: id.clone(), folder }
    }

    async fn does(&self, step: ImageAction) -> Result<(), Failure> {
        self.provider.perform(&LxdAction::Image { step }, LONG, &Notes::silent()).await
    }

    fn base(&self) -> ImageAction {
        let (release, digest) = ("bookworm".to_owned(), recipe::digest("bookworm"));
        ImageAction::EnsureBase { release, digest, cache: self.provider.paths.cache() }
    }

    /// Bakes the image of that key from the snapshot of the instance.
    async fn bakes(&self, from: &str, key: &str) {
        let (copy, id) = (copy_name(&self.id), self.id.clone());
        let marker = "/var/lib/reportctl/marker".into();
        let [from, key, blueprint, of] = [from, key, "test", "a"].map(str::to_owned);
        for step in [
            ImageAction::Copy { from, copy: copy.clone(), id: id.clone() },
            ImageAction::Clean { copy: copy.clone(), id: id.clone(), marker },
            ImageAction::Publish { copy: copy.clone(), id: id.clone(), key, blueprint, of },
            ImageAction::Tidy { copy, id },
        ] {
            // Each is safe twice.
            self.does(step.clone()).await.unwrap();
            if !matches!(step, ImageAction::Copy { .. }) {
                self.does(step).await.unwrap();
            }
        }
    }
}

/// Runs a command in an instance.
fn within(name: &str, words: &[&str]) -> String {
    lxc(&[&["exec", name, "-T", "--"], words].concat()).ok()
}

fn launch(image: &str, name: &str, id: &EnvId, user_data: &str) {
    // Only the newer key: our templates read either.
    let config = [format!("user.reportctl.id={id}"), format!("cloud-init.user-data={user_data}")];
    let [label, data] = &config;
    lxc(&["init", "--quiet", image, name, "--network", "lxdbr0", "--config", label, "--config", data]).ok();
    lxc(&["start", name]).ok();
    let until = Instant::now() + Duration::from_secs(300);
    loop {
        let status = lxc(&["exec", name, "-T", "--", "cloud-init", "status", "--wait", "--long"]);
        if status.out.contains("status: done") {
            return;
        }
        assert!(!status.out.contains("status: error") && Instant::now() < until, "{}", status.shown());
        std::thread::yield_now();
    }
}

/// What must differ between two machines, however they were made.
fn identity(name: &str) -> Vec<(&'static str, String)> {
    let read = |path: &str| within(name, &["cat", path]);
    vec![
        ("machine-id", read("/etc/machine-id")),
        ("ssh host key", read("/etc/ssh/ssh_host_ed25519_key.pub")),
        ("instance-id", read("/var/lib/cloud/data/instance-id")),
        ("hostname", within(name, &["hostname"])),
        ("address", within(name, &["hostname", "-I"])),
        ("random seed", within(name, &["sh", "-c", "sha256sum < /var/lib/systemd/random-seed"])),
    ]
}

#[tokio::test]
async fn lxd_real_an_image_is_made_once_and_baked_and_what_starts_from_it_is_its_own() {
    let Some(mut lxd) = Lxd::take() else { return };
    let (id, images) = (lxd.new_id(), Images::look());
    let stage = Stage::new(&id);
    stage.does(stage.base()).await.unwrap();
    assert_eq!(std::fs::read_dir(stage.folder.path().join("envs/lxd/cache")).map_or(0, Iterator::count), 0);
    let after_one = ours();
    stage.does(stage.base()).await.unwrap();
    assert_eq!(ours(), after_one, "made twice");

    let base = format!("report-base-{}", &recipe::digest("bookworm")[..12]);
    let first = format!("probe-{id}-first");
    launch(&base, &first, &id, USER_DATA);
    assert_eq!(within(&first, &["cat", "/var/lib/reportctl/marker"]), "first\n");
    assert_eq!(within(&first, &["systemctl", "--failed", "--no-legend"]), "");
    lxc(&["snapshot", &first, "provisioned"]).ok();
    within(&first, &["sh", "-c", "echo hush > /etc/secret"]);
    let key = format!("{:0>64}", id.as_str().replace('-', "0"));
    stage.bakes(&first, &key).await;
    assert!(query(&format!("/1.0/instances/{}", copy_name(&id))).is_none(), "the copy is still there");
    let seen = |name: &str| within(name, &["dpkg-query", "--show"]);
    let (packages, mut identities) = (seen(&first), vec![identity(&first)]);
    lxc(&["delete", "--force", &first]).ok();

    let names = ["one", "two"].map(|name| format!("probe-{id}-{name}"));
    for name in &names {
        launch(&baked_alias(&key), name, &id, "#cloud-config\n{}");
        assert_eq!(seen(name), packages);
        // Nothing of the first is in it, and no service was switched on because the machine starts for the first time.
        let traces = ["/etc/secret", "/var/lib/reportctl/marker", "/var/log/first.log", "/tmp/first"];
        for trace in traces.into_iter().chain(["/var/log/dpkg.log"]) {
            assert_eq!(lxc(&["exec", name, "-T", "--", "test", "-e", trace]).code, Some(1), "{trace}");
        }
        let keys = within(
            name,
            &["sh", "-c", "cat /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys 2>/dev/null || true"],
        );
        assert!(!keys.contains("somebody"), "{keys}");
        let leases =
            within(name, &["sh", "-c", "cat /var/lib/dhcp/*.leases /run/dhclient*.leases 2>/dev/null || true"]);
        assert!(!leases.contains(identities[0][4].1.split(' ').next().unwrap()), "{leases}");
        assert_eq!(within(name, &["sh", "-c", "systemctl is-enabled redis-server || true"]).trim(), "disabled");
        // Written when the machine stops.
        lxc(&["restart", name]).ok();
        identities.push(identity(name));
    }
    for (place, (what, value)) in identities[0].iter().enumerate() {
        let all: BTreeSet<&String> = identities.iter().map(|identity| &identity[place].1).collect();
        assert_eq!(all.len(), 3, "{what} is the same in two machines: {value}");
    }
    drop(images);
}

#[tokio::test]
async fn lxd_real_an_image_that_is_not_ours_is_left_alone() {
    let Some(_lxd) = Lxd::take() else { return };
    let context = Context::real().unwrap();
    let foreign = query("/1.0/images?recursion=1").unwrap();
    let foreign = foreign
        .as_array()
        .unwrap()
        .iter()
        .find(|image| [property::BAKE, property::BASE].iter().all(|key| !image["properties"][*key].is_string()));
    let Some(foreign) = foreign else { return };
    let fingerprint = foreign["fingerprint"].as_str().unwrap();
    assert!(bake::kept(&context).await.unwrap().iter().all(|kept| kept.fingerprint != fingerprint));
    // Also where it said so a moment ago.
    let kept = bake::Kept {
        kind: bake::KeptKind::Baked,
        name: "x".to_owned(),
        fingerprint: fingerprint.to_owned(),
        of: "test".to_owned(),
        size: 1,
        made: String::new(),
        used_by: Vec::new(),
    };
    assert_eq!(bake::remove(&context, &kept).await.unwrap_err().kind, FailureKind::Precondition);
    assert!(query(&format!("/1.0/images/{fingerprint}")).is_some());
}
