//! What every command of the client does alike.

use super::backend::{Backend, Doing};
use super::daemon::Failure;
use super::qt::{Opt, Parsed, parse};
use super::setup::Setup;
use super::state::{Instance, Phase, State};
use super::values;
use std::path::Path;

/// One call of the client.
pub(crate) struct Client {
    pub(crate) setup: Setup,
}

/// What the client itself finds wrong: exit code 1.
pub(crate) struct CommandLineError(pub(crate) String);

impl From<CommandLineError> for u8 {
    fn from(error: CommandLineError) -> Self {
        eprintln!("{}", error.0);
        1
    }
}

impl Client {
    /// Errors: said in Qt's words.
    pub(crate) fn parse(&self, options: &[Opt], args: &[String]) -> Result<Parsed, u8> {
        parse(options, args).map_err(|text| CommandLineError(text).into())
    }

    /// What becomes of an exception that nobody catches.
    pub(crate) fn uncaught(&self, text: &str) -> u8 {
        let now = humantime::format_rfc3339_millis(std::time::SystemTime::now());
        eprintln!("[{}] [error] [client] Caught an unhandled exception: {text}", now.to_string().trim_end_matches('Z'));
        1
    }

    /// The value of `--timeout`.
    pub(crate) fn timeout(&self, parsed: &Parsed) -> Result<Option<u64>, u8> {
        let Some(given) = parsed.value("timeout") else { return Ok(None) };
        match given.parse::<u64>() {
            Ok(seconds) if seconds > 0 => Ok(Some(seconds)),
            _ => Err(CommandLineError("error: --timeout value has to be a positive integer".to_owned()).into()),
        }
    }

    /// Whether a fault is on for this call: with a number as its value, only for so many calls.
    pub(crate) fn turn(&self, fault: &str) -> bool {
        let Some(value) = self.setup.faults.value(fault) else { return false };
        let Ok(times) = value.parse::<u64>() else { return true };
        let taken = State::update(&self.setup.home, |state| {
            let taken = state.turns.entry(fault.to_owned()).or_default();
            *taken += 1;
            *taken
        });
        taken.is_ok_and(|taken| taken <= times)
    }

    /// Whether the daemon can be reached and lets the caller in.
    ///
    /// Errors: not; what there is to say was said.
    pub(crate) fn connect(&self, command: &str) -> Result<(), u8> {
        if self.turn("daemon-down") {
            eprintln!("{command} failed: cannot connect to the multipass socket");
            return Err(2);
        }
        if self.turn("socket-denied") {
            eprintln!("{command} failed: multipass socket access denied");
            return Err(2);
        }
        if self.turn("unauthenticated") {
            eprintln!(
                "{command} failed: The client is not authenticated with the Multipass service.\nPlease use 'multipass \
                 authenticate' before proceeding."
            );
            return Err(2);
        }
        Ok(())
    }

    pub(crate) fn sees(&self, path: &Path) -> bool {
        let cwd = std::env::current_dir().unwrap_or_default();
        !self.setup.snap || values::is_visible(path, &cwd)
    }

    /// What is known, with what each instance does now.
    ///
    /// Errors: said.
    pub(crate) fn state(&self, command: &str) -> Result<(State, Box<dyn Backend>), u8> {
        let read = || {
            let backend = self.setup.backend()?;
            let mut state = State::read(&self.setup.home)?;
            for (name, instance) in &mut state.instances {
                instance.phase = now(&*backend, name, instance)?;
            }
            Ok((state, backend))
        };
        read().map_err(|error: String| super::daemon::fail(command, &Failure::new(error)))
    }
}

/// What an instance does: one that ran may have stopped by itself.
pub(crate) fn now(backend: &dyn Backend, name: &str, instance: &Instance) -> Result<Phase, String> {
    Ok(match (instance.phase, backend.doing(name)?) {
        (Phase::Running | Phase::Unknown | Phase::DelayedShutdown, Doing::Stopped | Doing::Nothing) => Phase::Stopped,
        (Phase::Stopped, Doing::Runs) => Phase::Running,
        (phase, _) => phase,
    })
}

/// That there is no such instance.
pub(crate) fn missing(name: &str) -> String {
    format!("instance \"{name}\" does not exist")
}

/// That an instance was deleted.
pub(crate) fn deleted(name: &str) -> String {
    format!("instance \"{name}\" is deleted")
}
