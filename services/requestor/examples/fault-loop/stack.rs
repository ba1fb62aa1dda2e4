//! The real programs, with a real Redis.

use crate::Arguments;
use report_testing::faults::Program;
use report_testing::{RedisServer, free_port};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const TOKEN: &str = "a-token-of-thirty-two-characters";
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Where the services are found.
pub struct Stack {
    /// The requestor's address.
    pub requestor: String,
    folder: TempDir,
}

impl Stack {
    /// Starts a Redis, a requestor and two runners.
    pub fn start(arguments: &Arguments) -> (Self, RedisServer, Vec<Program>) {
        let redis = RedisServer::start();
        let folder = tempfile::tempdir().unwrap();
        let token = write(&folder, "token", TOKEN);
        let secret = write(&folder, "secret", SECRET);
        let port = free_port();
        let requestor = format!("http://127.0.0.1:{port}");
        let common = |listen: u16| {
            let mut words = flags(&[("--listen", &format!("127.0.0.1:{listen}")), ("--redis", &redis.url())]);
            words.extend(flags(&[("--webhook-secret-file", &text(&secret))]));
            words
        };
        let mut words = common(port);
        words.extend(flags(&[("--admin-token-file", &text(&token)), ("--rate", "1000"), ("--burst", "5000")]));
        let mut programs = vec![program(&arguments.requestor, words, &folder, "requestor")];
        for number in 1..=2 {
            let mut words = common(free_port());
            words.extend(flags(&[("--callback-url", &format!("{requestor}/hooks/reports"))]));
            programs.push(program(&arguments.runner, words, &folder, &format!("runner{number}")));
        }
        (Self { requestor, folder }, redis, programs)
    }

    /// A cookie of a new session of `user`.
    pub async fn session(&self, user: &str) -> String {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        loop {
            if let Some(cookie) = self.try_session(&client, user).await {
                return cookie;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn try_session(&self, client: &reqwest::Client, user: &str) -> Option<String> {
        let ask = client.post(format!("{}/admin/links", self.requestor)).bearer_auth(TOKEN);
        let link: serde_json::Value =
            ask.json(&serde_json::json!({ "user": user })).send().await.ok()?.json().await.ok()?;
        let answer = client.get(link["url"].as_str()?).send().await.ok()?;
        let cookie = answer.headers().get("set-cookie")?.to_str().ok()?;
        Some(cookie.split(';').next()?.to_owned())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        println!("the logs of the programs were in {}", self.folder.path().display());
    }
}

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn flags(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs.iter().flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()]).collect()
}

/// Each life of a program adds to one log.
fn program(program: &Path, words: Vec<String>, folder: &TempDir, name: &str) -> Program {
    let (program, log) = (program.to_owned(), folder.path().join(name).with_extension("log"));
    Program::start(move || {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        Command::new(&program).args(&words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    })
}
