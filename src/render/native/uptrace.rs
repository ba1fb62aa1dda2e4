//! Uptrace 2: traces, metrics and logs by OTLP. Its program is not published with its source, so this follows what its
//! documentation and its makers' own deployments say.
//!
//! `$` is special anywhere in its file; no secret has one.

use super::clickhouse;
use super::exporters::go_memory;
use super::{Native, Prepare, RenderError, View, file, plain, postgresql, text};
use crate::model::component::ComponentName::{Clickhouse, Postgresql, Redis, Uptrace};
use crate::model::ids::EnvName;
use crate::model::probe::{Body, Probe};
use crate::model::quantity::{Span, Version};
use crate::render::yaml;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The project in Uptrace that everything of the report system belongs to.
pub const PROJECT: &str = "report";

/// What Uptrace needs in order to run.
pub fn native(view: &View<'_>) -> Result<Native, RenderError> {
    let folder = view.paths.config(Uptrace);
    let what = ["It holds secrets: nobody but its owner may read it."];
    let config = file(folder.join("uptrace.yml"), yaml::document(view.env.name.as_str(), &what, &config(view)?)?);
    let client = file(folder.join("clickhouse-client.xml"), client(view)?);
    let (program, config_path) = (view.program(Uptrace)?, text(&config.path)?);
    let argv = vec![program.clone(), format!("--config={config_path}"), "serve".to_owned()];
    let mut service = view.service(Uptrace, argv, std::slice::from_ref(&config))?;
    service.env = go_memory(view, Uptrace)?;
    service.stop_timeout = Span::seconds(30);
    let port = view.port(Uptrace, "http")?;
    let prepare = Prepare {
        commands: commands(view, &program, &config_path, &text(&client.path)?)?,
        env: go_memory(view, Uptrace)?,
        proof: view.paths.prepared(Uptrace).with_file_name(proof(view)?),
    };
    // It answers 200 and its page to whatever it does not know, so only what the answer says counts.
    let expect = Body::Contains("\"projects\":".to_owned());
    let address = format!("http://127.0.0.1:{port}");
    Ok(Native {
        folders: view.folders(Uptrace),
        files: vec![config, client],
        prepare: Some(prepare),
        service,
        ready: vec![Probe::Http { port, path: "/internal/v1/users/current".to_owned(), expect }],
        page: Some(format!("{address}/")),
        address,
    })
}

/// From 2.1 on, `serve` changes no database by itself.
fn migrates_apart(view: &View<'_>) -> Result<bool, RenderError> {
    let version = &view.active(Uptrace)?.program.version;
    Ok(Version::parse("2.1").is_ok_and(|first| version.at_least(&first)))
}

/// The name of the proof holds the version: another version must bring the databases to its own form first.
fn proof(view: &View<'_>) -> Result<String, RenderError> {
    Ok(format!("{Uptrace}-{}", view.active(Uptrace)?.program.version))
}

/// The preparation. Each command may run twice. ClickHouse's database must be there before anything else.
fn commands(view: &View<'_>, program: &str, config: &str, client: &str) -> Result<Vec<Vec<String>>, RenderError> {
    let create = format!("CREATE DATABASE IF NOT EXISTS {}", clickhouse::UPTRACE);
    let clickhouse = view.program(Clickhouse)?;
    let mut commands =
        vec![vec![clickhouse, "client".to_owned(), format!("--config-file={client}"), format!("--query={create}")]];
    if migrates_apart(view)? {
        let words =
            ["config validate", "pg wait", "pg init", "pg migrate", "ch wait", "ch init", "ch migrate", "db seed"];
        commands.extend(words.map(|words| {
            let flag = format!("--config={config}");
            [program.to_owned(), flag].into_iter().chain(words.split(' ').map(str::to_owned)).collect()
        }));
    }
    Ok(commands)
}

/// How ClickHouse's own client logs in, so that no password stands in arguments.
fn client(view: &View<'_>) -> Result<String, RenderError> {
    Ok(format!(
        "\
<!-- Made by reportctl for environment {}: how the preparation of Uptrace logs in to ClickHouse. -->
<config>
  <host>127.0.0.1</host>
  <port>{}</port>
  <user>{}</user>
  <password>{}</password>
</config>
",
        view.env.name,
        view.port(Clickhouse, "native")?,
        clickhouse::UPTRACE,
        plain(Clickhouse, clickhouse::UPTRACE)?,
    ))
}

