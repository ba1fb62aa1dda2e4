//! An instance, made with all that it is to carry.

use super::answer::{self, Operations};
use super::lxc::{Lxc, LxcError, Sort};
use super::{Lxd, failure};
use crate::model::environment::InstanceKind;
use crate::model::guest::Marker;
use crate::model::lxd::{Devices, ImageChoice, Kind, MARKER_PATH, MARKER_TEXT};
use crate::provider::{Failure, FailureKind, Notes};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The time after which it is worth saying how far LXD is, and between two looks at that.
const LOOK: Duration = Duration::from_secs(2);

/// An instance that is to be made.
pub(super) struct New<'a> {
    pub name: &'a str,
    pub kind: InstanceKind,
    pub image: &'a ImageChoice,
    pub profile: &'a str,
    pub devices: &'a Devices,
    pub user_data: &'a str,
    pub marker: &'a Marker,
}

impl Lxd {
    /// Makes the instance, and waits until LXD has. One of ours that is there already stays as it is.
    pub(super) async fn create(&self, new: &New<'_>, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
        let until = Instant::now() + timeout;
        let lxc = self.lxc();
        let image = new.image.reference();
        let target = format!("local:{}", new.name);
        let mut words = vec!["init", &image, &target, "--profile", new.profile];
        if new.kind == InstanceKind::VirtualMachine {
            words.push("--vm");
        }
        // JSON is YAML. It goes by standard input, since a command line holds less than user-data may be.
        let text = self.configuration(new).to_string();
        let made = watched(&lxc, new.name, lxc.verb(&words, Some(text), timeout), notes).await;
        match made {
            Ok(_) => Ok(()),
            Err(error) if error.sort() == Sort::Exists => {
                self.claim(Kind::Instance, new.name).await?;
                self.await_idle(new.name, until.saturating_duration_since(Instant::now()), notes).await?;
                // What was being made may have come to nothing meanwhile.
                match self.claim(Kind::Instance, new.name).await? {
                    true => Ok(()),
                    false => Err(Failure::new(
                        FailureKind::Failed,
                        format!("the instance {} was being made already, and that came to nothing", new.name),
                    )
                    .advice("type the same command again")),
                }
            }
            Err(error) => Err(failure(&format!("the instance {} cannot be made from {image}", new.name), &error)),
        }
    }

    fn configuration(&self, new: &New<'_>) -> serde_json::Value {
        let mut config = self.labels();
        let own = [
            (MARKER_PATH, new.marker.path.display().to_string()),
            (MARKER_TEXT, new.marker.text.clone()),
            // Which of both counts depends on the image: see `cloud-init query userdata` in the machine.
            ("user.user-data", new.user_data.to_owned()),
            ("cloud-init.user-data", new.user_data.to_owned()),
        ];
        config.extend(own.map(|(key, value)| (key.to_owned(), value)));
        json!({"description": self.description(), "config": config, "devices": new.devices})
    }

    /// Waits until LXD does nothing to the instance: a run that was cut off may have left it at work.
    pub(super) async fn await_idle(&self, name: &str, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
        let lxc = self.lxc();
        let until = Instant::now() + timeout;
        loop {
            let all: Operations = lxc
                .get("/1.0/operations?recursion=1")
                .await
                .map_err(|error| failure(&format!("it cannot be told whether LXD is done with {name}"), &error))?;
            let Some(operation) = answer::running(&all, name) else { return Ok(()) };
            let words = operation.progress().unwrap_or(&operation.description);
            notes.say(format!("LXD is at it already: {words}"));
            if Instant::now() >= until {
                let cause = format!("LXD is still at it: {} ({name})", operation.description);
                return Err(Failure::new(FailureKind::Timeout, cause)
                    .advice("look at `lxc operation list`, and type the same command again"));
            }
            sleep(LOOK / 4).await;
        }
    }
}

/// Says meanwhile how far LXD is.
async fn watched(
    lxc: &Lxc,
    name: &str,
    work: impl Future<Output = Result<String, LxcError>>,
    notes: &Notes,
) -> Result<String, LxcError> {
    tokio::pin!(work);
    let mut last = String::new();
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = sleep(LOOK) => {}
        }
        let look = async { lxc.get::<Operations>("/1.0/operations?recursion=1").await };
        let all = tokio::select! {
            done = &mut work => return done,
            all = look => all.unwrap_or_default(),
        };
        if let Some(progress) = answer::running(&all, name).and_then(answer::Operation::progress)
            && progress != last
        {
            notes.say(progress);
            progress.clone_into(&mut last);
        }
    }
}
