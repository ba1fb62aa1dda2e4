//! A strict stand-in for `multipass`: its grammar, words, exit codes and bytes, and the ways in which it fails.
//!
//! | variable | meaning |
//! |---|---|
//! | `FAKE_MULTIPASS_HOME` | the folder of all that it knows; a lock keeps calls apart, and it survives them |
//! | `FAKE_MULTIPASS_GENERATION` | `1.16.3` (if not set) or `1.17` |
//! | `FAKE_MULTIPASS_BACKEND` | `lxd`: each instance is a container with a cloud-init of its own; `script`: none runs at all |
//! | `FAKE_MULTIPASS_LXD_IMAGE` | for `lxd`: the alias of an image with cloud-init and sudo |
//! | `FAKE_MULTIPASS_SCRIPT` | for `script`: the commands that may be run, see [`scripted`] |
//! | `FAKE_MULTIPASS_SNAP` | `0`: all paths are seen, and not only those that the snap sees |
//! | `FAKE_MULTIPASS_VISIBLE_HOME` | a folder that counts as the caller's home under `/home` |
//! | `FAKE_FAULT`, `FAKE_FAULT_FILE` | faults, as for all fakes |
//!
//! The seed of each instance, after all that Multipass does to it, is kept in `seeds/NAME` of the home.

mod acting;
mod backend;
mod client;
mod cloning;
mod daemon;
mod exec;
mod help;
mod launch;
mod lifecycle;
mod lxd;
mod mounts;
mod qt;
mod reading;
mod scripted;
mod seed;
mod settings;
mod setup;
mod spinner;
mod state;
mod tables;
mod transfer;
mod values;
mod yaml;

use client::Client;
use setup::{Generation, Setup};
use std::path::Path;
use std::process::ExitCode;

/// The exit code where the fake itself was set up wrongly.
const MISUSED: u8 = 70;

/// Runs one call.
pub(crate) fn run(args: &[String]) -> ExitCode {
    if let Some(job) = crate::variable(daemon::SERVE) {
        return match daemon::serve(Path::new(&job)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => misused(&error),
        };
    }
    match Setup::from_environment() {
        Ok(setup) => dispatch(&Client { setup }, args).err().map_or(ExitCode::SUCCESS, ExitCode::from),
        Err(error) => misused(&error),
    }
}

fn misused(error: &str) -> ExitCode {
    eprintln!("fake multipass: {error}");
    ExitCode::from(MISUSED)
}

/// Errors: the exit code.
fn dispatch(client: &Client, args: &[String]) -> Result<(), u8> {
    let Some((command, args)) = args.split_first() else {
        print!("{}", help::general());
        return Err(2);
    };
    if args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--help" || arg == "-h") {
        return help::run(client, std::slice::from_ref(command));
    }
    let next = client.setup.generation == Generation::Next;
    match command.as_str() {
        "launch" => launch::run(client, args),
        "list" | "ls" => reading::list(client, args),
        "info" => reading::info(client, args),
        "find" => reading::find(client, args),
        "version" => reading::version(client, args),
        "networks" => reading::networks(client, args),
        "exec" => exec::run(client, args),
        "transfer" | "copy-files" => transfer::run(client, args),
        "start" | "stop" | "suspend" | "restart" | "recover" => acting::lifecycle(client, command, args),
        "delete" => acting::delete(client, args),
        "purge" => acting::purge(client, args),
        "snapshot" => acting::snapshot(client, args),
        "restore" => acting::restore(client, args),
        "clone" => acting::clone(client, args),
        "mount" => acting::mount(client, args),
        "umount" | "unmount" => acting::umount(client, args),
        "get" => settings::get(client, args),
        "set" => settings::set(client, args),
        "authenticate" => settings::authenticate(client, args),
        "wait-ready" if next => acting::wait_ready(client, args),
        "help" | "--help" | "-h" => help::run(client, args),
        other => {
            println!("Error: Unknown command or alias '{other}' (try \"multipass help\" or \"multipass aliases\")");
            Err(1)
        }
    }
}
