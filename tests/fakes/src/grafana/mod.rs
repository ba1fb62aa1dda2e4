//! The fake Grafana: `grafana server`, `grafana cli … admin reset-admin-password`, `grafana --version`.
//!
//! Stricter than the real one: sections and keys of `grafana.ini` that it does not know are refused (the real one
//! ignores them silently), and so are variables that are not set. Not checked: that the home folder is a real one.

mod api;
mod ini;
mod provisioning;
mod query;
mod store;

use crate::door;
use crate::fault::Faults;
use crate::{Refusal, flags, log, variable};
use ini::Settings;
use std::collections::VecDeque;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Its name.
const PROGRAM: &str = "grafana";
/// Flags that `server` and `cli` take with a value.
const PATHS: [&str; 3] = ["homepath", "config", "configOverrides"];

/// The version it says it has.
fn version() -> String {
    variable("FAKE_GRAFANA_VERSION").unwrap_or_else(|| "12.4.0".to_owned())
}

/// Runs it.
pub(crate) async fn run(args: Vec<String>) -> Result<(), Refusal> {
    let mut args = VecDeque::from(args);
    let found = flags::take(&mut args, &[], &["version", "v", "help", "h"])?;
    if flags::value(&found, &["version", "v"]).is_some() {
        println!("grafana version {} (fake)", version());
        return Ok(());
    }
    match args.pop_front().as_deref() {
        None => {
            println!(
                "NAME:\n   grafana (fake) - Grafana server and command line interface\n\nCOMMANDS:\n   cli\n   server"
            );
            Ok(())
        }
        Some("server") => server(args).await,
        Some("cli") => cli(args),
        Some(other) => Err(Refusal { code: 3, text: format!("No help topic for '{other}'") }),
    }
}

async fn server(mut args: VecDeque<String>) -> Result<(), Refusal> {
    let valued = [PATHS[0], PATHS[1], PATHS[2], "pidfile", "packaging"];
    let found = flags::take(&mut args, &valued, &["version", "v"])?;
    if flags::value(&found, &["version", "v"]).is_some() {
        println!("Version {} (commit: fake, branch: fake)", version());
        return Ok(());
    }
    let settings = settings(&found, args)?;
    let faults = Faults::from_environment(PROGRAM)?;
    std::fs::create_dir_all(&settings.data)
        .map_err(|error| Refusal::new(format!("failed to create {}: {error}", settings.data.display())))?;
    store::first_start(&settings)?;
    let content = provisioning::load(&settings).map_err(|error| {
        Refusal::new(format!(
            "Failed to start grafana. error: *provisioning.ProvisioningServiceImpl run error: {error}"
        ))
    })?;
    let address = format!("{}:{}", settings.http_addr, settings.http_port);
    let listener = door::listen(&address)
        .await
        .map_err(|refusal| Refusal::new(format!("failed to open listener on address {address}: {}", refusal.text)))?;
    let ending = door::Ending::watch(PROGRAM)?;
    log(PROGRAM, "info", &format!("HTTP Server Listen (fake) address={address} version={}", version()));
    let site = Arc::new(api::Api::new(settings, faults, content));
    tokio::select! {
        served = door::serve(listener, site) => served,
        ended = ending.told() => ended,
    }
}

fn cli(mut args: VecDeque<String>) -> Result<(), Refusal> {
    let valued = [PATHS[0], PATHS[1], PATHS[2], "pluginsDir", "repo", "pluginUrl"];
    let found = flags::take(&mut args, &valued, &["insecure", "debug", "d", "version", "v"])?;
    if flags::value(&found, &["version", "v"]).is_some() {
        println!("grafana cli version {} (fake)", version());
        return Ok(());
    }
    match (args.pop_front().as_deref(), args.pop_front().as_deref()) {
        (Some("admin"), Some("reset-admin-password")) => {}
        (first, second) => {
            let words: Vec<&str> = [first, second].into_iter().flatten().collect();
            return Err(Refusal { code: 3, text: format!("No help topic for '{}'", words.join(" ")) });
        }
    }
    let own = flags::take(&mut args, &["user-id"], &["password-from-stdin"])?;
    let password = if flags::value(&own, &["password-from-stdin"]).is_some() {
        if !args.is_empty() {
            return Err(Refusal::new("a password is given on stdin and as an argument"));
        }
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(|error| Refusal::new(error.to_string()))?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        args.pop_front().unwrap_or_default()
    };
    if password.len() < 4 {
        return Err(Refusal::new("Error: ✗ new password is too short"));
    }
    store::reset(&settings(&found, args)?, &password)?;
    println!("Admin password changed successfully ✔ (fake)");
    Ok(())
}

/// The settings, from the flags.
fn settings(found: &[(String, String)], rest: VecDeque<String>) -> Result<Settings, Refusal> {
    let home = match flags::value(found, &["homepath"]) {
        Some(home) => PathBuf::from(home),
        None if Path::new("conf/defaults.ini").exists() => PathBuf::from("."),
        None => {
            return Err(Refusal::new(
                "Grafana-server Init Failed: Could not find config defaults, make sure homepath command line parameter \
                 is set or working directory is homepath",
            ));
        }
    };
    let config = flags::value(found, &["config"]).map(PathBuf::from);
    let overrides: Vec<String> = flags::value(found, &["configOverrides"])
        .map(|words| words.split_whitespace().map(str::to_owned).collect())
        .unwrap_or_default();
    let overrides: Vec<String> = overrides.into_iter().chain(rest).collect();
    Ok(Settings::read(&home, config.as_deref(), &overrides)?)
}
