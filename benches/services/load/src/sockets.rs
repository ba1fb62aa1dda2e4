//! Many websockets, each of its own user, and one publish to each.

use super::Bad;
use super::browser::Door;
use super::figures::percentiles;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// So many sign in at once.
const ABREAST: usize = 32;

/// What the requestor does when a callback arrives.
const PUBLISH: &str = "local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', '1000', '*', 'event', ARGV[1])
redis.call('EXPIRE', KEYS[1], 3600)
redis.call('PUBLISH', ARGV[2], id)
return id";

type Ends = Arc<Mutex<HashMap<String, Instant>>>;

/// Opens `count` websockets, publishes once to each as fast as it goes, and tells how long each took to arrive.
pub async fn run(door: &Door, redis: &str, count: usize) -> Result<(), Bad> {
    let ends: Ends = Arc::default();
    let begun = Instant::now();
    open(door, count, &ends).await?;
    let opened = begun.elapsed().as_secs_f64();

    let connection = redis::Client::open(redis)?.get_multiplexed_async_connection().await?;
    let script = redis::Script::new(PUBLISH);
    let sent: Ends = Arc::default();
    let mut tasks = JoinSet::new();
    for lane in 0..ABREAST {
        let (mut connection, script, sent) = (connection.clone(), script.clone(), Arc::clone(&sent));
        tasks.spawn(async move {
            for n in (lane..count).step_by(ABREAST) {
                let user = user(n);
                let event = json!({"type": "report.finished", "timestamp": "2026-01-01T00:00:00Z", "data": {
                    "id": "00000000000000000000000000", "report": "gage-calibration", "trace_id": "", "attempt": 1}});
                sent.lock().unwrap_or_else(PoisonError::into_inner).insert(user.clone(), Instant::now());
                let mut call = script.prepare_invoke();
                call.key(format!("user:{user}:ev")).arg(event.to_string()).arg(format!("user:{user}"));
                call.invoke_async::<String>(&mut connection).await?;
            }
            Ok::<(), redis::RedisError>(())
        });
    }
    while let Some(end) = tasks.join_next().await {
        end??;
    }
    let arrived = || ends.lock().unwrap_or_else(PoisonError::into_inner).len();
    let patience = Instant::now();
    while arrived() < count && patience.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (sent, ends) =
        (sent.lock().unwrap_or_else(PoisonError::into_inner), ends.lock().unwrap_or_else(PoisonError::into_inner));
    let took: Vec<f64> = ends.iter().filter_map(|(user, end)| Some((*end - *sent.get(user)?).as_secs_f64())).collect();
    println!("{}", json!({"opened_seconds": opened, "missing": count - took.len(), "push": percentiles(took)}));
    Ok(())
}

fn user(n: usize) -> String {
    format!("socket-{n}")
}

/// Signs everybody in and opens their websockets.
async fn open(door: &Door, count: usize, ends: &Ends) -> Result<(), Bad> {
    let places = Arc::new(Semaphore::new(ABREAST));
    let mut opening = JoinSet::new();
    for n in 0..count {
        let place = Arc::clone(&places).acquire_owned().await?;
        let (door, ends) = (door.clone(), Arc::clone(ends));
        opening.spawn(async move {
            let _place = place;
            let browser = door.sign_in(&user(n)).await?;
            let mut socket = browser.listen().await?;
            tokio::spawn(async move {
                while let Some(event) = socket.next().await {
                    let end = Instant::now();
                    if event["type"] == "report.finished" {
                        ends.lock().unwrap_or_else(PoisonError::into_inner).insert(browser.user.clone(), end);
                    }
                }
            });
            Ok::<(), Bad>(())
        });
    }
    while let Some(end) = opening.join_next().await {
        end??;
    }
    Ok(())
}
