//! Mail: SMTP with verified TLS and a login, a text and an HTML part.

use super::item::cut;
use super::notice::{Notice, Tone, and_more};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use report_queue::{JobId, Outcome};
use std::error::Error as _;
use std::fmt;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// How long one step of a conversation may take.
const STEP: Duration = Duration::from_secs(15);
/// How long sending one mail may take in all.
const WHOLE: Duration = Duration::from_secs(60);
/// The most entries of one mail.
const MOST_ENTRIES: usize = 100;

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    /// TLS from the first byte (`smtps://`).
    Tls,
    /// TLS after a greeting, required (`smtp://`).
    StartTls,
    /// None, for a server on this machine (`smtp+insecure://`).
    None,
}

/// Where the mail server is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// How the way is protected.
    pub protection: Protection,
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password.
    pub login: Option<(String, String)>,
    /// Certificates (PEM) of the only authorities that are trusted; none for those of the system.
    pub authorities: Option<Vec<u8>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("protection", &self.protection)
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Why mail cannot be sent as it is configured. No secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The server's address is none.
    #[error(
        "the mail server's address must be smtps://user@host:465, smtp://user@host:587 (which demands STARTTLS), or for a \
         server on this machine smtp+insecure://127.0.0.1:25: {0}"
    )]
    Address(String),
    /// A user without a password, or the other way round.
    #[error("a login at the mail server needs both a user in its address and a password in a file")]
    Login,
    /// TLS cannot be prepared.
    #[error("TLS to the mail server cannot be prepared: {0}")]
    Tls(String),
}

impl Server {
    /// Reads the server's address; `password` comes from a file.
    ///
    /// # Errors
    /// The address has another form or holds a password, is without protection though not on this machine, or there is only
    /// one half of a login.
    pub(crate) fn read(url: &str, password: Option<String>, authorities: Option<Vec<u8>>) -> Result<Self, MailError> {
        let problem = |text: &str| MailError::Address(text.to_owned());
        let url = Url::parse(url).map_err(|error| problem(&error.to_string()))?;
        let (protection, port) = match url.scheme() {
            "smtps" => (Protection::Tls, 465),
            "smtp" => (Protection::StartTls, 587),
            "smtp+insecure" => (Protection::None, 25),
            _ => return Err(problem("it begins in another way")),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| problem("it names no host"))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        if url.password().is_some() {
            return Err(problem("the password belongs into a file"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(problem("nothing may follow the port"));
        }
        let loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if protection == Protection::None && !loopback {
            return Err(problem("without TLS only a server on this machine may be used"));
        }
        let login = match (decoded(url.username()), password) {
            (user, None) if user.is_empty() => None,
            (user, Some(password)) if !user.is_empty() => Some((user, password)),
            _ => return Err(MailError::Login),
        };
        Ok(Self { protection, host, port: url.port().unwrap_or(port), login, authorities })
    }
}

/// Sends mail.
pub(crate) struct Postman {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    name: String,
}

impl Postman {
    /// One that sends as `from`. Nothing is connected yet.
    pub(crate) fn new(server: &Server, from: Mailbox) -> Result<Self, MailError> {
        let tls = match server.protection {
            Protection::Tls => Tls::Wrapper(tls(server)?),
            Protection::StartTls => Tls::Required(tls(server)?),
            Protection::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host.clone())
            .port(server.port)
            .tls(tls)
            .timeout(Some(STEP));
        if let Some((user, password)) = &server.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(Self { transport: builder.build(), from, name: format!("mail server {}:{}", server.host, server.port) })
    }

    /// Sends a notice as the work of `job`. The mail's id follows from the job: a mail that is sent twice is one to those
    /// who look at ids.
    pub(crate) async fn send(&self, notice: &Notice, to: &Mailbox, job: &JobId) -> Outcome {
        let message = match self.compose(notice, to, job) {
            Ok(message) => message,
            Err(error) => return Outcome::Fail { error: format!("the mail cannot be written: {error}") },
        };
        match timeout(WHOLE, self.transport.send(message)).await {
            Ok(Ok(_)) => Outcome::Done { result: Vec::new() },
            Ok(Err(error)) => self.judge(&error),
            Err(_) => {
                Outcome::Retry { error: format!("{}: no end within {} s", self.name, WHOLE.as_secs()), after: None }
            }
        }
    }

    fn compose(&self, notice: &Notice, to: &Mailbox, job: &JobId) -> Result<Message, lettre::error::Error> {
        let generated = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        Message::builder()
            .from(self.from.clone())
            .to(to.clone())
            .subject(notice.title.as_str())
            .message_id(Some(format!("<{job}.notice@{}>", self.from.email.domain())))
            .raw_header(generated)
            .multipart(MultiPart::alternative_plain_html(text(notice), html(notice)))
    }

    fn judge(&self, error: &lettre::transport::smtp::Error) -> Outcome {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            let inner_text = inner.to_string();
            if !reason.contains(&inner_text) {
                let _ = write!(reason, ": {inner_text}");
            }
            source = inner.source();
        }
        let error_text = format!("{}: {}", self.name, cut(&super::notice::one_line(&reason), 300));
        // A refused login is a matter of the configuration, not of this mail: it can be repaired while the mail waits.
        let login = error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538));
        if error.is_permanent() && !login {
            Outcome::Fail { error: error_text }
        } else {
            Outcome::Retry { error: error_text, after: None }
        }
    }
}

