//! Who looks after the components' processes: our agent on this host, systemd in a machine.

use super::host::agent::{Client, ClientError, tail};
use crate::exec;
use crate::model::component::ComponentName;
use crate::model::inventory::ServiceStatus;
use crate::model::paths::Paths;
use crate::model::service::ServiceSpec;
use crate::model::unit;
use crate::reach::guest::{GuestError, Inside, Run};
use rustix::process::Signal;
use std::time::Duration;

/// How much longer than its own time to stop it may take to stop a component and to start it.
const RESERVE: Duration = Duration::from_secs(15);

/// Who looks after the components' processes. Cheap to clone.
#[derive(Clone)]
pub enum Supervisor {
    /// Our agent, on this host.
    Agent(Paths),
    /// systemd, in a machine.
    Systemd(Inside),
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The agent gives no answer.
    #[error(transparent)]
    Agent(#[from] ClientError),
    /// The machine gives no answer, or systemd refuses.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// It does not run.
    #[error("{name} does not run: {why}")]
    NotRunning {
        /// Which one.
        name: ComponentName,
        /// What it does instead.
        why: String,
    },
    /// A signal did not reach it, or its log could not be read.
    #[error("{name}: {why}")]
    Broken {
        /// Which one.
        name: ComponentName,
        /// The cause.
        why: String,
    },
}

impl Supervisor {
    /// The main process of a component; none while there is none.
    ///
    /// Errors: nobody answers.
    pub async fn running(&self, name: ComponentName) -> Result<Option<u32>, SupervisorError> {
        match self {
            Self::Agent(paths) => Ok(match agent_status(paths, name).await? {
                Some(ServiceStatus::Running { pid }) => Some(pid),
                Some(ServiceStatus::BackOff { .. } | ServiceStatus::Stopped) | None => None,
            }),
            Self::Systemd(inside) => {
                Ok(shown(&systemctl(inside, &["show", "--property=ActiveState,MainPID"], name, 30).await?).ok())
            }
        }
    }

    /// Kills a component's processes, which are then started again.
    ///
    /// Errors: it does not run, or nobody answers.
    pub async fn kill(&self, name: ComponentName) -> Result<(), SupervisorError> {
        match self {
            Self::Agent(paths) => match agent_status(paths, name).await? {
                Some(ServiceStatus::Running { pid }) => exec::signal_group(pid, Signal::KILL)
                    .map_err(|error| SupervisorError::Broken { name, why: error.to_string() }),
                other => {
                    let why =
                        other.map_or_else(|| "the agent does not know it".to_owned(), |other| format!("{other:?}"));
                    Err(SupervisorError::NotRunning { name, why })
                }
            },
            Self::Systemd(inside) => {
                let said = systemctl(inside, &["show", "--property=ActiveState,MainPID"], name, 30).await?;
                shown(&said).map_err(|why| SupervisorError::NotRunning { name, why })?;
                systemctl(inside, &["kill", "--signal=KILL"], name, 30).await.map(drop)
            }
        }
    }

    /// Stops a component in order and starts it anew, exactly as it was. `spec` is how it is started, `mark` a text that was never
    /// used for it.
    ///
    /// The agent replaces it by one that differs in a variable which nobody reads, and that one by the component as it was. Each is one
    /// request, so that it runs whatever becomes of us in between; were it stopped by one and started by another, it could stay down.
    ///
    /// Errors: it does not stop or start in time, or nobody answers.
    pub async fn restart(&self, spec: &ServiceSpec, mark: &str) -> Result<(), SupervisorError> {
        let longest = spec.stop_timeout.duration() + RESERVE;
        match self {
            Self::Agent(paths) => {
                let client = Client::new(paths);
                let mut other = spec.clone();
                other.env.insert("REPORTCTL_RESTART".to_owned(), mark.to_owned());
                let replaced = client.apply(vec![other], false, longest).await;
                let back = client.apply(vec![spec.clone()], false, longest).await;
                Ok(replaced.and(back)?)
            }
            Self::Systemd(inside) => systemctl(inside, &["restart"], spec.component, longest.as_secs()).await.map(drop),
        }
    }

