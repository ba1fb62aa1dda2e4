//! The server's configuration and its users.

use super::known::{LOGGER, NUMBERS, OTHERS, SETTINGS, TABLES};
use super::xml::{self, Node};
use crate::read_configuration;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// What the server goes by.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) listen: Vec<String>,
    pub(super) http: Option<u16>,
    pub(super) native: Option<u16>,
    /// Port and path.
    pub(super) metrics: Option<(u16, String)>,
    pub(super) path: PathBuf,
    pub(super) default_database: String,
    pub(super) users: BTreeMap<String, User>,
    /// Queries that run at each start.
    pub(super) startup: Vec<String>,
}

/// A user.
#[derive(Debug)]
pub(super) struct User {
    /// SHA-256 in hexadecimal; nothing where there is no password.
    password: Option<String>,
    /// Addresses and lengths of prefixes; nothing where every address may.
    networks: Option<Vec<(IpAddr, u8)>>,
    pub(super) database: Option<String>,
    /// The databases that it may create; nothing where it may do everything.
    own: Option<Vec<String>>,
}

/// How the client logs in.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) host: String,
    pub(super) port: String,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) database: String,
}

impl Login {
    /// Reads the client's configuration, if there is one.
    ///
    /// Errors: it cannot be read, or has elements that are not known.
    pub(super) fn read(file: Option<&Path>) -> Result<Self, String> {
        let root = match file {
            Some(file) => {
                let at = |error: String| format!("{}: {error}", file.display());
                let root = xml::parse(&read_configuration(file)?).map_err(at)?;
                root.only(&["host", "port", "user", "password", "database", "secure"], &[]).map_err(at)?;
                root
            }
            None => Node::default(),
        };
        let or = |name: &str, default: &str| root.text_of(name).unwrap_or(default).to_owned();
        Ok(Self {
            host: or("host", "localhost"),
            port: or("port", "9000"),
            user: or("user", "default"),
            password: or("password", ""),
            database: or("database", ""),
        })
    }
}

impl User {
    /// Whether this is the password.
    pub(super) fn accepts(&self, password: &str) -> bool {
        self.password.as_ref().is_none_or(|hash| *hash == sha256(password))
    }

    /// Whether the user may create that database.
    pub(super) fn may_create(&self, database: &str) -> bool {
        self.own.as_ref().is_none_or(|own| own.iter().any(|name| name == database || name == "*"))
    }

    /// Whether the user may come from there.
    pub(super) fn allows(&self, peer: &str) -> bool {
        let Some(networks) = &self.networks else { return true };
        let Ok(peer) = peer.parse::<IpAddr>() else { return false };
        networks.iter().any(|(network, length)| inside(peer, *network, *length))
    }
}

impl Config {
    /// Reads the file.
    ///
    /// Errors: what the real one refuses, and elements that are not known.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let folder = file.parent().unwrap_or(Path::new("."));
        let own = file.with_extension("d");
        for merged in [own, folder.join("conf.d")] {
            if merged.is_dir() {
                return Err(format!("the fake merges no folders, the real one would: {}", merged.display()));
            }
        }
        let root = root(file)?;
        top_level(&root)?;
        pool(&root)?;
        let users = users_of(&root, file)?;
        let mut listen: Vec<String> =
            root.children.iter().filter(|node| node.name == "listen_host").map(|node| node.text.clone()).collect();
        if listen.is_empty() {
            listen = vec!["127.0.0.1".to_owned()];
        }
        if let Some(host) = listen.iter().find(|host| host.parse::<IpAddr>().is_err()) {
            return Err(format!("listen_host `{host}` is no address"));
        }
        Ok(Self {
            listen,
            http: root.number_of("http_port")?,
            native: root.number_of("tcp_port")?,
            metrics: metrics(&root)?,
            path: PathBuf::from(root.text_of("path").unwrap_or("/var/lib/clickhouse/")),
            default_database: root.text_of("default_database").unwrap_or("default").to_owned(),
            users: read_users(&users)?,
            startup: startup(&root)?,
        })
    }
}

fn root(file: &Path) -> Result<Node, String> {
    let root = xml::parse(&read_configuration(file)?)?;
    match root.name.as_str() {
        "clickhouse" | "yandex" => Ok(root),
        other => Err(format!("Root element doesn't have the corresponding root element as the config file: <{other}>")),
    }
}

