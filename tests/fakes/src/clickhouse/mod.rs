//! The fake ClickHouse: `clickhouse server --config-file=F`, `clickhouse client --query=Q`, `clickhouse --version`.
//!
//! Stricter than the real one: elements of the configuration that it does not know are refused. It knows databases and
//! a handful of queries, and no table.

mod config;
mod http;
mod known;
mod native;
mod xml;

use crate::door;
use crate::fault::Faults;
use crate::{Refusal, flags, log, variable};
use config::Config;
pub(crate) use native::Client;
use std::collections::{BTreeSet, VecDeque};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Its name.
const PROGRAM: &str = "clickhouse";

/// The version it says it has.
fn version() -> String {
    variable("FAKE_CLICKHOUSE_VERSION").unwrap_or_else(|| "25.8.15.35".to_owned())
}

/// What the doors share.
#[derive(Debug)]
pub(super) struct Server {
    config: Config,
    faults: Faults,
    databases: Mutex<BTreeSet<String>>,
}

/// An error as ClickHouse gives it.
#[derive(Debug)]
struct Exception {
    code: i32,
    name: &'static str,
    text: String,
}

impl Exception {
    fn new(code: i32, name: &'static str, text: impl Into<String>) -> Self {
        Self { code, name, text: text.into() }
    }

    fn line(&self) -> String {
        format!(
            "Code: {}. DB::Exception: {}. ({}) (version {} (fake build))",
            self.code,
            self.text,
            self.name,
            version()
        )
    }
}

/// Runs it.
pub(crate) async fn run(args: Vec<String>) -> Result<(), Refusal> {
    let mut args = VecDeque::from(args);
    match args.pop_front().as_deref() {
        Some("--version" | "-V") => {
            println!("ClickHouse local version {} (fake build).", version());
            Ok(())
        }
        Some("server") => server(args).await,
        Some("client") => client(args).await,
        Some(other) => Err(Refusal::new(format!("Code: 552. DB::Exception: Unrecognized argument '{other}'"))),
        None => Err(Refusal::new("use one of the following commands (fake): clickhouse server [args]")),
    }
}

async fn server(mut args: VecDeque<String>) -> Result<(), Refusal> {
    let valued = ["config-file", "config", "C", "log-file", "errorlog-file", "pid-file", "pidfile"];
    let found = flags::take(&mut args, &valued, &["version", "V"])?;
    if flags::value(&found, &["version", "V"]).is_some() {
        println!("ClickHouse server version {} (fake build).", version());
        return Ok(());
    }
    if let Some(word) = args.front() {
        return Err(Refusal::new(format!("argument `{word}` is not understood")));
    }
    let file = flags::value(&found, &["config-file", "config", "C"]).unwrap_or("config.xml");
    let config =
        Config::read(Path::new(file)).map_err(|error| Refusal { code: 232, text: format!("{file}: {error}") })?;
    let faults = Faults::from_environment(PROGRAM)?;
    let folder = metadata(&config.path)?;
    let server = Arc::new(Server { databases: Mutex::new(existing(&folder)?), config, faults });
    for query in &server.config.startup {
        server.run(query, "default", false).map_err(|error| Refusal::new(error.line()))?;
    }
    listen(server).await
}

async fn client(mut args: VecDeque<String>) -> Result<(), Refusal> {
    let valued = ["config-file", "C", "query", "q", "host", "h", "port", "user", "u", "password", "database", "d"];
    let found = flags::take(&mut args, &valued, &["version", "V"])?;
    if flags::value(&found, &["version", "V"]).is_some() {
        println!("ClickHouse client version {} (fake build).", version());
        return Ok(());
    }
    if let Some(word) = args.front() {
        return Err(Refusal::new(format!("Code: 36. DB::Exception: Positional option `{word}` is not supported")));
    }
    let login = config::Login::read(flags::value(&found, &["config-file", "C"]).map(Path::new))?;
    let or = |names: &[&str], default: String| flags::value(&found, names).map_or(default, str::to_owned);
    let query =
        flags::value(&found, &["query", "q"]).ok_or_else(|| Refusal::new("the fake has no prompt: --query=…"))?;
    let address = format!("{}:{}", or(&["host", "h"], login.host), or(&["port"], login.port));
    let (user, password) = (or(&["user", "u"], login.user), or(&["password"], login.password));
    let mut client = Client::connect(&address, &or(&["database", "d"], login.database), &user, &password).await?;
    for line in client.query(query).await? {
        println!("{line}");
    }
    Ok(())
}

