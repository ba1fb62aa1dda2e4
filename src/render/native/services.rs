//! Our two services. Settings are flags; a secret is always a file: of the stored ones where their text is right as it is,
//! and a rendered one where it is not.

use super::{Native, RenderError, View, file, folder, plain, secret, text};
use crate::model::component::ComponentName::{self, Redis, Requestor, Runner, Uptrace};
use crate::model::file::RenderedFile;
use crate::model::paths::Layout;
use crate::model::probe::{Body, Probe};
use crate::model::quantity::Span;
use std::path::PathBuf;

/// What the requestor needs in order to run.
pub fn requestor(view: &View<'_>) -> Result<Native, RenderError> {
    let (listen, port) = (view.listen(Requestor, "http")?, view.port(Requestor, "http")?);
    let mut given = Given::new(view, Requestor)?;
    let mut flags = vec![
        ("listen", listen.clone()),
        ("public-url", format!("http://{listen}")),
        // The same page under the other name that a browser on this host may know it by.
        ("allow-origin", format!("http://localhost:{port}")),
        ("webhook-secret-file", given.webhook()?),
        ("alerts-token-file", given.stored(Requestor, "alerts")?),
        ("admin-token-file", given.stored(Requestor, "admin")?),
    ];
    if view.active.contains_key(&Runner) {
        flags.push(("runner-url", format!("http://{}", view.listen(Runner, "http")?)));
        flags.push(("results-token-file", given.stored(Runner, "results")?));
    }
    let page = Some(format!("http://{listen}/"));
    native(view, Requestor, flags, given, page)
}

/// What the runner needs in order to run.
pub fn runner(view: &View<'_>) -> Result<Native, RenderError> {
    let listen = view.listen(Runner, "http")?;
    let mut given = Given::new(view, Runner)?;
    let flags = vec![
        ("listen", listen.clone()),
        ("callback-url", format!("http://{}/hooks/reports", view.listen(Requestor, "http")?)),
        ("webhook-secret-file", given.webhook()?),
        ("alerts-token-file", given.stored(Runner, "scaling")?),
        ("results-token-file", given.stored(Runner, "results")?),
        ("results-dir", text(&view.paths.data(Runner).join("results"))?),
        ("advertise-url", format!("http://{listen}")),
    ];
    let mut native = native(view, Runner, flags, given, None)?;
    native.folders.push(folder(view.paths.data(Runner).join("results")));
    Ok(native)
}

/// What both have in common: Redis, traces where there is somebody who takes them, and how to tell that they are ready.
fn native(
    view: &View<'_>,
    name: ComponentName,
    mut flags: Vec<(&'static str, String)>,
    mut given: Given<'_>,
    page: Option<String>,
) -> Result<Native, RenderError> {
    flags.extend([
        ("redis", format!("redis://{}", view.listen(Redis, "redis")?)),
        ("redis-user", name.as_str().to_owned()),
        ("redis-password-file", given.stored(Redis, name.as_str())?),
        ("log-format", "json".to_owned()),
    ]);
    let mut files = given.files;
    let mut env = std::collections::BTreeMap::new();
    if view.active.contains_key(&Uptrace) {
        let headers = otlp_headers(view, name)?;
        env.insert("OTEL_EXPORTER_OTLP_HEADERS_FILE".to_owned(), text(&headers.path)?);
        files.push(headers);
        env.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), format!("http://{}", view.listen(Uptrace, "http")?));
        // Uptrace adds up what it is told; it wants no running totals.
        env.insert("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE".to_owned(), "delta".to_owned());
    }
    let flags = flags.into_iter().map(|(flag, value)| format!("--{flag}={value}"));
    let argv = [view.program(name)?].into_iter().chain(flags).collect();
    let mut service = view.service(name, argv, &files)?;
    service.env = env;
    // The one lets reports end that run, the other the sessions of people; both have bounds of their own below this.
    service.stop_timeout = Span::seconds(45);
    let (port, listen) = (view.port(name, "http")?, view.listen(name, "http")?);
    let ready = Body::Contains("\"ready\":true".to_owned());
    Ok(Native {
        folders: view.folders(name),
        files,
        prepare: None,
        service,
        ready: vec![Probe::Http { port, path: "/readyz".to_owned(), expect: ready }],
        address: format!("http://{listen}"),
        page,
    })
}

/// The files with secrets that a service is given.
struct Given<'a> {
    view: &'a View<'a>,
    reader: ComponentName,
    files: Vec<RenderedFile>,
}

impl<'a> Given<'a> {
    /// The one that both have.
    fn new(view: &'a View<'a>, reader: ComponentName) -> Result<Self, RenderError> {
        Ok(Self { view, reader, files: vec![webhook_secret(view, reader)?] })
    }

    /// The path of the secret that results are signed with.
    fn webhook(&self) -> Result<String, RenderError> {
        text(&webhook_path(self.view, self.reader))
    }

    /// The path of a file that holds a secret and nothing else: the stored one, or in a machine, where only the reader's own
    /// files can be read, one of its own.
    fn stored(&mut self, name: ComponentName, own: &str) -> Result<String, RenderError> {
        let secret = secret(name, own)?;
        let path = match self.view.paths.layout {
            Layout::Folder => return text(&self.view.paths.secret(&secret)),
            Layout::System => self.view.paths.config(self.reader).join("secrets").join(secret.as_str()),
        };
        let shown = text(&path)?;
        self.files.push(file(path, plain(name, own)?));
        Ok(shown)
    }
}

fn webhook_path(view: &View<'_>, reader: ComponentName) -> PathBuf {
    view.paths.config(reader).join("webhook.secret")
}

/// The secret that results are signed with, in the form of Standard Webhooks: 32 letters and digits are the Base64 of
/// 24 bytes, the fewest that it allows.
fn webhook_secret(view: &View<'_>, reader: ComponentName) -> Result<RenderedFile, RenderError> {
    Ok(file(webhook_path(view, reader), format!("whsec_{}\n", plain(Requestor, "webhook")?)))
}

/// The headers of everything that is sent to Uptrace: the address that it knows its project by.
fn otlp_headers(view: &View<'_>, reader: ComponentName) -> Result<RenderedFile, RenderError> {
    let (http, grpc) = (view.listen(Uptrace, "http")?, view.port(Uptrace, "grpc")?);
    let path = view.paths.config(reader).join("otlp.headers");
    let token = plain(Uptrace, "project-token")?;
    Ok(file(path, format!("uptrace-dsn=http://{token}@{http}?grpc={grpc}\n")))
}
