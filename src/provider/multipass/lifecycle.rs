//! What is done to an instance that is there.

use super::call::{self, ASK, Said};
use super::failure;
use super::words::{Info, Trouble};
use crate::context::Context;
use crate::model::inventory::Observed;
use crate::model::multipass::{SNAPSHOT, Status};
use crate::provider::{Failure, FailureKind, Notes};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The time between two looks at an instance that is on its way.
const LOOK: Duration = Duration::from_secs(1);
/// What is kept of a step's time for looking at what became of it.
const RESERVE: Duration = Duration::from_secs(10);

/// Work at one instance, with an end.
pub struct Work<'a> {
    pub context: &'a Context,
    pub name: &'a str,
    pub until: Instant,
    pub notes: &'a Notes,
}

impl<'a> Work<'a> {
    pub fn new(context: &'a Context, name: &'a str, timeout: Duration, notes: &'a Notes) -> Self {
        let until = Instant::now() + timeout.saturating_sub(RESERVE).max(timeout / 2);
        Self { context, name, until, notes }
    }

    /// The time that is left.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now()).max(Duration::from_secs(1))
    }

    /// What the instance is like now.
    ///
    /// Errors: nobody can say.
    pub async fn info(&self) -> Result<Observed<Info>, Failure> {
        call::info(self.context, self.name).await.map_err(|silence| {
            let said = Said { code: 2, stdout: String::new(), stderr: silence.reason };
            failure::of(&said, self.name)
        })
    }

    /// Runs a command of Multipass that must succeed.
    pub async fn must(&self, argv: &[&str]) -> Result<Said, Failure> {
        let said = call::patient(self.context, argv, None, self.left()).await;
        let said = said.map_err(|error| failure::broken(&error))?;
        if said.code == 0 { Ok(said) } else { Err(failure::of(&said, self.name)) }
    }

    /// Waits until the instance runs and has an address, and helps where it does not get there by itself: one that is off is
    /// started, one that lets nobody in is stopped by force and started; each once.
    pub async fn settle(&self) -> Result<(), Failure> {
        let (mut started, mut revived) = (None, None);
        loop {
            let Observed::Present(info) = self.info().await? else { return Err(self.gone()) };
            match info.status {
                Status::Running if info.address.is_some() => return Ok(()),
                Status::Stopped | Status::Suspended => match started.take() {
                    None => started = Some(self.start().await?),
                    Some(said) => return Err(self.stays("does not stay on", &said, Trouble::Stopped)),
                },
                Status::Unknown => match revived.take() {
                    None => {
                        self.notes.say("it lets nobody in: it is stopped by force, and started once");
                        self.must(&["multipass", "stop", "--force", self.name]).await?;
                        revived = Some(self.start().await?);
                        started.clone_from(&revived);
                    }
                    Some(said) => return Err(self.stays("lets nobody in", &said, Trouble::NoSsh)),
                },
                Status::Deleted => {
                    let said = format!("instance \"{}\" already exists", self.name);
                    return Err(failure::of(&Said { code: 2, stdout: String::new(), stderr: said }, self.name)
                        .observed("it is deleted and not purged"));
                }
                Status::Running | Status::Starting | Status::Stopping | Status::Other(_) => {}
            }
            if Instant::now() >= self.until {
                let said = "Timed out waiting for instance".to_owned();
                return Err(failure::of(&Said { code: 5, stdout: String::new(), stderr: said }, self.name).observed(
                    format!(
                        "it is {}, with {}",
                        info.status,
                        info.address.map_or("no address".to_owned(), |address| address.to_string())
                    ),
                ));
            }
            sleep(LOOK).await;
        }
    }

    /// Starts it once. What comes of it is seen by looking at it.
    async fn start(&self) -> Result<Said, Failure> {
        self.notes.say("it is started");
        let said = call::patient(self.context, &["multipass", "start", self.name], None, self.left()).await;
        let said = said.map_err(|error| failure::broken(&error))?;
        match said.trouble() {
            Some(Trouble::Refused(_) | Trouble::Missing | Trouble::NoKvm | Trouble::Hypervisor) => {
                Err(failure::of(&said, self.name))
            }
            _ => Ok(said),
        }
    }

    /// It was started, and is not as it should be.
    fn stays(&self, how: &str, said: &Said, trouble: Trouble) -> Failure {
        let known = if said.code == 0 {
            let stderr = match trouble {
                Trouble::NoSsh => "timed out waiting for response",
                _ => "shutdown called while starting",
            };
            Said { code: 2, stdout: String::new(), stderr: format!("{}: {stderr}", self.name) }
        } else {
            said.clone()
        };
        failure::of(&known, self.name).observed(format!("{} {how}, also after it was started once more", self.name))
    }

    fn gone(&self) -> Failure {
        Failure::new(FailureKind::Failed, format!("the Multipass instance {} is not there", self.name))
            .advice("reportctl up   # which makes it anew")
    }

    /// Brings it back, if it was deleted.
    pub async fn recover(&self) -> Result<(), Failure> {
        self.must(&["multipass", "recover", self.name]).await.map(drop)
    }

    /// Stops it, if it runs.
    pub async fn stop(&self) -> Result<(), Failure> {
        match self.info().await? {
            Observed::Present(info) if matches!(info.status, Status::Stopped | Status::Suspended | Status::Deleted) => {
                Ok(())
            }
            Observed::Present(info) => {
                let argv: &[&str] = match info.status {
                    Status::Unknown | Status::Starting => &["multipass", "stop", "--force", self.name],
                    _ => &["multipass", "stop", self.name],
                };
                self.must(argv).await.map(drop)
            }
            Observed::Absent | Observed::Unknown(_) => Ok(()),
        }
    }

    /// Takes the snapshot of an instance that has none. It runs afterwards.
    pub async fn snapshot(&self) -> Result<(), Failure> {
        let Observed::Present(info) = self.info().await? else { return Err(self.gone()) };
        if info.snapshots == 0 {
            self.notes.say("it is stopped for its snapshot");
            self.stop().await?;
            let taken = self.must(&["multipass", "snapshot", "--name", SNAPSHOT, self.name]).await;
            // Whatever came of it, the machine is to run.
            self.settle().await?;
            taken?;
        }
        self.settle().await
    }

    /// Puts it back to its snapshot. It is off afterwards.
    pub async fn restore(&self) -> Result<(), Failure> {
        self.stop().await?;
        let from = format!("{}.{SNAPSHOT}", self.name);
        self.must(&["multipass", "restore", "--destructive", &from]).await.map(drop)
    }

    /// Deletes it and its disk. One that is only being made is waited for: its daemon completes it in any case.
    pub async fn delete(&self) -> Result<(), Failure> {
        let mut info = self.info().await?;
        while info.is_absent() && Instant::now() < self.until && call::is_being_made(self.context, self.name).await {
            self.notes.say("it is being made: it is deleted when it is there");
            sleep(LOOK).await;
            info = self.info().await?;
        }
        // It may have come to be there between the two questions.
        if info.is_absent() {
            info = self.info().await?;
        }
        let Observed::Present(info) = info else { return Ok(()) };
        if matches!(info.status, Status::Suspended | Status::Unknown | Status::Starting) {
            // To delete a suspended one has been seen to hang.
            let argv = ["multipass", "stop", "--force", self.name];
            let stopped = call::patient(self.context, &argv, None, ASK.min(self.left())).await;
            if let Err(error) = stopped {
                tracing::debug!(%error, "it is deleted as it is");
            }
        }
        self.must(&["multipass", "delete", "--purge", self.name]).await?;
        match self.info().await? {
            Observed::Absent => Ok(()),
            Observed::Present(_) | Observed::Unknown(_) => Err(Failure::new(
                FailureKind::Failed,
                format!("Multipass says that it has deleted {}, and it is still there", self.name),
            )
            .advice(format!("multipass delete --purge {}", self.name))),
        }
    }
}
