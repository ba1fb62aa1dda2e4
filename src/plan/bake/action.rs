//! Parts of making an image, and how each is shown.

use super::baked_alias;
use super::recipe::{self, Mode, property};
use crate::model::argv;
use crate::model::facts::Facts;
use crate::model::ids::EnvId;
use crate::model::lxd::{ImageChoice, SNAPSHOT};
use crate::plan::action::Teardown;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Parts of making an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ImageAction {
    /// Makes a plain image of a release of Debian, unless it is there.
    EnsureBase {
        /// The release, such as `bookworm`.
        release: String,
        /// The digest of its recipe.
        digest: String,
        /// The folder that a folder for it is made in.
        cache: PathBuf,
    },
    /// Makes a copy of an initialised instance, as it was then.
    Copy {
        /// The instance.
        from: String,
        /// The copy's name.
        copy: String,
        /// Whose both are.
        id: EnvId,
    },
    /// Takes out of the copy what is one machine's own: identities, keys, leases, logs, and what cloud-init remembers.
    Clean {
        /// The copy.
        copy: String,
        /// Whose it is.
        id: EnvId,
        /// What the user-data left there.
        marker: PathBuf,
    },
    /// Makes an image of the copy.
    Publish {
        /// The copy.
        copy: String,
        /// Whose it is.
        id: EnvId,
        /// The digest of what the image is made of.
        key: String,
        /// The blueprint that it is for.
        blueprint: String,
        /// The fingerprint of the image that the machine was made from.
        of: String,
    },
    /// Deletes the copy.
    Tidy {
        /// The copy.
        copy: String,
        /// Whose it is.
        id: EnvId,
    },
}

impl ImageAction {
    /// How what it makes is taken away again.
    pub const fn teardown(&self) -> Teardown {
        match self {
            Self::EnsureBase { .. } | Self::Publish { .. } => Teardown::Left("image"),
            Self::Copy { .. } => Teardown::By("delete"),
            Self::Clean { .. } | Self::Tidy { .. } => Teardown::Nothing,
        }
    }

    /// What the journal must remember before it is begun: nothing, since what is made carries labels.
    pub fn facts(&self) -> Facts {
        Facts::default()
    }

    /// What would be typed to do the same by hand.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::EnsureBase { release, digest, cache } => base(release, digest, cache),
            Self::Copy { from, copy, id } => {
                let label = format!("user.reportctl.id={id}");
                vec![format!("lxc copy {from}/{SNAPSHOT} {copy} --config {label}")]
            }
            Self::Clean { copy, marker, .. } => {
                let removes = cleaned(marker).into_iter().map(|words| in_copy(copy, words));
                [format!("lxc config set {copy} raw.lxc={}", argv::quote(IDLE)), format!("lxc start {copy}")]
                    .into_iter()
                    .chain(removes)
                    .chain([format!("lxc stop --force {copy}")])
                    .collect()
            }
            Self::Publish { copy, key, blueprint, of, .. } => {
                let alias = baked_alias(key);
                let says = properties(key, blueprint, of).map(|(name, value)| format!("{name}={value}"));
                let words = ["lxc", "publish", copy, "--alias", &alias].map(str::to_owned);
                vec![argv::join(words.into_iter().chain(says))]
            }
            Self::Tidy { copy, .. } => vec![format!("lxc delete --force {copy}")],
        }
    }

    /// What it changes, in words.
    pub fn words(&self) -> String {
        match self {
            Self::EnsureBase { release, .. } => format!("image of Debian {release}"),
            Self::Copy { copy, .. } => format!("copy of the machine ({copy})"),
            Self::Clean { .. } => "clean the copy".to_owned(),
            Self::Publish { key, .. } => format!("image {} of the copy", baked_alias(key)),
            Self::Tidy { copy, .. } => format!("delete the copy {copy}"),
        }
    }
}

/// What an instance is told so that nothing runs in it but commands of ours: a boot would leave traces of its own.
pub const IDLE: &str = "lxc.init.cmd = /bin/sleep 3600";

