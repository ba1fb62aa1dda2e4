//! What the environment says about telemetry. The names are those of OpenTelemetry's specification; the exporters read
//! the rest of them (timeouts, batch sizes, samplers, resource attributes) themselves.

#![allow(clippy::disallowed_methods, reason = "this is where the environment is read")]

use std::collections::HashMap;

/// Names a file that holds what `OTEL_EXPORTER_OTLP_HEADERS` would: such a header is mostly a secret, and the environment
/// of a process can be seen by others.
const HEADERS_FILE: &str = "OTEL_EXPORTER_OTLP_HEADERS_FILE";

/// One sort of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Logs,
    Metrics,
}

impl Signal {
    /// As it is written in the names of variables.
    const fn upper(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Logs => "LOGS",
            Self::Metrics => "METRICS",
        }
    }

    /// As it is told to people.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }
}

/// What is exported, and what must never be told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) traces: bool,
    pub(crate) logs: bool,
    pub(crate) metrics: bool,
    /// The environment names the service itself.
    pub(crate) named: bool,
    /// What tells lines that are worth logging from others, in the form of `RUST_LOG`.
    pub(crate) filter: String,
    /// What is sent along with everything: the headers from a file. Those of the variables are read by the exporters.
    pub(crate) headers: HashMap<String, String>,
    /// Values of headers, and users and passwords in addresses.
    pub(crate) secrets: Vec<String>,
    /// What is wrong with the variables, for people.
    pub(crate) complaints: Vec<String>,
}

/// The settings of this process.
pub(crate) fn of_process() -> Settings {
    let mut settings = read(|name| std::env::var(name).ok());
    if let Some(path) = std::env::var(HEADERS_FILE).ok().filter(|path| !path.is_empty()) {
        match std::fs::read_to_string(&path) {
            Ok(text) => settings.add_headers(&text),
            Err(error) => settings.complaints.push(format!("{HEADERS_FILE}: {path} cannot be read: {error}")),
        }
    }
    settings
}

impl Settings {
    /// Adds headers that are written as `name=value,name=value`.
    fn add_headers(&mut self, text: &str) {
        for (name, value) in text.trim().split(',').filter_map(|pair| pair.split_once('=')) {
            let value = value.trim().to_owned();
            self.secrets.extend(user_of(&value));
            self.secrets.push(value.clone());
            self.headers.insert(name.trim().to_owned(), value);
        }
        self.secrets = sorted(std::mem::take(&mut self.secrets));
    }
}

