//! Prometheus: what it scrapes, where its rules are, and how it is started.

use super::exporters::go_memory;
use super::{Native, RenderError, View, file, text};
use crate::model::component::ComponentName::{self, Alertmanager, Prometheus};
use crate::model::environment::Options;
use crate::model::file::RenderedFile;
use crate::model::probe::{Body, Probe};
use crate::model::quantity::Span;
use crate::render::dashboard::{Dashboard, console};
use crate::render::rules::{Watched, rules};
use crate::render::yaml;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Config {
    global: Global,
    rule_files: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alerting: Option<Alerting>,
    scrape_configs: Vec<Scrape>,
}

#[derive(Serialize)]
struct Global {
    scrape_interval: String,
    scrape_timeout: String,
    evaluation_interval: String,
    external_labels: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Alerting {
    alertmanagers: Vec<Manager>,
}

#[derive(Serialize)]
struct Manager {
    api_version: &'static str,
    static_configs: Vec<Targets>,
}

#[derive(Serialize)]
struct Scrape {
    job_name: &'static str,
    static_configs: Vec<Targets>,
}

#[derive(Serialize)]
struct Targets {
    targets: Vec<String>,
}

/// The door of a component at which Prometheus finds series; none when it has none. The path is `/metrics` everywhere.
pub const fn metrics_port(name: ComponentName) -> Option<&'static str> {
    match name {
        ComponentName::RedisExporter
        | ComponentName::NodeExporter
        | Prometheus
        | Alertmanager
        | ComponentName::Grafana
        | ComponentName::Requestor
        | ComponentName::Runner => Some("http"),
        ComponentName::Clickhouse => Some("metrics"),
        // Redis and PostgreSQL speak no HTTP, and Uptrace tells its own figures by OTLP only.
        ComponentName::Redis | ComponentName::Postgresql | ComponentName::Uptrace => None,
    }
}

/// What Prometheus needs in order to run.
pub fn native(view: &View<'_>) -> Result<Native, RenderError> {
    let component = view.active(Prometheus)?.component;
    let Options::Prometheus { scrape_interval, evaluation_interval, retention } = component.options else {
        return Err(RenderError::Options(Prometheus));
    };
    let folder = view.paths.config(Prometheus);
    let watched = Watched::new(view.env, view.active.keys().copied().collect())?;
    let rule_file = file(folder.join("rules.yml"), rules(&watched)?);
    let config = config(view, &rule_file, scrape_interval, evaluation_interval)?;
    let (port, listen) = (view.port(Prometheus, "http")?, view.listen(Prometheus, "http")?);
    let config_file = file(folder.join("prometheus.yml"), config);
    let consoles = folder.join("consoles");
    let page = file(consoles.join("report.html"), console(&Dashboard::new(&watched, scrape_interval))?);
    let argv = vec![
        view.program(Prometheus)?,
        format!("--config.file={}", text(&config_file.path)?),
        format!("--storage.tsdb.path={}", text(&view.paths.data(Prometheus))?),
        format!("--storage.tsdb.retention.time={retention}"),
        format!("--web.listen-address={listen}"),
        format!("--web.external-url=http://{listen}/"),
        format!("--web.console.templates={}", text(&consoles)?),
        // The page needs no libraries: this folder has none.
        format!("--web.console.libraries={}", text(&consoles)?),
        // The services tell with their figures which trace was counted; without this Prometheus forgets it.
        "--enable-feature=exemplar-storage".to_owned(),
        // By default any page in a browser on this machine may read everything.
        format!("--web.cors.origin=http://(127\\.0\\.0\\.1|localhost):{port}"),
    ];
    let files = vec![config_file, rule_file, page];
    let mut service = view.service(Prometheus, argv, &files)?;
    service.env = go_memory(view, Prometheus)?;
    // It writes what it holds in memory to the disk before it ends.
    service.stop_timeout = Span::seconds(60);
    Ok(Native {
        folders: [view.folders(Prometheus), vec![super::folder(consoles)]].concat(),
        files,
        prepare: None,
        service,
        ready: vec![Probe::Http {
            port,
            path: "/-/ready".to_owned(),
            expect: Body::Contains("Prometheus Server is Ready.".to_owned()),
        }],
        address: format!("http://{listen}"),
        page: Some(format!("http://{listen}/consoles/report.html")),
    })
}

/// `prometheus.yml`. Its rule file is a plain path, since a pattern that matches nothing is no error to Prometheus.
fn config(view: &View<'_>, rules: &RenderedFile, scrape: Span, evaluation: Span) -> Result<String, RenderError> {
    let mut scrape_configs = Vec::new();
    for name in view.active.keys().copied() {
        if let Some(port) = metrics_port(name) {
            let targets = vec![view.listen(name, port)?];
            scrape_configs.push(Scrape { job_name: name.as_str(), static_configs: vec![Targets { targets }] });
        }
    }
    let alerting = match view.active.contains_key(&Alertmanager) {
        true => {
            let targets = vec![view.listen(Alertmanager, "http")?];
            let manager = Manager { api_version: "v2", static_configs: vec![Targets { targets }] };
            Some(Alerting { alertmanagers: vec![manager] })
        }
        false => None,
    };
    let config = Config {
        global: Global {
            scrape_interval: scrape.to_string(),
            // Prometheus refuses a timeout that is longer than the interval.
            scrape_timeout: scrape.min(Span::seconds(10)).to_string(),
            evaluation_interval: evaluation.to_string(),
            external_labels: BTreeMap::from([("env", view.env.name.to_string())]),
        },
        rule_files: vec![text(&rules.path)?],
        alerting,
        scrape_configs,
    };
    yaml::document(view.env.name.as_str(), &["What Prometheus scrapes: each job is a component of the stack."], &config)
}
