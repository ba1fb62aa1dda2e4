//! Our two services. Settings are flags; a secret is always a file: of the stored ones where their text is right as it is,
//! and a rendered one where it is not.

use super::{Native, RenderError, View, file, folder, plain, secret, text};
use crate::model::component::ComponentName::{self, Redis, Requestor, Runner, Uptrace};
use crate::model::file::RenderedFile;
use crate::model::probe::{Body, Probe};
use crate::model::quantity::Span;

/// What the requestor needs in order to run.
pub fn requestor(view: &View<'_>) -> Result<Native, RenderError> {
    let (listen, port) = (view.listen(Requestor, "http")?, view.port(Requestor, "http")?);
    let webhook = webhook_secret(view, Requestor)?;
    let mut flags = vec![
        ("listen", listen.clone()),
        ("public-url", format!("http://{listen}")),
        // The same page under the other name that a browser on this host may know it by.
        ("allow-origin", format!("http://localhost:{port}")),
        ("webhook-secret-file", text(&webhook.path)?),
        ("alerts-token-file", stored(view, Requestor, "alerts")?),
        ("admin-token-file", stored(view, Requestor, "admin")?),
    ];
    if view.active.contains_key(&Runner) {
        flags.push(("runner-url", format!("http://{}", view.listen(Runner, "http")?)));
        flags.push(("results-token-file", stored(view, Runner, "results")?));
    }
    let page = Some(format!("http://{listen}/"));
    native(view, Requestor, flags, webhook, page)
}

/// What the runner needs in order to run.
pub fn runner(view: &View<'_>) -> Result<Native, RenderError> {
    let listen = view.listen(Runner, "http")?;
    let webhook = webhook_secret(view, Runner)?;
    let flags = vec![
        ("listen", listen.clone()),
        ("callback-url", format!("http://{}/hooks/reports", view.listen(Requestor, "http")?)),
        ("webhook-secret-file", text(&webhook.path)?),
        ("alerts-token-file", stored(view, Runner, "scaling")?),
        ("results-token-file", stored(view, Runner, "results")?),
        ("results-dir", text(&view.paths.data(Runner).join("results"))?),
        ("advertise-url", format!("http://{listen}")),
    ];
    let mut native = native(view, Runner, flags, webhook, None)?;
    native.folders.push(folder(view.paths.data(Runner).join("results")));
    Ok(native)
}

/// What both have in common: Redis, traces where there is somebody who takes them, and how to tell that they are ready.
fn native(
    view: &View<'_>,
    name: ComponentName,
    mut flags: Vec<(&'static str, String)>,
    webhook: RenderedFile,
    page: Option<String>,
) -> Result<Native, RenderError> {
    flags.extend([
        ("redis", format!("redis://{}", view.listen(Redis, "redis")?)),
        ("redis-user", name.as_str().to_owned()),
        ("redis-password-file", stored(view, Redis, name.as_str())?),
        ("log-format", "json".to_owned()),
    ]);
    let mut files = vec![webhook];
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

/// The path of a secret's own file.
fn stored(view: &View<'_>, name: ComponentName, own: &str) -> Result<String, RenderError> {
    text(&view.paths.secret(&secret(name, own)?))
}

/// The secret that results are signed with, in the form of Standard Webhooks: 32 letters and digits are the Base64 of
/// 24 bytes, the fewest that it allows.
fn webhook_secret(view: &View<'_>, reader: ComponentName) -> Result<RenderedFile, RenderError> {
    let path = view.paths.config(reader).join("webhook.secret");
    Ok(file(path, format!("whsec_{}\n", plain(Requestor, "webhook")?)))
}

/// The headers of everything that is sent to Uptrace: the address that it knows its project by.
fn otlp_headers(view: &View<'_>, reader: ComponentName) -> Result<RenderedFile, RenderError> {
    let (http, grpc) = (view.listen(Uptrace, "http")?, view.port(Uptrace, "grpc")?);
    let path = view.paths.config(reader).join("otlp.headers");
    let token = plain(Uptrace, "project-token")?;
    Ok(file(path, format!("uptrace-dsn=http://{token}@{http}?grpc={grpc}\n")))
}
