//! An ssh that only opens tunnels: the client on the host, and the server in the machine. They speak no ssh, but each knows
//! the other by its keys' public halves, and refuses in the words of OpenSSH.

use super::manager;
use super::mux::Mux;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::ExitCode;

/// What the client says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    user: String,
    key: String,
    back: Vec<u16>,
}

/// What the server says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Answer {
    keys: Vec<String>,
    refused: Option<String>,
}

/// Takes connections in the machine.
pub(super) fn serve() {
    let Ok(listener) = TcpListener::bind("0.0.0.0:22") else { return };
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || serve_one(&stream));
    }
}

fn serve_one(stream: &TcpStream) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    out.write_all(b"SSH-2.0-fake\r\n").ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let hello: Hello = serde_json::from_str(&line).ok()?;
    let mut listeners = Vec::new();
    let mut answer = Answer { keys: host_keys(), refused: None };
    if !is_let_in(&hello) {
        answer.refused = Some(format!("{}@fake: Permission denied (publickey).", hello.user));
    }
    for port in &hello.back {
        match TcpListener::bind(("127.0.0.1", *port)) {
            Ok(listener) => listeners.push((listener, *port)),
            Err(_) => answer.refused = Some(format!("Error: remote port forwarding failed for listen port {port}")),
        }
    }
    writeln!(out, "{}", serde_json::to_string(&answer).ok()?).ok()?;
    if answer.refused.is_some() {
        return None;
    }
    let mux = Mux::new(out, 1);
    for (listener, port) in listeners {
        mux.listen(listener, port);
    }
    mux.run(reader);
    // What still listens here ends with the process of the connection in a real server; here with the socket.
    let _ = stream.shutdown(std::net::Shutdown::Both);
    Some(())
}

fn host_keys() -> Vec<String> {
    let text = fs::read_to_string("/etc/ssh/ssh_host_ed25519_key.pub").unwrap_or_default();
    text.lines().map(two_words).collect()
}

/// A key without its comment.
fn two_words(line: &str) -> String {
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// Whether the user's file has the key, and is such as OpenSSH believes (`StrictModes`).
fn is_let_in(hello: &Hello) -> bool {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let entry = passwd.lines().find(|line| line.split(':').next() == Some(&hello.user));
    let Some(home) = entry.and_then(|line| line.split(':').nth(5)) else { return false };
    let path = Path::new(home).join(".ssh/authorized_keys");
    let Some((uid, _)) = manager::ids(&hello.user, None) else { return false };
    let is_safe =
        |path: &Path| fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o022 == 0 && [0, uid].contains(&meta.uid()));
    let is_safe = is_safe(&path) && path.parent().is_some_and(is_safe);
    let text = fs::read_to_string(&path).unwrap_or_default();
    // Only one who may open tunnels and nothing else.
    is_safe && text.lines().any(|line| line.starts_with("restrict,") && line.contains(&hello.key))
}

/// Options that must be there, and no others, beside those with a path.
const OPTIONS: [&str; 18] = [
    "ProxyCommand=-",
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "CheckHostIP=no",
    "UpdateHostKeys=no",
    "ControlMaster=no",
    "ControlPath=none",
    "ControlPersist=no",
    "ForwardAgent=no",
    "ExitOnForwardFailure=yes",
    "ConnectTimeout=15",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "LogLevel=INFO",
];

/// A command line of the client.
#[derive(Debug, Default)]
struct Line {
    user: String,
    key: String,
    known_hosts: String,
    alias: String,
    forward: Vec<(u16, u16)>,
    back: Vec<u16>,
}

