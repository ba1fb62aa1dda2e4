//! The reports that this runner can make, and the sources that it reads for them.

use super::{Maker, Trouble};
use report_model::catalog::Parameters;
use report_model::document::Document;
use report_model::source::SourceInfo;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The reports that this runner can make, and the sources that it reads for them.
#[derive(Debug, Default)]
pub struct Library {
    sources: Vec<SourceInfo>,
}

impl Library {
    /// The sources that it offers.
    pub fn sources(&self) -> &[SourceInfo] {
        &self.sources
    }
}

impl Maker for Library {
    async fn make(&self, parameters: Parameters, cancelled: CancellationToken) -> Result<Document, Trouble> {
        match parameters {
            Parameters::SystemCheck(check) => {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(check.seconds.into())) => Ok(checked(check.seconds)),
                    () = cancelled.cancelled() => Err(Trouble::Stopped),
                }
            }
            Parameters::GageCalibration(_) | Parameters::MovingAverage(_) => {
                let source = parameters.source().unwrap_or_default();
                Err(Trouble::Lasting(format!("this runner offers no source `{source}`")))
            }
        }
    }
}

fn checked(seconds: u32) -> Document {
    Document {
        title: "System check".to_owned(),
        summary: vec![format!("The report went the whole way, and took the {seconds} s that it was to take.")],
        warnings: Vec::new(),
        columns: Vec::new(),
        rows: Vec::new(),
        chart: None,
    }
}