    /// Stops a component in order; it stays so until it is started.
    ///
    /// Errors: it does not stop in time, or nobody answers.
    pub async fn stop(&self, spec: &ServiceSpec) -> Result<(), SupervisorError> {
        let longest = spec.stop_timeout.duration() + RESERVE;
        match self {
            Self::Agent(paths) => Ok(Client::new(paths).stop(Some(spec.component), longest).await?),
            Self::Systemd(inside) => systemctl(inside, &["stop"], spec.component, longest.as_secs()).await.map(drop),
        }
    }

    /// Starts a component that was stopped. One that runs is left alone.
    ///
    /// Errors: it does not start, or nobody answers.
    pub async fn start(&self, spec: &ServiceSpec) -> Result<(), SupervisorError> {
        match self {
            Self::Agent(paths) => Ok(Client::new(paths).apply(vec![spec.clone()], false, RESERVE).await?),
            Self::Systemd(inside) => systemctl(inside, &["start"], spec.component, RESERVE.as_secs()).await.map(drop),
        }
    }

    /// The last lines of a component's log.
    ///
    /// Errors: it cannot be read.
    pub async fn tail(&self, name: ComponentName, lines: usize) -> Result<Vec<String>, SupervisorError> {
        match self {
            Self::Agent(paths) => {
                let found = tail(name, &paths.log(name), lines);
                let found = found.map_err(|error| SupervisorError::Broken { name, why: error.to_string() })?;
                Ok(found.into_iter().map(|line| line.text).collect())
            }
            Self::Systemd(inside) => {
                let (unit, count) = (format!("--unit={}", unit::name(name)), format!("--lines={lines}"));
                let said = inside.check(Run::new(["journalctl", "--no-pager", "--output=json", &unit, &count])).await?;
                Ok(said.lines().filter_map(message).collect())
            }
        }
    }
}

async fn agent_status(paths: &Paths, name: ComponentName) -> Result<Option<ServiceStatus>, SupervisorError> {
    let mut services = Client::new(paths).status().await?;
    Ok(services.remove(&name).map(|service| service.status))
}

async fn systemctl(
    inside: &Inside,
    words: &[&str],
    name: ComponentName,
    seconds: u64,
) -> Result<String, SupervisorError> {
    let unit = unit::name(name);
    let argv = ["systemctl", "--no-pager", "--no-ask-password"]
        .into_iter()
        .chain(words.iter().copied())
        .chain([unit.as_str()]);
    Ok(inside.check(Run::new(argv).deadline(Duration::from_secs(seconds))).await?)
}

/// The main process in what `systemctl show` says.
///
/// Errors: what the unit does instead of running.
fn shown(said: &str) -> Result<u32, String> {
    let value = |key: &str| said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default();
    let pid: u32 = value("MainPID").parse().unwrap_or(0);
    match (value("ActiveState"), pid) {
        ("active" | "activating" | "reloading", 1..) => Ok(pid),
        ("", _) => Err("systemd does not know its unit".to_owned()),
        (state, _) => Err(format!("its unit is {state}")),
    }
}

/// The text of an entry of the journal (systemd.journal-fields(7)). One that is no UTF-8 is an array of bytes.
fn message(line: &str) -> Option<String> {
    let entry: serde_json::Value = serde_json::from_str(line).ok()?;
    match &entry["MESSAGE"] {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What systemd 252 says.
    #[test]
    fn a_unit_that_does_not_run_has_no_process() {
        assert_eq!(shown("MainPID=4711\nActiveState=active\n"), Ok(4711));
        assert_eq!(shown("MainPID=0\nActiveState=activating\n"), Err("its unit is activating".to_owned()));
        assert_eq!(shown("MainPID=0\nActiveState=failed\n"), Err("its unit is failed".to_owned()));
        assert!(shown("").is_err());
    }

    #[test]
    fn entries_of_the_journal_are_text_or_bytes() {
        assert_eq!(message(r#"{"MESSAGE":"hello","PRIORITY":"6"}"#), Some("hello".to_owned()));
        assert_eq!(message(r#"{"MESSAGE":[104,105,255]}"#), Some("hi\u{fffd}".to_owned()));
        assert_eq!(message(r#"{"MESSAGE":null}"#), None);
        assert_eq!(message("-- No entries --"), None);
    }
}
