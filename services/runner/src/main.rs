//! The program: reads the command line, does what it says, and prints.

#![allow(clippy::disallowed_macros, reason = "this is where printing is done")]

use clap::Parser;
use report_runner::command;
use report_runner::serve::serve;
use report_runner::settings::Settings;
use report_runner::settings::args::{Cli, Command, LogFormat, Output, QueueArgs, ServeArgs};
use report_runner::work::Library;
use report_telemetry::{Service, Telemetry};
use std::io::Write;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};

const SERVICE: Service = Service { name: "report-runner", version: env!("CARGO_PKG_VERSION") };

fn main() -> ExitCode {
    let Cli { command, serve } = Cli::parse();
    match command {
        Some(Command::Queue(args)) => queue(&args),
        Some(Command::Serve(args)) => run(&args),
        None => run(&serve),
    }
}

/// Status 0 when it was told to end, 1 when it could not go on, 2 when its settings are wrong.
fn run(args: &ServeArgs) -> ExitCode {
    let settings = match Settings::read(args) {
        Ok(settings) => settings,
        Err(problems) => return complain(&format!("it does not start with these settings:\n{problems}"), 2),
    };
    let Some(runtime) = runtime() else { return complain("the machine gives no threads", 1) };
    let end = runtime.block_on(async {
        let format = match settings.log_format {
            LogFormat::Json => report_telemetry::LogFormat::Json,
            LogFormat::Text => report_telemetry::LogFormat::Text,
        };
        let _telemetry = Telemetry::start(SERVICE, format).map_err(|error| error.to_string())?;
        report_webhook::install_tls();
        let library = Library::new(settings.sources.clone());
        library.start_looking().await;
        let offered = library.offered();
        let end = serve(settings, SERVICE, library, offered).await;
        end.inspect_err(|error| tracing::error!(%error, "the runner ends")).map_err(|error| error.to_string())
    });
    // What still runs on blocking threads was handed back; nobody waits for it.
    runtime.shutdown_background();
    end.map_or_else(|error| complain(&error, 1), |()| ExitCode::SUCCESS)
}

fn queue(args: &QueueArgs) -> ExitCode {
    let Some(runtime) = runtime() else { return complain("the machine gives no threads", 1) };
    match runtime.block_on(command::queue::run(args)) {
        Ok(text) => {
            // A reader that has gone has seen enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            if args.output == Output::Json {
                let _ = writeln!(std::io::stdout(), "{:#}", serde_json::json!({ "error": error.to_string() }));
            }
            complain(&error.to_string(), error.status())
        }
    }
}

fn runtime() -> Option<Runtime> {
    Builder::new_multi_thread().enable_all().build().ok()
}

fn complain(text: &str, status: u8) -> ExitCode {
    eprintln!("report-runner: {text}");
    ExitCode::from(status)
}
