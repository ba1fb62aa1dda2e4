//! `grafana.ini`, the `GF_…` variables and `cfg:` arguments.

use crate::{read_configuration, variable};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is known: a section and its keys. `:b` is true or false, `:i` a whole number.
const KNOWN: &[(&str, &str)] = &[
    ("", "app_mode instance_name force_migration:b"),
    ("paths", "data temp_data_lifetime logs plugins provisioning"),
    (
        "server",
        "protocol http_addr http_port:i domain enforce_domain:b root_url serve_from_sub_path:b router_logging:b \
         static_root_path enable_gzip:b read_timeout",
    ),
    ("database", "type host name user password path wal:b log_queries:b max_open_conn:i max_idle_conn:i"),
    ("remote_cache", "type connstr"),
    ("dataproxy", "logging:b timeout:i dialTimeout:i keep_alive_seconds:i"),
    (
        "analytics",
        "enabled:b reporting_enabled:b check_for_updates:b check_for_plugin_updates:b feedback_links_enabled:b",
    ),
    (
        "security",
        "admin_user admin_password admin_email secret_key disable_gravatar:b disable_initial_admin_creation:b \
         disable_brute_force_login_protection:b brute_force_login_protection_max_attempts:i cookie_secure:b \
         cookie_samesite allow_embedding:b strict_transport_security:b content_security_policy:b \
         x_content_type_options:b data_source_proxy_whitelist",
    ),
    (
        "users",
        "allow_sign_up:b allow_org_create:b auto_assign_org:b auto_assign_org_role default_theme home_page \
         viewers_can_edit:b hidden_users",
    ),
    ("auth", "disable_login_form:b disable_signout_menu:b login_cookie_name login_maximum_lifetime_duration"),
    ("auth.anonymous", "enabled:b org_name org_role hide_version:b"),
    ("auth.basic", "enabled:b password_policy:b"),
    ("log", "mode level filters user_facing_default_error"),
    ("log.console", "level format"),
    ("log.file", "level format log_rotate:b max_lines:i max_size_shift:i daily_rotate:b max_days:i"),
    ("metrics", "enabled:b interval_seconds:i disable_total_stats:b basic_auth_username basic_auth_password"),
    ("unified_alerting", "enabled:b execute_alerts:b"),
    ("alerting", "enabled:b"),
    ("annotations", "cleanupjob_batchsize:i"),
    ("snapshots", "enabled:b external_enabled:b public_mode:b"),
    ("dashboards", "versions_to_keep:i min_refresh_interval default_home_dashboard_path"),
    ("explore", "enabled:b"),
    ("help", "enabled:b"),
    ("profile", "enabled:b"),
    ("news", "news_feed_enabled:b"),
    ("query_history", "enabled:b"),
    (
        "plugins",
        "enable_alpha:b plugin_admin_enabled:b plugin_admin_external_manage_enabled:b preinstall preinstall_async:b \
         preinstall_disabled:b public_key_retrieval_disabled:b plugin_catalog_url disable_plugins",
    ),
    ("public_dashboards", "enabled:b"),
    ("live", "max_connections:i ha_engine"),
    ("grafana_com", "url api_url"),
    ("smtp", "enabled:b host user password from_address from_name skip_verify:b"),
    ("quota", "enabled:b"),
    ("feature_toggles", "enable provisioning kubernetesDashboards:b dashboardNewLayouts:b"),
];

/// What the server goes by.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) data: PathBuf,
    pub(super) provisioning: PathBuf,
    pub(super) http_addr: String,
    pub(super) http_port: u16,
    pub(super) admin_user: String,
    pub(super) admin_password: String,
    pub(super) anonymous: bool,
    /// Whether five wrong passwords lock a user out.
    pub(super) lock_out: bool,
    pub(super) metrics: bool,
}

type Values = BTreeMap<(String, String), String>;

impl Settings {
    /// Reads them.
    ///
    /// Errors: a file that cannot be read, a line that is none, a section or key that is not known, a wrong type.
    pub(super) fn read(home: &Path, config: Option<&Path>, overrides: &[String]) -> Result<Self, String> {
        let mut values = match config {
            Some(path) => parse(&read_configuration(path)?).map_err(|error| format!("{}:{error}", path.display()))?,
            None => Values::new(),
        };
        unknown_variables()?;
        for (section, key) in known() {
            from_environment(&section, &key, &mut values)?;
        }
        for word in overrides {
            let (name, value) = word
                .strip_prefix("cfg:")
                .and_then(|word| word.split_once('='))
                .ok_or_else(|| format!("argument `{word}` is not understood"))?;
            let name = name.strip_prefix("default.").unwrap_or(name);
            let (section, key) = name.rsplit_once('.').ok_or_else(|| format!("`{name}` is not SECTION.KEY"))?;
            values.insert((section.to_owned(), key.to_owned()), value.to_owned());
        }
        for ((section, key), value) in &mut values {
            *value = expand(value)?;
            check(section, key, value)?;
        }
        Self::from_values(home, &values)
    }

    fn from_values(home: &Path, values: &Values) -> Result<Self, String> {
        let get = |section: &str, key: &str, default: &str| {
            let value = values.get(&(section.to_owned(), key.to_owned()));
            value.cloned().unwrap_or_else(|| default.to_owned())
        };
        if get("server", "protocol", "http") != "http" {
            return Err("server.protocol: the fake speaks http only".to_owned());
        }
        let port = get("server", "http_port", "3000");
        Ok(Self {
            data: home.join(get("paths", "data", "data")),
            provisioning: home.join(get("paths", "provisioning", "conf/provisioning")),
            http_addr: get("server", "http_addr", ""),
            http_port: port.parse().map_err(|_| format!("server.http_port: `{port}` is no port"))?,
            admin_user: get("security", "admin_user", "admin"),
            admin_password: get("security", "admin_password", "admin"),
            anonymous: get("auth.anonymous", "enabled", "false") == "true",
            lock_out: get("security", "disable_brute_force_login_protection", "false") != "true",
            metrics: get("metrics", "enabled", "true") == "true",
        })
    }
}

