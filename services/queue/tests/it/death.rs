//! Workers that die, are cut off, hang, or leave.

use super::support::{Notes, Script, job, put, queue, quick, reaches, state, work};
use report_queue::{JobId, Queue, QueueSettings, RedisQueue, State, Workers};
use report_testing::{RedisServer, until};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Workers that take one job and then die as a killed process does: nothing renews, nothing ends.
async fn die_with(queue: &RedisQueue, script: &Arc<Script>) {
    let before = script.begun().len();
    let (workers, _) = work(queue, script, 1);
    until("it runs", || async { script.begun().len() > before }).await;
    drop(workers);
}

#[tokio::test]
async fn a_dead_workers_job_runs_again_within_the_lease() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let script = Script::new();
    let id = put(&queue, job("deaf")).await;
    die_with(&queue, &script).await;
    let died = Instant::now();
    let (_workers, notes) = work(&queue, &script, 1);
    until("it runs again", || async { script.begun().len() == 2 }).await;
    // On a busy machine it takes longer than the 600 ms of the lease, but far less than any other wait here.
    assert!(died.elapsed() < Duration::from_secs(5), "{:?}", died.elapsed());
    assert_eq!(script.begun()[1], ("deaf".to_owned(), 2));
    assert_eq!(state(&queue, &id).await, Some(State::Running));
    until("the observer knows", || async { notes.count("recovered 1 0") == 1 }).await;
}

#[tokio::test]
async fn a_job_that_kills_its_workers_is_given_up_and_what_follows_is_put_in() {
    let server = RedisServer::start();
    let queue = queue(&server, QueueSettings { max_deaths: 2, ..quick("reports") });
    let webhooks = super::support::queue(&server, quick("webhooks"));
    let script = Script::followed_in("webhooks");
    let id = put(&queue, job("deaf")).await;
    die_with(&queue, &script).await;
    die_with(&queue, &script).await;
    let (_workers, notes) = work(&queue, &script, 1);
    reaches(&queue, &id, State::Dead).await;
    assert_eq!(script.begun().len(), 2, "it was not run a third time");
    assert!(queue.dead(1).await.unwrap()[0].error.as_ref().unwrap().contains("died, 2 times"));
    assert_eq!(webhooks.stats().await.unwrap().waiting, 1);
    until("the observer knows", || async { notes.count("finished") == 1 }).await;
    assert!(queue.requeue(&id).await.unwrap());
    until("it has a new life", || async { script.begun().len() == 3 }).await;
}

#[tokio::test]
async fn a_long_job_is_run_once_while_its_worker_lives() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let script = Script::new();
    let (_one, first) = work(&queue, &script, 1);
    let (_two, second) = work(&queue, &script, 1);
    let id = put(&queue, job("hold")).await;
    until("it runs", || async { script.begun().len() == 1 }).await;
    // Three leases.
    tokio::time::sleep(Duration::from_millis(1800)).await;
    script.let_go(1);
    reaches(&queue, &id, State::Done).await;
    assert_eq!(script.begun().len(), 1);
    assert_eq!(first.count("recovered") + second.count("recovered"), 0);
}

#[test]
fn a_blocked_runtime_keeps_its_leases_and_is_reported_as_stuck() {
    let server = RedisServer::start();
    let settings = QueueSettings {
        listen: Duration::from_millis(200),
        patience: Duration::from_millis(500),
        watchdog: Duration::from_millis(1500),
        ..quick("reports")
    };
    let queue = queue(&server, settings);
    let notes = Arc::new(Notes::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let script = Script::new();
        let (_others, other_notes) = {
            // Others look for the dead on threads of their own, even though this runtime is blocked.
            let notes = Arc::new(Notes::default());
            (Workers::start(&queue, script.clone(), 0, notes.clone()).unwrap(), notes)
        };
        let workers = Workers::start(&queue, script.clone(), 2, notes.clone()).unwrap();
        let id = put(&queue, job("hold")).await;
        until("it runs and the rest listens", || async { script.begun().len() == 1 }).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        // The handler's mistake: it computes on the thread that all others wait for. Four leases long, and longer.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(3000) || notes.count("stuck") == 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "the watchdog does not see it");
            std::hint::spin_loop();
        }
        let problem = workers.stuck().await;
        assert!(problem.contains("taking jobs"), "{problem}");
        script.let_go(1);
        reaches(&queue, &id, State::Done).await;
        assert_eq!((script.begun().len(), other_notes.count("recovered")), (1, 0));
    });
}

#[tokio::test]
async fn who_lost_the_lease_hears_of_it_and_its_end_does_not_count() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let script = Script::followed_in("webhooks");
    let (_workers, notes) = work(&queue, &script, 1);
    let id = put(&queue, job("hold")).await;
    until("it runs", || async { script.begun().len() == 1 }).await;
    // What others do when this process was silent for a lease.
    let mut connection = server.connection();
    let entry: String =
        redis::cmd("HGET").arg(format!("report:q:reports:job:{id}")).arg("entry").query(&mut connection).unwrap();
    redis::cmd("XACK").arg("report:q:reports:normal").arg("workers").arg(&entry).exec(&mut connection).unwrap();
    redis::cmd("XDEL").arg("report:q:reports:normal").arg(&entry).exec(&mut connection).unwrap();
    // The handler stops, since its token has ended; that end is dropped.
    until("the loss is noted", || async { notes.count("lost") == 1 }).await;
    assert_eq!((notes.count("finished"), state(&queue, &id).await), (0, Some(State::Running)));
    let follow: u64 = redis::cmd("EXISTS").arg("report:q:webhooks:normal").query(&mut connection).unwrap();
    assert_eq!(follow, 0);
}

#[tokio::test]
async fn a_drain_ends_what_it_can_and_gives_back_the_rest_at_once() {
    let server = RedisServer::start();
    let queue = queue(&server, QueueSettings::new("reports"));
    let script = Script::new();
    let (workers, _) = work(&queue, &script, 3);
    let mut ids: Vec<JobId> = Vec::new();
    for text in ["hold", "deaf", "hold"] {
        ids.push(put(&queue, job(text)).await);
    }
    until("all run", || async { script.begun().len() == 3 }).await;
    let waiting = put(&queue, job("done waiting")).await;
    script.let_go(1);
    // One ends within the deadline, one when it is told, and the deaf one by force.
    let drained = workers.drain(Duration::from_millis(300)).await;
    assert_eq!((drained.given_back, drained.untold), (2, 0));
    assert_eq!(state(&queue, &waiting).await, Some(State::Queued), "nothing new was taken");
    let consumers: Vec<redis::Value> = redis::cmd("XINFO")
        .arg("CONSUMERS")
        .arg("report:q:reports:normal")
        .arg("workers")
        .query(&mut server.connection())
        .unwrap();
    assert!(consumers.is_empty(), "the name is gone");
    // The lease is 6 s; nobody waits for it.
    let again = Instant::now();
    let (_workers, _) = work(&queue, &script, 3);
    until("both run again", || async { script.begun().len() >= 5 }).await;
    assert!(again.elapsed() < Duration::from_secs(4), "{:?}", again.elapsed());
    assert!(script.begun()[3..5].iter().all(|(_, attempt)| *attempt == 1), "leaving is no attempt");
}
