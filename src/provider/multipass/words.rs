//! What Multipass says, taken apart. It has no errors that a machine can read: the exit code and the words tell, and both
//! have to be looked at.

use crate::model::inventory::Observed;
use crate::model::multipass::{Refusal, Status};
use crate::model::quantity::Version;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The versions of `multipass version --format json`: of the program, and of the daemon where it answers.
pub fn versions(text: &str) -> (Observed<Version>, Option<Version>) {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let version = |key: &str| value[key].as_str().and_then(Version::find);
    let client = version("multipass");
    let client = client.map_or_else(
        || Observed::Unknown(format!("`multipass version` says what nobody understands: {}", text.trim())),
        Observed::Present,
    );
    (client, version("multipassd"))
}

/// What `multipass info NAME --format json` says of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// What it does.
    pub status: Status,
    /// Its first address that leads to it from this host.
    pub address: Option<IpAddr>,
    /// How many snapshots it has.
    pub snapshots: u32,
    /// Where folders of this host are seen in it.
    pub mounts: BTreeSet<String>,
}

/// Errors: the text is no such answer, or not about that instance.
pub fn info(text: &str, name: &str) -> Result<Info, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("`multipass info` gave no JSON: {error}"))?;
    let one = &value["info"][name];
    let Some(state) = one["state"].as_str() else {
        return Err(format!("`multipass info` says nothing of the state of {name}"));
    };
    let mut addresses = one["ipv4"].as_array().into_iter().flatten().filter_map(Value::as_str);
    // Numbers are texts here, and an address may be the text `N/A`.
    let snapshots = one["snapshot_count"].as_str().and_then(|count| count.parse().ok()).unwrap_or_default();
    let mounts = one["mounts"].as_object().map(|mounts| mounts.keys().cloned().collect()).unwrap_or_default();
    Ok(Info { status: Status::read(state), address: addresses.find_map(|text| text.parse().ok()), snapshots, mounts })
}

/// What an error of Multipass is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Its daemon does not answer, or not us.
    Refused(Refusal),
    /// There is no such instance.
    Missing,
    /// The name is taken. A deleted instance keeps its own.
    Taken,
    /// The same instance is being made at this moment.
    Preparing,
    /// No image has that name.
    NoImage,
    /// There is no such remote.
    NoRemote,
    /// The image is not supported any longer.
    OldImage,
    /// The list of images, or an image, cannot be fetched.
    Download,
    /// What was fetched is not what was promised.
    Hash,
    /// The disk is too small for the image.
    SmallDisk,
    /// This host's disk is full.
    FullDisk,
    /// There is no KVM, or the snap may not use it.
    NoKvm,
    /// Another hypervisor holds the processor.
    Hypervisor,
    /// The instance stopped while it was starting.
    Stopped,
    /// Nobody got into it in time.
    NoSsh,
    /// cloud-init did not finish in time.
    NoInit,
    /// The program itself gave up waiting; the daemon goes on.
    ClientTimer,
    /// A folder cannot be seen or mounted.
    Mount,
    /// The user-data is no YAML.
    UserData,
    /// It is not valid: name, memory, disk, network.
    Invalid,
    /// The driver cannot do that.
    Unsupported,
    /// It must be stopped for that.
    NotStopped,
    /// It runs and lets nobody in.
    Unreachable,
}

/// Words, and what they are about: those of 1.16.3 and of what becomes 1.17. What comes first counts.
const WORDS: &[(&str, Trouble)] = &[
    ("cannot connect to the multipass socket", Trouble::Refused(Refusal::Down)),
    ("multipass socket access denied", Trouble::Refused(Refusal::Denied)),
    ("is not authenticated with the Multipass service", Trouble::Refused(Refusal::Unauthenticated)),
    ("is being prepared", Trouble::Preparing),
    ("already exists", Trouble::Taken),
    ("Unable to find an image matching", Trouble::NoImage),
    ("Custom image `", Trouble::NoImage),
    ("is unknown or unreachable", Trouble::Download),
    ("failed to download from", Trouble::Download),
    ("is not found. Please use `multipass find`", Trouble::NoRemote),
    ("Must specify an image when specifying a remote", Trouble::NoImage),
    ("is no longer supported", Trouble::OldImage),
    ("image hash does not match", Trouble::Hash),
    (" does not match ", Trouble::Hash),
    ("Requested disk (", Trouble::SmallDisk),
    ("Available disk (", Trouble::FullDisk),
    ("No space left on device", Trouble::FullDisk),
    ("KVM support is not enabled", Trouble::NoKvm),
    ("The KVM device cannot be opened", Trouble::NoKvm),
    ("Another virtual machine manager is currently running", Trouble::Hypervisor),
    ("shutdown called while starting", Trouble::Stopped),
    ("stopped while starting", Trouble::Stopped),
    ("timed out waiting for response", Trouble::NoSsh),
    ("timed out waiting for initialization to complete", Trouble::NoInit),
    ("Timed out waiting for instance", Trouble::ClientTimer),
    ("Could not load cloud-init configuration", Trouble::UserData),
    ("Mount source path", Trouble::Mount),
    ("Error enabling mount support", Trouble::Mount),
    ("unable to mount to", Trouble::Mount),
    ("mount failed:", Trouble::Mount),
    ("Invalid arguments supplied", Trouble::Invalid),
    ("is not a valid memory size", Trouble::Invalid),
    ("invalid CPU count", Trouble::Invalid),
    ("feature is not implemented on this backend", Trouble::Unsupported),
    ("of stopped instances", Trouble::NotStopped),
    ("does not exist", Trouble::Missing),
    ("is deleted", Trouble::Missing),
    ("ssh connection failed", Trouble::Unreachable),
    ("in an unknown state", Trouble::Unreachable),
];

