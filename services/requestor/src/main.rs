//! The program.

use clap::Parser;
use report_requestor::app::{App, Patience};
use report_requestor::serve::Server;
use report_requestor::settings::{Flags, Settings};
use report_telemetry::{Metrics, Service, Telemetry};
use std::error::Error;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

const SERVICE: Service = Service { name: "report-requestor", version: env!("CARGO_PKG_VERSION") };

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    match run(&flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may not be there yet.
            #[allow(clippy::disallowed_macros, reason = "the one place that speaks to a person")]
            {
                eprintln!("report-requestor: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let settings = Settings::resolve(flags)?;
    let _telemetry = Telemetry::start(SERVICE, flags.log_format)?;
    report_webhook::install_tls();
    settings.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let metrics = Metrics::new(SERVICE);
    let (listen, public) = (settings.listen, settings.public_url.clone());
    let app = App::new(settings, Patience::default(), &metrics)?;
    let server = Server::open(app, metrics).map_err(|error| format!("cannot listen at {listen}: {error}"))?;
    let stop = CancellationToken::new();
    tokio::spawn(stop_at_signal(stop.clone()));
    tracing::info!(address = %server.address()?, public, "listening");
    server.run(stop).await?;
    tracing::info!("ended");
    Ok(())
}

/// Asks the service to end at SIGTERM or SIGINT.
async fn stop_at_signal(stop: CancellationToken) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be heard; only SIGKILL will end this service");
        return;
    };
    tokio::select! {
        _ = term.recv() => tracing::info!("SIGTERM: the service ends in order"),
        _ = int.recv() => tracing::info!("SIGINT: the service ends in order"),
    }
    stop.cancel();
}
