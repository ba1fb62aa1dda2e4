//! Grafana: dashboards. Its data sources and dashboards are provisioned, so that nothing is made by hand.

use super::exporters::go_memory;
use super::{Native, RenderError, View, file, folder, plain, text};
use crate::model::component::ComponentName::{Alertmanager, Grafana, Prometheus, Uptrace};
use crate::model::environment::Options;
use crate::model::file::RenderedFile;
use crate::model::probe::{Body, Probe};
use crate::model::quantity::Span;
use crate::render::dashboard::{Dashboard, PROMETHEUS_UID, UID, grafana};
use crate::render::rules::Watched;
use crate::render::yaml;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The fixed identities of the data sources beside Prometheus.
const ALERTMANAGER_UID: &str = "am";
const UPTRACE_UID: &str = "uptrace";

/// What Grafana needs in order to run.
pub fn native(view: &View<'_>) -> Result<Native, RenderError> {
    let config = view.paths.config(Grafana);
    let (provisioning, dashboards) = (config.join("provisioning"), config.join("dashboards"));
    let password = file(config.join("admin.password"), plain(Grafana, "admin")?);
    let board = file(dashboards.join(format!("{UID}.json")), board(view)?);
    let ini = file(config.join("grafana.ini"), ini(view, &provisioning, &board.path, &password.path)?);
    let env = view.env.name.as_str();
    let sources = yaml::document(env, &["What panels ask."], &sources(view)?)?;
    let providers = yaml::document(env, &["Where dashboards are."], &providers(&text(&dashboards)?))?;
    let argv = vec![
        view.program(Grafana)?,
        "server".to_owned(),
        format!("--homepath={}", text(&home(&view.active(Grafana)?.program.path))?),
        format!("--config={}", text(&ini.path)?),
    ];
    let files: Vec<RenderedFile> = vec![
        ini,
        file(provisioning.join("datasources/report.yml"), sources),
        file(provisioning.join("dashboards/report.yml"), providers),
        board,
        password,
    ];
    let mut service = view.service(Grafana, argv, &files)?;
    service.env = go_memory(view, Grafana)?;
    service.stop_timeout = Span::seconds(30);
    let port = view.port(Grafana, "http")?;
    let address = format!("http://127.0.0.1:{port}");
    // It looks into each of these folders at the start, and complains of those that are not there.
    let kinds = ["datasources", "dashboards", "plugins", "alerting"].map(|kind| folder(provisioning.join(kind)));
    let mut folders = view.folders(Grafana);
    folders.extend([folder(provisioning), folder(dashboards)]);
    folders.extend(kinds);
    let sound = Body::Json { pointer: "/database".to_owned(), equals: "ok".to_owned() };
    Ok(Native {
        folders,
        files,
        prepare: None,
        service,
        ready: vec![Probe::Http { port, path: "/api/health".to_owned(), expect: sound }],
        page: Some(format!("{address}/d/{UID}")),
        address,
    })
}

/// The folder with Grafana's own pages: that of its archive when the program is within one, else that of its package.
fn home(program: &Path) -> PathBuf {
    let above = program.parent().filter(|bin| bin.ends_with("bin")).and_then(Path::parent);
    match above {
        Some(folder) if !["/", "/usr", "/usr/local"].iter().any(|system| folder == Path::new(system)) => {
            folder.to_owned()
        }
        _ => PathBuf::from("/usr/share/grafana"),
    }
}

