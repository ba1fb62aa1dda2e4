//! What a source stands on.

use super::postgres::TableOfPostgres;
use super::{Limits, SourceError, Table, Wanted, csv};
use report_model::source::SourceColumn;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a look at a source may take.
const LOOK: Duration = Duration::from_secs(10);

/// What a source stands on.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A CSV file of this machine.
    File(PathBuf),
    /// A CSV file that is built in.
    Sample(&'static [u8]),
    /// A table or view of a PostgreSQL.
    Postgres(TableOfPostgres),
}

impl Origin {
    /// Reads the part of a setting after the name; none when it has another form.
    pub(super) fn parse(name: &str, text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("csv", path) if !path.is_empty() => Some(Self::File(PathBuf::from(path))),
            ("postgres", place) => {
                let (path, table) = place.split_once('#').unwrap_or((place, name));
                let good = !path.is_empty() && !table.is_empty() && !table.contains('\0');
                good.then(|| Self::Postgres(TableOfPostgres::new(Path::new(path), table)))
            }
            _ => None,
        }
    }

    /// Its columns, as far as the first rows tell.
    pub(super) async fn columns(self) -> Result<Vec<SourceColumn>, SourceError> {
        let look = async {
            match self {
                Self::Postgres(table) => table.columns().await,
                file => off_thread(move || csv::columns(file.open(Limits::default())?)).await,
            }
        };
        let late = |_| Err(SourceError::away("it did not answer within 10 s", ""));
        tokio::time::timeout(LOOK, look).await.unwrap_or_else(late)
    }

    /// Its rows.
    pub(super) async fn read(
        &self,
        wanted: Vec<Wanted>,
        limits: Limits,
        cancelled: &CancellationToken,
    ) -> Result<Table, SourceError> {
        match self.clone() {
            Self::Postgres(table) => tokio::select! {
                read = table.read(&wanted, limits) => read,
                () = cancelled.cancelled() => Err(SourceError::Cancelled),
            },
            file => {
                let cancelled = cancelled.clone();
                off_thread(move || csv::read(file.open(limits)?, &wanted, limits, &cancelled)).await
            }
        }
    }

    /// The bytes of a file, or of a sample.
    fn open(self, limits: Limits) -> Result<Box<dyn Read + Send>, SourceError> {
        match self {
            Self::Sample(bytes) => Ok(Box::new(bytes)),
            Self::File(path) => Ok(Box::new(open(&path, limits)?)),
            Self::Postgres(_) => Err(SourceError::unusable("it is no file", "")),
        }
    }
}

fn open(path: &Path, limits: Limits) -> Result<impl Read + Send + use<>, SourceError> {
    let away =
        |problem: &str, error: std::io::Error| SourceError::away(problem, format!("{}: {error}", path.display()));
    // Only a plain file is opened: to open a pipe waits for somebody who writes.
    let about = std::fs::metadata(path).map_err(|error| away("its file is not there or may not be read", error))?;
    if !about.is_file() {
        return Err(SourceError::unusable("it is no file", path.display()));
    }
    if about.len() > limits.bytes {
        let problem = format!("its file is larger than {} MiB", limits.bytes >> 20);
        return Err(SourceError::unusable(problem, path.display()));
    }
    let file = File::open(path).map_err(|error| away("its file may not be read", error))?;
    // It may grow while it is read: what comes then is for the next report.
    Ok(file.take(limits.bytes))
}

/// Runs `work` on a thread on which it may wait.
pub(super) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(SourceError::away("reading it was broken off", error)),
    }
}
