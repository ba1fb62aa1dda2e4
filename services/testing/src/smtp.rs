//! A real SMTP server that is not ours: `aiosmtpd` from PyPI, with TLS, a login, and answers by script.

use super::{Identity, eventually, python};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// The server. It goes with its owner.
pub struct SmtpServer {
    child: Child,
    input: ChildStdin,
    port: u16,
    said: Arc<Mutex<Vec<Value>>>,
    _folder: TempDir,
}

/// How the way to it is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpMode {
    /// TLS from the first byte.
    Tls,
    /// It takes nothing before `STARTTLS`.
    StartTls,
    /// It knows no TLS.
    Plain,
}

/// A mail that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Whether it came by TLS.
    pub tls: bool,
    /// Whether somebody had logged in.
    pub login: bool,
    /// Headers and body as they came.
    pub message: String,
}

impl SmtpServer {
    /// Starts one that shows itself as `identity` where it speaks TLS, and wants `login` (user and password) where it is
    /// given. The virtual environment that it runs in is made when it is missing.
    pub fn start(mode: SmtpMode, identity: &Identity, login: Option<(&str, &str)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, identity.pem()).unwrap();
        std::fs::write(&key, identity.key_pem()).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/tools/smtp_server.py");
        let mut child = Command::new(python("smtp"))
            .args(["-u", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let mode = match mode {
            SmtpMode::Tls => "tls",
            SmtpMode::StartTls => "starttls",
            SmtpMode::Plain => "plain",
        };
        let settings = json!({"mode": mode, "cert": cert, "key": key, "login": login});
        writeln!(input, "{settings}").unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let port = u16::try_from(first["port"].as_u64().unwrap()).unwrap();
        let said = Arc::<Mutex<Vec<Value>>>::default();
        let notes = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                notes.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, input, port, said, _folder: folder }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Has it answer `step` (`AUTH`, `RCPT` or `DATA`) so many times with `answer`, such as `451 later`.
    pub fn script(&mut self, step: &str, times: u32, answer: &str) {
        writeln!(self.input, "{}", json!({"step": step, "times": times, "answer": answer})).unwrap();
    }

    /// The mails that it took so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.sent(true)
    }

    /// The mails that it did not take, though all of them was there.
    pub fn refused(&self) -> Vec<Mail> {
        self.sent(false)
    }

    fn sent(&self, taken: bool) -> Vec<Mail> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let said = self.said.lock().unwrap();
        let mails = said.iter().filter(|said| said.get("taken") == Some(&taken.into())).map(|mail| Mail {
            from: text(&mail["from"]),
            to: mail["to"].as_array().unwrap().iter().map(text).collect(),
            tls: mail["tls"].as_bool().unwrap(),
            login: mail["login"].as_bool().unwrap(),
            message: text(&mail["message"]),
        });
        mails.collect()
    }

    /// How often it refused something so far, as it was told to or for a wrong login.
    pub fn refusals(&self) -> usize {
        self.said.lock().unwrap().iter().filter(|said| said.get("refused").is_some()).count()
    }

    /// Waits for `count` mails, and gives all.
    pub fn wait(&self, count: usize) -> Vec<Mail> {
        eventually(&format!("{count} mails are there"), || self.mails().len() >= count);
        self.mails()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
