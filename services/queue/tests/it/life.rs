//! A job's life from being put in to its end.

use super::support::{Script, job, put, queue, quick, reaches, work};
use report_queue::{Enqueued, NewJob, Queue, State};
use report_testing::{RedisServer, until};
use std::time::Duration;

#[tokio::test]
async fn a_job_runs_and_its_result_can_be_had() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let script = Script::new();
    let (workers, notes) = work(&queue, &script, 2);
    let id = put(&queue, NewJob { user: Some("anna".to_owned()), ..job("done well") }).await;
    reaches(&queue, &id, State::Done).await;
    assert_eq!(queue.result(&id).await.unwrap().unwrap(), b"done well");
    let info = queue.job(&id).await.unwrap().unwrap();
    assert_eq!((info.attempts, info.user.as_deref(), info.kind.as_str()), (1, Some("anna"), "test"));
    assert!(info.enqueued_at <= info.started_at.unwrap() && info.started_at <= info.finished_at);
    until("the observer knows", || async { notes.count("finished") == 1 }).await;
    assert_eq!(workers.drain(Duration::from_secs(1)).await.given_back, 0);
}

#[tokio::test]
async fn one_idempotency_key_is_one_job_but_each_user_has_their_own() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let keyed =
        |user: &str| NewJob { user: Some(user.to_owned()), idempotency_key: Some("k".to_owned()), ..job("done") };
    let first = put(&queue, keyed("anna")).await;
    assert_eq!(queue.enqueue(keyed("anna")).await.unwrap(), Enqueued::Duplicate(first));
    assert!(matches!(queue.enqueue(keyed("bert")).await.unwrap(), Enqueued::New(_)));
    assert_eq!(queue.stats().await.unwrap().accepted, 2);
}

#[tokio::test]
async fn what_goes_wrong_is_tried_again_and_is_dead_in_the_end() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let script = Script::new();
    let (_workers, _) = work(&queue, &script, 2);
    let id = put(&queue, job("retry")).await;
    reaches(&queue, &id, State::Dead).await;
    let attempts: Vec<u32> = script.begun().iter().map(|(_, attempt)| *attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5]);
    let dead = queue.dead(10).await.unwrap();
    assert_eq!((dead[0].id.clone(), dead[0].error.as_deref()), (id.clone(), Some("not yet")));
    assert!(queue.requeue(&id).await.unwrap());
    reaches(&queue, &id, State::Dead).await;
    assert_eq!(script.begun().len(), 10);
    let panics = put(&queue, job("panic")).await;
    reaches(&queue, &panics, State::Dead).await;
    assert!(queue.job(&panics).await.unwrap().unwrap().error.unwrap().contains("on purpose"));
}
