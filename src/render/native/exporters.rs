//! The exporters: what turns Redis's and this host's figures into series for Prometheus.

use super::{Native, RenderError, View, file, folder, plain, text};
use crate::model::component::ComponentName::{self, NodeExporter, Redis, RedisExporter};
use crate::model::probe::{Body, Probe};
use std::collections::BTreeMap;

/// The parts of the node exporter that are read by a rule or a panel, and those that explain a fault. All others are
/// off: some need root, some take long.
const COLLECTORS: [&str; 13] = [
    "cpu",
    "diskstats",
    "filefd",
    "filesystem",
    "loadavg",
    "meminfo",
    "netdev",
    "pressure",
    "stat",
    "textfile",
    "time",
    "uname",
    "vmstat",
];

/// What the Redis exporter needs in order to run.
///
/// Its flags have one dash. The password file is a JSON object from the server's address to the password; an address that
/// is not in it means *no password*, without a word. Releases before 1.46 look the address up as it was given, later ones
/// with the user in it: so both stand there.
pub fn redis(view: &View<'_>) -> Result<Native, RenderError> {
    let (listen, server) = (view.listen(RedisExporter, "http")?, view.listen(Redis, "redis")?);
    let password = plain(Redis, "metrics")?;
    let passwords = file(
        view.paths.config(RedisExporter).join("passwords.json"),
        format!("{{\n  \"redis://{server}\": \"{password}\",\n  \"redis://metrics@{server}\": \"{password}\"\n}}\n"),
    );
    let argv = vec![
        view.program(RedisExporter)?,
        format!("-web.listen-address={listen}"),
        format!("-redis.addr=redis://{server}"),
        "-redis.user=metrics".to_owned(),
        format!("-redis.password-file={}", text(&passwords.path)?),
        "-connection-timeout=5s".to_owned(),
    ];
    exporter(view, RedisExporter, argv, vec![passwords], "redis_up 1\n")
}

/// What the node exporter needs in order to run.
pub fn node(view: &View<'_>) -> Result<Native, RenderError> {
    let textfile = view.textfile();
    let mut argv = vec![
        view.program(NodeExporter)?,
        format!("--web.listen-address={}", view.listen(NodeExporter, "http")?),
        format!("--collector.textfile.directory={}", text(&textfile)?),
        "--collector.disable-defaults".to_owned(),
    ];
    argv.extend(COLLECTORS.iter().map(|name| format!("--collector.{name}")));
    let mut native = exporter(view, NodeExporter, argv, Vec::new(), "node_textfile_scrape_error 0\n")?;
    native.folders.push(folder(textfile));
    Ok(native)
}

/// An exporter that is ready when its figures contain `expect`.
fn exporter(
    view: &View<'_>,
    name: ComponentName,
    argv: Vec<String>,
    files: Vec<crate::model::file::RenderedFile>,
    expect: &str,
) -> Result<Native, RenderError> {
    let port = view.port(name, "http")?;
    let mut service = view.service(name, argv, &files)?;
    service.env = go_memory(view, name)?;
    Ok(Native {
        folders: view.folders(name),
        files,
        prepare: None,
        service,
        ready: vec![Probe::Http { port, path: "/metrics".to_owned(), expect: Body::Contains(expect.to_owned()) }],
        address: format!("http://127.0.0.1:{port}"),
        page: None,
    })
}

/// The soft limit of a Go program: its collector works harder when the memory comes near to it.
pub fn go_memory(view: &View<'_>, name: ComponentName) -> Result<BTreeMap<String, String>, RenderError> {
    Ok(BTreeMap::from([("GOMEMLIMIT".to_owned(), view.active(name)?.component.memory.to_string())]))
}