fn top_level(root: &Node) -> Result<(), String> {
    if let Some(node) = root.children.iter().find(|node| SETTINGS.contains(&node.name.as_str())) {
        return Err(format!(
            "Code: 137. DB::Exception: A setting '{}' appeared at top level in config. But it is user-level setting that \
             should be located in users.xml inside <profiles> section for specific profile. \
             (UNKNOWN_ELEMENT_IN_CONFIG)",
            node.name
        ));
    }
    let known: Vec<&str> = NUMBERS.iter().chain(OTHERS).copied().collect();
    root.only(&known, &["listen_host"])?;
    for name in NUMBERS {
        root.number_of::<u64>(name)?;
    }
    if let Some(logger) = root.child("logger") {
        logger.only(LOGGER, &[])?;
    }
    for name in ["max_server_memory_usage_to_ram_ratio", "cache_size_to_ram_max_ratio"] {
        root.number_of::<f64>(name)?;
    }
    for node in root.children.iter().filter(|node| node.name.ends_with("_log")) {
        node.only(TABLES, &[])?;
    }
    Ok(())
}

/// The real server refuses a pool that is smaller than what its tables wait for.
fn pool(root: &Node) -> Result<(), String> {
    let size = root.number_of::<u64>("background_pool_size")?.unwrap_or(16);
    let ratio = root.number_of::<u64>("background_merges_mutations_concurrency_ratio")?.unwrap_or(2);
    let empty = Node::default();
    let tables = root.child("merge_tree").unwrap_or(&empty);
    for (name, default) in [
        ("number_of_free_entries_in_pool_to_execute_mutation", 20),
        ("number_of_free_entries_in_pool_to_lower_max_size_of_merge", 8),
        ("number_of_free_entries_in_pool_to_execute_optimize_entire_partition", 25),
    ] {
        let wanted = tables.number_of::<u64>(name)?.unwrap_or(default);
        if wanted > size * ratio {
            return Err(format!(
                "Code: 36. DB::Exception: The value of '{name}' setting ({wanted}) (default values are defined in \
                 <merge_tree> section of config.xml) is greater than the value of \
                 'background_pool_size'*'background_merges_mutations_concurrency_ratio' ({}). (BAD_ARGUMENTS)",
                size * ratio
            ));
        }
    }
    Ok(())
}

fn metrics(root: &Node) -> Result<Option<(u16, String)>, String> {
    let Some(node) = root.child("prometheus") else { return Ok(None) };
    node.only(&["endpoint", "port", "metrics", "events", "asynchronous_metrics", "errors", "histograms"], &[])?;
    for name in ["metrics", "events", "asynchronous_metrics", "errors", "histograms"] {
        if node.text_of(name).is_some_and(|text| !["true", "false", "0", "1"].contains(&text)) {
            return Err(format!("prometheus.{name} is not true or false"));
        }
    }
    let path = node.text_of("endpoint").unwrap_or("/metrics").to_owned();
    Ok(node.number_of("port")?.map(|port| (port, path)))
}

fn startup(root: &Node) -> Result<Vec<String>, String> {
    let Some(node) = root.child("startup_scripts") else { return Ok(Vec::new()) };
    node.only(&["throw_on_error"], &["scripts"])?;
    let mut queries = Vec::new();
    for script in node.children.iter().filter(|child| child.name == "scripts") {
        script.only(&["query"], &[])?;
        queries.push(script.text_of("query").ok_or("startup_scripts.scripts has no query")?.to_owned());
    }
    Ok(queries)
}

/// The tree with the users: a file of its own, or the main one.
fn users_of(main: &Node, file: &Path) -> Result<Node, String> {
    let named = match main.child("user_directories") {
        Some(node) => {
            node.only(&["users_xml", "local_directory"], &[])?;
            let path = node.child("users_xml").and_then(|users| users.text_of("path"));
            Some(path.ok_or("user_directories has no users_xml.path")?)
        }
        None => main.text_of("users_config"),
    };
    let Some(path) = named.map(|path| file.parent().unwrap_or(Path::new(".")).join(path)) else {
        return Ok(main.clone());
    };
    if path == file {
        return Ok(main.clone());
    }
    let users = root(&path)?;
    users.only(&["users", "profiles", "quotas"], &[])?;
    Ok(users)
}

