//! Whom the service is to tell, as it is told itself: flags, or the environment variables that `--help` names.

use super::mail::{MailError, Server};
use lettre::message::Mailbox;
use report_secret::{Secret, SecretError, read};
use report_webhook::{Secrets, SenderError};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The most mailboxes, and the most addresses of webhooks.
const MOST: usize = 16;

/// Whom to tell of alerts, and of reports that failed for good.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Notifications")]
pub struct NotifyFlags {
    /// The mail server: smtps://user@host:465, smtp://user@host:587 (demands STARTTLS), or for one on this machine
    /// smtp+insecure://127.0.0.1:25.
    #[arg(long, env = "REPORT_SMTP_URL", value_name = "URL", requires = "mail_from")]
    pub smtp_url: Option<String>,

    /// The file with the password at the mail server.
    #[arg(long, env = "REPORT_SMTP_PASSWORD_FILE", value_name = "FILE", requires = "smtp_url")]
    pub smtp_password_file: Option<PathBuf>,

    /// Who the mail is from, such as "Reports <reports@example.com>".
    #[arg(long, env = "REPORT_MAIL_FROM", value_name = "MAILBOX", requires = "smtp_url")]
    pub mail_from: Option<String>,

    /// Who gets the mail for operations, separated by commas.
    #[arg(long, env = "REPORT_MAIL_TO", value_delimiter = ',', value_name = "MAILBOX", requires = "smtp_url")]
    pub mail_to: Vec<String>,

    /// The file with the address of the Workflow that posts cards to Teams.
    #[arg(long, env = "REPORT_TEAMS_URL_FILE", value_name = "FILE")]
    pub teams_url_file: Option<PathBuf>,

    /// The file with the addresses that get signed webhooks, one a line.
    #[arg(long, env = "REPORT_NOTIFY_URL_FILE", value_name = "FILE", requires = "notify_secret_file")]
    pub notify_url_file: Option<PathBuf>,

    /// The file with the secrets that those webhooks are signed with, one `whsec_…` a line.
    #[arg(long, env = "REPORT_NOTIFY_SECRET_FILE", value_name = "FILE", requires = "notify_url_file")]
    pub notify_secret_file: Option<PathBuf>,

    /// The file with the certificates (PEM) of the only authorities that are trusted for mail, Teams and webhooks; without it
    /// those of the system are.
    #[arg(long, env = "REPORT_NOTIFY_CA_FILE", value_name = "FILE")]
    pub notify_ca_file: Option<PathBuf>,

    /// Seconds between two notices by the same way: what happens meanwhile is told together.
    #[arg(long, env = "REPORT_NOTIFY_INTERVAL", default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub notify_interval: u64,
}

/// Why nobody can be told as it is configured. No secret.
#[derive(Debug, thiserror::Error)]
pub enum NotifySettingsError {
    /// A file is not to be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The mail server is not as it has to be.
    #[error("--smtp-url: {0}")]
    Mail(#[from] MailError),
    /// A mailbox is none.
    #[error("{flag}: `{text}` is no mailbox, such as ops@example.com or \"Operations <ops@example.com>\"")]
    Mailbox {
        /// Where it was given.
        flag: &'static str,
        /// What was given.
        text: String,
    },
    /// The secrets of the webhooks are not as they have to be.
    #[error("{path}: {source}")]
    Signing {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: report_webhook::SecretError,
    },
    /// There is nothing in a file, or too much.
    #[error("{path}: one address must stand on each line, at least one and at most {most}")]
    Count {
        /// The file.
        path: PathBuf,
        /// How many are taken.
        most: usize,
    },
    /// There are too many mailboxes.
    #[error("--mail-to: at most {MOST} mailboxes are taken")]
    Mailboxes,
    /// An address is not as it has to be.
    #[error("--teams-url-file or --notify-url-file: {0}")]
    Address(#[from] SenderError),
}

/// Whom to tell: valid settings, with their secrets.
#[derive(Clone, Default)]
pub struct NotifySettings {
    pub(crate) mail: Option<MailSettings>,
    pub(crate) teams: Option<String>,
    pub(crate) hooks: Option<(Vec<String>, Secrets)>,
    pub(crate) authorities: Option<Vec<u8>>,
    pub(crate) interval: Duration,
}

/// How mail is sent, and to whom.
#[derive(Debug, Clone)]
pub(crate) struct MailSettings {
    pub server: Server,
    pub from: Mailbox,
    pub to: Vec<Mailbox>,
}

impl NotifySettings {
    /// Checks flags and reads the files that they name.
    ///
    /// # Errors
    /// A file cannot be read or does not hold what it must, or a mailbox or address is none.
    pub fn resolve(flags: &NotifyFlags) -> Result<Self, NotifySettingsError> {
        let authorities = flags.notify_ca_file.as_deref().map(read).transpose()?.map(|file| file.text.into_bytes());
        let teams = flags.teams_url_file.as_ref().map(|path| addresses(path, 1)).transpose()?;
        Ok(Self {
            mail: mail(flags, authorities.as_deref())?,
            teams: teams.and_then(|addresses| addresses.into_iter().next()),
            hooks: hooks(flags)?,
            authorities,
            interval: Duration::from_secs(flags.notify_interval),
        })
    }

    /// All addresses that are posted to.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &String> {
        self.teams.iter().chain(self.hooks.iter().flat_map(|(addresses, _)| addresses))
    }
}

/// Addresses of Workflows and of others hold secrets.
impl fmt::Debug for NotifySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifySettings")
            .field("mail", &self.mail)
            .field("teams", &self.teams.is_some())
            .field("hooks", &self.hooks.as_ref().map_or(0, |(addresses, _)| addresses.len()))
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

fn mail(flags: &NotifyFlags, authorities: Option<&[u8]>) -> Result<Option<MailSettings>, NotifySettingsError> {
    let (Some(url), Some(from)) = (&flags.smtp_url, &flags.mail_from) else { return Ok(None) };
    if flags.mail_to.len() > MOST {
        return Err(NotifySettingsError::Mailboxes);
    }
    let mailbox = |flag: &'static str, text: &String| {
        text.trim().parse::<Mailbox>().map_err(|_| NotifySettingsError::Mailbox { flag, text: text.clone() })
    };
    let password = flags.smtp_password_file.as_deref().map(Secret::read_password).transpose()?;
    let password = password.map(|password| password.reveal().to_owned());
    Ok(Some(MailSettings {
        server: Server::read(url, password, authorities.map(<[u8]>::to_vec))?,
        from: mailbox("--mail-from", from)?,
        to: flags.mail_to.iter().map(|text| mailbox("--mail-to", text)).collect::<Result<_, _>>()?,
    }))
}

fn hooks(flags: &NotifyFlags) -> Result<Option<(Vec<String>, Secrets)>, NotifySettingsError> {
    let (Some(urls), Some(path)) = (&flags.notify_url_file, &flags.notify_secret_file) else { return Ok(None) };
    let signing = |source| NotifySettingsError::Signing { path: path.clone(), source };
    Ok(Some((addresses(urls, MOST)?, Secrets::from_text(&read(path)?.text).map_err(signing)?)))
}

fn addresses(path: &Path, most: usize) -> Result<Vec<String>, NotifySettingsError> {
    let lines = Secret::read_lines(path)?;
    if lines.is_empty() || lines.len() > most {
        return Err(NotifySettingsError::Count { path: path.to_owned(), most });
    }
    Ok(lines.iter().map(|line| line.reveal().to_owned()).collect())
}
