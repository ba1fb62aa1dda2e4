//! A report whose worker, and whose Redis, are killed while it is made.

use super::reports::{SYSTEM_CHECK, document, finished_once};
use super::requestor::USER;
use crate::model::component::ComponentName::{self, Redis, Requestor, Runner};
use crate::reach::wait::Verdict as Look;
use crate::smoke::lab::{Fault, Lab, Verdict};
use crate::smoke::visitor::{Asked, Visitor};
use serde_json::json;
use std::time::{Duration, Instant};

/// How long the report takes: long enough to be killed in its middle.
const SECONDS: u32 = 3;
/// A dead worker's lease runs out within 6 s, a killed program is started again within 10 s, twice; and the report.
const LONGEST: Duration = Duration::from_secs(90);

/// Kills the runner's process while the report runs, then Redis while it runs again; the result arrives all the same, once.
pub async fn survives(lab: &Lab) -> Verdict {
    let visitor = Visitor::enter(lab, USER).await?;
    let socket = visitor.socket(None, None).await.map_err(|error| Fault::new(error.to_string(), "a websocket"))?;
    let begun = Instant::now();
    let (_, asked) = visitor.request(SYSTEM_CHECK, &json!({ "seconds": SECONDS }), &lab.random(16)?).await?;
    let kills = async {
        runs(lab, &visitor, &asked, 1).await?;
        kill(lab, Runner).await?;
        runs(lab, &visitor, &asked, 2).await?;
        kill(lab, Redis).await
    };
    // The page is open all the while.
    let (told, killed) = tokio::join!(visitor.follow(Some(socket), &asked.id, LONGEST), kills);
    killed?;
    finished_once(&told?)?;
    let took = begun.elapsed();
    let whole = log(lab, &visitor, &asked).await?;
    document(lab, &visitor, &asked).await?;
    visitor.leave().await?;
    for name in [Runner, Requestor, Redis] {
        back(lab, name).await?;
    }
    Ok(format!(
        "a report of {SECONDS} s came {:.1} s after the click although its worker and Redis were killed while it was made; \
         of its {whole} entries in the log one is its end",
        took.as_secs_f64()
    ))
}

/// Waits until the report runs for the `attempt`th time.
async fn runs(lab: &Lab, visitor: &Visitor<'_>, asked: &Asked, attempt: u64) -> Result<(), Fault> {
    let path = format!("/api/reports/{}", asked.id);
    let look = || async {
        let report = visitor.json(&path).await.map_err(|fault| fault.seen)?;
        let state = report["state"].as_str().unwrap_or_default().to_owned();
        Ok((state, report["attempts"].as_u64().unwrap_or_default()))
    };
    let judge = |(state, attempts): &(String, u64)| match state.as_str() {
        "running" if *attempts >= attempt => Look::Good,
        "done" | "failed" | "cancelled" => Look::Broken(format!("it is {state} at attempt {attempts}")),
        _ => Look::NotYet(format!("it is {state} at attempt {attempts}")),
    };
    lab.wait("a worker takes the report", &format!("attempt {attempt} runs"), 2, look, judge).await.map(drop)
}

/// Kills a component's processes, which whoever looks after them starts again.
async fn kill(lab: &Lab, name: ComponentName) -> Result<(), Fault> {
    let killed = lab.supervisor.kill(name).await;
    killed.map_err(|error| Fault::new(format!("{name} cannot be killed: {error}"), "a process that runs"))
}

/// How many entries of the report the user's log has, of which exactly one must be its end: whoever opens the page anew
/// reads just this.
async fn log(lab: &Lab, visitor: &Visitor<'_>, asked: &Asked) -> Result<usize, Fault> {
    let told = visitor.follow(visitor.socket(Some("0-0"), None).await.ok(), &asked.id, lab.patience).await?;
    finished_once(&told)?;
    let id = asked.id.clone();
    let entries: Vec<String> = lab
        .redis("admin", move |redis| {
            // Each entry: its id, and its fields and their values in turn.
            let found: Vec<(String, Vec<String>)> =
                redis::cmd("XRANGE").arg(format!("user:{USER}:ev")).arg("-").arg("+").query(redis)?;
            Ok(found.into_iter().flat_map(|(_, fields)| fields).filter(|field| field.contains(&id)).collect())
        })
        .await?;
    let ends = entries.iter().filter(|event| event.contains("report.finished")).count();
    match ends {
        1 => Ok(entries.len()),
        ends => Err(Fault::new(format!("the log tells the end of the report {ends} times"), "once")),
    }
}

/// Waits until a component runs, for the checks that come after this one.
async fn back(lab: &Lab, name: ComponentName) -> Result<(), Fault> {
    let look = || async {
        let running = lab.supervisor.running(name).await;
        running.map(|pid| pid.is_some()).map_err(|error| error.to_string())
    };
    let judge = |runs: &bool| if *runs { Look::Good } else { Look::NotYet(format!("{name} does not run")) };
    lab.wait("everything runs again", &format!("{name} runs"), 0, look, judge).await.map(drop)
}
