//! Files on their way into a machine and out of it, as tar archives.

use super::{Got, Put};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The list of what is where, which comes first in an archive.
const LIST: &str = "list";

/// Unpacks the archive on standard input in a folder below the first argument that nobody else can enter, readies each file beside
/// its place, and only then moves them there. A name of one blank is between the fields of the list: mode, owner, path.
pub const UNPACK: &str = r#"set -eu
umask 077
stage=$(mktemp -d "$1/reportctl-put.XXXXXXXXXX")
ready=no
undo() {
  if [ "$ready" = no ] && [ -f "$stage/list" ]; then
    while read -r mode owner path; do rm -f "${path%/*}/.${path##*/}.reportctl-new"; done <"$stage/list"
  fi
  rm -rf "$stage"
}
trap undo EXIT
trap 'exit 143' HUP INT TERM
tar -xomf - -C "$stage"
number=0
while read -r mode owner path; do
  folder=${path%/*} new=${path%/*}/.${path##*/}.reportctl-new
  [ -d "${folder:-/}" ] || (umask 022; mkdir -p "$folder")
  if [ -d "$path" ]; then printf '%s is a folder\n' "$path" >&2; exit 1; fi
  rm -rf "$new"
  mv "$stage/$number" "$new"
  chown "$owner:$owner" "$new"
  chmod "$mode" "$new"
  number=$((number + 1))
done <"$stage/list"
ready=yes
while read -r mode owner path; do
  mv -f "${path%/*}/.${path##*/}.reportctl-new" "$path"
done <"$stage/list"
"#;

/// Writes an archive of those of the arguments that are there. A file that changes while it is read is no error: whoever reads it
/// again sees what became of it.
pub const PACK: &str = r#"set -eu
for folder; do
  shift
  if [ -e "$folder" ]; then set -- "$@" "./${folder#/}"; fi
done
[ $# -gt 0 ] || exit 0
code=0
tar -C / -cf - -- "$@" || code=$?
[ "$code" -le 1 ]
"#;

/// The archive that [`UNPACK`] reads.
///
/// Errors: a file whose path or owner cannot stand in it, and why.
pub fn pack(files: &[Put]) -> Result<Vec<u8>, (PathBuf, String)> {
    let mut list = String::new();
    for file in files {
        list.push_str(&line(file).map_err(|reason| (file.path.clone(), reason.to_owned()))?);
    }
    let mut archive = tar::Builder::new(Vec::new());
    let entries = std::iter::once((LIST.to_owned(), list.as_bytes()))
        .chain(files.iter().enumerate().map(|(number, file)| (number.to_string(), file.bytes.as_slice())));
    for (name, bytes) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, &name, bytes).map_err(|error| (PathBuf::from(&name), error.to_string()))?;
    }
    archive.into_inner().map_err(|error| (PathBuf::from("/"), error.to_string()))
}

/// A file's line in the list.
fn line(file: &Put) -> Result<String, &'static str> {
    let path = file.path.to_str().ok_or("its path is not UTF-8")?;
    let plain = file
        .path
        .components()
        .all(|part| matches!(part, std::path::Component::RootDir | std::path::Component::Normal(_)));
    if !path.starts_with('/') || !plain || file.path.file_name().is_none() {
        return Err("no whole path of a file");
    }
    // The shell drops blanks at the end of a line, and ends it where it ends.
    if path.chars().any(char::is_control) || path.ends_with(char::is_whitespace) || path.ends_with('/') {
        return Err("its path holds a character that cannot be brought over");
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if file.owner.is_empty() || file.owner.starts_with('-') || !file.owner.chars().all(fits) {
        return Err("its owner is no name of a user");
    }
    Ok(format!("{:o} {} {path}\n", file.mode & 0o7777, file.owner))
}

/// The plain files in an archive that [`PACK`] wrote, in the order of their paths.
///
/// Errors: it is torn or malformed.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Got>, String> {
    let mut files = read(bytes).map_err(|error| format!("what came from there is no whole archive: {error}"))?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

fn read(bytes: &[u8]) -> io::Result<Vec<Got>> {
    let mut files = Vec::new();
    if bytes.is_empty() {
        return Ok(files);
    }
    // Two blocks of zeros end an archive: one that was cut off would else look whole.
    if bytes.len() < 1024
        || !bytes.len().is_multiple_of(512)
        || bytes[bytes.len() - 1024..].iter().any(|byte| *byte != 0)
    {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    for entry in tar::Archive::new(bytes).entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = Path::new("/").join(
            entry
                .path()?
                .components()
                .filter(|part| matches!(part, std::path::Component::Normal(_)))
                .collect::<PathBuf>(),
        );
        let mode = entry.header().mode()? & 0o7777;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.push(Got { path, bytes, mode });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    fn put(path: &str, owner: &str) -> Put {
        Put { path: path.into(), bytes: b"x".to_vec(), mode: 0o100_640, owner: owner.to_owned() }
    }

    #[test]
    fn a_line_of_the_list_holds_mode_owner_and_path() {
        assert_eq!(line(&put("/etc/a b/c'd", "report-redis")), Ok("640 report-redis /etc/a b/c'd\n".to_owned()));
    }

    #[test]
    fn what_the_shell_would_read_otherwise_is_refused() {
        for path in ["etc/x", "/", "", "/a/../b", "/a\nb", "/a\tb", "/a ", "/a/"] {
            assert!(line(&put(path, "root")).is_err(), "{path:?}");
        }
        for owner in ["", "-R", "a b", "root:root", "$x", "ä"] {
            assert!(line(&put("/a", owner)).is_err(), "{owner:?}");
        }
    }

    #[test]
    fn an_archive_that_was_cut_off_is_not_taken_for_a_shorter_one() {
        let whole = pack(&[put("/a", "root"), put("/b", "root")]).unwrap();
        assert_eq!(unpack(&whole).unwrap().len(), 3);
        for len in [1, 511, 512, 1024, whole.len() - 1024, whole.len() - 1] {
            assert!(unpack(&whole[..len]).is_err(), "{len} of {}", whole.len());
        }
        assert_eq!(unpack(b"").unwrap(), []);
    }
}
