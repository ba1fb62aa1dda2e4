//! The HTTP API.

use super::ini::Settings;
use super::provisioning::{self, Content, Dashboard, Datasource};
use super::{PROGRAM, query, store, version};
use crate::client;
use crate::door::{Answer, Asked, Site};
use crate::fault::{Active, Faults};
use crate::log;
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many wrong passwords lock a user out, and for how long they count.
const LOCK_OUT: (usize, Duration) = (5, Duration::from_secs(300));

/// The server.
pub(super) struct Api {
    settings: Settings,
    faults: Faults,
    content: Mutex<(Content, Instant)>,
    wrong: Mutex<Vec<Instant>>,
}

impl Api {
    /// A server with what was provisioned.
    pub(super) fn new(settings: Settings, faults: Faults, content: Content) -> Self {
        let content = Mutex::new((content, Instant::now()));
        Self { settings, faults, content, wrong: Mutex::default() }
    }

    /// Refuses who is not the administrator (or anybody, where anonymous reading is on).
    fn authenticate(&self, asked: &Asked, admin: bool) -> Result<(), Answer> {
        let Some((user, password)) = asked.basic() else {
            if asked.header("authorization").is_some() {
                return Err(refused("api-key.invalid", "Invalid API key"));
            }
            if self.settings.anonymous && !admin {
                return Ok(());
            }
            return Err(refused("auth.unauthorized", "Unauthorized"));
        };
        let faults = &asked.faults;
        if faults.on("password-unchecked") || faults.on("default-password") && user == "admin" && password == "admin" {
            return Ok(());
        }
        let mut wrong = lock(&self.wrong);
        wrong.retain(|at| at.elapsed() < LOCK_OUT.1);
        let known = store::admin(&self.settings).unwrap_or_default();
        if self.settings.lock_out && user == known && wrong.len() >= LOCK_OUT.0 {
            log(
                PROGRAM,
                "error",
                "too many consecutive incorrect login attempts for user - login for user temporarily blocked",
            );
            return Err(refused("password-auth.failed", "Invalid username or password"));
        }
        match store::is_admin(&self.settings, &user, &password) {
            Ok(true) if !faults.on("password-forgotten") => Ok(()),
            Ok(_) => {
                if user == known && !faults.on("password-forgotten") {
                    wrong.push(Instant::now());
                }
                Err(refused("password-auth.failed", "Invalid username or password"))
            }
            Err(error) => Err(message(500, &error)),
        }
    }

    fn datasources(&self, faults: &Active) -> Vec<Datasource> {
        if faults.on("datasource-missing") {
            return Vec::new();
        }
        let mut all = lock(&self.content).0.datasources.clone();
        if faults.on("datasource-url") {
            all.iter_mut().for_each(|source| "http://127.0.0.1:1".clone_into(&mut source.url));
        }
        all
    }

    fn datasource(&self, uid: &str, faults: &Active) -> Result<Datasource, Answer> {
        let found = self.datasources(faults).into_iter().find(|source| source.uid == uid);
        found.ok_or_else(|| message(404, "Data source not found"))
    }

    /// The dashboards, read again when their interval has passed.
    fn dashboards(&self, faults: &Active) -> Vec<Dashboard> {
        if faults.on("dashboards-missing") {
            return Vec::new();
        }
        let mut content = lock(&self.content);
        if content.1.elapsed() >= Duration::from_secs(content.0.refresh) {
            (content.0.dashboards, content.0.refresh) = provisioning::dashboards(&self.settings);
            content.1 = Instant::now();
        }
        let mut all = content.0.dashboards.clone();
        for dashboard in &mut all {
            if faults.on("dashboard-empty") {
                dashboard.model["panels"] = json!([]);
            }
            if faults.on("dashboard-other") {
                "Another".clone_into(&mut dashboard.title);
                dashboard.model["title"] = json!("Another");
            }
        }
        all
    }

