//! `render`

use super::args::InEnvUnshown;
use super::failure::CliError;
use super::site::{Look, Site};
use super::{ExitCode, Session, user_data};
use crate::ui::{Output, json};
use clap::Args;
use reportctl::fs;
use reportctl::model::argv;
use reportctl::model::component::{ComponentName, Source};
use reportctl::model::environment::Component;
use reportctl::model::facts::Facts;
use reportctl::model::inventory::{Observed, Program};
use reportctl::plan::error::PlanError;
use reportctl::plan::wanted::{Outlook, outlook};
use reportctl::render::cloud_init::Base;
use reportctl::render::native::Native;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What `-o` says here, where it also takes a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenderOutput {
    /// `human` or `json`.
    Form(Output),
    /// A folder.
    Folder(PathBuf),
}

/// Show every file that would be written, or write them into a folder to look at
#[derive(Debug, Args)]
#[command(after_help = "\
Secrets stand in the files as references such as @{secret:redis-admin}.
reportctl render -o rendered      writes the files into the folder `rendered`
reportctl render -e lxd -o DIR    a machine's files by their paths in it, and DIR/cloud-init/user-data
reportctl render -o json          one document; a folder of that name is ./json")]
pub struct RenderArgs {
    /// The form of the result, or the folder to write the files into
    #[arg(short, long, alias = "format", value_name = "human|json|DIR", value_parser = output)]
    pub output: Option<RenderOutput>,
    /// Also what is skipped here because its program is missing, as if it had the oldest version that will do
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pub shared: InEnvUnshown,
}

fn output(text: &str) -> Result<RenderOutput, String> {
    Ok(match text {
        "" => return Err("write human, json or a folder".to_owned()),
        "human" => RenderOutput::Form(Output::Human),
        "json" => RenderOutput::Form(Output::Json),
        folder => RenderOutput::Folder(PathBuf::from(folder)),
    })
}

/// Renders.
///
/// Errors: something cannot be rendered, or the folder cannot be written.
pub fn run(RenderArgs { output, all, shared: _ }: RenderArgs, session: &Session) -> Result<ExitCode, CliError> {
    let settings = session.settings()?;
    let site = Site::open(session, &settings.env)?;
    let facts = site.recall().map(|memory| memory.facts).unwrap_or_default();
    let mut look = super::runtime()?.block_on(site.look(&facts, None))?;
    let assumed = assume(&site, &mut look, all);
    if !assumed.is_empty() {
        let names: Vec<&str> = assumed.iter().map(|name| name.as_str()).collect();
        session.ui.say(&format!("not installed here, so rendered for its oldest version: {}", names.join(", ")));
    }
    let rendered = Rendered { user_data: initial(&site)?, natives: natives(&site, &facts, &look)? };
    match (output, session.output) {
        (Some(RenderOutput::Folder(folder)), _) => write(session, &site, &session.context.cwd.join(folder), &rendered)?,
        (_, Output::Human) => show(session, &rendered),
        (_, Output::Json) => session.ui.out.line(&json::document(&document(&site, &look, &rendered))),
    }
    Ok(ExitCode::Ok)
}

/// All that would be written.
struct Rendered {
    /// What the environment's machine is initialised with, where it has one of its own.
    user_data: Option<String>,
    natives: BTreeMap<ComponentName, Native>,
}

/// The file of user-data within a folder of all files.
const USER_DATA: &str = "cloud-init/user-data";

/// What the environment's machine is initialised with when it starts from a plain image; none where it has none.
fn initial(site: &Site<'_>) -> Result<Option<String>, CliError> {
    match user_data::of(&site.env, Base::Plain) {
        None => Ok(None),
        Some(Ok(data)) => Ok(Some(data.text)),
        Some(Err(error)) => {
            let (cause, advice) = (error.to_string(), format!("reportctl validate -e {}", site.env.name));
            let error = PlanError::Machine { cause, advice, is_tool: false };
            Err(CliError::Plan { env: site.env.name.clone(), error })
        }
    }
}

