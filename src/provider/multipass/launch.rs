//! Launches an instance, and finds out what came of it: the exit code alone does not tell.

use super::call::{self, ASK};
use super::failure;
use super::lifecycle::Work;
use super::words::{Info, Trouble};
use crate::exec::ExecError;
use crate::model::inventory::Observed;
use crate::model::multipass::Status;
use crate::plan::multipass::Shape;
use crate::provider::Failure;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The time between two looks at an instance that is being made.
const LOOK: Duration = Duration::from_secs(1);
/// What is kept of the time for what comes after Multipass has given up waiting.
const AFTER: u64 = 20;

/// What came of one try.
enum Tried {
    /// The instance is there, whatever was said.
    Made,
    /// It is not, and what was wrong may be mended.
    Again,
    /// Multipass is still making it: for us, or for an earlier run that was cut off.
    BeingMade,
}

/// Makes the instance and waits until it runs. One that is there already is not made again.
pub async fn perform(work: &Work<'_>, shape: &Shape, user_data: &str) -> Result<(), Failure> {
    let mut refreshed = false;
    loop {
        // One that is there was made by an earlier try: the name holds the identity.
        if let Observed::Present(_) = work.info().await? {
            break;
        }
        match attempt(work, shape, user_data, refreshed).await? {
            Tried::Made => break,
            Tried::Again => {
                work.notes.say("the list of images is fetched anew, and it is tried once more");
                refreshed = true;
                work.must(&["multipass", "find", "--force-update"]).await?;
            }
            Tried::BeingMade => {
                work.notes.say("Multipass is still making it");
                await_made(work).await?;
            }
        }
    }
    work.settle().await?;
    mount(work, shape).await
}

/// One launch. After any end of it, the instance may be there.
async fn attempt(work: &Work<'_>, shape: &Shape, user_data: &str, refreshed: bool) -> Result<Tried, Failure> {
    let left = work.left();
    let argv = shape.launch(work.name, left.as_secs().saturating_sub(AFTER).max(1));
    work.notes.say("Multipass fetches its image and starts it");
    let said = match call::patient(work.context, &argv, Some(user_data), left).await {
        Ok(said) if said.code == 0 => return Ok(Tried::Made),
        Ok(said) => said,
        // The program was ended; the daemon goes on.
        Err(ExecError::Deadline { .. }) => return Ok(Tried::BeingMade),
        Err(error) => return Err(failure::broken(&error)),
    };
    match (work.info().await?, said.trouble()) {
        (Observed::Present(Info { status, .. }), trouble) => {
            work.notes.say(format!("Multipass says `{}`, and the machine is {status}", said.words()));
            match (status, trouble) {
                (Status::Deleted, _) | (_, Some(Trouble::UserData)) => Err(failure::of(&said, work.name)),
                _ => Ok(Tried::Made),
            }
        }
        (_, Some(Trouble::Preparing | Trouble::ClientTimer)) => Ok(Tried::BeingMade),
        (_, Some(Trouble::Hash | Trouble::NoImage)) if !refreshed => Ok(Tried::Again),
        _ => Err(failure::of(&said, work.name)),
    }
}

/// Waits until what somebody else makes is there, or is not made any longer.
async fn await_made(work: &Work<'_>) -> Result<(), Failure> {
    loop {
        if Instant::now() >= work.until {
            let stderr = format!("instance \"{}\" is being prepared", work.name);
            return Err(failure::of(&call::Said { code: 2, stdout: String::new(), stderr }, work.name));
        }
        if work.info().await?.present().is_some() || !call::is_being_made(work.context, work.name).await {
            return Ok(());
        }
        sleep(LOOK).await;
    }
}

/// Multipass mounts after it has made the instance, by a call of its own: where that failed, it is tried once more.
async fn mount(work: &Work<'_>, shape: &Shape) -> Result<(), Failure> {
    if shape.mounts.is_empty() {
        return Ok(());
    }
    let Observed::Present(info) = work.info().await? else { return Ok(()) };
    for (target, source) in &shape.mounts {
        let at = target.display().to_string();
        if info.mounts.contains(&at) {
            continue;
        }
        let to = format!("{}:{at}", work.name);
        let argv = ["multipass", "mount", &source.display().to_string(), &to];
        let said = call::patient(work.context, &argv, None, ASK.max(work.left())).await;
        let said = said.map_err(|error| failure::broken(&error))?;
        if said.code != 0 && !said.stderr.contains("is already mounted") {
            return Err(failure::of(&said, work.name).observed("the machine itself is there"));
        }
    }
    Ok(())
}
