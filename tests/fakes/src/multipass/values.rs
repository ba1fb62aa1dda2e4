//! Names, sizes and paths as Multipass reads them, and what it can launch.

use super::setup::Generation;
use super::state::Image;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::{Component, Path};

/// Whether an instance, or a snapshot, may be called so.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Reads a size: integer bytes, or a decimal with K, M or G; always powers of 1024.
pub(crate) fn size(text: &str) -> Option<u64> {
    let upper = text.trim().to_ascii_uppercase();
    let digits = upper.find(|c: char| !c.is_ascii_digit()).unwrap_or(upper.len());
    let (whole, rest) = upper.split_at(digits);
    let (fraction, unit) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let factor: u64 = match unit {
        "" | "B" if rest.starts_with('.') => return None,
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        _ => return None,
    };
    let whole: u64 = whole.parse().ok()?;
    let mut part = 0;
    if !fraction.is_empty() {
        let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        part = u64::try_from(fraction.parse::<u128>().ok()? * u128::from(factor) / scale).ok()?;
    }
    whole.checked_mul(factor)?.checked_add(part)
}

/// What the client says of a size that is none.
pub(crate) fn no_size(text: &str) -> String {
    format!(
        "{text} is not a valid memory size - need a non-negative integer (in base 10) or a decimal followed by K, M, or G \
         (e.g. 1234B, 42MiB, 0.5G)"
    )
}

/// A size for people: `1.0GiB`.
pub(crate) fn human(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = bytes.saturating_mul(10) / unit;
            format!("{}.{}{name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes}B"),
    }
}

/// Whether the client within the snap sees a path of this host: below `/home` or the caller's home, which must lie there,
/// without a hidden name at the top of that home.
pub(crate) fn is_visible(path: &Path, cwd: &Path) -> bool {
    let whole = cwd.join(path);
    let clean: Vec<&std::ffi::OsStr> = whole
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    // The tests have homes of their own.
    let home = std::env::var_os("FAKE_MULTIPASS_VISIBLE_HOME");
    if let Some(within) = home.and_then(|home| whole.strip_prefix(home).map(Path::to_owned).ok()) {
        return !within.components().next().is_some_and(|top| top.as_os_str().to_string_lossy().starts_with('.'));
    }
    let top_of_home = clean.get(2).is_none_or(|name| !name.to_string_lossy().starts_with('.'));
    clean.first().is_some_and(|first| *first == "home") && clean.len() >= 2 && top_of_home
        || clean.first().is_some_and(|first| *first == "mnt" || *first == "media")
}

/// Images: name, aliases, release, version, remote (as the stable generation writes it).
const IMAGES: &[(&str, &[&str], &str, &str, &str)] = &[
    ("22.04", &["jammy"], "22.04 LTS", "20260514", ""),
    ("24.04", &["noble", "lts"], "24.04 LTS", "20260518", ""),
    ("26.10", &["devel"], "26.10", "20261118", "daily"),
];

/// The least bytes of a disk that such an image fits on.
pub(crate) const IMAGE_SIZE: u64 = 3_758_096_384;

/// Finds an image.
///
/// Errors: the words of the daemon.
pub(crate) fn image(remote: &str, wanted: &str, generation: Generation) -> Result<Image, String> {
    let remotes: &[&str] = match generation {
        Generation::Stable => &["", "release", "daily", "snapcraft", "appliance"],
        Generation::Next => &["", "release", "daily", "core"],
    };
    if !remotes.contains(&remote) {
        let hint = "Please use `multipass find` for supported remotes and images.";
        return Err(format!("Remote '{remote}' is not found. {hint}"));
    }
    if wanted.is_empty() && !remote.is_empty() {
        return Err("Must specify an image when specifying a remote".to_owned());
    }
    let wanted_or = if wanted.is_empty() || wanted == "default" { "lts" } else { wanted };
    let here = |place: &str| place == remote || (place.is_empty() && remote == "release");
    let found = IMAGES.iter().find(|(name, aliases, release, version, place)| {
        let by_hash = wanted_or.len() >= 6 && hash(release, version).starts_with(wanted_or);
        here(place) && (*name == wanted_or || aliases.contains(&wanted_or) || by_hash)
    });
    found
        .map(|(_, _, release, version, _)| Image { release: (*release).to_owned(), hash: hash(release, version) })
        .ok_or_else(|| format!("Unable to find an image matching \"{wanted}\" in remote \"{remote}\"."))
}

/// The hash of an image, made up.
fn hash(release: &str, version: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(format!("{release} {version}")).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What `find` shows of the images.
pub(crate) fn images(wanted: &str, generation: Generation) -> Vec<(String, Value)> {
    let (remote, text) = wanted.split_once(':').unwrap_or(("", wanted));
    let fits = |name: &str, aliases: &[&str], place: &str| {
        (remote.is_empty() || remote == place || (remote == "release" && place.is_empty()))
            && (text.is_empty() || name.contains(text) || aliases.iter().any(|alias| alias.contains(text)))
    };
    let all = IMAGES.iter().filter(|(name, aliases, _, _, place)| fits(name, aliases, place));
    all.map(|(name, aliases, release, version, place)| {
        let whole = if place.is_empty() { (*name).to_owned() } else { format!("{place}:{name}") };
        let shown = if generation == Generation::Next && place.is_empty() { "release" } else { place };
        let value =
            json!({"os": "Ubuntu", "release": release, "version": version, "aliases": aliases, "remote": shown});
        (whole, value)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024_and_a_decimal_needs_a_unit() {
        for (text, bytes) in [
            ("1024", 1024),
            ("1024B", 1024),
            ("1K", 1024),
            ("1.5G", 1_610_612_736),
            ("512MiB", 512 << 20),
            (" 2gb ", 2 << 30),
            ("0.5k", 512),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["1.5", "1.5B", "1T", "1CiG", "", "G", "-1", "1 G"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn the_snap_sees_the_homes_without_what_is_hidden_at_their_top() {
        let cwd = Path::new("/home/a/project");
        for seen in ["x.yaml", "/home/b/x", "/home/a/x/.hidden", "/mnt/x", "/media/x"] {
            assert!(is_visible(Path::new(seen), cwd), "{seen}");
        }
        for hidden in ["/tmp/x", "/home/a/.cache/x", "/root/x", "/srv/x", "/opt/x", "/var/lib/x"] {
            assert!(!is_visible(Path::new(hidden), cwd), "{hidden}");
        }
    }

    #[test]
    fn names_are_host_names() {
        for good in ["a", "report-lxd-7f3k9q2m", "A1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "1x", "-a", "a-", "a_b", "ä"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
