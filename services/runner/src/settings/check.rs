//! From texts to settings that are valid.

use super::args::{LogFormat, RedisArgs, ServeArgs};
use super::{Problem, Problems};
use crate::scale::Limits;
use crate::sources::{self, Sources};
use report_model::catalog::ReportType;
use report_queue::Connection;
use report_secret::{SHORTEST, Secret};
use report_webhook::Secrets;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// More workers than this are a mistake.
const MOST_WORKERS: u32 = 100_000;
/// How many reports that read a source run at once, when nothing is said.
const DEFAULT_LIMIT: u32 = 8;

/// Where Redis is.
#[derive(Debug, Clone)]
pub struct Redis {
    /// Its address, without user and password.
    pub url: String,
    /// Who logs in.
    pub user: Option<String>,
    /// With what.
    pub password: Option<Secret>,
}

/// Everything that `serve` needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen at.
    pub listen: SocketAddr,
    /// Where Redis is.
    pub redis: Redis,
    /// Where to call back.
    pub callback: Url,
    /// What signs callbacks.
    pub webhook_secrets: Secrets,
    /// What Alertmanager shows.
    pub alerts_token: Option<Secret>,
    /// What the requestor shows for large results.
    pub results_token: Option<Secret>,
    /// The folder of large results.
    pub results_dir: Option<PathBuf>,
    /// Where the requestor fetches them; it ends with a slash.
    pub advertise: Url,
    /// The fewest and the most workers.
    pub workers: Limits,
    /// How many of one user's reports may wait in front or run at once; none for no limit.
    pub per_user: Option<u32>,
    /// How many callbacks are delivered at once.
    pub deliveries: u32,
    /// How many reports of a type may run at once; no limit for those that are not here.
    pub limits: BTreeMap<ReportType, u32>,
    /// How long a report may run.
    pub run_timeout: Duration,
    /// What reports may read.
    pub sources: Sources,
    /// How long running reports may go on after SIGTERM.
    pub drain: Duration,
    /// How the log is written.
    pub log_format: LogFormat,
    /// What the owner should know, though it works.
    pub warnings: Vec<String>,
}

impl Redis {
    /// How a queue is told.
    pub fn connection(&self) -> Connection {
        let password = self.password.as_ref().map(|password| password.reveal().to_owned());
        Connection { url: self.url.clone(), user: self.user.clone(), password }
    }

    /// Checks where Redis is said to be.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(args: &RedisArgs) -> Result<(Self, Vec<String>), Problems> {
        let mut reader = Reader::default();
        let redis = reader.redis(args);
        reader.finish(redis)
    }
}

impl Settings {
    /// Checks what `serve` is told. It reads the files with secrets.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(args: &ServeArgs) -> Result<Self, Problems> {
        let mut reader = Reader::default();
        let settings = reader.settings(args);
        let (settings, warnings) = reader.finish(settings)?;
        Ok(Self { warnings, ..settings })
    }
}

