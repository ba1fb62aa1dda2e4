//! What the service is told: flags, or the environment variables that `--help` names. Secrets are paths to files.

use crate::notify::{NotifyFlags, NotifySettings, NotifySettingsError};
use crate::sessions::Lifetimes;
use clap::Parser;
use report_queue::Connection;
use report_secret::{Secret, SecretError};
use report_telemetry::LogFormat;
use report_webhook::Secrets;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::{Host, Origin, Url};

/// Takes requests for reports and brings the results to the browser.
#[derive(Debug, Clone, Parser)]
#[command(name = "report-requestor", version, max_term_width = 100)]
pub struct Flags {
    /// Where it listens.
    #[arg(long, env = "REPORT_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,

    /// Its address as browsers see it; cookies are for https only when it begins so [default: http://LISTEN]
    #[arg(long, env = "REPORT_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<Url>,

    /// Another origin whose pages may call the API, such as `https://reports.example.com`
    #[arg(long = "allow-origin", env = "REPORT_ALLOW_ORIGINS", value_delimiter = ',', value_name = "ORIGIN")]
    pub allow_origins: Vec<Url>,

    /// The Redis that keeps everything.
    #[arg(long, env = "REPORT_REDIS", default_value = "redis://127.0.0.1:6379", value_name = "URL")]
    pub redis: String,

    /// Its user at Redis.
    #[arg(long, env = "REPORT_REDIS_USER", value_name = "NAME")]
    pub redis_user: Option<String>,

    /// The file with its password at Redis.
    #[arg(long, env = "REPORT_REDIS_PASSWORD_FILE", value_name = "FILE")]
    pub redis_password_file: Option<PathBuf>,

    /// The file with the secrets of the runner's webhooks, one `whsec_…` a line: one signed with any of them is taken.
    #[arg(long, env = "REPORT_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    pub webhook_secret_file: PathBuf,

    /// The file with the token that Alertmanager must show. Without it the door for alerts is closed.
    #[arg(long, env = "REPORT_ALERTS_TOKEN_FILE", value_name = "FILE")]
    pub alerts_token_file: Option<PathBuf>,

    /// The file with the token for making links. Without it nobody can be let in.
    #[arg(long, env = "REPORT_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,

    /// The file with the token that the runner wants for results that are too large for Redis.
    #[arg(long, env = "REPORT_RESULTS_TOKEN_FILE", value_name = "FILE", requires = "runner_url")]
    pub results_token_file: Option<PathBuf>,

    /// The runner from which large results may be fetched, and from nowhere else.
    #[arg(long, env = "REPORT_RUNNER_URL", value_name = "URL", requires = "results_token_file")]
    pub runner_url: Option<Url>,

    /// How its log is written.
    #[arg(long, env = "REPORT_LOG_FORMAT", default_value_t, value_name = "json|text")]
    pub log_format: LogFormat,

    /// Whom to tell of alerts and failures.
    #[command(flatten)]
    pub notify: NotifyFlags,

    /// The limits.
    #[command(flatten)]
    pub limits: LimitFlags,
}

/// What is not exceeded.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// Calls of the API that one user may make a second, for ever.
    #[arg(long, env = "REPORT_RATE", default_value_t = 20, value_name = "CALLS", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,

    /// Calls of the API that one user may make at once.
    #[arg(long, env = "REPORT_BURST", default_value_t = 100, value_name = "CALLS", value_parser = clap::value_parser!(u32).range(1..))]
    pub burst: u32,

    /// Pages that one user may have open.
    #[arg(long, env = "REPORT_SOCKETS_PER_USER", default_value_t = 10, value_name = "PAGES")]
    pub sockets_per_user: usize,

    /// Pages that may be open in all.
    #[arg(long, env = "REPORT_SOCKETS", default_value_t = 20_000, value_name = "PAGES")]
    pub sockets: usize,

    /// Hours that a session lives without being used; one that is used lives at most four times as long.
    #[arg(long, env = "REPORT_SESSION_HOURS", default_value_t = 168, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(1..=8760))]
    pub session_hours: u64,

    /// Minutes within which a one-time link must be opened.
    #[arg(long, env = "REPORT_LINK_MINUTES", default_value_t = 60, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=10080))]
    pub link_minutes: u64,
}

