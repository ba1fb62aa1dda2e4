//! How an image of Debian is made for LXD where no image can be had: `mmdebstrap` fetches and unpacks packages, `mksquashfs`
//! packs them, and LXD imports them with our templates, by which it hands user-data to cloud-init.
//!
//! What fails otherwise, as it was tried: with `netplan.io` in place of `ifupdown`, cloud-init ends in error in a container,
//! since udev cannot name its interface there; with the locale that cloud-init would set, it ends in error unless that
//! was generated.

use crate::model::argv;
use crate::model::digest;
use std::fmt::Write as _;
use std::path::Path;

/// The packages of this host that it is made with, and the program by which each is known to be there.
pub const TOOLS: [(&str, &str); 2] = [("mmdebstrap", "mmdebstrap"), ("squashfs-tools", "mksquashfs")];
/// The package, and its program, that an ordinary user needs beside those: it lets a user be many.
pub const TOOL_OF_USERS: (&str, &str) = ("uidmap", "newuidmap");

/// How the packages are packed. On two processors 1.7 s and 113 MB; the programme's own choice, level 15, takes 20.4 s for
/// 99 MB, level 9 takes 4.8 s for 106 MB. What `lxc init` takes is the making of files, whatever the level.
const COMPRESSION: [&str; 4] = ["-comp", "zstd", "-Xcompression-level", "3"];

/// What an image holds beside the essential packages.
const PACKAGES: [&str; 14] = [
    "ca-certificates",
    "cloud-init",
    "curl",
    "dbus",
    "gpg",
    "ifupdown",
    "iproute2",
    "isc-dhcp-client",
    "netbase",
    "openssh-server",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
];