/// Gathers what is wrong.
#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Reader {
    fn finish<T>(self, value: Option<T>) -> Result<(T, Vec<String>), Problems> {
        match value {
            Some(value) if self.problems.is_empty() => Ok((value, self.warnings)),
            _ => Err(Problems(self.problems)),
        }
    }

    /// What is none here has its problem noted.
    fn settings(&mut self, args: &ServeArgs) -> Option<Settings> {
        let listen = self.listen(&args.listen);
        let redis = self.redis(&args.redis);
        let callback = self.url("--callback-url", "REPORT_CALLBACK_URL", &args.callback_url);
        let webhook_secrets = self.webhook_secrets(args.webhook_secret_file.as_deref());
        let alerts_token =
            self.token("--alerts-token-file", "REPORT_ALERTS_TOKEN_FILE", args.alerts_token_file.as_deref());
        let results_token =
            self.token("--results-token-file", "REPORT_RESULTS_TOKEN_FILE", args.results_token_file.as_deref());
        let advertise = self.advertise(args.advertise_url.as_deref(), listen);
        let workers = self.workers(&args.workers_min, &args.workers_max);
        let per_user = self.number("--per-user", "REPORT_PER_USER", &args.per_user, 0..=MOST_WORKERS);
        let deliveries = self.number("--deliveries", "REPORT_DELIVERIES", &args.deliveries, 1..=1000);
        let limits = self.limits(&args.limits);
        let sources = self.sources(&args.sources, &args.max_rows, &args.max_mib);
        let run_timeout = self.seconds("--run-timeout", "REPORT_RUN_TIMEOUT", &args.run_timeout, 1..=86_400);
        let drain = self.seconds("--drain", "REPORT_DRAIN", &args.drain, 0..=3600);
        if args.results_dir.is_some() && args.results_token_file.is_none() {
            let text = "is needed with --results-dir: without it nobody can fetch what is kept there";
            self.problem("--results-token-file", "REPORT_RESULTS_TOKEN_FILE", text);
        }
        Some(Settings {
            listen: listen?,
            redis: redis?,
            callback: callback?,
            webhook_secrets: webhook_secrets?,
            alerts_token: alerts_token?,
            results_token: results_token?,
            results_dir: args.results_dir.clone(),
            advertise: advertise?,
            workers: workers?,
            per_user: Some(per_user?).filter(|limit| *limit > 0),
            deliveries: deliveries?,
            limits,
            run_timeout: run_timeout?,
            sources: sources?,
            drain: drain?,
            log_format: args.log_format,
            warnings: Vec::new(),
        })
    }

    fn problem(&mut self, flag: &'static str, variable: &'static str, text: impl Into<String>) {
        self.problems.push(Problem { flag, variable, text: text.into() });
    }

    fn listen(&mut self, text: &str) -> Option<SocketAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            let text = format!("`{text}` is not an address with a port, such as 127.0.0.1:8081 or [::1]:8081");
            self.problem("--listen", "REPORT_LISTEN", text);
        }
        address
    }

    fn redis(&mut self, args: &RedisArgs) -> Option<Redis> {
        let (flag, variable) = ("--redis", "REPORT_REDIS");
        let url = match Url::parse(&args.redis) {
            Ok(url) if !matches!(url.scheme(), "redis" | "unix" | "redis+unix") => {
                self.problem(flag, variable, "the address begins with redis:// (or unix: for a socket)");
                None
            }
            Ok(url) if url.password().is_some() || !url.username().is_empty() => {
                let text = "no user or password stands in it: use --redis-user and --redis-password-file";
                self.problem(flag, variable, text);
                None
            }
            Ok(_) => Some(args.redis.clone()),
            Err(error) => {
                self.problem(flag, variable, format!("this is not an address such as redis://127.0.0.1:6379: {error}"));
                None
            }
        };
        let (flag, variable) = ("--redis-password-file", "REPORT_REDIS_PASSWORD_FILE");
        let password = self.secret(flag, variable, args.redis_password_file.as_deref(), 1);
        if args.redis_user.is_some() && args.redis_password_file.is_none() {
            self.problem(flag, variable, "is needed with --redis-user");
        }
        Some(Redis { url: url?, user: args.redis_user.clone(), password: password? })
    }

    fn url(&mut self, flag: &'static str, variable: &'static str, text: &str) -> Option<Url> {
        let problem = match Url::parse(text) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => "it begins with http:// or https://".to_owned(),
            Ok(url) if url.password().is_some() || !url.username().is_empty() => {
                "no user or password stands in it".to_owned()
            }
            Ok(url) => return Some(url),
            Err(error) => format!("this is not an address such as http://127.0.0.1:8080/hooks/reports: {error}"),
        };
        self.problem(flag, variable, problem);
        None
    }

    /// Where others reach what is listened at; it ends with a slash.
    fn advertise(&mut self, said: Option<&str>, listen: Option<SocketAddr>) -> Option<Url> {
        let (flag, variable) = ("--advertise-url", "REPORT_ADVERTISE_URL");
        let text = match (said, listen) {
            (Some(text), _) => text.to_owned(),
            (None, Some(listen)) if listen.ip().is_unspecified() || listen.port() == 0 => {
                let text = "is needed, since --listen does not say where others reach this runner";
                self.problem(flag, variable, text);
                return None;
            }
            (None, listen) => format!("http://{}", listen?),
        };
        self.url(flag, variable, &format!("{}/", text.trim_end_matches('/')))
    }

    fn webhook_secrets(&mut self, path: Option<&Path>) -> Option<Secrets> {
        let (flag, variable) = ("--webhook-secret-file", "REPORT_WEBHOOK_SECRET_FILE");
        let Some(path) = path else {
            self.problem(flag, variable, "is needed: the requestor believes only signed callbacks");
            return None;
        };
        let text = self.file(flag, variable, path)?;
        match Secrets::from_text(&text) {
            Ok(secrets) => Some(secrets),
            Err(error) => {
                self.problem(flag, variable, format!("{}: {error}", path.display()));
                None
            }
        }
    }

    fn token(&mut self, flag: &'static str, variable: &'static str, path: Option<&Path>) -> Option<Option<Secret>> {
        self.secret(flag, variable, path, SHORTEST)
    }

    /// The outer none is a problem, the inner one that there is no secret.
    fn secret(
        &mut self,
        flag: &'static str,
        variable: &'static str,
        path: Option<&Path>,
        shortest: usize,
    ) -> Option<Option<Secret>> {
        let Some(path) = path else { return Some(None) };
        let text = self.file(flag, variable, path)?;
        let secret = Secret::first_line(&text, shortest);
        if secret.is_none() {
            let text = format!("{}: its first line must have at least {shortest} characters", path.display());
            self.problem(flag, variable, text);
        }
        secret.map(Some)
    }

    fn file(&mut self, flag: &'static str, variable: &'static str, path: &Path) -> Option<String> {
        match report_secret::read(path) {
            Ok(file) => {
                self.warnings.extend(file.warning);
                Some(file.text)
            }
            Err(error) => {
                self.problem(flag, variable, error.to_string());
                None
            }
        }
    }

    fn workers(&mut self, min: &str, max: &str) -> Option<Limits> {
        let min = self.number("--workers-min", "REPORT_WORKERS_MIN", min, 1..=MOST_WORKERS);
        let max = self.number("--workers-max", "REPORT_WORKERS_MAX", max, 1..=MOST_WORKERS);
        let (min, max) = (min?, max?);
        if min > max {
            let text = format!("{max} is fewer than --workers-min, which is {min}");
            self.problem("--workers-max", "REPORT_WORKERS_MAX", text);
        }
        Some(Limits { min, max })
    }

    fn sources(&mut self, said: &[String], rows: &str, mib: &str) -> Option<Sources> {
        let rows = self.number("--max-rows", "REPORT_MAX_ROWS", rows, 1..=100_000_000);
        let mib = self.number("--max-mib", "REPORT_MAX_MIB", mib, 1..=65_536);
        let said: Vec<String> =
            said.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect();
        match Sources::parse(&said) {
            Ok(sources) => {
                Some(sources.with_limits(sources::Limits { rows: rows? as usize, bytes: u64::from(mib?) << 20 }))
            }
            Err(error) => {
                self.problem("--source", "REPORT_SOURCES", error.to_string());
                None
            }
        }
    }

    fn limits(&mut self, said: &[String]) -> BTreeMap<ReportType, u32> {
        let (flag, variable) = ("--limit", "REPORT_LIMITS");
        let mut limits: BTreeMap<_, _> =
            [ReportType::GageCalibration, ReportType::MovingAverage].map(|kind| (kind, DEFAULT_LIMIT)).into();
        for text in said.iter().filter(|text| !text.trim().is_empty()) {
            let (kind, number) = text.split_once('=').unwrap_or((text, ""));
            let Some(kind) = ReportType::parse(kind.trim()) else {
                let known = ReportType::ALL.map(ReportType::as_str).join(", ");
                self.problem(flag, variable, format!("`{text}` does not begin with a type of report ({known}) and ="));
                continue;
            };
            if let Some(number) = self.number(flag, variable, number.trim(), 1..=MOST_WORKERS) {
                limits.insert(kind, number);
            }
        }
        limits
    }

    fn seconds(
        &mut self,
        flag: &'static str,
        variable: &'static str,
        text: &str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<Duration> {
        let digits = text.strip_suffix('s').unwrap_or(text);
        self.number(flag, variable, digits, range).map(|seconds| Duration::from_secs(seconds.into()))
    }

    fn number(
        &mut self,
        flag: &'static str,
        variable: &'static str,
        text: &str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let text = format!("`{text}` is not a whole number from {} to {}", range.start(), range.end());
            self.problem(flag, variable, text);
        }
        number
    }
}
