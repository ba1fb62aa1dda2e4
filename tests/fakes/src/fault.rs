//! Faults: what a fake does wrong on purpose, so that a check can be seen to fail.

use crate::{Refusal, variable};
use std::path::PathBuf;

/// Every fault: the program, the name, and what goes wrong.
pub const FAULTS: &[(&str, &str, &str)] = &[
    ("grafana", "hang", "requests are taken and never answered"),
    ("grafana", "broken", "every request is answered with status 500"),
    ("grafana", "html", "every request is answered with status 200 and a page of HTML"),
    ("grafana", "health-text", "/api/health is the plain text `Ok`"),
    ("grafana", "health-other", "/api/health is the JSON of another program"),
    ("grafana", "database-failing", "/api/health: status 503, database `failing`"),
    ("grafana", "database-lies", "/api/health: status 200, database `failing`"),
    ("grafana", "datasource-missing", "no data source is found"),
    ("grafana", "datasource-url", "data sources have another URL than the file says, and use it"),
    ("grafana", "datasource-error", "the health of every data source is `ERROR`, status 400"),
    ("grafana", "datasource-lies", "the health of every data source is `ERROR`, status 200"),
    ("grafana", "query-error", "queries are answered with status 200 and an error inside"),
    ("grafana", "frames-missing", "queries give no frame"),
    ("grafana", "frames-empty", "queries give one frame without a value"),
    ("grafana", "dashboards-missing", "no dashboard is found"),
    ("grafana", "dashboard-manual", "dashboards are not marked as provisioned"),
    ("grafana", "dashboard-empty", "dashboards have no panels"),
    ("grafana", "dashboard-other", "dashboards have another title"),
    ("grafana", "default-password", "admin:admin is accepted too"),
    ("grafana", "password-unchecked", "every user and password is accepted"),
    ("grafana", "password-forgotten", "the right password is refused"),
    ("uptrace", "hang", "requests are taken and never answered"),
    ("uptrace", "broken", "every request is answered with status 500"),
    ("uptrace", "html", "every request is answered with status 200 and a page of HTML"),
    ("uptrace", "guest", "every caller is a guest"),
    ("uptrace", "other-user", "the user has another e-mail address"),
    ("uptrace", "project-missing", "the user has no project"),
    ("uptrace", "project-other", "the user's project has another name"),
    ("uptrace", "token-unchecked", "spans are taken with any DSN"),
    ("uptrace", "dsn-unchecked", "spans are taken without a DSN"),
    ("uptrace", "ingest-html", "spans are dropped and answered with status 200 and a page of HTML"),
    ("uptrace", "ingest-refused", "spans are refused with the right DSN"),
    ("uptrace", "span-lost", "spans are taken, and never found"),
    ("uptrace", "span-late", "spans are found only after that many seconds: `uptrace/span-late=2`"),
    ("uptrace", "span-name", "spans have another name"),
    ("uptrace", "span-trace", "spans have another trace id"),
    ("uptrace", "span-service", "spans have another service name"),
    ("uptrace", "span-invented", "a trace that nobody sent is found"),
    ("uptrace", "query-html", "traces and spans are answered with status 200 and a page of HTML"),
    ("uptrace", "query-unchecked", "traces and spans are shown without a user token"),
    ("clickhouse", "hang", "requests are taken and never answered"),
    ("clickhouse", "broken", "every request is answered with status 500"),
    ("clickhouse", "html", "every request is answered with status 200 and a page of HTML"),
    ("clickhouse", "ping-other", "/ping says something else"),
    ("clickhouse", "select-wrong", "SELECT 1 gives 2"),
    ("clickhouse", "select-empty", "SELECT gives nothing"),
    ("clickhouse", "version-other", "SELECT version() gives `18.16.1`"),
    ("clickhouse", "user-unchecked", "every user and password is accepted"),
    ("clickhouse", "user-refused", "the right password is refused"),
    ("clickhouse", "metrics-html", "/metrics is a page of HTML"),
    ("clickhouse", "metrics-empty", "/metrics has no metric"),
    ("multipass", "daemon-down", "the socket is not there; with a number, for so many calls"),
    ("multipass", "socket-denied", "the socket may not be used; with a number, for so many calls"),
    ("multipass", "unauthenticated", "the client is unknown; with a number, for so many calls"),
    ("multipass", "no-kvm", "launch: there is no KVM"),
    ("multipass", "image-missing", "launch: the image is unknown"),
    ("multipass", "image-old", "launch: the image is not supported any longer"),
    ("multipass", "manifest-unreachable", "launch: the list of images cannot be fetched"),
    ("multipass", "download-failed", "launch: the image cannot be fetched"),
    ("multipass", "slow-download", "launch: fetching takes so many seconds: `multipass/slow-download=2`"),
    ("multipass", "hash-mismatch", "launch: the image is broken until `find --force-update`; `=always`: also then"),
    ("multipass", "disk-full", "launch: the image does not fit on this host's disk"),
    ("multipass", "ssh-never", "launch: nobody gets in; the instance stays, its state is Unknown"),
    ("multipass", "ssh-dead", "launch and start: the same"),
    ("multipass", "init-never", "launch: cloud-init does not end in time; the instance stays and runs"),
    ("multipass", "stops-while-starting", "launch: the instance stops; `=always`: also at each start"),
    ("multipass", "client-timeout", "launch with --timeout: the client gives up after so many seconds"),
    ("multipass", "mount-fails", "launch: the instance is there, its mounts fail"),
    ("multipass", "unreachable", "the running instance of that name lets nobody in: list, info and exec fail"),
    ("multipass", "cloud-init", "what its status says: `error`, `degraded`, `hang` or `reboot`"),
    ("lxd", "daemon-down", "no daemon answers"),
    ("lxd", "denied", "this user may not speak to the daemon"),
    ("lxd", "name-taken", "an instance of that name exists, whatever it is"),
    ("lxd", "pool-full", "the storage pool has no room"),
    ("lxd", "image-missing", "no image is found"),
    ("lxd", "no-lease", "no instance is given an address"),
    (
        "lxd",
        "exec-lost",
        "commands that hold that word are run, and nobody hears of their end: `lxd/exec-lost=apt-get`",
    ),
    (
        "lxd",
        "agent-after",
        "a virtual machine takes commands only so many seconds after its start: `lxd/agent-after=2`",
    ),
];

