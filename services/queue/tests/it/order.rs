//! Who comes first: priorities, the limit per user, delays, the pause, the number of slots.

use super::support::{Script, job, put, queue, quick, reaches, state, work};
use report_queue::{NewJob, Priority, Queue, QueueSettings, State};
use report_testing::{RedisServer, until};
use std::time::Duration;

#[tokio::test]
async fn higher_priorities_come_first_and_within_one_the_older() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    for (text, priority) in
        [("l", Priority::Low), ("n1", Priority::Normal), ("n2", Priority::Normal), ("h", Priority::High)]
    {
        put(&queue, NewJob { priority, ..job(text) }).await;
    }
    let script = Script::new();
    let _workers = work(&queue, &script, 1);
    until("all ran", || async { script.begun().len() == 4 }).await;
    let order: Vec<String> = script.begun().into_iter().map(|(text, _)| text).collect();
    assert_eq!(order, ["h", "n1", "n2", "l"]);
}

#[tokio::test]
async fn a_user_with_many_jobs_does_not_hold_up_the_others() {
    let server = RedisServer::start();
    let queue = queue(&server, QueueSettings { per_user: Some(2), ..quick("reports") });
    let script = Script::new();
    let (workers, _) = work(&queue, &script, 0);
    // The limit holds for all who put jobs in as soon as workers were there.
    until("the limit is written", || async {
        redis::cmd("EXISTS").arg("report:q:reports:per_user").query::<bool>(&mut server.connection()).unwrap()
    })
    .await;
    let of = |user: &str, text: &str| NewJob { user: Some(user.to_owned()), ..job(text) };
    for number in 0..5 {
        put(&queue, of("anna", &format!("hold a{number}"))).await;
    }
    put(&queue, of("bert", "hold b")).await;
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.waiting, stats.parked), (3, 3));
    workers.set_concurrency(10);
    until("two of anna's and bert's run", || async { script.begun().len() == 3 }).await;
    for ended in 1..=3 {
        script.let_go(1);
        until("the next one is let in", || async {
            script.begun().len() == 3 + ended || queue.stats().await.unwrap().running < 3
        })
        .await;
    }
    script.let_go(3);
    until("all have ended", || async { queue.stats().await.unwrap().running == 0 }).await;
    assert_eq!(queue.stats().await.unwrap().parked, 0);
    assert_eq!(script.begun().len(), 6);
    let left: Vec<String> = redis::cmd("KEYS").arg("report:q:reports:in:*").query(&mut server.connection()).unwrap();
    assert!(left.is_empty(), "places are freed: {left:?}");
}

#[tokio::test]
async fn delayed_jobs_start_in_time_although_the_workers_were_idle() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let script = Script::new();
    let _workers = work(&queue, &script, 2);
    until("they listen", || async { listening(&server) }).await;
    let late = put(&queue, NewJob { delay: Duration::from_secs(3600), ..job("late") }).await;
    let soon = put(&queue, NewJob { delay: Duration::from_millis(200), ..job("done soon") }).await;
    assert_eq!(state(&queue, &soon).await, Some(State::Delayed));
    reaches(&queue, &soon, State::Done).await;
    let soon = queue.job(&soon).await.unwrap().unwrap();
    let waited = soon.started_at.unwrap() - soon.enqueued_at;
    assert!((200..2000).contains(&waited), "{waited} ms");
    assert_eq!(state(&queue, &late).await, Some(State::Delayed));
}