/// How packages are unpacked, also those that are installed in a machine later: without waiting for the disk, and without
/// what nobody reads there, since making a machine's files is the longest part of making it.
const DPKG: [&str; 7] = [
    "force-unsafe-io",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/man/*",
];

/// Done in it before it is packed. What is each machine's own is taken out: keys, names, where names are asked for. Two timers
/// would hold apt's lock just when cloud-init wants it; one unit fails in every container.
const HOOKS: [&str; 4] = [
    r#"rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/hostname"#,
    r#": > "$1"/etc/resolv.conf"#,
    r#"chroot "$1" systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer systemd-binfmt.service"#,
    r#"echo LANG=C.UTF-8 > "$1"/etc/default/locale"#,
];

/// What cloud-init is told in every such image, and the file that holds it.
pub const CLOUD_CONFIG: &str = include_str!("image/cloud.cfg");
/// The name of the file with it.
pub const CLOUD_CONFIG_FILE: &str = "cloud.cfg";
/// The file that says what an image is.
pub const METADATA_FILE: &str = "metadata.yaml";
/// The folder of the templates.
pub const TEMPLATES_FOLDER: &str = "templates";
/// The image's files.
pub const ROOT_FILE: &str = "rootfs.squashfs";
/// What it is, packed with its templates.
pub const PACKED_METADATA_FILE: &str = "metadata.tar.gz";
/// The folder that is packed.
pub const ROOT_FOLDER: &str = "rootfs";

const SEED: &str = "/var/lib/cloud/seed/nocloud-net";

/// A text that LXD puts into an instance when it is made or copied.
struct Template {
    path: &'static str,
    file: &'static str,
    text: &'static str,
    /// Whether there is a text for who says nothing.
    has_default: bool,
}

const TEMPLATES: [Template; 5] = [
    Template {
        path: "/etc/hostname",
        file: "hostname.tpl",
        text: include_str!("image/hostname.tpl"),
        has_default: false,
    },
    seed("meta-data", "meta-data.tpl", include_str!("image/meta-data.tpl"), false),
    seed("network-config", "network-config.tpl", include_str!("image/network-config.tpl"), false),
    seed("user-data", "user-data.tpl", include_str!("image/user-data.tpl"), true),
    seed("vendor-data", "vendor-data.tpl", include_str!("image/vendor-data.tpl"), true),
];

const fn seed(path: &'static str, file: &'static str, text: &'static str, has_default: bool) -> Template {
    Template { path, file, text, has_default }
}

/// How root is reached while it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The user is root.
    Root,
    /// The user is root in a namespace of users.
    Unshare,
}

/// The digest of the recipe for a release: what distinguishes images that were made by different ones.
pub fn digest(release: &str) -> String {
    let templates = TEMPLATES.map(|template| (template.path, template.text));
    digest::of(&(release, PACKAGES, DPKG, HOOKS, CLOUD_CONFIG, templates, COMPRESSION))
}

/// Where the releases of Debian are fetched from unless the host's own apt says otherwise, as lines of `sources.list`.
pub fn default_sources(release: &str) -> Vec<String> {
    let line = |archive: &str, suite: &str| format!("deb http://deb.debian.org/{archive} {suite} main");
    let main = line("debian", release);
    match release {
        // What is in development has neither.
        "sid" | "unstable" => vec![main],
        _ => vec![
            main,
            line("debian", &format!("{release}-updates")),
            line("debian-security", &format!("{release}-security")),
        ],
    }
}

/// What is imported as the image's files.
pub const fn root_file(mode: Mode) -> &'static str {
    match mode {
        Mode::Root => ROOT_FILE,
        // What belongs to other users cannot be packed from outside of their namespace.
        Mode::Unshare => "rootfs.tar",
    }
}

/// Fetches and unpacks into `folder`; see [`root_file`] for why an ordinary user gets a tar file at once. `sources` are lines
/// of `sources.list`.
pub fn unpack(release: &str, mode: Mode, folder: &Path, sources: &[String]) -> Vec<String> {
    let config = folder.join(CLOUD_CONFIG_FILE).display().to_string();
    let upload = format!("upload {} /etc/cloud/cloud.cfg.d/90_reportctl.cfg", argv::quote(&config));
    let (mode, target) = match mode {
        Mode::Root => ("--mode=root", ROOT_FOLDER),
        Mode::Unshare => ("--mode=unshare", root_file(mode)),
    };
    let first = ["mmdebstrap", mode, "--variant=minbase", r#"--aptopt=Acquire::Languages "none""#].map(str::to_owned);
    let hooks = HOOKS.into_iter().map(str::to_owned).chain([upload]);
    first
        .into_iter()
        .chain([format!("--include={}", PACKAGES.join(","))])
        .chain(DPKG.map(|option| format!("--dpkgopt={option}")))
        .chain(hooks.map(|hook| format!("--customize-hook={hook}")))
        .chain([release.to_owned(), folder.join(target).display().to_string()])
        .chain(sources.iter().cloned())
        .collect()
}

/// Packs what was unpacked.
pub fn pack(folder: &Path) -> Vec<String> {
    let (from, to) = (folder.join(ROOT_FOLDER), folder.join(ROOT_FILE));
    let words = ["mksquashfs".to_owned(), from.display().to_string(), to.display().to_string()];
    let rest = ["-noappend", "-quiet", "-no-progress"].into_iter().chain(COMPRESSION).map(str::to_owned);
    words.into_iter().chain(rest).collect()
}

/// Packs what it is, with the templates.
pub fn pack_metadata(folder: &Path) -> Vec<String> {
    let to = folder.join(PACKED_METADATA_FILE).display().to_string();
    let from = folder.display().to_string();
    ["tar", "--create", "--gzip", "--owner=root:0", "--group=root:0", "--file", &to, "--directory", &from]
        .into_iter()
        .chain([METADATA_FILE, TEMPLATES_FOLDER])
        .map(str::to_owned)
        .collect()
}

/// Hands it to LXD, with what it says of itself.
pub fn import(release: &str, mode: Mode, folder: &Path, alias: &str) -> Vec<String> {
    let [metadata, root] = [PACKED_METADATA_FILE, root_file(mode)].map(|file| folder.join(file).display().to_string());
    ["lxc", "image", "import", "--quiet", &metadata, &root, "local:", "--alias", alias]
        .into_iter()
        .map(str::to_owned)
        .chain([format!("{}={}", property::BASE, digest(release))])
        .collect()
}

/// The files that LXD finds beside the root: `metadata.yaml` and the templates, by their path below the folder.
/// `architecture` is the kernel's name for it, `made` seconds since 1970.
pub fn metadata(release: &str, architecture: &str, made: u64) -> Vec<(String, String)> {
    let mut text = format!("architecture: {architecture}\ncreation_date: {made}\nproperties:\n");
    let _ = write!(text, "  architecture: {architecture}\n  description: Debian {release}, made by reportctl\n");
    let _ = write!(text, "  os: Debian\n  release: {release}\ntemplates:\n");
    for Template { path, file, has_default, .. } in &TEMPLATES {
        let path = if path.starts_with('/') { (*path).to_owned() } else { format!("{SEED}/{path}") };
        let _ = write!(text, "  {path}:\n    when: [create, copy]\n    template: {file}\n");
        if *has_default {
            text.push_str("    properties:\n      default: |\n        #cloud-config\n        {}\n");
        }
    }
    let templates = TEMPLATES.iter().map(|each| (format!("{TEMPLATES_FOLDER}/{}", each.file), each.text.to_owned()));
    [(METADATA_FILE.to_owned(), text)].into_iter().chain(templates).collect()
}

/// What images of ours say of themselves.
pub mod property {
    /// On a plain one: the digest of its recipe.
    pub const BASE: &str = "user.reportctl.base";
    /// On a baked one: the digest of what it was made of.
    pub const BAKE: &str = "user.reportctl.bake";
    /// On a baked one: the blueprint that it is for.
    pub const BLUEPRINT: &str = "user.reportctl.blueprint";
    /// On a baked one: the fingerprint of the image that its machine was made from.
    pub const OF: &str = "user.reportctl.of";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_user_gets_a_tar_file_and_root_a_folder() {
        let folder = Path::new("/a b");
        let sources = default_sources("bookworm");
        let argv = unpack("bookworm", Mode::Root, folder, &sources);
        assert!(argv.contains(&"--mode=root".to_owned()) && argv.contains(&"/a b/rootfs".to_owned()), "{argv:?}");
        assert!(
            argv.iter().any(|word| word.ends_with("upload '/a b/cloud.cfg' /etc/cloud/cloud.cfg.d/90_reportctl.cfg"))
        );
        assert_eq!(
            argv.last().map(String::as_str),
            Some("deb http://deb.debian.org/debian-security bookworm-security main")
        );
        let argv = unpack("bookworm", Mode::Unshare, folder, &sources);
        assert!(
            argv.contains(&"--mode=unshare".to_owned()) && argv.contains(&"/a b/rootfs.tar".to_owned()),
            "{argv:?}"
        );
    }

    #[test]
    fn metadata_names_every_template_and_where_it_goes() {
        let files = metadata("bookworm", "x86_64", 7);
        let text = &files[0].1;
        assert!(text.starts_with("architecture: x86_64\ncreation_date: 7\n"), "{text}");
        for file in ["user-data", "vendor-data", "network-config", "meta-data"] {
            assert!(text.contains(&format!("  /var/lib/cloud/seed/nocloud-net/{file}:\n")), "{text}");
            assert!(files.iter().any(|(path, _)| *path == format!("templates/{file}.tpl")), "{file}");
        }
        assert!(text.contains("  /etc/hostname:\n"), "{text}");
    }

    #[test]
    fn releases_and_recipes_have_digests_of_their_own() {
        assert_eq!(digest("bookworm"), digest("bookworm"));
        assert_ne!(digest("bookworm"), digest("trixie"));
        assert_eq!(default_sources("sid").len(), 1);
    }
}
