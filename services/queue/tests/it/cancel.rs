//! Cancelling, and what follows from an end.

use super::support::{Script, job, put, queue, quick, reaches, state, work};
use report_queue::{JobId, NewJob, Queue, QueueSettings, RedisQueue, State};
use report_testing::{RedisServer, until};
use std::time::Duration;

/// What is in a queue that nobody works on.
async fn lying(queue: &RedisQueue, server: &RedisServer) -> Vec<String> {
    let name = &queue.settings().name;
    let mut connection = server.connection();
    let entries: redis::streams::StreamRangeReply =
        redis::cmd("XRANGE").arg(format!("report:q:{name}:normal")).arg("-").arg("+").query(&mut connection).unwrap();
    let mut texts = Vec::new();
    for entry in entries.ids {
        let id = JobId::parse(&entry.get::<String>("job").unwrap()).unwrap();
        texts.push(String::from_utf8(queue.job(&id).await.unwrap().unwrap().payload).unwrap());
    }
    texts
}

#[tokio::test]
async fn every_end_puts_in_what_follows_once() {
    let server = RedisServer::start();
    let reports = queue(&server, quick("reports"));
    let webhooks = queue(&server, quick("webhooks"));
    let script = Script::followed_in("webhooks");
    let (workers, _) = work(&reports, &script, 4);
    let done = put(&reports, job("done")).await;
    reaches(&reports, &done, State::Done).await;
    let failed = put(&reports, job("retry")).await;
    reaches(&reports, &failed, State::Dead).await;
    let held = put(&reports, job("hold")).await;
    until("it runs", || async { script.begun().iter().any(|(text, _)| text == "hold") }).await;
    assert!(reports.cancel(&held).await.unwrap());
    reaches(&reports, &held, State::Cancelled).await;
    assert!(!reports.cancel(&held).await.unwrap(), "it has ended");
    workers.drain(Duration::from_secs(1)).await;
    let expected = [format!("done {done}"), format!("failed {failed}"), format!("cancelled {held}")];
    assert_eq!(lying(&webhooks, &server).await, expected);
}

#[tokio::test]
async fn what_waits_is_cancelled_at_once_and_never_runs() {
    let server = RedisServer::start();
    let reports = queue(&server, QueueSettings { per_user: Some(1), ..quick("reports") });
    let webhooks = queue(&server, quick("webhooks"));
    let script = Script::followed_in("webhooks");
    let (workers, _) = work(&reports, &script, 1);
    let user = |text: &str| NewJob { user: Some("anna".to_owned()), ..job(text) };
    let running = put(&reports, user("hold")).await;
    until("it runs", || async { script.begun().len() == 1 }).await;
    let waiting = put(&reports, job("done waiting")).await;
    let parked = put(&reports, user("done parked")).await;
    let delayed = put(&reports, NewJob { delay: Duration::from_secs(60), ..job("done delayed") }).await;
    assert_eq!(reports.stats().await.unwrap().parked, 1);
    for id in [&waiting, &parked, &delayed] {
        assert!(reports.cancel(id).await.unwrap());
        assert_eq!(state(&reports, id).await, Some(State::Cancelled));
    }
    script.let_go(1);
    reaches(&reports, &running, State::Done).await;
    until("all follow", || async { lying(&webhooks, &server).await.len() == 4 }).await;
    let mut expected: Vec<String> = [&waiting, &parked, &delayed].map(|id| format!("cancelled {id}")).to_vec();
    expected.push(format!("done {running}"));
    let mut lying = lying(&webhooks, &server).await;
    lying.sort();
    expected.sort();
    assert_eq!(lying, expected);
    assert_eq!(script.begun().len(), 1, "only the first one ran");
    workers.drain(Duration::from_secs(1)).await;
    let stats = reports.stats().await.unwrap();
    assert_eq!((stats.waiting, stats.parked, stats.delayed, stats.running), (0, 0, 0, 0));
}
