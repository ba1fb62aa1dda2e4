//! Alertmanager: who is told of what, and how soon. Only what release 0.25 understands, which newer ones still do.

use super::exporters::go_memory;
use super::{Native, RenderError, View, file, plain, text};
use crate::model::component::ComponentName::{Alertmanager, Requestor, Runner};
use crate::model::environment::Options;
use crate::model::file::RenderedFile;
use crate::model::probe::{Body, Probe};
use crate::model::quantity::Version;
use crate::render::yaml;
use serde::Serialize;

#[derive(Serialize)]
struct Config {
    global: Global,
    route: Route,
    inhibit_rules: Vec<Inhibit>,
    receivers: Vec<Receiver>,
}

#[derive(Serialize)]
struct Global {
    resolve_timeout: &'static str,
}

#[derive(Serialize)]
struct Route {
    receiver: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    matchers: Vec<&'static str>,
    group_by: Vec<&'static str>,
    group_wait: &'static str,
    group_interval: &'static str,
    repeat_interval: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
}

#[derive(Serialize)]
struct Inhibit {
    source_matchers: Vec<&'static str>,
    target_matchers: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    equal: Vec<&'static str>,
}

#[derive(Serialize)]
struct Receiver {
    name: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    webhook_configs: Vec<Webhook>,
}

#[derive(Serialize)]
struct Webhook {
    url: String,
    send_resolved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<&'static str>,
    http_config: Http,
}

#[derive(Serialize)]
struct Http {
    follow_redirects: bool,
    authorization: Authorization,
}

#[derive(Serialize)]
struct Authorization {
    r#type: &'static str,
    credentials_file: String,
}

/// What Alertmanager needs in order to run.
pub fn native(view: &View<'_>) -> Result<Native, RenderError> {
    let component = view.active(Alertmanager)?.component;
    let Options::Alertmanager { retention } = component.options else {
        return Err(RenderError::Options(Alertmanager));
    };
    let mut files = tokens(view)?;
    let config_file = file(view.paths.config(Alertmanager).join("alertmanager.yml"), config(view)?);
    let (port, listen) = (view.port(Alertmanager, "http")?, view.listen(Alertmanager, "http")?);
    let argv = vec![
        view.program(Alertmanager)?,
        format!("--config.file={}", text(&config_file.path)?),
        format!("--storage.path={}", text(&view.paths.data(Alertmanager))?),
        // It reads no days.
        format!("--data.retention={}s", retention.0.div_ceil(1000)),
        format!("--web.listen-address={listen}"),
        format!("--web.external-url=http://{listen}/"),
        // It is alone. Otherwise it would listen on all addresses and wait for others before it notifies.
        "--cluster.listen-address=".to_owned(),
    ];
    files.insert(0, config_file);
    let mut service = view.service(Alertmanager, argv, &files)?;
    service.env = go_memory(view, Alertmanager)?;
    let ask = |path: &str, expect| Probe::Http { port, path: path.to_owned(), expect };
    let alone = Body::Json { pointer: "/cluster/status".to_owned(), equals: "disabled".to_owned() };
    Ok(Native {
        folders: view.folders(Alertmanager),
        files,
        prepare: None,
        service,
        ready: vec![ask("/-/ready", Body::Contains("OK".to_owned())), ask("/api/v2/status", alone)],
        address: format!("http://{listen}"),
        page: None,
    })
}

/// The files that hold the tokens which it shows to those whom it tells.
fn tokens(view: &View<'_>) -> Result<Vec<RenderedFile>, RenderError> {
    let folder = view.paths.config(Alertmanager);
    let mut files = vec![file(folder.join("smoke.token"), plain(Alertmanager, "smoke")?)];
    for (reader, token) in [(Requestor, "alerts"), (Runner, "scaling")] {
        if view.active.contains_key(&reader) {
            files.push(file(folder.join(format!("{token}.token")), plain(reader, token)?));
        }
    }
    Ok(files)
}

