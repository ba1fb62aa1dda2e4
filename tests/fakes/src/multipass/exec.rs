//! `multipass exec`.

use super::backend::{Command, Input, Sink};
use super::client::{Client, CommandLineError, deleted, missing};
use super::daemon::{Failure, Request, call, fail};
use super::qt::Opt;
use super::setup::Generation;
use super::state::{Instance, Phase};

const CLASH: &str = "Options --working-directory and --no-map-working-directory clash";
const HINT: &str = "\n\nOptions to the inner command should come after \"--\", like this:\nmultipass exec <instance> -- \
                    <command> <arguments>\n";

/// Errors: the exit code, mostly of the command.
pub(crate) fn run(client: &Client, args: &[String]) -> Result<(), u8> {
    let options = [Opt(&["working-directory", "d"], true), Opt(&["no-map-working-directory", "n"], false)];
    let parsed = super::qt::parse(&options, args).map_err(|text| {
        let hint = if text.starts_with("Unknown option") { HINT } else { "" };
        u8::from(CommandLineError(format!("{text}{hint}")))
    })?;
    let folder = parsed.value("working-directory");
    if folder.is_some() && parsed.has("no-map-working-directory") {
        return Err(CommandLineError(CLASH.to_owned()).into());
    }
    let [name, argv @ ..] = parsed.positional.as_slice() else {
        return Err(CommandLineError("Wrong number of arguments".to_owned()).into());
    };
    if argv.is_empty() {
        return Err(CommandLineError("Wrong number of arguments".to_owned()).into());
    }
    client.connect("exec")?;
    let mapped = folder.is_none() && !parsed.has("no-map-working-directory");
    let instance = ready(client, name, mapped)?;
    if instance.phase == Phase::Unknown || client.setup.faults.value("unreachable") == Some(name) {
        return Err(no_ssh(client));
    }
    let told = cloud_init(client, argv);
    let argv = told.as_deref().unwrap_or(argv);
    let line = match (folder, mapped.then(|| map(&instance)).flatten()) {
        (Some(folder), _) => format!("cd {} && {}", quote(folder), join(argv)),
        (None, Some(folder)) if argv[0] == "sudo" => {
            // Multipass joins the words without quoting them here.
            format!("sudo sh -c {}", quote(&format!("cd {folder} && sudo -u ubuntu {}", argv.join(" "))))
        }
        (None, Some(folder)) => format!("cd {} && {}", quote(&folder), join(argv)),
        (None, None) => join(argv),
    };
    let (_, backend) = client.state("exec")?;
    let command = Command { name, line: &line, argv, input: Input::Own, output: Sink::Own };
    match backend.exec(&command) {
        Ok(0) => Ok(()),
        Ok(code) => Err(code),
        Err(error) => Err(fail("exec", &Failure::new(error))),
    }
}

fn no_ssh(client: &Client) -> u8 {
    eprintln!("exec failed: ssh connection failed: 'Failed to connect: No route to host'");
    match client.setup.generation {
        Generation::Stable => 2,
        Generation::Next => 255,
    }
}

/// The instance, started where it is stopped.
fn ready(client: &Client, name: &str, mapped: bool) -> Result<Instance, u8> {
    let (mut state, _) = client.state("exec")?;
    let Some(instance) = state.instances.remove(name) else {
        let code = fail("exec", &Failure::several([missing(name)]));
        // With a folder to map, the client asks for the instance's mounts first, and says so twice.
        return Err(if mapped { fail("exec", &Failure::several([missing(name)])) } else { code });
    };
    if instance.deleted {
        return Err(fail("exec", &Failure::several([deleted(name)])));
    }
    match instance.phase {
        Phase::Stopped | Phase::Suspended => {
            let request = Request::Start { names: vec![name.to_owned()], timeout: 300 };
            call(&client.setup, "start", &request, None)?;
            Ok(Instance { phase: Phase::Running, ..instance })
        }
        Phase::DelayedShutdown => {
            eprintln!(
                "\"{name}\" is scheduled to shut down in less than a minute, use 'multipass stop --cancel {name}' to \
                 cancel the shutdown."
            );
            Err(2)
        }
        _ => Ok(instance),
    }
}

/// Where the caller's folder is in the instance.
fn map(instance: &Instance) -> Option<String> {
    let cwd = std::env::current_dir().ok()?;
    instance.mounts.iter().find_map(|(target, source)| {
        let within = cwd.strip_prefix(source).ok()?;
        Some(std::path::Path::new(target).join(within).display().to_string())
    })
}

/// What is run in place of a question for cloud-init's status, where a fault says what that is: the words before it stay, so
/// that whoever asks through a shell of its own is answered as well.
fn cloud_init(client: &Client, argv: &[String]) -> Option<Vec<String>> {
    let at = argv.windows(2).position(|two| two == ["cloud-init", "status"])?;
    if !argv[at..].iter().any(|word| word == "json" || word == "--format=json") {
        return None;
    }
    let fault = client.setup.faults.value("cloud-init")?;
    let shown = |status: &str, extended: &str, errors: &str, recoverable: &str, code: u8| {
        let text = format!(
            "{{\n  \"boot_status_code\": \"enabled-by-generator\",\n  \"datasource\": \"nocloud\",\n  \"detail\": \
             \"DataSourceNoCloud [seed=/dev/sr0][dsmode=net]\",\n  \"errors\": {errors},\n  \"extended_status\": \
             \"{extended}\",\n  \"last_update\": \"Tue, 24 Nov 2026 07:08:04 +0000\",\n  \"recoverable_errors\": \
             {recoverable},\n  \"stage\": null,\n  \"status\": \"{status}\"\n}}"
        );
        format!("printf '%s\\n' {}; exit {code}", quote(&text))
    };
    let script = match fault {
        "error" => {
            let errors =
                "[\"('scripts-user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))\"]";
            shown("error", "error - done", errors, "{}", 1)
        }
        "degraded" => {
            let text = "{\"WARNING\": [\"Failed at merging in cloud config part from part-001: empty cloud config\"]}";
            shown("done", "degraded done", "[]", text, 2)
        }
        "hang" => "exec sleep 600".to_owned(),
        // It breaks off while the instance is started again, and says nothing; afterwards it is as it is.
        "reboot" => {
            let taken = super::state::State::update(&client.setup.home, |state| {
                let taken = state.turns.entry("cloud-init".to_owned()).or_default();
                *taken += 1;
                *taken
            });
            if taken != Ok(1) {
                return None;
            }
            "exit 1".to_owned()
        }
        _ => return None,
    };
    Some(argv[..at].iter().cloned().chain(["sh".to_owned(), "-c".to_owned(), script]).collect())
}

/// Each word quoted on its own.
fn join(argv: &[String]) -> String {
    argv.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

pub(crate) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
