//! `multipass transfer`: files between this host and an instance, as its user `ubuntu`.

use super::backend::{Backend, Command, Input, Sink};
use super::client::{Client, CommandLineError, deleted, missing};
use super::daemon::{Failure, fail};
use super::exec::quote;
use super::qt::Opt;
use super::state::{Phase, State};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

fn refuse(text: &str) -> u8 {
    CommandLineError(text.to_owned()).into()
}

/// One end of a transfer.
#[derive(Debug, Clone)]
enum End {
    Here(PathBuf),
    Stream,
    There(String, String),
}

fn end(text: &str) -> End {
    match text.split_once(':') {
        _ if text == "-" => End::Stream,
        Some((name, path)) if !name.contains('/') => End::There(name.to_owned(), path.to_owned()),
        _ => End::Here(PathBuf::from(text)),
    }
}

/// Says what the part for files says.
fn sftp(text: &str) -> u8 {
    let now = humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string();
    eprintln!("[{}] [error] [sftp] {text}", now.trim_end_matches('Z'));
    2
}

/// Errors: the exit code.
pub(crate) fn run(client: &Client, args: &[String]) -> Result<(), u8> {
    let parsed = client.parse(&[Opt(&["recursive", "r"], false), Opt(&["parents", "p"], false)], args)?;
    let Some((target, sources)) = parsed.positional.split_last().filter(|(_, sources)| !sources.is_empty()) else {
        return Err(refuse("Not enough arguments given"));
    };
    let (sources, target): (Vec<End>, End) = (sources.iter().map(|source| end(source)).collect(), end(target));
    let streams = sources.iter().chain([&target]).filter(|end| matches!(end, End::Stream)).count();
    if streams > 1 {
        return Err(refuse("Only one '-' allowed"));
    }
    let there = sources.iter().filter(|end| matches!(end, End::There(..))).count();
    let name = match (&target, &sources[0]) {
        (End::There(..), _) if there > 0 => return Err(refuse("Source must be on the host, not inside an instance")),
        (End::There(name, _), _) | (_, End::There(name, _)) => name.clone(),
        _ => return Err(refuse("An instance name is needed for either source or destination")),
    };
    if !matches!(target, End::There(..)) && there != sources.len() {
        return Err(refuse("Source must be from inside an instance"));
    }
    client.connect("transfer")?;
    let backend = reach(client, &name)?;
    let move_it = Move {
        client,
        backend: &*backend,
        recursive: parsed.has("recursive"),
        parents: parsed.has("parents"),
        many: sources.len() > 1,
    };
    for source in &sources {
        move_it.one(source, &target)?;
    }
    Ok(())
}

/// The instance must run: nothing starts it here.
fn reach(client: &Client, name: &str) -> Result<Box<dyn Backend>, u8> {
    let (state, backend): (State, _) = client.state("transfer")?;
    let failure = match state.instances.get(name) {
        None => Failure::several([missing(name)]),
        Some(instance) if instance.deleted => Failure::several([deleted(name)]),
        Some(instance) if instance.phase == Phase::Running => return Ok(backend),
        Some(_) => Failure::new(format!("instance \"{name}\" is not running")),
    };
    Err(fail("transfer", &failure))
}

struct Move<'a> {
    client: &'a Client,
    backend: &'a dyn Backend,
    recursive: bool,
    parents: bool,
    many: bool,
}

