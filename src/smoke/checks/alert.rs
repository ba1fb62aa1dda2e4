//! A real alert, from a figure to a notification and back.

use super::prometheus::{list, query, text};
use crate::model::component::ComponentName::{Alertmanager, NodeExporter, Prometheus};
use crate::reach::Query;
use crate::render::rules::SMOKE_ALERT;
use crate::smoke::figure::Figure;
use crate::smoke::lab::{Fault, Lab, Verdict};
use crate::smoke::receiver::{Notice, Receiver};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout_at};

/// The figure that the rule reads.
const METRIC: &str = "reportctl_smoke_alert";
/// The file that node-exporter reads it from. One name for all runs, so that what a killed one left is found.
const FILE: &str = "smoke.prom";

/// Tells node-exporter a figure that makes Prometheus raise an alert, of which Alertmanager must notify us; takes the
/// figure away, and must be told that all is well again.
pub async fn arrives(lab: &Lab) -> Verdict {
    let run = lab.random(8)?;
    // Whoever listens has the file: another smoke test cannot have both.
    let mut receiver = listen(lab).await?;
    // Where Alertmanager is in a machine, that port is there, and leads here for the time of the check.
    let port = lab.port(Alertmanager, "smoke")?;
    let _back = lab.direct.back(port).await.map_err(|error| {
        Fault::new(error.to_string(), "a way from the machine to where the notification is waited for")
    })?;
    let begun = Instant::now();
    let file = Figure::write(lab, FILE, &format!("{METRIC}{{run=\"{run}\"}}")).await?;
    notified(lab, &mut receiver, &run, "firing").await?;
    let fired = begun.elapsed();
    let taken_away = Instant::now();
    let left_behind = file.left_behind;
    file.remove().await?;
    notified(lab, &mut receiver, &run, "resolved").await?;
    let seconds = |span: Duration| format!("{:.1} s", span.as_secs_f64());
    let earlier = if left_behind { "; what an earlier test had left behind was removed" } else { "" };
    let (fired, resolved) = (seconds(fired), seconds(taken_away.elapsed()));
    Ok(format!("{SMOKE_ALERT} was notified after {fired}, and its end {resolved} after the cause was gone{earlier}"))
}

/// Listens where Alertmanager notifies. Another smoke test may do so for a while.
async fn listen(lab: &Lab) -> Result<Receiver, Fault> {
    let (port, token) = (lab.port(Alertmanager, "smoke")?, lab.secret(Alertmanager, "smoke")?);
    let until = Instant::now() + lab.patience_for(4);
    loop {
        match Receiver::listen(port, token).await {
            Ok(receiver) => return Ok(receiver),
            Err(_) if Instant::now() < until => sleep(Duration::from_millis(200)).await,
            Err(error) => {
                let seen = format!("cannot listen on 127.0.0.1:{port}: {error}");
                return Err(Fault::new(seen, "a port on which to wait for the notification").advice(format!(
                    "if no other `reportctl smoke` runs, `ss -ltnp 'sport = :{port}'` shows who listens there"
                )));
            }
        }
    }
}

/// Waits for the notification of our alert in that status. Those of earlier runs are none of ours.
async fn notified(lab: &Lab, receiver: &mut Receiver, run: &str, status: &str) -> Result<(), Fault> {
    let patience = lab.patience_for(3);
    let until = tokio::time::Instant::now() + patience;
    let mut refused = Vec::new();
    while let Ok(notice) = timeout_at(until, receiver.next()).await {
        match notice {
            Some(Notice::Notified(notification)) => {
                let ours = |name: &str, value: &str, labels: &std::collections::BTreeMap<String, String>| {
                    labels.get(name).is_some_and(|label| label == value)
                };
                let ours = notification.alerts.iter().any(|alert| {
                    alert.status == status
                        && ours("run", run, &alert.labels)
                        && ours("alertname", SMOKE_ALERT, &alert.labels)
                });
                if ours {
                    return Ok(());
                }
            }
            Some(Notice::Refused(why)) => refused.push(why),
            None => break,
        }
    }
    let way = if status == "firing" { way_there(lab, run).await } else { way_back(lab, run).await };
    let mut seen = format!(
        "no notification that {SMOKE_ALERT} is {status} within {}: {way}",
        humantime::format_duration(patience)
    );
    if let Some(why) = refused.last() {
        seen.push_str(&format!("; {} refused, the last one: {why}", refused.len()));
    }
    let expected = format!("a notification of version 4 with the token of this environment, status {status}");
    Err(Fault::new(seen, expected).advice(format!("{}; {}", lab.logs(Alertmanager), lab.logs(Prometheus))))
}

/// How far the alert came.
async fn way_there(lab: &Lab, run: &str) -> String {
    let place = match stations(lab, run).await {
        (false, ..) => "node-exporter does not show the figure",
        (true, false, ..) => "node-exporter shows the figure, and Prometheus has not got it",
        (true, true, false, _) => "Prometheus has the figure, and its rule does not fire",
        (true, true, true, false) => "Prometheus's rule fires, and Alertmanager has no alert",
        (true, true, true, true) => "Alertmanager has the alert, and its notification did not come",
    };
    place.to_owned()
}

/// Where the alert is still there.
async fn way_back(lab: &Lab, run: &str) -> String {
    let place = match stations(lab, run).await {
        (true, ..) => "node-exporter still shows the figure",
        (false, true, ..) => "Prometheus still has the figure",
        (false, false, true, _) => "Prometheus's rule still fires",
        (false, false, false, true) => "Alertmanager still has the alert",
        (false, false, false, false) => "the alert is gone everywhere, and its notification did not come",
    };
    place.to_owned()
}

/// Where the alert is to be seen: at node-exporter, as a series, as a firing rule, at Alertmanager.
async fn stations(lab: &Lab, run: &str) -> (bool, bool, bool, bool) {
    let figure = format!("{METRIC}{{run=\"{run}\"}} 1");
    let shown = async {
        let body = lab.body(&Query::get(lab.port(NodeExporter, "http")?, "/metrics")).await?;
        Ok::<_, Fault>(body.lines().any(|line| line == figure))
    };
    let series = format!("{METRIC}{{run=\"{run}\"}}");
    let alert = format!("ALERTS{{alertname=\"{SMOKE_ALERT}\", alertstate=\"firing\", run=\"{run}\"}}");
    let has = |samples: Result<Vec<_>, Fault>| {
        samples.is_ok_and(|samples: Vec<super::prometheus::Sample>| !samples.is_empty())
    };
    let managed = async {
        let alerts = lab.json(&Query::get(lab.port(Alertmanager, "http")?, "/api/v2/alerts")).await?;
        let alerts = list(&alerts, "")?;
        Ok::<_, Fault>(alerts.iter().any(|alert: &Value| text(alert, "/labels/run") == run))
    };
    (
        shown.await.unwrap_or_default(),
        has(query(lab, &series).await),
        has(query(lab, &alert).await),
        managed.await.unwrap_or_default(),
    )
}