#[tokio::test]
async fn an_idle_worker_hears_at_once_and_asks_little() {
    let server = RedisServer::start();
    // As it is in earnest: the lease of 6 s, listening for 30 s.
    let queue = queue(&server, QueueSettings::new("reports"));
    let script = Script::new();
    let _workers = work(&queue, &script, 2);
    until("they listen", || async { listening(&server) }).await;
    let mut connection = server.connection();
    let mut commands = || {
        let info: String = redis::cmd("INFO").arg("stats").query(&mut connection).unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    let (before, begun) = (commands(), std::time::Instant::now());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let rate = (commands() - before) as f64 / begun.elapsed().as_secs_f64();
    assert!(rate <= 3.0, "{rate} commands a second");
    let id = put(&queue, job("done")).await;
    reaches(&queue, &id, State::Done).await;
    let job = queue.job(&id).await.unwrap().unwrap();
    assert!(job.started_at.unwrap() - job.enqueued_at < 1000, "{job:?}");
}

#[tokio::test]
async fn a_paused_queue_takes_jobs_and_hands_out_none() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let script = Script::new();
    let _workers = work(&queue, &script, 2);
    queue.pause(true).await.unwrap();
    let id = put(&queue, job("done")).await;
    until("the workers listen for the bell", || async { listening(&server) }).await;
    let stats = queue.stats().await.unwrap();
    assert!(stats.paused && stats.waiting == 1 && script.begun().is_empty(), "{stats:?}");
    queue.pause(false).await.unwrap();
    reaches(&queue, &id, State::Done).await;
}

#[tokio::test]
async fn never_more_is_fetched_than_there_are_free_slots_and_their_number_changes_at_once() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let script = Script::new();
    let (workers, _) = work(&queue, &script, 2);
    for number in 0..10 {
        put(&queue, job(&format!("hold {number}"))).await;
    }
    until("two run", || async { script.begun().len() == 2 }).await;
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.running, stats.waiting), (2, 8));
    workers.set_concurrency(5);
    until("five run", || async { script.begun().len() == 5 }).await;
    assert_eq!(queue.stats().await.unwrap().running, 5);
    workers.set_concurrency(1);
    script.let_go(4);
    until("one runs", || async { workers.running() == 1 }).await;
    assert_eq!((script.begun().len(), workers.concurrency()), (5, 1));
    script.let_go(6);
    until("all are done", || async { script.begun().len() == 10 && workers.running() == 0 }).await;
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.waiting, stats.running), (0, 0));
    let left: u64 = redis::cmd("XLEN").arg("report:q:reports:normal").query(&mut server.connection()).unwrap();
    assert_eq!(left, 0, "what has ended is deleted from the stream");
}

#[tokio::test]
async fn more_due_jobs_than_a_script_could_unpack_are_all_run() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let queue = queue.clone();
        callers.spawn(async move {
            for _ in 0..200 {
                put(&queue, NewJob { delay: Duration::from_millis(1), ..job("done") }).await;
            }
        });
    }
    callers.join_all().await;
    assert_eq!(queue.stats().await.unwrap().delayed, 10_000);
    let script = Script::new();
    let (workers, _) = work(&queue, &script, 1000);
    until("all ran", || async { script.begun().len() == 10_000 && workers.running() == 0 }).await;
    let stats = queue.stats().await.unwrap();
    assert_eq!((stats.waiting, stats.delayed, stats.running, stats.accepted), (0, 0, 0, 10_000));
}

#[tokio::test]
async fn a_users_jobs_are_listed_newest_first_page_by_page() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(put(&queue, NewJob { user: Some("anna".to_owned()), ..job(&format!("{number}")) }).await);
        put(&queue, NewJob { user: Some("bert".to_owned()), ..job("other") }).await;
    }
    ids.reverse();
    let page = queue.jobs_of("anna", None, 2).await.unwrap();
    assert_eq!(page.iter().map(|job| job.id.clone()).collect::<Vec<_>>(), ids[..2]);
    let rest = queue.jobs_of("anna", Some(&ids[1]), 10).await.unwrap();
    assert_eq!(rest.iter().map(|job| job.id.clone()).collect::<Vec<_>>(), ids[2..]);
    assert!(queue.jobs_of("nobody", None, 10).await.unwrap().is_empty());
}

/// Whether somebody waits in a blocking read.
fn listening(server: &RedisServer) -> bool {
    let info: String = redis::cmd("INFO").arg("clients").query(&mut server.connection()).unwrap();
    info.lines().any(|line| line.starts_with("blocked_clients:") && !line.ends_with(":0"))
}
