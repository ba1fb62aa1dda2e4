//! What `multipass help` says. The text is the fake's own, and says so.

use super::client::Client;

const COMMANDS: &[(&str, &str)] = &[
    ("authenticate", "Authenticate client"),
    ("clone", "Clone an instance"),
    ("delete", "Delete instances and snapshots"),
    ("exec", "Run a command on an instance"),
    ("find", "Display available images to create instances from"),
    ("get", "Get a configuration setting"),
    ("help", "Display help about a command"),
    ("info", "Display information about instances or snapshots"),
    ("launch", "Create and start an Ubuntu instance"),
    ("list", "List all available instances or snapshots"),
    ("mount", "Mount a local directory in the instance"),
    ("networks", "List available network interfaces"),
    ("purge", "Purge all deleted instances permanently"),
    ("recover", "Recover deleted instances"),
    ("restart", "Restart instances"),
    ("restore", "Restore an instance from a snapshot"),
    ("set", "Set a configuration setting"),
    ("snapshot", "Take a snapshot of an instance"),
    ("start", "Start instances"),
    ("stop", "Stop running instances"),
    ("suspend", "Suspend running instances"),
    ("transfer", "Transfer files between the host and instances"),
    ("umount", "Unmount a directory from an instance"),
    ("version", "Show version details"),
];

/// The general help.
pub(crate) fn general() -> String {
    let mut text =
        "Usage: multipass [options] <command>\nA fake of Multipass, for tests.\n\nAvailable commands:\n".to_owned();
    for (name, what) in COMMANDS {
        text.push_str(&format!("  {name:<13} {what}\n"));
    }
    text
}

/// Errors: the exit code.
pub(crate) fn run(_client: &Client, args: &[String]) -> Result<(), u8> {
    let Some(command) = args.first() else {
        print!("{}", general());
        return Ok(());
    };
    match COMMANDS.iter().find(|(name, _)| name == command) {
        Some((name, what)) => {
            println!("Usage: multipass {name} [options]\n{what}. (A fake of Multipass, for tests.)");
            Ok(())
        }
        None => {
            println!("Error: Unknown Command: '{command}'");
            Err(1)
        }
    }
}
