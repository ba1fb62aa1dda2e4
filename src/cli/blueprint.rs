//! `blueprint list`, `blueprint show NAME`

use super::args::InProject;
use super::failure::CliError;
use super::{ExitCode, Session};
use crate::ui::style::Paint;
use crate::ui::table::{Cell, Table};
use crate::ui::{Output, json};
use clap::{Args, Subcommand};
use reportctl::model::argv;
use reportctl::model::blueprint::{Blueprint, Input, Network};
use reportctl::model::environment::Environment;
use reportctl::model::ids::TemplateName;
use reportctl::model::library::Meaning;
use reportctl::model::quantity::Size;
use serde_json::{Value, json};
use std::path::Path;

/// Show the blueprints: the shapes of machines
#[derive(Debug, Args)]
pub struct BlueprintArgs {
    #[command(subcommand)]
    pub verb: BlueprintVerb,
}

#[derive(Debug, Subcommand)]
pub enum BlueprintVerb {
    List(ListArgs),
    Show(ShowArgs),
}

/// List the blueprints and the environments that name them
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub shared: InProject,
}

/// Show one blueprint: what LXD and Multipass are asked for, and where its files are
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The blueprint
    name: String,
    #[command(flatten)]
    pub shared: InProject,
}

/// Lists.
///
/// Errors: a folder cannot be read.
pub fn list(ListArgs { shared: _ }: ListArgs, session: &Session) -> Result<ExitCode, CliError> {
    let found = session.project.validate(None)?;
    let environments = environments(found.files.iter().map(|file| &file.meaning));
    match session.output {
        Output::Human => {
            let mut table = Table::new(&["NAME", "CPUS", "MEMORY", "DISK", "USED BY", "DESCRIPTION"]);
            for listed in &found.blueprints {
                let name = listed.name.as_str();
                let used = match users(&environments, name) {
                    users if users.is_empty() => "-".to_owned(),
                    users => users.join(", "),
                };
                table.row(match &listed.blueprint {
                    Some(shape) => {
                        let (memory, disk) = (shape.memory.to_string(), shape.disk.to_string());
                        let cpus = shape.cpus.to_string();
                        vec![
                            name.into(),
                            cpus.into(),
                            memory.into(),
                            disk.into(),
                            used.into(),
                            (&*shape.description).into(),
                        ]
                    }
                    None => {
                        let why = "its file is not valid: reportctl validate shows why";
                        let none = || "-".into();
                        vec![name.into(), none(), none(), none(), used.into(), Cell::painted(why, Paint::yellow)]
                    }
                });
            }
            session.ui.out.text(&table.render(session.ui.out.paint));
        }
        Output::Json => {
            let rows: Vec<Value> = found
                .blueprints
                .iter()
                .map(|listed| {
                    json!({
                        "name": listed.name,
                        "file": listed.path,
                        "used_by": users(&environments, listed.name.as_str()),
                        "blueprint": listed.blueprint,
                    })
                })
                .collect();
            session.ui.out.line(&json::document(&json!({ "schema": 1, "blueprints": rows })));
        }
    }
    Ok(ExitCode::Ok)
}

/// Shows one.
///
/// Errors: there is none of that name, its file is wrong, or a folder cannot be read.
pub fn show(ShowArgs { name, shared: _ }: ShowArgs, session: &Session) -> Result<ExitCode, CliError> {
    let (shape, file) = session.project.blueprint(&name)?;
    let template = TemplateName::parse(&shape.cloud_init.template).ok();
    let template =
        template.and_then(|name| Some(session.project.template(&name)?.path().to_owned())).unwrap_or_default();
    let found = session.project.validate(None)?;
    let environments = environments(found.files.iter().map(|file| &file.meaning));
    let users = users(&environments, &name);
    match session.output {
        Output::Human => session.ui.out.text(&human(&shape, &file, &template, &users, session.ui.out.paint)),
        Output::Json => {
            let document = json!({
                "schema": 1,
                "file": file,
                "template_file": template,
                "used_by": users,
                "blueprint": shape,
                "lxd": { "init": lxd(&shape) },
                "multipass": { "launch": multipass(&shape) },
            });
            session.ui.out.line(&json::document(&document));
        }
    }
    Ok(ExitCode::Ok)
}

fn environments<'a>(meanings: impl Iterator<Item = &'a Meaning>) -> Vec<&'a Environment> {
    let environments = meanings.filter_map(|meaning| match meaning {
        Meaning::Environment(environment) => Some(&**environment),
        Meaning::Base | Meaning::Nothing => None,
    });
    environments.collect()
}

