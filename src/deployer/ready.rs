//! When a component is ready, and what is said when it does not become so, wherever it runs.

use crate::model::inventory::{ServiceState, ServiceStatus};
use crate::provider::FailureKind;
use crate::reach::wait::{Verdict, WaitError};

/// A process that has ended so often since it was started will not become ready.
const DEATHS: u32 = 3;

/// What is seen at one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What the agent, or systemd in its place, says; none when it does not look after the component.
    pub service: Option<ServiceState>,
    /// Whether nobody will start it again.
    pub is_over: bool,
    /// What is missing.
    pub missing: Option<String>,
}

/// What a look comes to.
pub fn judge(seen: &Seen) -> Verdict {
    let Some(service) = &seen.service else {
        let reason = seen.missing.as_deref().unwrap_or("nobody looks after it any more");
        return Verdict::Broken(reason.to_owned());
    };
    match (&service.status, &seen.missing) {
        (ServiceStatus::Stopped, _) => Verdict::Broken("it was stopped".to_owned()),
        (ServiceStatus::BackOff { reason }, _) if seen.is_over => Verdict::Broken(format!("its process {reason}")),
        (ServiceStatus::BackOff { reason }, _) if service.restarts >= DEATHS => {
            Verdict::Broken(format!("its process keeps ending: it {reason}"))
        }
        (ServiceStatus::BackOff { reason }, _) => Verdict::NotYet(format!("its process {reason}")),
        (ServiceStatus::Running { .. }, Some(missing)) if service.restarts >= DEATHS => {
            Verdict::Broken(format!("its process keeps ending, and {missing}"))
        }
        (ServiceStatus::Running { .. }, Some(missing)) => Verdict::NotYet(missing.clone()),
        (ServiceStatus::Running { .. }, None) => Verdict::Good,
    }
}

/// What sort of failure the end of a wait is.
pub const fn kind(error: &WaitError) -> FailureKind {
    match error {
        WaitError::Broken { .. } => FailureKind::Failed,
        WaitError::Stalled { .. } => FailureKind::Stall,
        WaitError::Late { .. } => FailureKind::Timeout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_ending_is_given_up_and_what_ended_once_is_not() {
        let seen = |status, restarts, is_over| Seen {
            service: Some(ServiceState { digest: "d".to_owned(), status, restarts }),
            is_over,
            missing: Some("nobody listens".to_owned()),
        };
        let ended = || ServiceStatus::BackOff { reason: "ended with exit code 1".to_owned() };
        assert!(matches!(judge(&seen(ended(), 1, false)), Verdict::NotYet(_)));
        assert!(matches!(judge(&seen(ended(), 3, false)), Verdict::Broken(_)));
        assert!(matches!(judge(&seen(ended(), 0, true)), Verdict::Broken(_)));
        assert!(matches!(judge(&seen(ServiceStatus::Stopped, 0, false)), Verdict::Broken(_)));
        let runs = || ServiceStatus::Running { pid: 7 };
        assert!(matches!(judge(&seen(runs(), 0, false)), Verdict::NotYet(_)));
        assert_eq!(judge(&Seen { missing: None, ..seen(runs(), 9, false) }), Verdict::Good);
        let nobody = Seen { service: None, is_over: false, missing: None };
        assert!(matches!(judge(&nobody), Verdict::Broken(_)));
    }
}