fn read_users(root: &Node) -> Result<BTreeMap<String, User>, String> {
    let empty = Node::default();
    let profiles = root.child("profiles").unwrap_or(&empty);
    let quotas = root.child("quotas").unwrap_or(&empty);
    if profiles.child("default").is_none() {
        return Err("Code: 180. DB::Exception: There is no profile 'default' (THERE_IS_NO_PROFILE)".to_owned());
    }
    for profile in &profiles.children {
        for setting in profile.children.iter().filter(|setting| setting.name != "constraints") {
            if !SETTINGS.contains(&setting.name.as_str()) && setting.name != "profile" {
                return Err(format!(
                    "Code: 115. DB::Exception: Unknown setting '{}' in profile {}",
                    setting.name, profile.name
                ));
            }
        }
    }
    let users = root.child("users").ok_or("there are no users")?;
    let mut found = BTreeMap::new();
    for node in users.children.iter().filter(|node| !node.removed) {
        let user = read_user(node, profiles, quotas).map_err(|error| format!("user {}: {error}", node.name))?;
        if found.insert(node.name.clone(), user).is_some() {
            return Err(format!("user {} is there twice", node.name));
        }
    }
    Ok(found)
}

fn read_user(node: &Node, profiles: &Node, quotas: &Node) -> Result<User, String> {
    let known = [
        "password",
        "password_sha256_hex",
        "no_password",
        "networks",
        "profile",
        "quota",
        "access_management",
        "named_collection_control",
        "grants",
        "default_database",
        "allow_databases",
        "settings",
    ];
    node.only(&known, &[])?;
    let ways = ["password", "password_sha256_hex", "no_password"];
    if ways.iter().filter(|way| node.child(way).is_some()).count() != 1 {
        return Err(
            "Code: 36. DB::Exception: exactly one of 'password', 'password_sha256_hex', 'no_password' must be \
            specified. (BAD_ARGUMENTS)"
                .to_owned(),
        );
    }
    let password = match (node.text_of("password"), node.text_of("password_sha256_hex")) {
        (Some(plain), _) => Some(sha256(plain)),
        (_, Some(hash)) if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Some(hash.to_ascii_lowercase())
        }
        (_, Some(_)) => return Err("password_sha256_hex is not 64 hexadecimal digits".to_owned()),
        (None, None) => None,
    };
    for (name, among) in [("profile", profiles), ("quota", quotas)] {
        if node.text_of(name).is_some_and(|wanted| among.child(wanted).is_none()) {
            return Err(format!("its {name} does not exist"));
        }
    }
    let networks = match node.child("networks") {
        Some(networks) => {
            networks.only(&[], &["ip"])?;
            Some(networks.children.iter().map(|ip| network(&ip.text)).collect::<Result<Vec<_>, _>>()?)
        }
        None => None,
    };
    Ok(User { password, networks, own: own(node)?, database: node.text_of("default_database").map(str::to_owned) })
}

/// The databases that `GRANT ALL` or `GRANT CREATE DATABASE` names. Who has no grants may do everything.
fn own(user: &Node) -> Result<Option<Vec<String>>, String> {
    let Some(grants) = user.child("grants") else { return Ok(None) };
    grants.only(&[], &["query"])?;
    let mut own = Vec::new();
    for query in &grants.children {
        let rest = query.text.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON "));
        let (what, place) = rest.ok_or_else(|| format!("`{}` is no GRANT … ON …", query.text))?;
        let (database, _) = place.split_once('.').ok_or_else(|| format!("`{place}` is not DATABASE.TABLE"))?;
        if what.split(',').any(|what| ["ALL", "CREATE DATABASE"].contains(&what.trim())) {
            own.push(database.to_owned());
        }
    }
    Ok(Some(own))
}

fn network(text: &str) -> Result<(IpAddr, u8), String> {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().map_err(|_| format!("`{text}` is no network"))?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let length =
        if length.is_empty() { whole } else { length.parse().map_err(|_| format!("`{text}` is no network"))? };
    if length > whole { Err(format!("`{text}` is no network")) } else { Ok((address, length)) }
}

fn inside(peer: IpAddr, network: IpAddr, length: u8) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((peer, peer_size), (network, size)) = (bits(peer), bits(network));
    // `::/0` is how ClickHouse writes every address, also those of version 4.
    (length == 0 && size == 128)
        || peer_size == size && (length == 0 || (peer ^ network) >> (128 - u32::from(length)) == 0)
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        let check = |peer: &str, text: &str| {
            let (network, length) = network(text).unwrap();
            inside(peer.parse().unwrap(), network, length)
        };
        assert!(check("127.0.0.1", "127.0.0.1") && check("127.9.9.9", "127.0.0.0/8") && check("10.0.0.1", "::/0"));
        assert!(check("::1", "::1") && check("1.2.3.4", "0.0.0.0/0"));
        assert!(!check("10.0.0.1", "127.0.0.0/8") && !check("127.0.0.1", "::1") && !check("::1", "0.0.0.0/0"));
        assert!(network("localhost").is_err() && network("1.2.3.4/33").is_err());
    }
}