/// Opens every door and waits for the end.
async fn listen(server: Arc<Server>) -> Result<(), Refusal> {
    let mut tasks = tokio::task::JoinSet::new();
    for host in &server.config.listen {
        let at = |port: u16| if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        if let Some(port) = server.config.http {
            let listener = door::listen(&at(port)).await?;
            tasks.spawn(door::serve(listener, Arc::new(http::Http(Arc::clone(&server)))));
        }
        if let Some(port) = server.config.native {
            let listener = door::listen(&at(port)).await?;
            tasks.spawn(native::serve(listener, Arc::clone(&server)));
        }
        if let Some((port, path)) = &server.config.metrics {
            let listener = door::listen(&at(*port)).await?;
            let site = http::Metrics { server: Arc::clone(&server), path: path.clone() };
            tasks.spawn(door::serve(listener, Arc::new(site)));
        }
        log(
            PROGRAM,
            "info",
            &format!("Listening (fake) on {host}: {:?} {:?}", server.config.http, server.config.native),
        );
    }
    if tasks.is_empty() {
        return Err(Refusal::new(
            "Code: 210. DB::Exception: No servers started (add valid listen_host and 'tcp_port' or \
            'http_port' to configuration file.)",
        ));
    }
    let ending = door::Ending::watch(PROGRAM)?;
    log(PROGRAM, "info", "Ready for connections. (fake)");
    tokio::select! {
        ended = ending.told() => ended,
        Some(failed) = tasks.join_next() => failed.map_err(|error| Refusal::new(error.to_string()))?,
    }
}

/// The folder of the databases. As the real one does, it refuses data of another user.
fn metadata(path: &Path) -> Result<PathBuf, Refusal> {
    let folder = path.join("metadata");
    let fail = |error: std::io::Error| Refusal::new(format!("{}: {error}", path.display()));
    std::fs::create_dir_all(&folder).map_err(fail)?;
    let owner = std::fs::metadata(path).map_err(fail)?.uid();
    let user = std::fs::metadata("/proc/self").map_err(fail)?.uid();
    if owner != user {
        return Err(Refusal::new(format!(
            "Code: 430. DB::Exception: Effective user of the process ({user}) does not match the owner of the data \
             ({owner}). Run under 'sudo -u {owner}'. (MISMATCHING_USERS_FOR_PROCESS_AND_DATA)"
        )));
    }
    Ok(folder)
}

fn existing(folder: &Path) -> Result<BTreeSet<String>, Refusal> {
    let fail = |error: std::io::Error| Refusal::new(format!("{}: {error}", folder.display()));
    let mut found = BTreeSet::from(["default".to_owned(), "system".to_owned()]);
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
        found.extend(name.strip_suffix(".sql").map(str::to_owned));
    }
    Ok(found)
}

impl Server {
    /// Who asks, and with which database. `peer` is the address that asks.
    fn login(
        &self,
        user: &str,
        password: &str,
        database: &str,
        peer: &str,
        unchecked: bool,
    ) -> Result<String, Exception> {
        let known = self.config.users.get(user).filter(|known| known.allows(peer));
        if !unchecked && !known.is_some_and(|known| known.accepts(password)) {
            log(PROGRAM, "error", &format!("Authentication failed: user {user} from {peer}"));
            return Err(Exception::new(
                516,
                "AUTHENTICATION_FAILED",
                format!("{user}: Authentication failed: password is incorrect, or there is no user with such name"),
            ));
        }
        let database = if database.is_empty() {
            known.and_then(|known| known.database.clone()).unwrap_or_else(|| self.config.default_database.clone())
        } else {
            database.to_owned()
        };
        if !self.databases().contains(&database) {
            return Err(Exception::new(81, "UNKNOWN_DATABASE", format!("Database {database} does not exist")));
        }
        Ok(database)
    }