/// Why the service cannot begin with these settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A secret is not to be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Nobody can be told as it was said.
    #[error(transparent)]
    Notify(#[from] NotifySettingsError),
    /// The webhooks' secrets are not as they have to be.
    #[error("{path}: {source}")]
    Webhook {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: report_webhook::SecretError,
    },
    /// Redis's address is none.
    #[error("--redis: {0}")]
    Redis(report_queue::QueueError),
    /// Redis's address holds a password.
    #[error(
        "--redis: a password does not belong into an address; put it into a file and name that with --redis-password-file"
    )]
    PasswordInUrl,
    /// An address is not as it has to be.
    #[error("{flag}: {url} must begin with http:// or https://, name a host, and hold neither user nor query")]
    Url {
        /// Where it was given.
        flag: &'static str,
        /// The address.
        url: String,
    },
}

/// Settings that are valid, with their secrets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its address as browsers see it, without a slash at the end.
    pub public_url: String,
    /// Whether that is https.
    pub secure: bool,
    /// Whose pages may call the API.
    pub origins: Vec<String>,
    /// The way to Redis.
    pub redis: Connection,
    /// With one of these webhooks are signed.
    pub webhook_secrets: Secrets,
    /// What Alertmanager shows.
    pub alerts_token: Option<Secret>,
    /// What is shown to make links.
    pub admin_token: Option<Secret>,
    /// Where large results are, and what is shown there.
    pub runner: Option<(Url, Secret)>,
    /// Whom to tell of alerts and failures.
    pub notify: NotifySettings,
    /// How long links and sessions last.
    pub lifetimes: Lifetimes,
    /// Calls a second, and at once, of one user.
    pub rate: (u32, u32),
    /// Open pages of one user, and in all.
    pub sockets: (usize, usize),
    /// What its owner should know: which files with secrets everybody may read.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Checks flags and reads the secrets that they name.
    pub fn resolve(flags: &Flags) -> Result<Self, SettingsError> {
        let public = match &flags.public_url {
            Some(url) => web("--public-url", url)?,
            None => Url::parse(&format!("http://{}", flags.listen))
                .map_err(|_| SettingsError::Url { flag: "--listen", url: flags.listen.to_string() })?,
        };
        let mut origins = origins_of(&public);
        for url in &flags.allow_origins {
            origins.push(web("--allow-origin", url)?.origin().ascii_serialization());
        }
        let runner = match (&flags.runner_url, &flags.results_token_file) {
            (Some(url), Some(path)) => Some((web("--runner-url", url)?, Secret::read(path)?)),
            _ => None,
        };
        let secret = |path: &Option<PathBuf>| path.as_deref().map(Secret::read).transpose();
        let limits = &flags.limits;
        let session = Duration::from_secs(limits.session_hours * 3600);
        Ok(Self {
            listen: flags.listen,
            public_url: public.as_str().trim_end_matches('/').to_owned(),
            secure: public.scheme() == "https",
            origins,
            redis: redis(flags)?,
            webhook_secrets: webhook_secrets(&flags.webhook_secret_file)?,
            alerts_token: secret(&flags.alerts_token_file)?,
            admin_token: secret(&flags.admin_token_file)?,
            runner,
            notify: NotifySettings::resolve(&flags.notify)?,
            lifetimes: Lifetimes {
                link: Duration::from_secs(limits.link_minutes * 60),
                session,
                longest: session * 4,
                fresh: session / 7,
            },
            rate: (limits.rate, limits.burst),
            sockets: (limits.sockets_per_user, limits.sockets),
            warnings: warnings(flags),
        })
    }
}

fn redis(flags: &Flags) -> Result<Connection, SettingsError> {
    let password = flags.redis_password_file.as_deref().map(Secret::read_password).transpose()?;
    let connection = Connection {
        url: flags.redis.clone(),
        user: flags.redis_user.clone(),
        password: password.map(|password| password.reveal().to_owned()),
    };
    let client = connection.client().map_err(SettingsError::Redis)?;
    let in_url = Url::parse(&flags.redis).is_ok_and(|url| url.password().is_some());
    if in_url
        || (flags.redis_password_file.is_none() && client.get_connection_info().redis_settings().password().is_some())
    {
        return Err(SettingsError::PasswordInUrl);
    }
    Ok(connection)
}

