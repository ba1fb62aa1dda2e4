//! A job's life from being put in to its end.

use super::support::{Script, job, put, queue, quick, reaches, work};
use report_queue::{Enqueued, NewJob, Queue, QueueError, State};
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

#[tokio::test]
async fn putting_off_is_no_attempt() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let script = Script::new();
    let (_workers, notes) = work(&queue, &script, 1);
    let id = put(&queue, job("postpone")).await;
    reaches(&queue, &id, State::Done).await;
    assert_eq!(script.begun(), [("postpone".to_owned(), 1), ("postpone".to_owned(), 1)]);
    until("both runs are reported", || async { notes.count("finished") == 2 }).await;
}

#[tokio::test]
async fn a_result_of_a_mebibyte_is_kept_and_a_larger_one_is_a_failure() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let (_workers, _) = work(&queue, &Script::new(), 2);
    let fits = put(&queue, job("large 1048576")).await;
    let beyond = put(&queue, job("large 1048577")).await;
    reaches(&queue, &fits, State::Done).await;
    reaches(&queue, &beyond, State::Dead).await;
    assert_eq!(queue.result(&fits).await.unwrap().unwrap().len(), 1_048_576);
    assert_eq!(queue.result(&beyond).await.unwrap(), None);
    let large = queue.enqueue(NewJob { payload: vec![0; 256 * 1024 + 1], ..job("") }).await;
    assert!(matches!(large, Err(QueueError::TooLarge { .. })), "{large:?}");
}

#[tokio::test]
async fn what_is_kept_is_kept_for_its_time_and_not_for_ever() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let (workers, _) = work(&queue, &Script::new(), 2);
    let of_anna =
        |text: &str| NewJob { user: Some("anna".to_owned()), idempotency_key: Some(text.to_owned()), ..job(text) };
    let done = put(&queue, of_anna("done")).await;
    let dead = put(&queue, of_anna("fail")).await;
    reaches(&queue, &done, State::Done).await;
    reaches(&queue, &dead, State::Dead).await;
    workers.drain(Duration::from_secs(1)).await;
    let waiting = put(&queue, of_anna("waiting")).await;
    let mut connection = server.connection();
    let mut days = |key: &str| {
        let seconds: i64 = redis::cmd("TTL").arg(format!("report:q:reports:{key}")).query(&mut connection).unwrap();
        // Rounded up; negative when it is kept for ever.
        (seconds + 86_399).div_euclid(86_400)
    };
    assert_eq!(days(&format!("job:{done}")), 7);
    assert_eq!(days(&format!("job:{dead}")), 90);
    assert_eq!(days("of:anna"), 90);
    assert_eq!(days(&format!("job:{waiting}")), 0, "what waits is kept until it has run");
    let keys: Vec<String> = redis::cmd("KEYS").arg("report:q:reports:*").query(&mut server.connection()).unwrap();
    let remembered: Vec<&String> = keys.iter().filter(|key| key.contains(":key:")).collect();
    assert_eq!(remembered.len(), 3);
    for key in remembered {
        assert_eq!(days(key.strip_prefix("report:q:reports:").unwrap()), 1);
    }
}

#[tokio::test]
async fn dead_letters_are_bounded_and_those_that_are_pushed_out_are_counted() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let mut connection = server.connection();
    let mut many = redis::pipe();
    for number in 0..10_000 {
        many.cmd("ZADD")
            .arg("report:q:reports:dead")
            .arg(4_000_000_000_000_i64 + number)
            .arg(format!("old{number}"))
            .ignore();
    }
    many.exec(&mut connection).unwrap();
    let (_workers, _) = work(&queue, &Script::new(), 2);
    let id = put(&queue, job("fail")).await;
    until("the bound is kept", || async { queue.stats().await.unwrap().dropped == 1 }).await;
    let stats = queue.stats().await.unwrap();
    // The newcomer is the oldest here, since the others claim to be of the far future.
    assert_eq!((stats.dead, queue.job(&id).await.unwrap()), (10_000, None));
}