/// What an error is about, if its words are known.
pub fn trouble(said: &str) -> Option<Trouble> {
    WORDS.iter().find(|(words, _)| said.contains(words)).map(|(_, trouble)| *trouble)
}

/// A text without the marks of a progress display: sequences that begin with escape, carriage returns, and each backspace
/// with the character that is drawn after it.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.next_if_eq(&'[').is_some() => {
                while chars.next_if(|c| c.is_ascii_digit() || *c == ';').is_some() {}
                chars.next_if(char::is_ascii_alphabetic);
            }
            '\u{8}' => drop(chars.next()),
            '\r' => plain.push('\n'),
            '\u{1b}' => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = include_str!("../../../tests/fixtures/multipass/1.16.3/info.json");
    const NEW: &str = include_str!("../../../tests/fixtures/multipass/1.17/info.json");

    #[test]
    fn both_generations_tell_of_an_instance() {
        for text in [OLD, NEW] {
            let running = info(text, "bogus-instance");
            assert_eq!(
                running,
                Ok(Info {
                    status: Status::Running,
                    address: Some(IpAddr::from([10, 21, 124, 56])),
                    snapshots: 1,
                    mounts: BTreeSet::from(["source".to_owned()]),
                })
            );
            let stopped = info(text, "bombastic");
            assert_eq!(
                stopped,
                Ok(Info { status: Status::Stopped, address: None, snapshots: 3, mounts: BTreeSet::new() })
            );
            assert!(info(text, "nobody").is_err_and(|error| error.contains("nobody")));
        }
        assert!(info("Name: x", "x").is_err());
    }

    #[test]
    fn both_generations_tell_their_versions() {
        let (client, server) = versions(include_str!("../../../tests/fixtures/multipass/1.16.3/version.json"));
        assert_eq!(client.present().map(ToString::to_string).as_deref(), Some("1.16.3"));
        assert_eq!(server.map(|version| version.to_string()).as_deref(), Some("1.16.3"));
        let (client, server) = versions(include_str!("../../../tests/fixtures/multipass/1.17/version.json"));
        assert_eq!(client.present().map(ToString::to_string).as_deref(), Some("1.17.0"));
        assert_eq!(server.map(|version| version.to_string()).as_deref(), Some("1.17.0"));
        let (_, server) = versions("{\"multipass\": \"1.16.3+mac\"}");
        assert_eq!(server, None);
        assert!(matches!(versions("nonsense").0, Observed::Unknown(_)));
    }

    #[test]
    fn each_error_of_a_launch_is_told_apart() {
        for (said, expected) in [
            ("launch failed: instance \"X\" already exists", Trouble::Taken),
            ("launch failed: instance \"X\" is being prepared", Trouble::Preparing),
            ("launch failed: Invalid arguments supplied\nInvalid instance name supplied: 1x", Trouble::Invalid),
            ("launch failed: Unable to find an image matching \"foo\" in remote \"\".", Trouble::NoImage),
            (
                "launch failed: Remote 'x' is not found. Please use `multipass find` for supported remotes and images.",
                Trouble::NoRemote,
            ),
            (
                "launch failed: Remote \"x\" is unknown or unreachable. If image mirror is enabled, please confirm it is \
                 valid.",
                Trouble::Download,
            ),
            ("launch failed: The 19.10 release is no longer supported.", Trouble::OldImage),
            ("launch failed: failed to download from 'https://x': Host not found", Trouble::Download),
            ("launch failed: Hash of /x.img does not match abc", Trouble::Hash),
            ("launch failed: Downloaded image hash does not match", Trouble::Hash),
            ("launch failed: Requested disk (1 bytes) below minimum for this image (2 bytes)", Trouble::SmallDisk),
            ("launch failed: Available disk (1 bytes) below minimum for this image (2 bytes)", Trouble::FullDisk),
            ("launch failed: KVM support is not enabled on this machine.", Trouble::NoKvm),
            ("launch failed: The following errors occurred:\nX: shutdown called while starting", Trouble::Stopped),
            ("launch failed: The following errors occurred:\nX: timed out waiting for response", Trouble::NoSsh),
            (
                "launch failed: The following errors occurred:\ntimed out waiting for initialization to complete",
                Trouble::NoInit,
            ),
            ("Timed out waiting for instance launch.", Trouble::ClientTimer),
            ("Mount source path \"/x\" does not exist", Trouble::Mount),
            ("info failed: The following errors occurred:\ninstance \"x\" does not exist", Trouble::Missing),
            ("list failed: cannot connect to the multipass socket", Trouble::Refused(Refusal::Down)),
            (
                "info failed: The client is not authenticated with the Multipass service.",
                Trouble::Refused(Refusal::Unauthenticated),
            ),
        ] {
            assert_eq!(trouble(said), Some(expected), "{said}");
        }
        assert_eq!(trouble("launch failed: what nobody has seen"), None);
    }

    #[test]
    fn a_progress_display_is_taken_out() {
        let shown = "\u{1b}[2K\u{1b}[0A\u{1b}[0EStarting m  \u{8}|\u{8}/\u{8} \u{1b}[2KLaunched: m\n";
        assert_eq!(plain(shown), "Starting m  Launched: m\n");
        assert_eq!(plain("\rRetrieving image: 37%"), "\nRetrieving image: 37%");
    }
}