/// The faults of one program.
#[derive(Debug)]
pub(crate) struct Faults {
    program: &'static str,
    fixed: Active,
    file: Option<PathBuf>,
}

/// The faults that hold for one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Active(Vec<(String, String)>);

impl Active {
    /// Whether the fault is on.
    pub(crate) fn on(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The value of the fault, if it is on.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(fault, _)| fault == name).map(|(_, value)| value.as_str())
    }
}

impl Faults {
    /// What the environment says.
    ///
    /// Errors: a fault that does not exist.
    pub(crate) fn from_environment(program: &'static str) -> Result<Self, Refusal> {
        let fixed = parse(program, &variable("FAKE_FAULT").unwrap_or_default())?;
        let faults = Self { program, fixed, file: variable("FAKE_FAULT_FILE").map(PathBuf::from) };
        faults.now()?;
        Ok(faults)
    }

    /// What holds now. A file that is not there has no fault.
    ///
    /// Errors: the file cannot be read, or names a fault that does not exist.
    pub(crate) fn now(&self) -> Result<Active, String> {
        let mut active = self.fixed.clone();
        if let Some(file) = &self.file {
            match std::fs::read_to_string(file) {
                Ok(text) => active.0.extend(parse(self.program, &text)?.0),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("cannot read {}: {error}", file.display())),
            }
        }
        Ok(active)
    }
}

/// The faults of `program` among those in `text`.
fn parse(program: &str, text: &str) -> Result<Active, String> {
    let mut active = Active::default();
    for word in text.split([',', '\n']).map(str::trim).filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let known = name
            .split_once('/')
            .filter(|(owner, fault)| FAULTS.iter().any(|(program, name, _)| program == owner && name == fault));
        let Some((owner, fault)) = known else {
            return Err(format!("there is no fault named `{name}`: see reportctl_fakes::FAULTS"));
        };
        if fault == "span-late" && value.parse::<f64>().is_err() {
            return Err(format!("`{word}`: write seconds, such as {name}=2"));
        }
        if owner == program {
            active.0.push((fault.to_owned(), value.to_owned()));
        }
    }
    Ok(active)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named_one_by_one_and_others_are_refused() {
        let active = parse("uptrace", "grafana/html, uptrace/span-late=2\nuptrace/guest").unwrap();
        assert!(active.on("guest") && !active.on("html"));
        assert_eq!(active.value("span-late"), Some("2"));
        assert!(parse("uptrace", "uptrace/lazy").unwrap_err().contains("uptrace/lazy"));
        assert!(parse("uptrace", "guest").is_err());
        assert!(parse("uptrace", "uptrace/span-late").is_err());
    }
}
