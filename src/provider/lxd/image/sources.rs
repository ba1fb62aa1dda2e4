//! Where this host's apt fetches Debian from: the same mirror serves the images that are made here.

use crate::fs;
use crate::plan::bake::recipe;
use std::path::Path;

/// The lines of `sources.list` for a release: those of this host where it uses that release, else Debian's own.
pub(super) fn of(apt: &Path, release: &str) -> Vec<String> {
    let mut entries = Vec::new();
    if let Ok(text) = fs::read(&apt.join("sources.list")) {
        entries.extend(one_line(&text));
    }
    let folder = apt.join("sources.list.d");
    for name in fs::list(&folder).unwrap_or_default() {
        let Ok(text) = fs::read(&folder.join(&name)) else { continue };
        match name.rsplit_once('.') {
            Some((_, "list")) => entries.extend(one_line(&text)),
            Some((_, "sources")) => entries.extend(paragraphs(&text)),
            _ => {}
        }
    }
    lines(release, &entries)
}

/// One archive, as one suite of it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    uri: String,
    suite: String,
    has_main: bool,
}

/// Only `main`, and only by what everybody may read: a mirror that asks for a password has it in a file that no machine
/// has, and one that stands on this host's disk is not there in a machine.
fn lines(release: &str, sources: &[Source]) -> Vec<String> {
    let is_fetched = |source: &&Source| {
        let plain = ["http://", "https://"].iter().any(|scheme| source.uri.starts_with(scheme));
        plain && !source.uri.contains('@') && source.has_main
    };
    let suites = [release.to_owned(), format!("{release}-updates"), format!("{release}-security")];
    let of_suite = |suite: &String| sources.iter().filter(is_fetched).find(|source| source.suite == *suite);
    let found: Vec<&Source> = suites.iter().filter_map(of_suite).collect();
    match found.first() {
        // Updates alone are no release.
        Some(first) if first.suite == release => {
            found.iter().map(|source| format!("deb {} {} main", source.uri, source.suite)).collect()
        }
        _ => recipe::default_sources(release),
    }
}

/// The form of `sources.list`(5): `deb [options] URI SUITE COMPONENT…`.
fn one_line(text: &str) -> Vec<Source> {
    let entry = |line: &str| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some(Source { uri, suite, has_main: words.any(|word| word == "main") })
    };
    text.lines().filter_map(entry).collect()
}

/// The form of deb822: paragraphs of fields, of which several may have several words.
fn paragraphs(text: &str) -> Vec<Source> {
    let mut all = Vec::new();
    for paragraph in split(text) {
        let field = |name: &str| -> Vec<String> {
            let found = paragraph.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
        };
        let is_off = field("Enabled").iter().any(|word| word.eq_ignore_ascii_case("no"));
        if is_off || !field("Types").contains(&"deb".to_owned()) {
            continue;
        }
        let has_main = field("Components").contains(&"main".to_owned());
        for uri in field("URIs") {
            let each = |suite| Source { uri: uri.clone(), suite, has_main };
            all.extend(field("Suites").into_iter().map(each));
        }
    }
    all
}

/// Each paragraph's fields with their values, lines that go on joined.
fn split(text: &str) -> Vec<Vec<(String, String)>> {
    let mut paragraphs: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some(current) = paragraphs.last_mut() else { break };
        if line.trim().is_empty() {
            paragraphs.push(Vec::new());
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = current.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            current.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    paragraphs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `debian:bookworm` images of containers have it.
    const DEB822: &str = "Types: deb\n# http://snapshot.debian.org/archive/debian/20250520T000000Z\nURIs: \
                          http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: \
                          /usr/share/keyrings/debian-archive-keyring.gpg\n\nTypes: deb\nURIs: \
                          http://mirror.example/debian-security\nSuites: bookworm-security\nComponents:\n main\n contrib\n";
    /// As Debian's installer writes it.
    const LIST: &str = "#deb cdrom:[Debian GNU/Linux 12]/ bookworm main\n\ndeb http://mirror.example/debian/ bookworm \
                        main non-free-firmware # ours\ndeb-src http://mirror.example/debian/ bookworm main\ndeb [ \
                        arch=amd64 trusted=yes ] http://mirror.example/security bookworm-security main\n";

    #[test]
    fn both_forms_come_to_lines_of_the_mirror() {
        assert_eq!(
            lines("bookworm", &paragraphs(DEB822)),
            [
                "deb http://mirror.example/debian bookworm main",
                "deb http://mirror.example/debian bookworm-updates main",
                "deb http://mirror.example/debian-security bookworm-security main",
            ]
        );
        assert_eq!(
            lines("bookworm", &one_line(LIST)),
            [
                "deb http://mirror.example/debian/ bookworm main",
                "deb http://mirror.example/security bookworm-security main",
            ]
        );
    }

    #[test]
    fn another_release_and_what_a_machine_cannot_use_come_to_debians_own() {
        for text in [
            LIST,
            "deb file:///srv/debian trixie main\n",
            "deb http://me:word@mirror.example/debian trixie main\n",
            "deb http://mirror.example/debian trixie contrib\n",
            "deb http://mirror.example/debian trixie-updates main\n",
            "deb [unclosed http://mirror.example/debian trixie main\n",
            "",
        ] {
            assert_eq!(lines("trixie", &one_line(text)), recipe::default_sources("trixie"), "{text}");
        }
        let off = format!("Enabled: no\n{DEB822}");
        assert_eq!(lines("bookworm", &paragraphs(&off)), recipe::default_sources("bookworm"));
    }
}