fn tls(server: &Server) -> Result<TlsParameters, MailError> {
    let problem = |error: lettre::transport::smtp::Error| MailError::Tls(error.to_string());
    let mut builder = TlsParameters::builder(server.host.clone());
    if let Some(pem) = &server.authorities {
        let certificate = Certificate::from_pem(pem).map_err(problem)?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build().map_err(problem)
}

/// A part of an address as it was before it was made fit for one.
fn decoded(text: &str) -> String {
    // The form's reader takes `+` for a blank, an address does not.
    let form = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn text(notice: &Notice) -> String {
    let mut text = format!("{}\n", notice.title);
    for entry in notice.entries.iter().take(MOST_ENTRIES) {
        let _ = write!(text, "\n{}\n", entry.heading);
        for line in entry.text.lines() {
            let _ = writeln!(text, "  {}", super::notice::one_line(line));
        }
        for (name, value) in &entry.facts {
            let _ = writeln!(text, "  {name}: {value}");
        }
        if let Some((name, address)) = &entry.link {
            let _ = writeln!(text, "  {name}: {address}");
        }
    }
    if let Some(more) = and_more(notice.beyond(MOST_ENTRIES)) {
        let _ = write!(text, "\n{more}\n");
    }
    text
}

fn html(notice: &Notice) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
         <body style=\"font-family:sans-serif;max-width:50em\"><h1 style=\"font-size:1.2em\">{title}</h1>",
        title = escaped(&notice.title)
    );
    for entry in notice.entries.iter().take(MOST_ENTRIES) {
        let colour = match entry.tone {
            Tone::Bad => "#b3261e",
            Tone::Note => "#7a5900",
            Tone::Good => "#1b6e3c",
        };
        let heading = escaped(&entry.heading);
        let _ = write!(html, "<h2 style=\"font-size:1em;margin-bottom:0;color:{colour}\">{heading}</h2>");
        let lines: Vec<_> = entry.text.lines().map(escaped).collect();
        let _ = write!(html, "<p style=\"margin:0.3em 0\">{}</p><ul style=\"margin:0.3em 0\">", lines.join("<br>"));
        for (name, value) in &entry.facts {
            let _ = write!(html, "<li>{}: {}</li>", escaped(name), escaped(value));
        }
        html.push_str("</ul>");
        if let Some((name, address)) = &entry.link {
            let _ = write!(html, "<p style=\"margin:0.3em 0\"><a href=\"{}\">{name}</a></p>", escaped(address));
        }
    }
    if let Some(more) = and_more(notice.beyond(MOST_ENTRIES)) {
        let _ = write!(html, "<p>{}</p>", escaped(&more));
    }
    html.push_str("</body></html>");
    html
}

fn escaped(text: &str) -> String {
    let text = super::notice::one_line(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