    fn health(&self, faults: &Active) -> Answer {
        if faults.on("health-text") {
            return Answer::text(200, "Ok");
        }
        if faults.on("health-other") {
            return Answer::json(200, &json!({"status": "pass", "name": "another program (fake)"}));
        }
        let database = if faults.on("database-failing") || faults.on("database-lies") { "failing" } else { "ok" };
        let status = if faults.on("database-failing") { 503 } else { 200 };
        Answer::json(status, &json!({"database": database, "version": version(), "commit": "fake"}))
    }

    async fn route(&self, asked: &Asked) -> Result<Answer, Answer> {
        let parts = asked.parts();
        let faults = &asked.faults;
        match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["api", "health"]) => return Ok(self.health(faults)),
            ("GET", ["metrics"]) if self.settings.metrics => return Ok(metrics()),
            ("GET", ["login"]) => return Ok(Answer::page(200, "Grafana")),
            (_, ["api", ..]) => {}
            ("GET", ["" | "dashboards" | "explore"] | ["d", ..]) if self.authenticate(asked, false).is_ok() => {
                return Ok(Answer::page(200, "Grafana"));
            }
            ("GET", _) => return Ok(Answer::text(302, "").with("location", "/login")),
            _ => return Err(message(404, "Not found")),
        }
        self.authenticate(asked, matches!(parts.as_slice(), ["api", "admin", ..]))?;
        match (asked.method.as_str(), &parts[1..]) {
            ("GET", ["org"]) => Ok(Answer::json(200, &json!({"id": 1, "name": "Main Org.", "address": {}}))),
            ("GET", ["user"]) => {
                let user = store::admin(&self.settings).map_err(|error| message(500, &error))?;
                Ok(Answer::json(200, &json!({"id": 1, "login": user, "orgId": 1, "isGrafanaAdmin": true})))
            }
            ("GET", ["datasources"]) => {
                Ok(Answer::json(200, &self.datasources(faults).iter().map(of_datasource).collect()))
            }
            ("GET", ["datasources", "uid", uid]) => {
                Ok(Answer::json(200, &of_datasource(&self.datasource(uid, faults)?)))
            }
            ("GET", ["datasources", "uid", uid, "health"]) => {
                Ok(health_of(&self.datasource(uid, faults)?, faults).await)
            }
            ("POST", ["ds", "query"]) => query::answer(&self.datasources(faults), asked).await,
            ("GET", ["search"]) => Ok(self.search(asked)),
            ("GET", ["dashboards", "uid", uid]) => {
                let found = self.dashboards(faults).into_iter().find(|dashboard| dashboard.uid == *uid);
                let found = found.ok_or_else(|| message(404, "Dashboard not found"))?;
                Ok(Answer::json(200, &of_dashboard(&found, faults)))
            }
            ("POST", ["admin", "provisioning", what @ ("datasources" | "dashboards" | "alerting"), "reload"]) => {
                *lock(&self.content) =
                    (provisioning::load(&self.settings).map_err(|error| message(500, &error))?, Instant::now());
                let name = what[..1].to_uppercase() + &what[1..];
                Ok(message(200, &format!("{name} config reloaded")))
            }
            _ => Err(message(404, "Not found")),
        }
    }

    fn search(&self, asked: &Asked) -> Answer {
        let kind = asked.query("type").unwrap_or("dash-db");
        let text = asked.query("query").unwrap_or_default().to_lowercase();
        let found = self
            .dashboards(&asked.faults)
            .into_iter()
            .filter(|dashboard| kind == "dash-db" && dashboard.title.to_lowercase().contains(&text));
        let rows = found.enumerate().map(|(index, dashboard)| {
            json!({
                "id": index + 1, "uid": dashboard.uid, "title": dashboard.title, "type": "dash-db",
                "uri": format!("db/{}", slug(&dashboard.title)), "slug": "", "isStarred": false, "sortMeta": 0,
                "url": format!("/d/{}/{}", dashboard.uid, slug(&dashboard.title)),
                "tags": dashboard.model.get("tags").cloned().unwrap_or_else(|| json!([])),
                "folderTitle": dashboard.folder,
            })
        });
        Answer::json(200, &rows.collect())
    }
}

