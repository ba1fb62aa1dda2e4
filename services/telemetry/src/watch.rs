//! Watches whether telemetry is delivered, and tells people now and then when it is not.

use super::redact::redact;
use super::settings::Signal;
use opentelemetry_sdk::error::OTelSdkResult;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// People are told of the same trouble once in so much time.
const SILENCE: Duration = Duration::from_secs(60);

/// Watches one signal.
#[derive(Debug)]
pub(crate) struct Watch {
    signal: Signal,
    secrets: Arc<[String]>,
    trouble: Mutex<Trouble>,
}

#[derive(Debug, Default)]
struct Trouble {
    told_at: Option<Instant>,
    /// Failures since the last one that was told.
    untold: u64,
}

impl Watch {
    /// Watches `signal`; none of `secrets` is ever told.
    pub(crate) fn new(signal: Signal, secrets: Arc<[String]>) -> Self {
        Self { signal, secrets, trouble: Mutex::default() }
    }

    /// Notes how a delivery ended and hands the end on.
    pub(crate) fn note(&self, end: OTelSdkResult) -> OTelSdkResult {
        match &end {
            Ok(()) => self.arrived(),
            Err(error) => self.lost(&error.to_string()),
        }
        end
    }

    fn lost(&self, error: &str) {
        let untold = {
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            if trouble.told_at.is_some_and(|told| told.elapsed() < SILENCE) {
                trouble.untold += 1;
                return;
            }
            trouble.told_at = Some(Instant::now());
            std::mem::take(&mut trouble.untold)
        };
        let (signal, error) = (self.signal.as_str(), redact(error, &self.secrets));
        warn!(
            signal,
            error,
            more_failures = untold,
            "the OTLP receiver did not take what was sent: look at OTEL_EXPORTER_OTLP_ENDPOINT and \
             OTEL_EXPORTER_OTLP_HEADERS; the service goes on without it"
        );
    }

    fn arrived(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.told_at.take().is_some() {
            trouble.untold = 0;
            drop(trouble);
            info!(signal = self.signal.as_str(), "the OTLP receiver takes what is sent again");
        }
    }
}