/// `grafana.ini`. The password of admin stands in a file of its own and counts at the first start only.
///
/// The file is named here and not in `GF_SECURITY_ADMIN_PASSWORD__FILE`: that variable is read by the start script of
/// Grafana's container image alone, and the program would start with `admin` as the password.
fn ini(view: &View<'_>, provisioning: &Path, board: &Path, password: &Path) -> Result<String, RenderError> {
    let data = text(&view.paths.data(Grafana))?;
    let port = view.port(Grafana, "http")?;
    Ok(format!(
        "\
; Made by reportctl for environment {env}. Changes here are overwritten by the next `reportctl up`.

[server]
protocol = http
http_addr = 127.0.0.1
http_port = {port}
root_url = http://127.0.0.1:{port}/

[paths]
data = {data}
logs = {data}/log
plugins = {data}/plugins
provisioning = {provisioning}

[database]
type = sqlite3
path = grafana.db

; Only who has the password comes in, and nobody makes an account for himself.
[security]
admin_user = admin
admin_password = $__file{{{password}}}
; Five wrong passwords within five minutes would lock admin out, and a smoke test tries the customary one each time.
disable_brute_force_login_protection = true
disable_gravatar = true
cookie_samesite = strict
[users]
allow_sign_up = false
[auth.anonymous]
enabled = false

; It asks nothing of the internet.
[analytics]
reporting_enabled = false
check_for_updates = false
check_for_plugin_updates = false
feedback_links_enabled = false
[news]
news_feed_enabled = false
[snapshots]
external_enabled = false
[plugins]
plugin_admin_enabled = false
public_key_retrieval_disabled = true

[dashboards]
default_home_dashboard_path = {board}

[metrics]
enabled = true

[log]
mode = console
level = warn
",
        env = view.env.name,
        provisioning = text(provisioning)?,
        board = text(board)?,
        password = text(password)?,
    ))
}

/// The dashboard's file.
fn board(view: &View<'_>) -> Result<String, RenderError> {
    let watched = Watched::new(view.env, view.active.keys().copied().collect())?;
    let dashboard = Dashboard::new(&watched, scrape_interval(view)?);
    let text = serde_json::to_string_pretty(&grafana(&dashboard)).map_err(|e| RenderError::Text(e.to_string()))?;
    Ok(text + "\n")
}

fn scrape_interval(view: &View<'_>) -> Result<Span, RenderError> {
    match view.active(Prometheus)?.component.options {
        Options::Prometheus { scrape_interval, .. } => Ok(scrape_interval),
        _ => Err(RenderError::Options(Prometheus)),
    }
}

/// The data sources. A source without a fixed identity would get a random one, and dashboards would not find it.
fn sources(view: &View<'_>) -> Result<Value, RenderError> {
    let mut sources = vec![json!({
        "name": "Prometheus",
        "uid": PROMETHEUS_UID,
        "type": "prometheus",
        "access": "proxy",
        "url": format!("http://{}", view.listen(Prometheus, "http")?),
        "isDefault": true,
        "editable": false,
        "jsonData": { "httpMethod": "POST", "timeInterval": scrape_interval(view)?.to_string(), "prometheusType": "Prometheus" },
    })];
    if view.active.contains_key(&Alertmanager) {
        sources.push(json!({
            "name": "Alertmanager",
            "uid": ALERTMANAGER_UID,
            "type": "alertmanager",
            "access": "proxy",
            "url": format!("http://{}", view.listen(Alertmanager, "http")?),
            "editable": false,
            "jsonData": { "implementation": "prometheus" },
        }));
    }
    if view.active.contains_key(&Uptrace) {
        sources.push(json!({
            "name": "Uptrace traces",
            "uid": UPTRACE_UID,
            "type": "tempo",
            "access": "proxy",
            // The first project that is seeded into an empty database has the number 1.
            "url": format!("http://{}/api/tempo/1", view.listen(Uptrace, "http")?),
            "editable": false,
            "jsonData": { "httpHeaderName1": "Authorization" },
            "secureJsonData": { "httpHeaderValue1": plain(Uptrace, "user-token")? },
        }));
    }
    Ok(json!({ "apiVersion": 1, "prune": true, "datasources": sources }))
}

fn providers(dashboards: &str) -> Value {
    json!({
        "apiVersion": 1,
        "providers": [{
            "name": "report",
            "orgId": 1,
            "folder": "Report",
            "type": "file",
            "disableDeletion": true,
            "allowUiUpdates": false,
            "updateIntervalSeconds": 30,
            "options": { "path": dashboards, "foldersFromFilesStructure": false },
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_is_that_of_the_archive_or_of_the_package() {
        for (program, expected) in [
            ("/opt/grafana-13.2.0/bin/grafana", "/opt/grafana-13.2.0"),
            ("/usr/share/grafana/bin/grafana", "/usr/share/grafana"),
            ("/usr/sbin/grafana", "/usr/share/grafana"),
            ("/usr/bin/grafana", "/usr/share/grafana"),
            ("/usr/local/bin/grafana", "/usr/share/grafana"),
        ] {
            assert_eq!(home(Path::new(program)), Path::new(expected), "{program}");
        }
    }
}
