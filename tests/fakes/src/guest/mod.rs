//! A machine that is none: programs of this host in namespaces of their own, on a layer over this host's file system, with
//! strict stand-ins for what only a machine of its own has: systemd, the journal, cloud-init, apt, an ssh server.

mod cloud_init;
mod init;
mod manager;
mod mux;
mod ssh;
mod unit;
pub(crate) mod world;

use init::Answer;
use std::path::Path;
use std::process::ExitCode;

/// Does what the program of that name does in a machine. None: there is none of that name.
pub(crate) fn run(role: &str, args: &[String]) -> Option<ExitCode> {
    if role == "ssh" {
        return Some(ssh::client(args));
    }
    let answer = match role {
        "init" => match args {
            [alive] => init::run(Path::new(alive)).map_or_else(|why| Answer::refused(1, why), |()| Answer::default()),
            _ => Answer::refused(2, "init FILE"),
        },
        "systemctl" => init::ask(args),
        "journalctl" => init::journalctl(args),
        "cloud-init" => cloud_init::command(args),
        "cloud-init-per" => cloud_init::per(args),
        "apt-get" => cloud_init::apt_get(args),
        "sshd" if args == ["-t"] => Answer::default(),
        "sshd" => Answer::refused(255, "the fake's ssh server only looks at its configuration: sshd -t"),
        _ => return None,
    };
    print!("{}", answer.out);
    eprint!("{}", answer.err);
    Some(ExitCode::from(answer.code))
}