/// Which of the files with secrets everybody may read.
fn warnings(flags: &Flags) -> Vec<String> {
    let optional = [
        &flags.redis_password_file,
        &flags.alerts_token_file,
        &flags.admin_token_file,
        &flags.results_token_file,
        &flags.notify.smtp_password_file,
        &flags.notify.teams_url_file,
        &flags.notify.notify_url_file,
        &flags.notify.notify_secret_file,
    ];
    let named = [&flags.webhook_secret_file].into_iter().chain(optional.into_iter().flatten());
    named.filter_map(|path| report_secret::read(path).ok()?.warning).collect()
}

fn webhook_secrets(path: &Path) -> Result<Secrets, SettingsError> {
    let text = report_secret::read(path)?.text;
    Secrets::from_text(&text).map_err(|source| SettingsError::Webhook { path: path.to_owned(), source })
}

/// An address that a browser can open and that says no more than where.
fn web(flag: &'static str, url: &Url) -> Result<Url, SettingsError> {
    let good = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if good { Ok(url.clone()) } else { Err(SettingsError::Url { flag, url: url.to_string() }) }
}

/// The origin of an address. The loopback address has more names than one, and people use them all.
fn origins_of(url: &Url) -> Vec<String> {
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let mut origins = vec![url.origin()];
    if loopback {
        let hosts = ["127.0.0.1", "localhost", "[::1]"].into_iter().filter_map(|host| Host::parse(host).ok());
        let port = url.port_or_known_default().unwrap_or(80);
        origins.extend(hosts.map(|host| Origin::Tuple(url.scheme().to_owned(), host, port)));
    }
    let mut origins: Vec<_> = origins.iter().map(Origin::ascii_serialization).collect();
    origins.sort();
    origins.dedup();
    origins
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{Flags, Settings, origins_of};
    use clap::{CommandFactory, Parser};
    use url::Url;

    fn resolve(more: &[&str]) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let hooks = folder.path().join("hooks");
        std::fs::write(&hooks, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n").unwrap();
        let all = ["report-requestor", "--webhook-secret-file", hooks.to_str().unwrap()];
        let flags = Flags::try_parse_from(all.iter().chain(more)).map_err(|error| error.to_string())?;
        Settings::resolve(&flags).map_err(|error| error.to_string())
    }

    #[test]
    fn the_flags_are_consistent() {
        Flags::command().debug_assert();
    }

    #[test]
    fn the_loopback_address_is_taken_by_all_its_names() {
        let origins = origins_of(&Url::parse("http://127.0.0.1:8080").unwrap());
        assert_eq!(origins, ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080"]);
        assert_eq!(origins_of(&Url::parse("https://reports.example.com/x").unwrap()), ["https://reports.example.com"]);
    }

    #[test]
    fn cookies_are_for_https_when_the_address_is() {
        assert!(resolve(&["--public-url", "https://reports.example.com/"]).unwrap().secure);
        let settings = resolve(&["--listen", "127.0.0.1:9000"]).unwrap();
        assert!(!settings.secure);
        assert_eq!(settings.public_url, "http://127.0.0.1:9000");
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_do() {
        let error = |more: &[&str]| resolve(more).unwrap_err();
        assert!(error(&["--redis", "redis://:hunter2@127.0.0.1"]).contains("--redis-password-file"));
        assert!(!error(&["--redis", "redis://:hunter2@127.0.0.1"]).contains("hunter2"));
        assert!(error(&["--public-url", "ftp://x"]).contains("--public-url"));
        assert!(error(&["--admin-token-file", "/nowhere/token"]).contains("/nowhere/token"));
        assert!(error(&["--runner-url", "http://127.0.0.1:8081"]).contains("--results-token-file"));
        assert!(error(&["--rate", "0"]).contains("--rate"));
    }
}
