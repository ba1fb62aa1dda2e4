//! The reports: each reads what it needs of its source, and computes a document of it.
//!
//! Reading waits and computing does not: the first is done by async code, the second by threads of its own, as many at a
//! time as there are cores. Between the two, and in each long loop, it is asked whether the report is still wanted.

pub mod forecast;

mod error;
mod gages;
mod notes;
mod series;
mod system_check;

pub use error::ReportError;
pub use system_check::Times;

use crate::sources::Sources;
use report_model::catalog::Parameters;
use report_model::document::{Cell, Column, Document};
use std::sync::Arc;
use std::thread::available_parallelism;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// A loop over rows asks once in so many whether the report is still wanted.
const ASKED_EACH: usize = 4_096;

/// Makes the reports.
#[derive(Debug, Clone)]
pub struct Reports {
    sources: Sources,
    cores: Arc<Semaphore>,
}

impl Reports {
    /// Makes reports of these sources.
    pub fn new(sources: Sources) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self { sources, cores: Arc::new(Semaphore::new(cores)) }
    }

    /// The sources.
    pub const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Makes a report. The same report of the same data is the same document, but for the check of the system.
    ///
    /// # Errors
    ///
    /// The source cannot be read, or the report is no longer wanted. [`ReportError::retry_helps`] says whether the same
    /// may go right later.
    pub async fn run(
        &self,
        parameters: &Parameters,
        times: Times,
        cancelled: &CancellationToken,
    ) -> Result<Document, ReportError> {
        match parameters {
            Parameters::GageCalibration(told) => {
                let table = self.sources.extract(&told.source, gages::wanted(), cancelled).await?;
                let told = told.clone();
                self.compute(cancelled, move |cancelled| gages::report(&told, &table, cancelled)).await
            }
            Parameters::MovingAverage(told) => {
                let table = self.sources.extract(&told.source, series::wanted(told), cancelled).await?;
                let told = told.clone();
                self.compute(cancelled, move |cancelled| series::report(&told, &table, cancelled)).await
            }
            Parameters::SystemCheck(told) => system_check::report(told, times, cancelled).await,
        }
    }

    /// Computes on a thread of its own, when a core is free.
    async fn compute(
        &self,
        cancelled: &CancellationToken,
        work: impl FnOnce(&CancellationToken) -> Result<Document, ReportError> + Send + 'static,
    ) -> Result<Document, ReportError> {
        let core = tokio::select! {
            core = Arc::clone(&self.cores).acquire_owned() => core,
            () = cancelled.cancelled() => return Err(ReportError::Cancelled),
        };
        let token = cancelled.clone();
        let computed = tokio::task::spawn_blocking(move || {
            let _core = core;
            work(&token)
        });
        computed.await.unwrap_or_else(|error| Err(ReportError::Broken { detail: error.to_string() }))
    }
}

/// An error once in so many rows, when the report is no longer wanted.
fn still_wanted(row: usize, cancelled: &CancellationToken) -> Result<(), ReportError> {
    if row.is_multiple_of(ASKED_EACH) && cancelled.is_cancelled() { Err(ReportError::Cancelled) } else { Ok(()) }
}

fn column(name: &str, label: &str, unit: Option<&str>) -> Column {
    Column { name: name.to_owned(), label: label.to_owned(), unit: unit.map(str::to_owned) }
}

fn text(text: &str) -> Cell {
    if text.is_empty() { Cell::Empty } else { Cell::Text(text.to_owned()) }
}

/// A computed number with the seven digits that mean something.
fn number(value: Option<f64>) -> Cell {
    value.map_or(Cell::Empty, |value| Cell::Number(rounded(value)))
}

/// A derived number with the three digits that mean something.
fn rough(value: Option<f64>) -> Cell {
    value.map_or(Cell::Empty, |value| Cell::Number(format!("{value:.2e}").parse().unwrap_or(value)))
}

fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

/// `1 gage`, `2 gages`.
fn count(many: usize, word: &str) -> String {
    if many == 1 { format!("1 {word}") } else { format!("{many} {word}s") }
}