    fn databases(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a query of a user, as text with tabs.
    fn query(&self, query: &str, user: &str, database: &str, read_only: bool) -> Result<String, Exception> {
        let words: Vec<&str> = query.trim().trim_end_matches(';').split_whitespace().collect();
        let creates = words.len() > 2 && words[0].eq_ignore_ascii_case("create");
        let created = words.last().map(|name| bare(name)).unwrap_or_default();
        let known = self.config.users.get(user);
        if creates && !known.is_some_and(|known| known.may_create(created)) {
            let text = format!(
                "{user}: Not enough privileges. To execute this query, it's necessary to have the grant \
                                CREATE DATABASE ON {created}.*"
            );
            return Err(Exception::new(497, "ACCESS_DENIED", text));
        }
        self.run(query, database, read_only)
    }

    /// The answer to a query of somebody who may do everything.
    fn run(&self, query: &str, database: &str, read_only: bool) -> Result<String, Exception> {
        let words: Vec<&str> = query.trim().trim_end_matches(';').split_whitespace().collect();
        let upper: Vec<String> = words.iter().map(|word| word.to_uppercase()).collect();
        let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
        let upper = match upper.as_slice() {
            [head @ .., "FORMAT", "TABSEPARATED" | "TSV" | "TABSEPARATEDRAW" | "TSVRAW"] => head,
            whole => whole,
        };
        match upper {
            ["SELECT", "1"] => Ok("1\n".to_owned()),
            ["SELECT", "VERSION()"] => Ok(format!("{}\n", version())),
            ["SELECT", "CURRENTDATABASE()"] => Ok(format!("{database}\n")),
            ["SHOW", "DATABASES"] => Ok(self.databases().iter().map(|name| format!("{name}\n")).collect()),
            ["EXISTS", "DATABASE", _] => Ok(format!("{}\n", u8::from(self.databases().contains(bare(words[2]))))),
            ["CREATE", "DATABASE", "IF", "NOT", "EXISTS", _] => self.create(bare(words[5]), true, read_only),
            ["CREATE", "DATABASE", _] => self.create(bare(words[2]), false, read_only),
            [] => Err(Exception::new(62, "SYNTAX_ERROR", "Empty query")),
            _ => Err(Exception::new(48, "NOT_IMPLEMENTED", format!("the fake does not know the query {query:?}"))),
        }
    }

    fn create(&self, name: &str, exists_ok: bool, read_only: bool) -> Result<String, Exception> {
        if read_only {
            return Err(Exception::new(164, "READONLY", "Cannot execute query in readonly mode: use POST"));
        }
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Exception::new(62, "SYNTAX_ERROR", format!("Syntax error at {name:?}")));
        }
        let mut databases = self.databases();
        if databases.contains(name) {
            let error = || Exception::new(82, "DATABASE_ALREADY_EXISTS", format!("Database {name} already exists"));
            return if exists_ok { Ok(String::new()) } else { Err(error()) };
        }
        let file = self.config.path.join("metadata").join(format!("{name}.sql"));
        std::fs::write(&file, "-- fake\n")
            .map_err(|error| Exception::new(76, "CANNOT_OPEN_FILE", format!("{}: {error}", file.display())))?;
        databases.insert(name.to_owned());
        Ok(String::new())
    }
}

/// A name without its quotes.
fn bare(name: &str) -> &str {
    name.trim_matches(['`', '"'])
}