/// Every known section and key.
fn known() -> impl Iterator<Item = (String, String)> {
    KNOWN.iter().flat_map(|(section, keys)| {
        let names = keys.split_whitespace().map(|key| key.split(':').next().unwrap_or(key));
        names.map(|key| ((*section).to_owned(), key.to_owned()))
    })
}

fn check(section: &str, key: &str, value: &str) -> Result<(), String> {
    let keys = KNOWN
        .iter()
        .find(|(known, _)| *known == section)
        .ok_or_else(|| format!("section [{section}] is unknown (the real one ignores it silently)"))?
        .1;
    let kind = keys
        .split_whitespace()
        .find_map(|word| {
            let (name, kind) = word.split_once(':').unwrap_or((word, ""));
            (name == key).then_some(kind)
        })
        .ok_or_else(|| format!("key {key} of section [{section}] is unknown (the real one ignores it silently)"))?;
    match kind {
        "b" if !["true", "false"].contains(&value) => Err(format!("{section}.{key}: `{value}` is not true or false")),
        "i" if value.parse::<i64>().is_err() => Err(format!("{section}.{key}: `{value}` is no whole number")),
        _ => Ok(()),
    }
}

/// The name of the variable that overrides a key.
fn name_of(section: &str, key: &str) -> String {
    let section = if section.is_empty() { "default" } else { section };
    format!("GF_{section}_{key}").replace(['.', '-'], "_").to_uppercase()
}

/// Refuses variables that look like settings and are none. The real one ignores them silently.
fn unknown_variables() -> Result<(), String> {
    let names: Vec<String> = known().map(|(section, key)| name_of(&section, &key)).collect();
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let plain = name.strip_suffix("__FILE").unwrap_or(&name);
        if name.starts_with("GF_") && !names.iter().any(|known| known == plain) {
            return Err(format!("variable {name} is no setting (the real one ignores it silently)"));
        }
    }
    Ok(())
}

/// Takes what a variable such as `GF_SERVER_HTTP_PORT` says.
fn from_environment(section: &str, key: &str, values: &mut Values) -> Result<(), String> {
    let name = name_of(section, key);
    let mut value = variable(&name);
    if let Some(path) = variable(&format!("{name}__FILE")) {
        if variable("FAKE_GRAFANA_IMAGE").as_deref() != Some("1") {
            return Err(format!(
                "{name}__FILE is read by the start script of Grafana's container image alone, the program ignores it: \
                 write `{key} = $__file{{{path}}}` below [{section}] in grafana.ini"
            ));
        }
        if value.is_some() {
            return Err(format!("ERROR: Both {name} and {name}__FILE are set (but are exclusive)"));
        }
        value = Some(std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?.trim_end().to_owned());
    }
    if let Some(value) = value {
        values.insert((section.to_owned(), key.to_owned()), value);
    }
    Ok(())
}

/// `$__file{…}`, `$__env{…}` and `${…}`.
pub(super) fn expand(value: &str) -> Result<String, String> {
    let mut out = value.to_owned();
    for (open, file) in [("$__file{", true), ("$__env{", false), ("${", false)] {
        while let Some(start) = out.find(open) {
            let inner = start + open.len();
            let end = out[inner..].find('}').ok_or_else(|| format!("`{open}` has no end"))? + inner;
            let name = out[inner..end].to_owned();
            let text = if file {
                std::fs::read_to_string(&name).map_err(|error| format!("{name}: {error}"))?.trim().to_owned()
            } else {
                variable(&name).ok_or_else(|| format!("variable {name} is not set"))?
            };
            if text.contains("${") || text.contains("$__") {
                return Err(format!("the value of {name} would be expanded again"));
            }
            out.replace_range(start..=end, &text);
        }
    }
    Ok(out)
}

/// The lines. As the real parser does, an unquoted value ends at the first `#` or `;`.
fn parse(text: &str) -> Result<Values, String> {
    let mut values = Values::new();
    let mut section = String::new();
    for (index, line) in text.lines().enumerate() {
        let (number, line) = (index + 1, line.trim());
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            section = name.strip_suffix(']').ok_or_else(|| format!("{number}: unclosed section"))?.trim().to_owned();
            if !KNOWN.iter().any(|(known, _)| *known == section) {
                return Err(format!("{number}: section [{section}] is unknown (the real one ignores it silently)"));
            }
            continue;
        }
        let (key, value) =
            line.split_once('=').ok_or_else(|| format!("{number}: key-value delimiter not found: {line}"))?;
        let (key, value) = (key.trim().to_owned(), unquote(value.trim()));
        check(&section, &key, "")
            .or_else(|error| if error.contains("unknown") { Err(error) } else { Ok(()) })
            .map_err(|error| format!("{number}: {error}"))?;
        if values.insert((section.clone(), key.clone()), value).is_some() {
            return Err(format!("{number}: {key} is written twice (the real one takes the last)"));
        }
    }
    Ok(values)
}

fn unquote(value: &str) -> String {
    for quote in ["\"\"\"", "\"", "`", "'"] {
        let inner = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
        if let Some((inner, _)) = inner {
            return inner.to_owned();
        }
    }
    value.split(['#', ';']).next().unwrap_or_default().trim().to_owned()
}
