//! The client's part of what changes instances that are there.

use super::client::{Client, CommandLineError};
use super::daemon::{Request, Timer, call};
use super::mounts;
use super::qt::{Opt, Parsed};
use super::settings::PRIMARY;
use super::values;
use std::time::Duration;

fn refuse(text: &str) -> u8 {
    CommandLineError(text.to_owned()).into()
}

/// The instances that a command is about.
fn names(client: &Client, command: &str, parsed: &Parsed) -> Result<Vec<String>, u8> {
    if parsed.has("all") {
        return match parsed.positional.len() {
            0 => {
                let (state, _) = client.state(command)?;
                let deleted = command == "recover";
                let all = state.instances.iter().filter(|(_, instance)| instance.deleted == deleted);
                Ok(all.map(|(name, _)| name.clone()).collect())
            }
            1 => Err(refuse("Cannot specify name when --all option set")),
            _ => Err(refuse("Cannot specify names when --all option set")),
        };
    }
    if !parsed.positional.is_empty() {
        return Ok(parsed.positional.clone());
    }
    let primary = client.setting(PRIMARY)?;
    if primary.is_empty() || ["delete", "recover"].contains(&command) {
        return Err(refuse("Name argument or --all is required"));
    }
    Ok(vec![primary])
}

/// `start`, `stop`, `suspend`, `restart`, `recover`.
pub(crate) fn lifecycle(client: &Client, command: &str, args: &[String]) -> Result<(), u8> {
    const ALL: Opt = Opt(&["all"], false);
    const TIMEOUT: Opt = Opt(&["timeout"], true);
    let options: &[Opt] = match command {
        "start" | "restart" => &[ALL, TIMEOUT],
        "stop" => &[ALL, Opt(&["time", "t"], true), Opt(&["cancel", "c"], false), Opt(&["force"], false)],
        _ => &[ALL],
    };
    let parsed = client.parse(options, args)?;
    let names = names(client, command, &parsed)?;
    let timeout = if command == "stop" { None } else { client.timeout(&parsed)? };
    let text = if command == "start" {
        "Timed out waiting for instance to start."
    } else {
        "Timed out waiting for instance to restart."
    };
    let timer = timeout.map(|seconds| Timer { after: Duration::from_secs(seconds), text });
    let limit = timeout.unwrap_or(300);
    let request = match command {
        "start" => Request::Start { names, timeout: limit },
        "restart" => Request::Restart { names, timeout: limit },
        "suspend" => Request::Suspend { names },
        "recover" => Request::Recover { names },
        _ => {
            let minutes = parsed.value("time").map(|text| text.trim_start_matches('+').parse::<u64>());
            let Ok(minutes) = minutes.transpose() else {
                return Err(refuse("Time value has to be in minutes or \"now\""));
            };
            if parsed.has("cancel") && parsed.has("time") {
                return Err(refuse("Cannot set 'time' and 'cancel' options at the same time"));
            }
            let (cancel, force) = (parsed.has("cancel"), parsed.has("force"));
            Request::Stop { names, minutes: minutes.unwrap_or_default(), cancel, force }
        }
    };
    client.connect(command)?;
    call(&client.setup, command, &request, timer.as_ref()).map(drop)
}

pub(crate) fn delete(client: &Client, args: &[String]) -> Result<(), u8> {
    let parsed = client.parse(&[Opt(&["all"], false), Opt(&["purge", "p"], false)], args)?;
    let targets = names(client, "delete", &parsed)?;
    client.connect("delete")?;
    // Nothing turns here: what is begun is said by nobody.
    call(&client.setup, "delete", &Request::Delete { targets, purge: parsed.has("purge") }, None).map(drop)
}

pub(crate) fn purge(client: &Client, args: &[String]) -> Result<(), u8> {
    let parsed = client.parse(&[], args)?;
    if !parsed.positional.is_empty() {
        return Err(refuse("This command takes no arguments"));
    }
    client.connect("purge")?;
    call(&client.setup, "purge", &Request::Purge, None).map(drop)
}

fn one<'a>(parsed: &'a Parsed, missing: &str) -> Result<&'a str, u8> {
    match parsed.positional.as_slice() {
        [one] => Ok(one),
        [] => Err(refuse(missing)),
        _ => Err(refuse("Too many arguments supplied")),
    }
}

