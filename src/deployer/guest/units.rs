//! How the units of the components do, as systemd and the processes themselves say.

use super::hand::{self, HandError};
use crate::model::component::ComponentName;
use crate::model::ids::EnvId;
use crate::model::inventory::{ServiceState, ServiceStatus};
use crate::model::unit;
use crate::provider::host::agent::MARKER;
use crate::reach::guest::Inside;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a look at all units may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A unit, and the file of its variables.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    unit: String,
    variables: std::path::PathBuf,
}

/// What is asked of a component's unit.
pub fn asked(component: ComponentName) -> Asked {
    Asked { unit: unit::name(component), variables: unit::variables(component) }
}

/// An answer to one question in a machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said<T> {
    /// It is there.
    There(T),
    /// It is not there.
    Absent(bool),
    /// Nobody can say.
    Unknown(String),
}

/// A unit as `systemctl show` tells of it (systemd.unit(5), org.freedesktop.systemd1(5)), with what its process was
/// started with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Unit {
    load_state: String,
    active_state: String,
    sub_state: String,
    result: String,
    #[serde(rename = "MainPID")]
    main_pid: String,
    n_restarts: String,
    need_daemon_reload: String,
    exec_main_status: String,
    /// What the file says that it will be started with; none where there is no such file.
    #[serde(rename = "variables")]
    variables: Option<BTreeMap<String, String>>,
    /// What its process says that it was started with.
    #[serde(rename = "process")]
    process: Option<BTreeMap<String, String>>,
}

/// A unit of ours that runs somebody else's process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{unit} is not of the environment {id}: its process {found}")]
pub struct Foreign {
    unit: String,
    id: EnvId,
    found: String,
}

impl Unit {
    /// The service that the unit is for this environment. None where it was never started for it, or was stopped.
    ///
    /// Errors: what it runs carries another identity, or none.
    pub fn service(&self, component: ComponentName, id: &EnvId) -> Result<Option<ServiceState>, Foreign> {
        if let Some(process) = &self.process {
            self.check(component, id, process)?;
        }
        let with = self.process.as_ref().or(self.variables.as_ref());
        let Some(with) = with.filter(|with| with.get(MARKER).is_some_and(|found| found == id.as_str())) else {
            return Ok(None);
        };
        let digest = with.get(unit::DIGEST).cloned().unwrap_or_default();
        // It runs as its file was when systemd read it, which is not how it is.
        let digest = if self.need_daemon_reload == "yes" { format!("{digest} before a reload") } else { digest };
        Ok(Some(ServiceState { digest, status: self.status(), restarts: self.n_restarts.parse().unwrap_or(0) }))
    }

    fn check(&self, component: ComponentName, id: &EnvId, process: &BTreeMap<String, String>) -> Result<(), Foreign> {
        let found = match process.get(MARKER) {
            Some(found) if found == id.as_str() => return Ok(()),
            Some(other) => format!("carries {other}"),
            None => "carries no identity".to_owned(),
        };
        Err(Foreign { unit: unit::name(component), id: id.clone(), found })
    }

    fn status(&self) -> ServiceStatus {
        let pid: u32 = self.main_pid.parse().unwrap_or(0);
        let back_off = |reason: String| ServiceStatus::BackOff { reason };
        match self.active_state.as_str() {
            "active" | "reloading" | "activating" if pid != 0 => ServiceStatus::Running { pid },
            "activating" if self.sub_state == "auto-restart" => back_off(self.why()),
            "failed" => back_off(format!("{}, and systemd does not start it again", self.why())),
            "inactive" => ServiceStatus::Stopped,
            other => back_off(format!("is {other} ({})", self.sub_state)),
        }
    }

    /// Whether systemd has given it up.
    pub fn has_failed(&self) -> bool {
        self.active_state == "failed"
    }

    /// How its process ended, in words that go on after "it".
    fn why(&self) -> String {
        let status = &self.exec_main_status;
        match self.result.as_str() {
            "exit-code" => format!("ended with exit code {status}"),
            "signal" | "core-dump" => format!("was ended by signal {status}"),
            "oom-kill" => "was ended because the machine has no memory left".to_owned(),
            "timeout" => "did not start or stop in time".to_owned(),
            "start-limit-hit" => format!("ended too often, last with {status}"),
            "success" => "ended by itself".to_owned(),
            other => format!("ended: {other}, {status}"),
        }
    }
}

