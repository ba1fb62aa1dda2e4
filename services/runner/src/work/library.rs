//! The reports that this runner can make, and the sources that it reads for them.

use super::{Maker, Trouble};
use crate::reports::{ReportError, Reports, Times};
use crate::sources::{SourceError, Sources};
use report_model::catalog::Parameters;
use report_model::document::Document;
use report_model::source::SourceInfo;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// How often it is looked whether the sources are there and what columns they have.
const LOOK_EACH: Duration = Duration::from_secs(60);

/// How long the start waits for the first look: files are read by then, and databases that are not are offered later.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// The reports that this runner can make, and the sources that it reads for them.
#[derive(Debug, Clone)]
pub struct Library {
    reports: Reports,
    offered: Arc<watch::Sender<Vec<SourceInfo>>>,
}

impl Library {
    /// Makes reports of these sources. None is offered before it was looked at.
    pub fn new(sources: Sources) -> Self {
        Self { reports: Reports::new(sources), offered: Arc::new(watch::Sender::new(Vec::new())) }
    }

    /// The sources that it offers now: those that could be read at the last look.
    pub fn offered(&self) -> watch::Receiver<Vec<SourceInfo>> {
        self.offered.subscribe()
    }

    /// Looks at the sources for ever, from a task of its own, and waits a little for the first look.
    pub async fn start_looking(&self) {
        let library = self.clone();
        let mut first = self.offered();
        tokio::spawn(async move { library.look().await });
        // Nothing is lost when it takes longer.
        let _ = timeout(FIRST_LOOK, first.changed()).await;
    }

    async fn look(&self) {
        let mut tick = interval(LOOK_EACH);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut known: Vec<SourceError> = Vec::new();
        loop {
            tick.tick().await;
            let (infos, errors) = self.reports.sources().describe().await;
            for error in errors.iter().filter(|error| !known.contains(error)) {
                tracing::warn!(%error, detail = error.detail(), "a source is not offered");
            }
            known = errors;
            self.offered.send_replace(infos);
        }
    }
}

impl Maker for Library {
    async fn make(
        &self,
        parameters: Parameters,
        times: Times,
        cancelled: CancellationToken,
    ) -> Result<Document, Trouble> {
        self.reports.run(&parameters, times, &cancelled).await.map_err(|error| {
            if !error.is_cancelled() {
                tracing::warn!(%error, detail = error.detail(), "a report was not made");
            }
            trouble(&error)
        })
    }
}

fn trouble(error: &ReportError) -> Trouble {
    match error {
        ReportError::Cancelled => Trouble::Stopped,
        error if error.retry_helps() => Trouble::Passing(error.to_string()),
        error => Trouble::Lasting(error.to_string()),
    }
}