fn read(variable: impl Fn(&str) -> Option<String>) -> Settings {
    // The specification: an empty variable is one that is not set.
    let get = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let mut complaints = Vec::new();
    let enabled = !get("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let mut wanted = |signal| enabled && exports(signal, &get, &mut complaints);
    let (traces, logs, metrics) = (wanted(Signal::Traces), wanted(Signal::Logs), wanted(Signal::Metrics));
    let in_attributes = |all: String| {
        all.split(',').any(|pair| pair.split_once('=').is_some_and(|(key, _)| key.trim() == "service.name"))
    };
    Settings {
        traces,
        logs,
        metrics,
        named: get("OTEL_SERVICE_NAME").is_some() || get("OTEL_RESOURCE_ATTRIBUTES").is_some_and(in_attributes),
        filter: get("RUST_LOG").unwrap_or_else(|| "info".to_owned()),
        headers: HashMap::new(),
        secrets: secrets(&get),
        complaints,
    }
}

fn exports(signal: Signal, get: &impl Fn(&str) -> Option<String>, complaints: &mut Vec<String>) -> bool {
    let own = |rest: &str| format!("OTEL_EXPORTER_OTLP_{}_{rest}", signal.upper());
    if get(&own("ENDPOINT")).or_else(|| get("OTEL_EXPORTER_OTLP_ENDPOINT")).is_none() {
        return false;
    }
    let exporter = format!("OTEL_{}_EXPORTER", signal.upper());
    match get(&exporter).as_deref() {
        None | Some("otlp") => {}
        Some("none") => return false,
        Some(_) => {
            complaints.push(format!("{exporter} is neither `otlp` nor `none`: no {} are sent", signal.as_str()));
            return false;
        }
    }
    let protocol = get(&own("PROTOCOL")).or_else(|| get("OTEL_EXPORTER_OTLP_PROTOCOL"));
    if protocol.is_some_and(|protocol| protocol != "http/protobuf") {
        complaints.push(format!(
            "OTLP is spoken as http/protobuf only, so {} are sent that way: see that the endpoint is the receiver's HTTP \
             port (mostly 4318, Uptrace's is 14318)",
            signal.as_str()
        ));
    }
    true
}

fn secrets(get: &impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut secrets = Vec::new();
    for scope in ["", "TRACES_", "LOGS_", "METRICS_"] {
        let headers = get(&format!("OTEL_EXPORTER_OTLP_{scope}HEADERS")).unwrap_or_default();
        for (_, value) in headers.split(',').filter_map(|pair| pair.split_once('=')) {
            secrets.push(value.trim().to_owned());
            secrets.extend(user_of(value));
        }
        secrets.extend(get(&format!("OTEL_EXPORTER_OTLP_{scope}ENDPOINT")).as_deref().and_then(user_of));
    }
    sorted(secrets)
}

/// Long ones first, so that a part of one does not leave the rest of it readable.
fn sorted(mut secrets: Vec<String>) -> Vec<String> {
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    secrets.retain(|secret| secret.len() >= 4);
    secrets
}

/// What stands before the `@` of an address: Uptrace's DSN has its token there.
fn user_of(address: &str) -> Option<String> {
    let (_, rest) = address.split_once("://")?;
    let (user, _) = rest.split(['/', '?']).next()?.rsplit_once('@')?;
    Some(user.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(variables: &[(&str, &str)]) -> Settings {
        read(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_is_sent_without_a_receiver() {
        let settings = read_from(&[("OTEL_TRACES_SAMPLER", "always_on"), ("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]);
        assert_eq!(settings, Settings { filter: "info".to_owned(), ..Settings::default() });
    }

    #[test]
    fn one_endpoint_switches_all_three_on_and_its_own_switches_one() {
        let all = read_from(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318")]);
        assert!(all.traces && all.logs && all.metrics);
        let one = read_from(&[("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://h:4318/v1/logs")]);
        assert!(!one.traces && one.logs && !one.metrics);
        let off = read_from(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318"), ("OTEL_SDK_DISABLED", "TRUE")]);
        assert!(!off.traces && !off.logs && !off.metrics);
        let some = read_from(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4318"), ("OTEL_METRICS_EXPORTER", "none")]);
        assert!(some.traces && some.logs && !some.metrics && some.complaints.is_empty());
    }

    #[test]
    fn what_is_not_spoken_is_said() {
        let settings = read_from(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
        ]);
        assert!(!settings.traces && settings.logs);
        assert_eq!(settings.complaints.len(), 3, "{:?}", settings.complaints);
        assert!(settings.complaints[0].contains("OTEL_TRACES_EXPORTER"));
        assert!(settings.complaints[1].contains("http/protobuf"));
    }

    #[test]
    fn a_dsn_and_its_token_are_secrets() {
        let settings = read_from(&[
            ("OTEL_EXPORTER_OTLP_HEADERS", "uptrace-dsn=http://t0ken@h:14318?grpc=14317, x=y"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:pass@h/otlp"),
        ]);
        assert_eq!(settings.secrets, ["http://t0ken@h:14318?grpc=14317", "me:pass", "t0ken"]);
    }

    #[test]
    fn the_environment_may_name_the_service() {
        assert!(read_from(&[("OTEL_SERVICE_NAME", "mine")]).named);
        assert!(read_from(&[("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name=mine")]).named);
        assert!(!read_from(&[("OTEL_RESOURCE_ATTRIBUTES", "service.namespace=mine")]).named);
    }

    #[test]
    fn headers_of_a_file_are_sent_and_never_told() {
        let mut settings = Settings::default();
        settings.add_headers("uptrace-dsn=http://project-token@127.0.0.1:14318?grpc=14317, x-other = abcd\n");
        assert_eq!(settings.headers["uptrace-dsn"], "http://project-token@127.0.0.1:14318?grpc=14317");
        assert_eq!(settings.headers["x-other"], "abcd");
        assert!(settings.secrets.iter().any(|secret| secret == "project-token"), "{:?}", settings.secrets);
        assert_eq!(settings.secrets[0], settings.headers["uptrace-dsn"], "the longest one is masked first");
    }
}