/// How one component's unit does.
///
/// Errors: the machine gives no answer.
pub async fn look(inside: &Inside, component: ComponentName) -> Result<Said<Unit>, HandError> {
    #[derive(Serialize)]
    struct Request {
        deed: &'static str,
        units: BTreeMap<ComponentName, Asked>,
    }
    let request = Request { deed: "units", units: BTreeMap::from([(component, asked(component))]) };
    let mut seen: BTreeMap<ComponentName, Said<Unit>> = hand::ask(inside, &request, PATIENCE).await?;
    Ok(seen.remove(&component).unwrap_or_else(|| Said::Unknown("nobody looked".to_owned())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;
    use ComponentName::Redis;

    fn id() -> EnvId {
        EnvId::parse("lxd-7f3k9q2m").unwrap()
    }

    /// As `systemctl show` of systemd 252 tells of a unit, with what matters changed.
    fn unit(changes: serde_json::Value) -> Unit {
        let mut value = serde_json::json!({
            "MainPID": "4711", "Result": "success", "NRestarts": "0", "ExecMainCode": "0", "ExecMainStatus": "0",
            "Id": "report-redis.service", "LoadState": "loaded", "ActiveState": "active", "SubState": "running",
            "UnitFileState": "enabled", "NeedDaemonReload": "no", "ConditionResult": "yes", "InvocationID": "",
            "variables": {"REPORTCTL_ID": "lxd-7f3k9q2m", "REPORTCTL_DIGEST": "new"},
            "process": {"REPORTCTL_ID": "lxd-7f3k9q2m", "REPORTCTL_DIGEST": "old"},
        });
        let (to, from) = (value.as_object_mut().unwrap(), changes.as_object().unwrap());
        to.extend(from.iter().map(|(name, value)| (name.clone(), value.clone())));
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_runs_is_what_its_process_says_and_not_what_its_file_says() {
        let service = unit(serde_json::json!({})).service(Redis, &id()).unwrap().unwrap();
        assert_eq!((service.digest.as_str(), service.status), ("old", ServiceStatus::Running { pid: 4711 }));
        let stale = unit(serde_json::json!({"NeedDaemonReload": "yes"})).service(Redis, &id()).unwrap().unwrap();
        assert_ne!(stale.digest, "old", "systemd would run it otherwise than it does");
    }

    #[test]
    fn a_process_of_somebody_else_is_foreign() {
        for process in [serde_json::json!({"REPORTCTL_ID": "lxd-aaaaaaaa"}), serde_json::json!({})] {
            let error = unit(serde_json::json!({"process": process})).service(Redis, &id()).unwrap_err();
            assert!(error.to_string().starts_with("report-redis.service is not of"), "{error}");
        }
    }

    #[test]
    fn what_ended_is_told_from_what_was_never_started() {
        let dead = serde_json::json!({"MainPID": "0", "process": null, "NRestarts": "3"});
        let with = |changes: serde_json::Value| {
            let mut all = dead.clone();
            all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            unit(all).service(Redis, &id()).unwrap()
        };
        let back_off = with(serde_json::json!({
            "ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code", "ExecMainStatus": "1",
        }));
        let back_off = back_off.unwrap();
        assert_eq!(back_off.status, ServiceStatus::BackOff { reason: "ended with exit code 1".to_owned() });
        assert_eq!((back_off.restarts, back_off.digest.as_str()), (3, "new"));
        let failed = with(serde_json::json!({"ActiveState": "failed", "Result": "signal", "ExecMainStatus": "9"}));
        assert!(matches!(failed.unwrap().status, ServiceStatus::BackOff { reason } if reason.contains("signal 9")));
        let stopped = with(serde_json::json!({"ActiveState": "inactive", "SubState": "dead"}));
        assert_eq!(stopped.unwrap().status, ServiceStatus::Stopped);
        let never = serde_json::json!({"ActiveState": "inactive", "LoadState": "not-found", "variables": null});
        assert_eq!(with(never), None);
        let of_others = serde_json::json!({"ActiveState": "inactive", "variables": {"REPORTCTL_ID": "lxd-aaaaaaaa"}});
        assert_eq!(with(of_others), None);
    }
}