/// Where a program is missing that would be installed, or with `all` any program, the oldest version that will do is
/// taken for it. Returns whose.
fn assume(site: &Site<'_>, look: &mut Look, all: bool) -> Vec<ComponentName> {
    let mut assumed = Vec::new();
    for Component { name, version, required, .. } in site.env.stack.components.values() {
        let program = match name.source() {
            Source::Package { program, .. } if *required || all => program,
            Source::Program { program, .. } | Source::Ours { program } if *required || all => program,
            Source::Package { .. } | Source::Program { .. } | Source::Ours { .. } => continue,
        };
        let seen = look.inventory.programs.get(name).and_then(Observed::present);
        if !seen.is_some_and(|seen| seen.version.at_least(version)) {
            let program = Program { path: Path::new("/usr/bin").join(program), version: version.clone(), build: None };
            look.inventory.programs.insert(*name, Observed::Present(program));
            assumed.push(*name);
        }
    }
    assumed
}

fn natives(site: &Site<'_>, facts: &Facts, look: &Look) -> Result<BTreeMap<ComponentName, Native>, CliError> {
    match outlook(&site.inputs(facts, look)) {
        Ok(Outlook::Run(wanted)) => Ok(wanted.natives),
        Ok(Outlook::Install(available)) => {
            let missing: Vec<&str> = available.install.keys().map(|name| name.as_str()).collect();
            Err(CliError::Bug(format!("still to be installed: {}", missing.join(", "))))
        }
        Err(error) => Err(CliError::Plan { env: site.env.name.clone(), error }),
    }
}

fn show(session: &Session, Rendered { user_data, natives }: &Rendered) {
    let out = &session.ui.out;
    if let Some(text) = user_data {
        out.line(&out.paint.bold(&format!("==> {USER_DATA}")));
        out.text(text);
        out.line("");
    }
    for file in natives.values().flat_map(|native| &native.files) {
        out.line(&out.paint.bold(&format!("==> {} ({:04o})", file.path.display(), file.mode)));
        out.text(&file.text);
        out.line("");
    }
    for native in natives.values() {
        out.line(&out.paint.bold(&format!("==> {} runs", native.service.component)));
        out.line(&argv::join(&native.service.argv));
        out.line("");
    }
}

/// Writes the files as they lie in the environment's folder; what lies elsewhere, as in a machine of its own, keeps its whole
/// path below it.
fn write(session: &Session, site: &Site<'_>, folder: &Path, rendered: &Rendered) -> Result<(), CliError> {
    let user_data = rendered.user_data.iter().map(|text| (folder.join(USER_DATA), text));
    let files = rendered.natives.values().flat_map(|native| &native.files).map(|file| {
        let within = file.path.strip_prefix(&site.paths.root).or_else(|_| file.path.strip_prefix("/"));
        (folder.join(within.unwrap_or(&file.path)), &file.text)
    });
    for (path, text) in user_data.chain(files) {
        let parent = path.parent().unwrap_or(folder);
        if fs::observe_meta(parent).present().is_none() {
            fs::ensure_dir(parent, 0o755)?;
        }
        // No secret is in it, so it need not be kept from anybody.
        fs::write(&path, text.as_bytes(), 0o644)?;
        session.ui.out.line(&path.display().to_string());
    }
    Ok(())
}

fn document(site: &Site<'_>, look: &Look, rendered: &Rendered) -> serde_json::Value {
    let Rendered { user_data, natives } = rendered;
    let components: serde_json::Map<String, serde_json::Value> = natives
        .iter()
        .map(|(name, native)| {
            let Native { folders, files, prepare: _, service, ready, address, page } = native;
            let value = json!({
                "folders": folders, "files": files, "service": service, "ready": ready, "address": address, "page": page,
            });
            (name.to_string(), value)
        })
        .collect();
    json!({ "schema": 1, "env": site.env.name, "id": look.id, "user_data": user_data, "components": components })
}
