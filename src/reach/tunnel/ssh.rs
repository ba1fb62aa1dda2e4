//! The ssh of a tunnel, which speaks to the machine through us.

use super::{Door, HOST, USER, Words};
use crate::context::Context;
use crate::exec::{Command, ExecError, Piped, last_lines};
use std::sync::PoisonError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_buf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Bytes that are carried at a time.
const BUFFER: usize = 64 << 10;

/// Starts it. `forward` are pairs of a port of this host and one of the machine, `back` ports of the machine. The task ends when ssh or
/// the connection does, and takes both with it when it is aborted.
pub fn start(
    context: &Context,
    door: &Door,
    forward: &[(u16, u16)],
    back: &[u16],
    stream: TcpStream,
    words: Words,
) -> Result<JoinHandle<()>, ExecError> {
    let ssh = Command::changes(context, argv(door, forward, back)).without(|name| name.starts_with("SSH_")).piped()?;
    // Small packets of a tunnel are answers that somebody waits for.
    let _ = stream.set_nodelay(true);
    Ok(tokio::spawn(carry(ssh, stream, words)))
}

/// Carries bytes both ways until one end closes.
async fn carry(mut ssh: Piped, mut stream: TcpStream, words: Words) {
    let (from, mut to) = stream.split();
    let (mut from, mut output) =
        (BufReader::with_capacity(BUFFER, from), BufReader::with_capacity(BUFFER, &mut ssh.output));
    let listen = async {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = ssh.errors.read(&mut buffer).await {
            let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
            words.push_str(&String::from_utf8_lossy(&buffer[..count]));
            *words = last_lines(&words) + "\n";
        }
    };
    tokio::pin!(listen);
    let inwards = async {
        let _ = copy_buf(&mut from, &mut ssh.input).await;
        // The machine closed the connection: ssh hears of it, and has its last words.
        let _ = ssh.input.shutdown().await;
        std::future::pending::<()>().await;
    };
    let has_said_all = tokio::select! {
        () = inwards => false,
        _ = copy_buf(&mut output, &mut to) => false,
        () = &mut listen => true,
    };
    if !has_said_all {
        // The words that say why.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), listen).await;
    }
    drop(ssh);
}

/// Nothing of the user's own settings, nothing that asks, no key but ours, no machine but the one whose keys are known.
fn argv(door: &Door, forward: &[(u16, u16)], back: &[u16]) -> Vec<String> {
    let mut argv: Vec<String> = ["ssh", "-N", "-T", "-F", "none", "-l", USER].map(str::to_owned).to_vec();
    argv.extend(["-i".to_owned(), door.key.display().to_string()]);
    let options = [
        // `-`: the connection is on standard input and output.
        "ProxyCommand=-".to_owned(),
        "BatchMode=yes".to_owned(),
        "IdentitiesOnly=yes".to_owned(),
        "IdentityAgent=none".to_owned(),
        "PreferredAuthentications=publickey".to_owned(),
        "StrictHostKeyChecking=yes".to_owned(),
        format!("UserKnownHostsFile=\"{}\"", door.known_hosts.display()),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        format!("HostKeyAlias={HOST}"),
        "CheckHostIP=no".to_owned(),
        "UpdateHostKeys=no".to_owned(),
        "ControlMaster=no".to_owned(),
        "ControlPath=none".to_owned(),
        "ControlPersist=no".to_owned(),
        "ForwardAgent=no".to_owned(),
        "ExitOnForwardFailure=yes".to_owned(),
        "ConnectTimeout=15".to_owned(),
        "ServerAliveInterval=5".to_owned(),
        "ServerAliveCountMax=3".to_owned(),
        "LogLevel=INFO".to_owned(),
    ];
    argv.extend(options.into_iter().flat_map(|option| ["-o".to_owned(), option]));
    for (local, port) in forward {
        argv.extend(["-L".to_owned(), format!("127.0.0.1:{local}:127.0.0.1:{port}")]);
    }
    for port in back {
        argv.extend(["-R".to_owned(), format!("127.0.0.1:{port}:127.0.0.1:{port}")]);
    }
    argv.push(door.address.to_string());
    argv
}
