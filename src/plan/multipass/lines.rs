//! How what is done to Multipass is shown.

use super::MultipassAction;
use crate::model::argv;
use crate::model::multipass::SNAPSHOT;

impl MultipassAction {
    /// What would be typed to do the same by hand.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Launch { name, shape, .. } => {
                // By hand, one waits as long as Multipass does by itself.
                let words = shape.launch(name, 1800);
                vec![
                    "# with the user-data that `reportctl render` shows:".to_owned(),
                    format!("{} < user-data.yaml", argv::join(words)),
                ]
            }
            Self::Recover { name, .. } => vec![format!("multipass recover {name}")],
            Self::Start { name, .. } => vec![format!("multipass start {name}")],
            Self::Revive { name, .. } => {
                vec![format!("multipass stop --force {name}"), format!("multipass start {name}")]
            }
            Self::Snapshot { name, .. } => vec![
                format!("multipass stop {name}"),
                format!("multipass snapshot --name {SNAPSHOT} {name}"),
                format!("multipass start {name}"),
            ],
            Self::Restore { name, .. } => {
                vec![format!("multipass stop {name}"), format!("multipass restore --destructive {name}.{SNAPSHOT}")]
            }
            Self::Stop { name, .. } => vec![format!("multipass stop {name}")],
            Self::Delete { name, .. } => vec![format!("multipass delete --purge {name}")],
        }
    }

    /// What it changes, in words.
    pub fn words(&self) -> String {
        match self {
            Self::Launch { name, shape, .. } => format!(
                "launch {name} from {}: {} processors, {} of memory, a disk of {}",
                shape.image, shape.cpus, shape.memory, shape.disk
            ),
            Self::Recover { name, .. } => format!("bring back {name}"),
            Self::Start { name, .. } => format!("start {name}"),
            Self::Revive { name, .. } => format!("stop {name} by force, and start it"),
            Self::Snapshot { name, .. } => format!("stop {name}, take its snapshot {SNAPSHOT}, and start it"),
            Self::Restore { name, .. } => format!("put {name} back to its snapshot {SNAPSHOT}"),
            Self::Stop { name, .. } => format!("stop {name}"),
            Self::Delete { name, .. } => format!("delete {name} with its disk"),
        }
    }
}
