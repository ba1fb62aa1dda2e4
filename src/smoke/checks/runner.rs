//! The runner: it is ready, lets nobody in without a token, and has more workers while an alert asks for them.

use crate::model::component::ComponentName::{Alertmanager, Prometheus, Runner};
use crate::reach::wait::Verdict as Look;
use crate::reach::{Query, begin};
use crate::smoke::exposition::{labelled, value};
use crate::smoke::figure::Figure;
use crate::smoke::lab::{Fault, Lab, Verdict, answered};
use std::time::Instant;

/// The figure that the rule reads.
const METRIC: &str = "reportctl_smoke_scaling";
/// The file that node-exporter reads it from.
const FILE: &str = "smoke-scaling.prom";
/// The series of how many workers there are.
const WORKERS: &str = "report_workers";

/// It is ready, reaches Redis by its own account, and tells its figures.
pub async fn answers(lab: &Lab) -> Verdict {
    let port = lab.port(Runner, "http")?;
    let ready = lab.json(&Query::get(port, "/readyz")).await?;
    if ready["ready"] != true {
        return Err(Fault::new(format!("/readyz says {}", begin(&ready.to_string())), "`ready` is true"));
    }
    let figures = figures(lab).await?;
    let dead = value(&figures, "report_jobs_dead");
    match (value(&figures, "redis_up"), value(&figures, WORKERS), dead) {
        (Some(1.0), Some(workers), Some(dead)) if workers >= 1.0 => {
            let dead =
                if dead == 0.0 { "no report was given up".to_owned() } else { format!("{dead} reports were given up") };
            Ok(format!("ready at 127.0.0.1:{port} with {workers} workers, Redis answers it; {dead}"))
        }
        (redis, workers, dead) => {
            let seen = format!("redis_up {redis:?}, {WORKERS} {workers:?}, report_jobs_dead {dead:?}");
            Err(Fault::new(seen, format!("redis_up 1, {WORKERS} of at least 1, and report_jobs_dead")))
        }
    }
}

/// Alerts and large results are for those who show their token.
pub async fn refuses_strangers(lab: &Lab) -> Verdict {
    let (port, wrong) = (lab.port(Runner, "http")?, lab.wrong_password()?);
    let alert = || Query::post(port, "/alerts", "application/json", r#"{"version":"4","alerts":[]}"#);
    let result = || Query::get(port, "/results/00000000000000000000000000");
    for (what, query) in [
        ("an alert with a wrong token", alert().bearer(&wrong)),
        ("an alert without a token", alert()),
        ("a result with a wrong token", result().bearer(&wrong)),
        ("a result without a token", result()),
    ] {
        let reply = lab.ask(&query).await?;
        if !matches!(reply.status, 401 | 403) {
            let seen = format!("{what}: {}", answered(&query, &reply));
            return Err(Fault::new(seen, "status 401 or 403: it is refused"));
        }
    }
    Ok("alerts and results with a wrong token or none are refused".to_owned())
}

/// Tells node-exporter a figure that makes Prometheus raise an alert which asks for two workers more than there are; sees
/// them come, takes the figure away, and sees them go.
pub async fn scales(lab: &Lab) -> Verdict {
    let (run, before) = (lab.random(8)?, Scale::of(lab).await?);
    let (asked, begun) = (before.workers + 2.0, Instant::now());
    let series = format!("{METRIC}{{run=\"{run}\", workers=\"{asked}\"}}");
    let figure = Figure::write(lab, FILE, &series).await?;
    let more = |scale: &Scale| scale.workers >= asked && scale.asked_for > before.asked_for;
    let up = reached(lab, &format!("an alert asks for {asked} workers"), "an alert makes them more", more).await?;
    let (rose, begun_down) = (begun.elapsed(), Instant::now());
    figure.remove().await?;
    let fewer = |scale: &Scale| scale.workers < asked && scale.given_up > up.given_up;
    let down = reached(lab, "the alert has ended", "its end makes them fewer", fewer).await?;
    Ok(format!(
        "{} workers became {} {:.1} s after the cause, and {} again {:.1} s after it was gone",
        before.workers,
        up.workers,
        rose.as_secs_f64(),
        down.workers,
        begun_down.elapsed().as_secs_f64()
    ))
}

/// The workers as the runner tells of them.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    workers: f64,
    /// How often an alert made them more.
    asked_for: f64,
    /// How often the end of an alert made them fewer.
    given_up: f64,
}

impl Scale {
    async fn of(lab: &Lab) -> Result<Self, Fault> {
        let figures = figures(lab).await?;
        let Some(workers) = value(&figures, WORKERS) else {
            return Err(Fault::new(format!("no figure {WORKERS}; they begin: {}", begin(&figures)), WORKERS));
        };
        let count = |direction: &str, reason: &str| {
            let wanted = [format!("direction=\"{direction}\""), format!("reason=\"{reason}\"")];
            let fits = |labels: &str| wanted.iter().all(|label| labels.contains(label));
            labelled(&figures, "report_scale_total").filter(|(labels, _)| fits(labels)).map(|(_, value)| value).sum()
        };
        Ok(Self { workers, asked_for: count("up", "alert"), given_up: count("down", "resolved") })
    }
}

async fn reached(lab: &Lab, why: &str, expected: &str, good: impl Fn(&Scale) -> bool) -> Result<Scale, Fault> {
    let look = || async { Scale::of(lab).await.map_err(|fault| fault.seen) };
    let judge = |scale: &Scale| match good(scale) {
        true => Look::Good,
        false => Look::NotYet(format!("{why}, and there are {}", scale.workers)),
    };
    let advice = || format!("{}; {}; {}", lab.logs(Runner), lab.logs(Alertmanager), lab.logs(Prometheus));
    lab.wait("the number of workers follows an alert", expected, 4, look, judge)
        .await
        .map_err(|fault| fault.advice(advice()))
}

async fn figures(lab: &Lab) -> Result<String, Fault> {
    lab.body(&Query::get(lab.port(Runner, "http")?, "/metrics")).await
}