impl Site for Api {
    const PROGRAM: &'static str = PROGRAM;

    fn faults(&self) -> &Faults {
        &self.faults
    }

    async fn answer(&self, asked: Asked) -> Answer {
        self.route(&asked).await.unwrap_or_else(|answer| answer)
    }
}

/// A message as the API gives it.
pub(super) fn message(status: u16, text: &str) -> Answer {
    Answer::json(status, &json!({"message": text, "traceID": ""}))
}

fn refused(id: &str, text: &str) -> Answer {
    Answer::json(401, &json!({"extra": null, "message": text, "messageId": id, "statusCode": 401, "traceID": ""}))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn metrics() -> Answer {
    let version = version();
    Answer::text(
        200,
        format!(
            "# HELP grafana_build_info A metric with a constant '1' value (fake)\n# TYPE grafana_build_info gauge\n\
             grafana_build_info{{branch=\"fake\",edition=\"oss\",version=\"{version}\"}} 1\n"
        ),
    )
}

fn slug(title: &str) -> String {
    title.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

fn of_datasource(source: &Datasource) -> Value {
    let secure: serde_json::Map<String, Value> =
        source.secure_json_data.keys().map(|key| (key.clone(), json!(true))).collect();
    json!({
        "id": 1, "uid": source.uid, "orgId": 1, "name": source.name, "type": source.kind, "access": source.access,
        "url": source.url, "user": "", "database": "", "basicAuth": source.basic_auth,
        "basicAuthUser": source.basic_auth_user, "withCredentials": false, "isDefault": source.is_default,
        "jsonData": source.json_data, "secureJsonFields": secure, "version": 1, "readOnly": !source.editable,
    })
}

fn of_dashboard(dashboard: &Dashboard, faults: &Active) -> Value {
    let provisioned = !faults.on("dashboard-manual");
    let mut model = dashboard.model.clone();
    model["id"] = json!(1);
    model["version"] = json!(1);
    json!({
        "meta": {
            "type": "db", "canSave": !provisioned, "canEdit": true, "canAdmin": true, "slug": slug(&dashboard.title),
            "url": format!("/d/{}/{}", dashboard.uid, slug(&dashboard.title)), "version": 1, "isFolder": false,
            "folderTitle": dashboard.folder, "provisioned": provisioned,
            "provisionedExternalId": if provisioned { dashboard.file.as_str() } else { "" },
        },
        "dashboard": model,
    })
}

/// Asks what is behind the data source.
async fn health_of(source: &Datasource, faults: &Active) -> Answer {
    let verdict = match source.kind.as_str() {
        _ if faults.on("datasource-error") || faults.on("datasource-lies") => {
            Err("broken on purpose (fake)".to_owned())
        }
        "prometheus" => {
            let asked = query::prometheus(source, "/api/v1/query", &[("query", "1+1".to_owned())]).await;
            asked.map(|_| "Successfully queried the Prometheus API.")
        }
        "tempo" => {
            let url = format!("{}/api/echo", source.url.trim_end_matches('/'));
            match client::ask("GET", &url, &query::headers(source), "").await {
                Ok((200, body)) if body.trim() == "echo" => Ok("Data source is working"),
                Ok((status, body)) => Err(format!("status {status}: {}", body.lines().next().unwrap_or_default())),
                Err(error) => Err(error),
            }
        }
        _ => return message(404, "Plugin not found"),
    };
    match verdict {
        Ok(text) => Answer::json(200, &json!({"message": text, "status": "OK"})),
        Err(error) => {
            let status = if faults.on("datasource-lies") { 200 } else { 400 };
            Answer::json(status, &json!({"message": error, "status": "ERROR", "details": {}}))
        }
    }
}