pub(crate) fn snapshot(client: &Client, args: &[String]) -> Result<(), u8> {
    let options = [Opt(&["name", "n"], true), Opt(&["comment", "c", "m"], true)];
    let parsed = client.parse(&options, args)?;
    let name = one(&parsed, "Need the name of an instance to snapshot.")?.to_owned();
    let snapshot = parsed.value("name").map(str::to_owned);
    if let Some(bad) = snapshot.as_deref().filter(|name| !values::is_name(name)) {
        return Err(refuse(&format!("Invalid snapshot name supplied: {bad}")));
    }
    client.connect("snapshot")?;
    let comment = parsed.value("comment").unwrap_or_default().to_owned();
    let said = call(&client.setup, "snapshot", &Request::Snapshot { name, snapshot, comment }, None)?;
    print!("{said}");
    Ok(())
}

pub(crate) fn restore(client: &Client, args: &[String]) -> Result<(), u8> {
    let parsed = client.parse(&[Opt(&["destructive", "d"], false)], args)?;
    let target = one(&parsed, "Need the name of a snapshot to restore.")?;
    let Some((name, snapshot)) = target.split_once('.') else {
        return Err(refuse(
            "Invalid format. Please specify the instance and snapshot in the form <instance>.<snapshot>",
        ));
    };
    client.connect("restore")?;
    let (name, snapshot) = (name.to_owned(), snapshot.to_owned());
    let request = Request::Restore { name, snapshot, destructive: parsed.has("destructive") };
    let said = call(&client.setup, "restore", &request, None)?;
    print!("{said}");
    Ok(())
}

pub(crate) fn clone(client: &Client, args: &[String]) -> Result<(), u8> {
    let parsed = client.parse(&[Opt(&["name", "n"], true)], args)?;
    let name = one(&parsed, "Please provide the name of the source instance.")?.to_owned();
    client.connect("clone")?;
    let to = parsed.value("name").map(str::to_owned);
    let said = call(&client.setup, "clone", &Request::Clone { name, to }, None)?;
    print!("{said}");
    Ok(())
}

pub(crate) fn mount(client: &Client, args: &[String]) -> Result<(), u8> {
    let options = [Opt(&["type", "t"], true), Opt(&["uid-map", "u"], true), Opt(&["gid-map", "g"], true)];
    let parsed = client.parse(&options, args)?;
    let kind = parsed.value("type").unwrap_or("classic");
    if !["classic", "native"].contains(&kind) {
        return Err(refuse(&format!("Bad mount type '{kind}' specified, please use 'classic' or 'native'")));
    }
    for map in parsed.values("uid-map").chain(parsed.values("gid-map")) {
        let is_map = map
            .split_once(':')
            .is_some_and(|(host, inside)| host.parse::<u32>().is_ok() && inside.parse::<u32>().is_ok());
        if !is_map {
            return Err(refuse(&format!("Invalid ID map given: {map}")));
        }
    }
    let [source, targets @ ..] = parsed.positional.as_slice() else {
        return Err(refuse("Not enough arguments given"));
    };
    if targets.is_empty() {
        return Err(refuse("Not enough arguments given"));
    }
    let source = mounts::checked(client, source)?;
    client.connect("mount")?;
    let request = Request::Mount { source, targets: targets.to_vec(), native: kind == "native" };
    call(&client.setup, "mount", &request, None).map(drop)
}

pub(crate) fn umount(client: &Client, args: &[String]) -> Result<(), u8> {
    let parsed = client.parse(&[Opt(&["all", "a"], false)], args)?;
    if parsed.positional.is_empty() {
        return Err(refuse("Not enough arguments given"));
    }
    client.connect("umount")?;
    call(&client.setup, "umount", &Request::Umount { targets: parsed.positional }, None).map(drop)
}

pub(crate) fn wait_ready(client: &Client, args: &[String]) -> Result<(), u8> {
    let parsed = client.parse(&[Opt(&["timeout"], true)], args)?;
    client.timeout(&parsed)?;
    client.connect("wait-ready")
}