/// `alertmanager.yml`.
fn config(view: &View<'_>) -> Result<String, RenderError> {
    let scales = view.active.contains_key(&Runner);
    let mut routes = vec![Route {
        receiver: "smoke",
        matchers: vec![r#"alertname="ReportctlSmoke""#],
        group_by: vec!["run"],
        group_wait: "0s",
        group_interval: "1s",
        repeat_interval: "1m",
        routes: Vec::new(),
    }];
    // The requestor tells people: on its page, by mail, in Teams. Without it alerts stand on Prometheus's page alone.
    let people = match view.active.contains_key(&Requestor) {
        true => vec![webhook(view, view.listen(Requestor, "http")? + "/hooks/alerts", "alerts")?],
        false => Vec::new(),
    };
    let smoke = webhook(view, view.listen(Alertmanager, "smoke")? + "/alerts", "smoke")?;
    let mut receivers = vec![
        Receiver { name: "people", webhook_configs: people },
        Receiver { name: "smoke", webhook_configs: vec![smoke] },
    ];
    if scales {
        let to_runner = |matcher, group_by, group_interval| Route {
            receiver: "runner",
            matchers: vec![matcher],
            group_by: vec![group_by],
            group_wait: "0s",
            group_interval,
            repeat_interval: "1m",
            routes: Vec::new(),
        };
        // The smoke test waits for the end of its alert.
        routes.push(to_runner(r#"alertname="ReportctlSmokeScaling""#, "run", "1s"));
        routes.push(to_runner(r#"purpose="scaling""#, "alertname", "15s"));
        receivers.push(Receiver {
            name: "runner",
            webhook_configs: vec![webhook(view, view.listen(Runner, "http")? + "/alerts", "scaling")?],
        });
    }
    let config = Config {
        global: Global { resolve_timeout: "5m" },
        route: Route {
            receiver: "people",
            matchers: Vec::new(),
            group_by: vec!["alertname", "component"],
            group_wait: "30s",
            group_interval: "5m",
            repeat_interval: "4h",
            routes,
        },
        inhibit_rules: inhibitions(scales),
        receivers,
    };
    yaml::document(view.env.name.as_str(), &["Who is told of which alert, and how soon."], &config)
}

/// What need not be told because it follows from something worse.
fn inhibitions(runner: bool) -> Vec<Inhibit> {
    let inhibit = |worse, lesser, equal| Inhibit { source_matchers: vec![worse], target_matchers: vec![lesser], equal };
    let mut rules = vec![
        inhibit(r#"alertname="RedisMemoryFull""#, r#"alertname="RedisMemoryHigh""#, vec!["instance"]),
        inhibit(r#"alertname="DiskFull""#, r#"alertname=~"DiskSpaceLow|DiskWillFill""#, vec!["instance", "mountpoint"]),
    ];
    if runner {
        let lonely = r#"alertname=~"RequestorWithoutRedis|RunnerWithoutRedis""#;
        rules.push(inhibit(r#"alertname="RedisDown""#, lonely, Vec::new()));
        rules.push(inhibit(r#"alertname="ReportsNotStarted""#, r#"alertname="ReportsWaitLong""#, Vec::new()));
    }
    rules
}

/// A receiver that proves who it talks to by a token. Redirects are not followed: the token would go with them.
fn webhook(view: &View<'_>, door: String, token: &str) -> Result<Webhook, RenderError> {
    let version = &view.active(Alertmanager)?.program.version;
    let knows_timeout = Version::parse("0.28").is_ok_and(|first| version.at_least(&first));
    Ok(Webhook {
        url: format!("http://{door}"),
        send_resolved: true,
        timeout: knows_timeout.then_some("10s"),
        http_config: Http {
            follow_redirects: false,
            authorization: Authorization {
                r#type: "Bearer",
                credentials_file: text(&view.paths.config(Alertmanager).join(format!("{token}.token")))?,
            },
        },
    })
}
