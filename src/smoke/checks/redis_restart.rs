//! Redis: what was written before a restart is there after it.

use super::redis::info;
use crate::model::component::ComponentName::Redis;
use crate::reach::wait::Verdict as Look;
use crate::render::native::native;
use crate::smoke::lab::{Fault, Lab, Verdict};
use std::time::{Duration, Instant};

/// A key that nobody took away goes away by itself: seconds.
const LIFETIME: u64 = 600;

/// Writes two keys in one transaction, has Redis started anew, and reads the second. A transaction is what a script
/// leaves in Redis's file too, and is read back in another way than a single command.
pub async fn keeps_data(lab: &Lab) -> Verdict {
    let (key, value) = (format!("smoke:{}", lab.random(8)?), lab.random(32)?);
    let before = run_id(lab).await?;
    let (k, v) = (key.clone(), value.clone());
    lab.redis("admin", move |redis| {
        let mut both = redis::pipe();
        both.atomic().set_ex(format!("{k}:first"), "1", LIFETIME).ignore().set_ex(k, v, LIFETIME).ignore();
        both.query::<()>(redis)
    })
    .await?;
    let begun = Instant::now();
    let restarted = restart(lab).await;
    let found = match restarted {
        Ok(()) => read_back(lab, &key, &before).await,
        Err(fault) => Err(fault),
    };
    let k = key.clone();
    let removed =
        lab.redis("admin", move |redis| redis::cmd("DEL").arg(format!("{k}:first")).arg(k).query::<u32>(redis)).await;
    match found? {
        Some(found) if found == value => {}
        Some(_) => {
            return Err(Fault::new(format!("the key {key} has another value after the restart"), "the same value"));
        }
        None => {
            return Err(Fault::new(format!("the key {key} was gone after the restart"), "the same value").advice(
                format!(
                    "do not rely on this Redis; look at its files in {}; {}",
                    lab.target.paths.data(Redis).display(),
                    lab.logs(Redis)
                ),
            ));
        }
    }
    removed?;
    let took = humantime::format_duration(Duration::from_millis(begun.elapsed().as_millis().try_into().unwrap_or(0)));
    Ok(format!("a key that was written before the restart was read after it; back within {took}"))
}

/// What distinguishes one start of Redis from the next.
async fn run_id(lab: &Lab) -> Result<String, Fault> {
    let id = info(lab, "server").await?.get("run_id").map(str::to_owned);
    id.ok_or_else(|| Fault::new("INFO tells no run_id", "the identity of this start"))
}

/// Has whoever looks after Redis stop it in order and start it anew, exactly as it was.
async fn restart(lab: &Lab) -> Result<(), Fault> {
    let ours =
        native(&lab.target.view(), Redis).map_err(|error| Fault::new(error.to_string(), "how Redis is started"))?;
    let restarted = lab.supervisor.restart(&ours.service, &lab.random(8)?).await;
    restarted.map_err(|error| Fault::new(error.to_string(), "Redis stops and is started anew").advice(lab.up()))
}

/// The value of the key, once another Redis than before answers.
async fn read_back(lab: &Lab, key: &str, before: &str) -> Result<Option<String>, Fault> {
    let back = lab.wait(
        "Redis comes back",
        "an answer of a Redis that was started anew",
        0,
        || async { run_id(lab).await.map_err(|fault| fault.seen) },
        |id| if id == before { Look::NotYet("the old Redis still answers".to_owned()) } else { Look::Good },
    );
    back.await.map_err(|fault| fault.advice(lab.up()))?;
    let key = key.to_owned();
    lab.redis("admin", move |redis| redis::cmd("GET").arg(key).query::<Option<String>>(redis)).await
}