fn read(args: &[String]) -> Result<Line, String> {
    let mut line = Line::default();
    let mut options = Vec::new();
    let mut words = args.iter();
    let mut plain = Vec::new();
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or_else(|| format!("option requires an argument -- {word}"));
        match word.as_str() {
            "-N" | "-T" => plain.push(word.as_str()),
            "-F" => plain.push(if value()? == "none" { "-F none" } else { "-F" }),
            "-l" => line.user = value()?,
            "-i" => line.key = value()?,
            "-o" => options.push(value()?),
            "-L" => line.forward.push(ports(&value()?)?),
            "-R" => {
                let (from, to) = ports(&value()?)?;
                if from != to {
                    return Err("the fake leads back to the same port only".to_owned());
                }
                line.back.push(from);
            }
            word if word.starts_with('-') => return Err(format!("unknown option -- {word}")),
            _ => {}
        }
    }
    for option in options.iter() {
        if let Some(path) = option.strip_prefix("UserKnownHostsFile=") {
            line.known_hosts = path.trim_matches('"').to_owned();
        } else if let Some(alias) = option.strip_prefix("HostKeyAlias=") {
            line.alias = alias.to_owned();
        } else if !OPTIONS.contains(&option.as_str()) {
            return Err(format!("command-line: line 0: the fake knows no such option: {option}"));
        }
    }
    if let Some(missing) = OPTIONS.iter().find(|option| !options.iter().any(|given| given == *option)) {
        return Err(format!("the fake wants {missing}"));
    }
    if plain != ["-N", "-T", "-F none"] || line.user.is_empty() || line.key.is_empty() || line.alias.is_empty() {
        return Err("the fake opens tunnels only: -N -T -F none -l USER -i KEY".to_owned());
    }
    Ok(line)
}

/// `127.0.0.1:1000:127.0.0.1:2000`
fn ports(text: &str) -> Result<(u16, u16), String> {
    let parts: Vec<&str> = text.split(':').collect();
    let ["127.0.0.1", from, "127.0.0.1", to] = parts.as_slice() else {
        return Err(format!("Bad forwarding specification '{text}'"));
    };
    let number = |text: &str| text.parse().map_err(|_| format!("Bad forwarding specification '{text}'"));
    Ok((number(from)?, number(to)?))
}

/// The client: `ssh …` on the host, which speaks to the server by standard input and output.
pub(super) fn client(args: &[String]) -> ExitCode {
    match tunnel(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(255)
        }
    }
}

fn tunnel(args: &[String]) -> Result<(), String> {
    if args == ["-V"] {
        eprintln!("OpenSSH_9.2p1 fake");
        return Ok(());
    }
    let line = read(args)?;
    let key = fs::read_to_string(&line.key).ok().filter(|text| text.contains("PRIVATE KEY"));
    let public = fs::read_to_string(format!("{}.pub", line.key)).ok().filter(|_| key.is_some());
    let denied = || {
        format!(
            "no such identity: {}: No such file or directory\n{}@fake: Permission denied (publickey).",
            line.key, line.user
        )
    };
    let public = two_words(&public.ok_or_else(denied)?);
    let mut stdin = BufReader::new(std::io::stdin());
    let mut greeting = String::new();
    stdin.read_line(&mut greeting).map_err(|error| error.to_string())?;
    if !greeting.starts_with("SSH-2.0-fake") {
        return Err("kex_exchange_identification: Connection closed by remote host".to_owned());
    }
    let hello = Hello { user: line.user.clone(), key: public, back: line.back.clone() };
    let mut out = std::io::stdout();
    let said = writeln!(out, "{}", serde_json::to_string(&hello).unwrap_or_default()).and_then(|()| out.flush());
    said.map_err(|error| error.to_string())?;
    let mut text = String::new();
    stdin.read_line(&mut text).map_err(|error| error.to_string())?;
    let answer: Answer = serde_json::from_str(&text).map_err(|_| "Connection closed by remote host".to_owned())?;
    let known = fs::read_to_string(&line.known_hosts).unwrap_or_default();
    let is_known = answer.keys.iter().any(|key| known.lines().any(|entry| entry == format!("{} {key}", line.alias)));
    if !is_known {
        return Err(
            "@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@\nHost key verification failed.".to_owned()
        );
    }
    if let Some(why) = answer.refused {
        return Err(why);
    }
    forward(&line, stdin)
}

fn forward(line: &Line, from: impl Read) -> Result<(), String> {
    let mux = Mux::new(std::io::stdout(), 0);
    for (local, port) in &line.forward {
        let listener = TcpListener::bind(("127.0.0.1", *local)).map_err(|_| {
            format!(
                "bind [127.0.0.1]:{local}: Address already in use\n\
                 channel_setup_fwd_listener_tcpip: cannot listen to port: {local}\nCould not request local forwarding."
            )
        })?;
        mux.listen(listener, *port);
    }
    mux.run(from);
    Ok(())
}