/// The names of the environments whose machine has that shape.
fn users<'a>(environments: &[&'a Environment], name: &str) -> Vec<&'a str> {
    let of_it = |environment: &&&Environment| environment.machine.blueprint().is_some_and(|shape| shape.name == name);
    environments.iter().filter(of_it).map(|environment| environment.name.as_str()).collect()
}

/// The flags of `lxc init`, without those that every machine gets: its name, profile, labels and user-data.
fn lxd(shape: &Blueprint) -> Vec<String> {
    let Blueprint { image, cpus, memory, disk, .. } = shape;
    let settings = [format!("limits.cpu={cpus}"), format!("limits.memory={memory}")];
    let mut flags = vec![image.lxd.clone()];
    flags.extend(settings.into_iter().flat_map(|setting| ["--config".to_owned(), setting]));
    flags.extend(["--device".to_owned(), format!("root,size={disk}")]);
    flags
}

/// The flags of `multipass launch`, without those that every machine gets: its name and user-data.
fn multipass(shape: &Blueprint) -> Vec<String> {
    let Blueprint { image, cpus, memory, disk, timeouts, .. } = shape;
    let seconds = (timeouts.launch.0 + timeouts.cloud_init.0) / 1000;
    let flags = [("--cpus", cpus.to_string()), ("--memory", gib(*memory)), ("--disk", gib(*disk))];
    let flags = flags.into_iter().chain([("--timeout", seconds.to_string())]);
    let flags = flags.flat_map(|(flag, value)| [flag.to_owned(), value]);
    [image.multipass.clone()].into_iter().chain(flags).collect()
}

/// A size without `TiB`, which Multipass does not read.
fn gib(size: Size) -> String {
    const GIB: u64 = 1 << 30;
    if size.bytes().is_multiple_of(GIB) { format!("{}GiB", size.bytes() / GIB) } else { size.to_string() }
}

fn human(shape: &Blueprint, file: &Path, template: &str, users: &[&str], paint: Paint) -> String {
    let mut text = format!("{}  {}\n", paint.bold(&shape.name), shape.description);
    let mut row = |name: &str, value: &str| {
        text.push_str(&format!("  {name:<12}  {value}\n"));
    };
    row("file", &file.display().to_string());
    row("template", template);
    row("used by", &if users.is_empty() { "no environment".to_owned() } else { users.join(", ") });
    let cpus = if shape.cpus == 1 { "1 processor".to_owned() } else { format!("{} processors", shape.cpus) };
    row("size", &format!("{cpus}, {} of memory, a disk of {}", shape.memory, shape.disk));
    row(
        "network",
        match shape.network {
            Network::Private => "private: behind this host's address, seen from this host alone",
        },
    );
    let ports: Vec<String> = shape.ports.iter().map(u16::to_string).collect();
    row("ports", &format!("{} at its address; all else through a tunnel", ports.join(", ")));
    for (index, mount) in shape.mounts.iter().enumerate() {
        let rights = if mount.writable { "may be changed there" } else { "read there only" };
        let line = format!("{} as {}, {rights}", mount.source.display(), mount.target.display());
        row(if index == 0 { "mounts" } else { "" }, &line);
    }
    for (index, (name, input)) in shape.cloud_init.inputs.iter().enumerate() {
        row(if index == 0 { "inputs" } else { "" }, &format!("{name} = {}", shown(input)));
    }
    for (index, command) in shape.ready.iter().enumerate() {
        row(if index == 0 { "ready when" } else { "" }, &argv::join(command));
    }
    let times = &shape.timeouts;
    row(
        "time limits",
        &format!("{} to launch, {} for cloud-init, {} until ready", times.launch, times.cloud_init, times.ready),
    );
    row("in LXD", &format!("lxc init {}", argv::join(lxd(shape))));
    if let Some(release) = &shape.image.debian {
        row("", &format!("where LXD can have no such image, one of Debian {release} is made on this host"));
    }
    row("in Multipass", &format!("multipass launch {}", argv::join(multipass(shape))));
    text
}

fn shown(input: &Input) -> String {
    match input {
        Input::Flag(flag) => flag.to_string(),
        Input::Text(text) => format!("\"{text}\""),
        Input::List(list) => format!("[{}]", list.join(", ")),
    }
}
