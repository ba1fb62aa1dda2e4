//! Settings files: `reportctl.yaml` in a project folder, `config.yaml` among the user's settings. They are read as
//! strictly as environments.

use super::args;
use super::failure::CliError;
use super::settings::{FileSettings, words};
use clap::ValueEnum;
use reportctl::fs;
use reportctl::model::diagnostic::{Diagnostic, Kind, Report};
use reportctl::model::node::{self, Entry, Node};
use reportctl::model::reader::Reader;
use reportctl::model::schema::{Form, Key};
use reportctl::model::source::{Source, Sources};
use reportctl::model::suggest;
use std::path::{Path, PathBuf};

/// The file of a project folder.
pub const PROJECT_FILE: &str = "reportctl.yaml";

/// The keys of a settings file.
const KEYS: [&str; 6] = ["env", "output", "color", "progress", "parallel", "timeout"];

/// What the files say, the project's first, and what is wrong with them.
///
/// Errors: a file is not valid (with every mistake of both), or is there and cannot be read.
pub fn read(project: Option<&Path>, user: Option<&Path>) -> Result<[FileSettings; 2], CliError> {
    let mut sources = Sources::default();
    let mut wrong = Vec::new();
    let project: Option<PathBuf> = project.map(|folder| folder.join(PROJECT_FILE));
    let project = one(project.as_deref(), &mut sources, &mut wrong)?;
    let user = one(user, &mut sources, &mut wrong)?;
    if wrong.is_empty() { Ok([project, user]) } else { Err(CliError::Files(Box::new(Report::new(sources, wrong)))) }
}

fn one(path: Option<&Path>, sources: &mut Sources, wrong: &mut Vec<Diagnostic>) -> Result<FileSettings, CliError> {
    let Some(path) = path else { return Ok(FileSettings::default()) };
    let bytes = match fs::read_bytes(path) {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(FileSettings::default()),
        Err(error) => return Err(error.into()),
    };
    let source = Source::new(&path.to_string_lossy(), &bytes);
    let file = sources.add(source.clone());
    let mut found = Vec::new();
    let root = node::parse(file, &source, &mut found);
    // A file of comments alone says nothing, which is no mistake here.
    wrong.extend(found.into_iter().filter(|diagnostic| diagnostic.kind != Kind::EmptyFile));
    Ok(root.map(|root| settings(&root, &mut Reader::new(wrong))).unwrap_or_default())
}

fn settings(root: &Node, reader: &mut Reader<'_>) -> FileSettings {
    let mut settings = FileSettings::default();
    for entry in reader.entries(root, "").unwrap_or_default() {
        match entry.key.as_str() {
            "env" => settings.env = value(entry, reader, args::env_name),
            "output" => settings.output = value(entry, reader, word),
            "color" => settings.color = value(entry, reader, word),
            "progress" => settings.progress = value(entry, reader, word),
            "parallel" => settings.parallel = value(entry, reader, args::parallel),
            "timeout" => settings.timeout = value(entry, reader, args::timeout),
            unknown => {
                let message = format!("nothing is known of a setting `{unknown}`");
                let diagnostic = Diagnostic::new(Kind::UnknownKey, entry.key_place, message);
                reader.tell(diagnostic.help(suggest::help(unknown, KEYS)));
            }
        }
    }
    settings
}

fn value<T>(entry: &Entry, reader: &mut Reader<'_>, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    let name = KEYS.into_iter().find(|name| *name == entry.key)?;
    if entry.node.is_empty() {
        let message = format!("`{name}` has no value");
        reader.tell(Diagnostic::new(Kind::EmptyValue, entry.key_place, message).help("write one, or remove the line"));
        return None;
    }
    let key = Key { name, doc: "", form: Form::Line, default: None, within: None, of: &[], on: &[] };
    reader.parsed(&entry.node, &key, |text| parse(text).map_err(|why| format!("`{text}`: {why}")))
}

/// Reads one of an enum's words.
pub fn word<T: ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, false).map_err(|_| format!("write one of {}", words::<T>().join(", ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use crate::ui::progress::Progress;
    use crate::ui::{Color, Output};
    use std::time::Duration;

    fn read_text(text: &str) -> Result<FileSettings, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(&folder.path().join(PROJECT_FILE), text.as_bytes(), 0o644).unwrap();
        match read(Some(folder.path()), None) {
            Ok([project, _]) => Ok(project),
            Err(CliError::Files(report)) => {
                let line = |diagnostic: &Diagnostic| {
                    let source = report.sources().get(diagnostic.place.file).unwrap();
                    let at = source.position(diagnostic.place.start);
                    format!("{}:{} {}", at.line, at.column, diagnostic.message)
                };
                Err(report.diagnostics().iter().map(line).collect())
            }
            Err(error) => Err(vec![error.to_string()]),
        }
    }

    #[test]
    fn every_key_is_read() {
        let text =
            "env: plant\noutput: json\ncolor: never\nprogress: plain\nparallel: 2\ntimeout: 10m\n# and no more\n";
        let settings = FileSettings {
            env: args::env_name("plant").ok(),
            output: Some(Output::Json),
            color: Some(Color::Never),
            progress: Some(Progress::Plain),
            parallel: Some(2),
            timeout: Some(Duration::from_secs(600)),
        };
        assert_eq!(read_text(text), Ok(settings));
        assert_eq!(read_text("# nothing yet\n"), Ok(FileSettings::default()));
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        let text = "env: No Name\nouput: json\noutput: xml\nparallel: 0\nparallel: 1\ntimeout:\ncolor: [red]\n";
        let expected = [
            "1:6 `No Name`: `No Name` is not a name of 1 to 32 lower-case letters, digits and dashes that starts with \
             a letter",
            "2:1 nothing is known of a setting `ouput`",
            "3:9 `xml`: write one of human, json",
            "4:11 `0`: write a number from 1 to 64",
            "5:1 `parallel` is here twice",
            "6:1 `timeout` has no value",
            "7:8 `color` takes a text, not a list",
        ];
        assert_eq!(read_text(text), Err(expected.map(str::to_owned).to_vec()));
    }
}
