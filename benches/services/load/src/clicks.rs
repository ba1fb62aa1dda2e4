//! From the click to the result in the browser, through both services: the request is sent, the report runs, the signed
//! callback arrives, the event comes out of the websocket.

use super::Bad;
use super::browser::{Door, Socket};
use super::figures::percentiles;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// So many people click, in turn: the requestor bounds what one may ask for in a second.
const PEOPLE: usize = 25;
/// So many clicks first, which are not counted.
const WARM_UP: usize = 50;

/// The report that does nothing but go the whole way.
const REPORT: &str = "system-check";

type Ends = Arc<Mutex<HashMap<String, Instant>>>;

/// Clicks `rate` times a second for `seconds`, and tells how long the results took.
pub async fn run(door: &Door, seconds: u64, rate: u64) -> Result<(), Bad> {
    let ends: Ends = Arc::default();
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        let browser = door.sign_in(&format!("bench-{n}")).await?;
        tokio::spawn(listen(browser.listen().await?, Arc::clone(&ends)));
        people.push(browser);
    }
    let parameters = json!({"seconds": 0});
    let mut beat = interval(Duration::from_secs_f64(1.0 / rate as f64));
    beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut clicks = JoinSet::new();
    for n in 0..WARM_UP + (seconds * rate) as usize {
        beat.tick().await;
        let (browser, parameters) = (people[n % PEOPLE].clone(), parameters.clone());
        clicks.spawn(async move {
            let begun = Instant::now();
            let key = format!("{}-{n}", std::process::id());
            browser.click(REPORT, &parameters, &key).await.map(|id| (n, begun, begun.elapsed(), id))
        });
    }
    let mut asked = Vec::new();
    while let Some(click) = clicks.join_next().await {
        asked.push(click??);
    }
    let all = || asked.iter().all(|(.., id)| ends.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id));
    let patience = Instant::now();
    while !all() && patience.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
    let counted = || asked.iter().filter(|(n, ..)| *n >= WARM_UP);
    let results = counted().filter_map(|(_, begun, _, id)| Some((*ends.get(id)? - *begun).as_secs_f64())).collect();
    let accepted = counted().map(|(_, _, took, _)| took.as_secs_f64()).collect();
    let missing = counted().filter(|(.., id)| !ends.contains_key(id)).count();
    println!("{}", json!({"result": percentiles(results), "accepted": percentiles(accepted), "missing": missing}));
    Ok(())
}

/// Notes when the result of each report came.
async fn listen(mut socket: Socket, ends: Ends) {
    while let Some(event) = socket.next().await {
        let end = Instant::now();
        if event["type"] == "report.finished"
            && let Some(id) = event["data"]["id"].as_str()
        {
            ends.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), end);
        }
    }
}