/// What is run in the copy, one after the other.
///
/// `cloud-init clean --machine-id` is not used: it writes *uninitialized* into `/etc/machine-id`, which systemd takes for a
/// first boot, where it enables every unit that a package brought (machine-id(5), systemd.preset(5)). An empty file comes to
/// a new id without that.
pub fn cleaned(marker: &Path) -> Vec<Vec<String>> {
    let words = |words: &[&str]| words.iter().copied().map(str::to_owned).collect::<Vec<String>>();
    vec![
        words(&["cloud-init", "clean", "--logs"]),
        find(marker),
        words(&["truncate", "--no-create", "--size=0", "/etc/machine-id", "/etc/resolv.conf"]),
    ]
}

/// Whatever is in these folders, however deep.
const EMPTIED: [&str; 6] =
    ["/tmp/*", "/var/tmp/*", "/var/lib/cloud/*", "/var/log/journal/*", "/root/.cache/*", "/var/lib/systemd/network/*"];
/// Files in these folders, which stay.
const FILES: [&str; 5] =
    ["/var/log/*", "/var/lib/dhcp/*", "/var/lib/apt/lists/*", "/var/cache/apt/*", "/var/lib/NetworkManager/*"];
/// These files. Public keys of people are among them: they are of the environment, and not of what is installed.
const NAMED: [&str; 9] = [
    "/etc/ssh/ssh_host_*",
    "*/.ssh/authorized_keys*",
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
    "/var/lib/dbus/machine-id",
    "/root/.bash_history",
    "/etc/network/interfaces.d/50-cloud-init",
    "/etc/netplan/50-cloud-init.yaml",
    "/etc/hostname",
];

/// One walk, which is no error where one of them is not there.
fn find(marker: &Path) -> Vec<String> {
    let any = |patterns: &[&str]| {
        let each = patterns.iter().flat_map(|pattern| ["-o", "-path", pattern]).skip(1);
        ["("].into_iter().chain(each).chain([")"]).map(str::to_owned).collect::<Vec<String>>()
    };
    let marker = marker.display().to_string();
    let named: Vec<&str> = NAMED.into_iter().chain([marker.as_str()]).collect();
    let word = |word: &str| vec![word.to_owned()];
    let files = [word("("), any(&FILES), word("-o"), any(&named), word(")"), word("!"), word("-type"), word("d")];
    let all = [word("("), any(&EMPTIED), word("-o"), files.concat(), word(")"), word("-delete")];
    ["find", "/", "-xdev"].into_iter().map(str::to_owned).chain(all.concat()).collect()
}

/// What the image says of itself.
pub fn properties<'a>(key: &'a str, blueprint: &'a str, of: &'a str) -> [(&'static str, &'a str); 3] {
    [(property::BAKE, key), (property::BLUEPRINT, blueprint), (property::OF, of)]
}

fn in_copy(copy: &str, words: Vec<String>) -> String {
    argv::join(["lxc", "exec", copy, "--"].map(str::to_owned).into_iter().chain(words))
}

fn base(release: &str, digest: &str, cache: &Path) -> Vec<String> {
    let folder = cache.join("image");
    let path = |name: &str| argv::quote(&folder.join(name).display().to_string()).into_owned();
    let alias = ImageChoice::base_alias(digest);
    vec![
        format!("install -d -m 0755 {}", path(recipe::TEMPLATES_FOLDER)),
        format!(
            "# write {}, {} and the templates into it",
            path(recipe::CLOUD_CONFIG_FILE),
            path(recipe::METADATA_FILE)
        ),
        argv::join(recipe::unpack(release, Mode::Root, &folder, &recipe::default_sources(release))),
        argv::join(recipe::pack(&folder)),
        argv::join(recipe::pack_metadata(&folder)),
        argv::join(recipe::import(release, Mode::Root, &folder, &alias)),
        argv::join(["rm", "-rf", "--", &folder.display().to_string()]),
    ]
}