impl Move<'_> {
    fn one(&self, source: &End, target: &End) -> Result<(), u8> {
        match (source, target) {
            (End::Stream, End::There(name, path)) => self.write(name, path, Input::Own),
            (End::Here(from), End::There(name, path)) => self.put(from, name, path),
            (End::There(name, path), End::Stream) => self.read(name, path, Sink::Own),
            (End::There(name, path), End::Here(to)) => self.get(name, path, to),
            _ => Ok(()),
        }
    }

    fn shell(&self, name: &str, line: &str, input: Input<'_>, output: Sink<'_>) -> Result<(), u8> {
        let argv = ["sh".to_owned(), "-c".to_owned(), line.to_owned()];
        let command = Command { name, line, argv: &argv, input, output };
        match self.backend.exec(&command) {
            Ok(0) => Ok(()),
            Ok(_) => Err(2),
            Err(error) => Err(fail("transfer", &Failure::new(error))),
        }
    }

    fn write(&self, name: &str, path: &str, input: Input<'_>) -> Result<(), u8> {
        let folder = Path::new(path).parent().map(|folder| folder.display().to_string()).unwrap_or_default();
        let make = if self.parents { format!("mkdir -p {} && ", quote(&folder)) } else { String::new() };
        self.shell(name, &format!("{make}cat > {}", quote(path)), input, Sink::Own)
            .map_err(|_| sftp(&format!("cannot open remote file {path}")))
    }

    fn read(&self, name: &str, path: &str, output: Sink<'_>) -> Result<(), u8> {
        let line = format!("cat {}", quote(path));
        self.shell(name, &line, Input::Nothing, output).map_err(|_| sftp(&format!("cannot access {path}")))
    }

    fn is_folder(&self, name: &str, path: &str) -> bool {
        let line = format!("test -d {}", quote(path));
        self.shell(name, &line, Input::Nothing, Sink::Own).is_ok()
    }

    fn put(&self, from: &Path, name: &str, path: &str) -> Result<(), u8> {
        let shown = from.display();
        if !from.exists() || !self.client.sees(from) {
            return Err(sftp(&format!("cannot access {shown}: No such file or directory")));
        }
        let own = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let into = if path.is_empty() { "." } else { path };
        let target = if self.is_folder(name, into) { format!("{into}/{own}") } else { into.to_owned() };
        if self.many && target == into {
            return Err(sftp(&format!("Target \"{path}\" is not a directory")));
        }
        if !from.is_dir() {
            return self.write(name, &target, Input::File(from));
        }
        if !self.recursive {
            return Err(sftp(&format!("omitting local directory {shown}: recursive mode not specified")));
        }
        self.shell(name, &format!("mkdir -p {}", quote(&target)), Input::Nothing, Sink::Own)?;
        let entries = fs::read_dir(from).map_err(|error| sftp(&format!("cannot access {shown}: {error}")))?;
        for entry in entries.flatten() {
            let below = format!("{target}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                self.shell(name, &format!("mkdir -p {}", quote(&below)), Input::Nothing, Sink::Own)?;
                self.put(&entry.path(), name, &target)?;
            } else {
                self.write(name, &below, Input::File(&entry.path()))?;
            }
        }
        Ok(())
    }

    fn get(&self, name: &str, path: &str, to: &Path) -> Result<(), u8> {
        if !self.client.sees(to) {
            return Err(sftp(&format!("cannot open local file {}: No such file or directory", to.display())));
        }
        let own = Path::new(path).file_name().unwrap_or_default().to_owned();
        let target = if to.is_dir() { to.join(own) } else { to.to_owned() };
        if self.many && !to.is_dir() {
            return Err(sftp(&format!("Target \"{}\" is not a directory", to.display())));
        }
        if !self.is_folder(name, path) {
            return self.read(name, path, Sink::File(&target));
        }
        if !self.recursive {
            return Err(sftp(&format!("omitting remote directory {path}: recursive mode not specified")));
        }
        let listing = self.client.setup.home.join(format!("listing-{}", std::process::id()));
        let line = format!("cd {} && find . -type f", quote(path));
        self.shell(name, &line, Input::Nothing, Sink::File(&listing))?;
        let mut text = String::new();
        let read = fs::File::open(&listing).and_then(|mut file| file.read_to_string(&mut text));
        let _ = fs::remove_file(&listing);
        read.map_err(|error| sftp(&error.to_string()))?;
        for file in text.lines().filter_map(|line| line.strip_prefix("./")) {
            let below = target.join(file);
            let made = below.parent().map_or(Ok(()), fs::create_dir_all);
            made.map_err(|error| sftp(&error.to_string()))?;
            self.read(name, &format!("{path}/{file}"), Sink::File(&below))?;
        }
        Ok(())
    }
}