/// `uptrace.yml`.
fn config(view: &View<'_>) -> Result<Value, RenderError> {
    let (http, grpc) = (view.port(Uptrace, "http")?, view.port(Uptrace, "grpc")?);
    let site = format!("http://127.0.0.1:{http}");
    let project = plain(Uptrace, "project-token")?;
    let mut config = json!({
        "service": { "env": "hosted", "secret": plain(Uptrace, "signing")? },
        "site": { "url": site, "ingest_url": format!("{site}?grpc={grpc}") },
        "listen": {
            "http": { "addr": format!("127.0.0.1:{http}") },
            "grpc": { "addr": format!("127.0.0.1:{grpc}") },
        },
        "auth": { "sign_up_disabled": true },
        "seed_data": seed(view, &project)?,
    });
    let stores = stores(view)?;
    if let (Value::Object(config), Value::Object(stores)) = (&mut config, stores) {
        config.extend(stores);
        // It looks for nothing in the internet.
        config.extend(BTreeMap::from([
            ("mailer".to_owned(), json!({ "smtp": { "enabled": false } })),
            ("sourcemaps".to_owned(), json!({ "disabled": true })),
            ("certmagic".to_owned(), json!({ "enabled": false })),
            (
                "self_monitoring".to_owned(),
                json!({ "disabled": false, "dsn": format!("http://{project}@127.0.0.1:{http}?grpc={grpc}") }),
            ),
            ("logging".to_owned(), json!({ "level": "INFO" })),
        ]));
    }
    Ok(config)
}

/// The address of the administrator's account in Uptrace.
pub fn admin_email(env: &EnvName) -> String {
    format!("admin@{env}.reportctl.local")
}

/// One person, one organisation, one project, and a token for each way in. What is not here is never deleted.
fn seed(view: &View<'_>, project_token: &str) -> Result<Value, RenderError> {
    let email = admin_email(&view.env.name);
    Ok(json!({
        "update": true,
        "delete": false,
        "users": [{ "key": "admin", "name": "Admin", "email": email, "password": plain(Uptrace, "admin")?, "email_confirmed": true }],
        "user_tokens": [{ "key": "admin_token", "user_key": "admin", "token": plain(Uptrace, "user-token")? }],
        "orgs": [{ "key": "org1", "name": "Reports" }],
        "org_users": [{ "key": "ou1", "org_key": "org1", "user_key": "admin", "role": "owner" }],
        "projects": [{ "key": "p1", "name": PROJECT, "org_key": "org1" }],
        "project_tokens": [{ "key": "pt1", "project_key": "p1", "token": project_token }],
        "project_users": [{ "key": "pu1", "project_key": "p1", "org_user_key": "ou1", "perm_level": "admin" }],
    }))
}

/// Where it keeps what it is told.
fn stores(view: &View<'_>) -> Result<Value, RenderError> {
    let replica = json!({
        "addr": view.listen(Clickhouse, "native")?,
        "database": clickhouse::UPTRACE,
        "user": clickhouse::UPTRACE,
        "password": plain(Clickhouse, clickhouse::UPTRACE)?,
        "dial_timeout": "3s",
        "write_timeout": "5s",
        "max_retries": 3,
        "max_execution_time": "15s",
    });
    Ok(json!({
        "ch_cluster": {
            "cluster": "uptrace1",
            "replicated": false,
            "distributed": false,
            "shards": [{ "replicas": [replica] }],
        },
        "ch_schema": { "compression": "ZSTD(1)" },
        "pg": {
            "addr": view.listen(Postgresql, "postgres")?,
            "user": postgresql::UPTRACE,
            "password": plain(Postgresql, postgresql::UPTRACE)?,
            "database": postgresql::UPTRACE,
        },
        "redis_cache": {
            "addrs": { "alpha": view.listen(Redis, "redis")? },
            "username": "uptrace",
            "password": plain(Redis, "uptrace")?,
            "db": 1,
        },
    }))
}
