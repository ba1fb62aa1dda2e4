//! A server that is away, cuts lines, stands still, is full, or lets us do little.

use super::support::{Script, job, put, queue, quick, reaches, state, work};
use report_queue::{
    Announcement, Connection, NewJob, Queue, QueueError, QueueSettings, RedisQueue, State, TraceContext,
};
use report_testing::{RedisServer, until};
use std::time::Duration;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn workers_live_through_a_restart_and_tell_the_end_of_what_ran_meanwhile() {
    let mut server = RedisServer::start();
    // A lease that lasts over the restart.
    let queue = queue(&server, QueueSettings { lease: Duration::from_secs(20), ..quick("reports") });
    let script = Script::new();
    let (_workers, notes) = work(&queue, &script, 2);
    let held = put(&queue, job("hold")).await;
    until("it runs", || async { script.begun().len() == 1 }).await;
    server.stop();
    script.let_go(1);
    until("the end cannot be told", || async { notes.count("finish broken") == 1 }).await;
    server.start_again();
    reaches(&queue, &held, State::Done).await;
    assert_eq!(script.begun().len(), 1, "the run counts");
    // The scripts are gone from the server, and the idle connections are dead: both are put right.
    let next = put(&queue, job("done")).await;
    reaches(&queue, &next, State::Done).await;
    // Who listens says that it hears again when it hears something.
    until("all is back", || async {
        put(&queue, job("done")).await;
        notes.count("broken") == notes.count("back")
    })
    .await;
}

#[tokio::test]
async fn cut_connections_cost_nothing() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let script = Script::new();
    let (_workers, _) = work(&queue, &script, 2);
    for round in 0..5 {
        redis::cmd("CLIENT")
            .arg("KILL")
            .arg("TYPE")
            .arg("normal")
            .arg("SKIPME")
            .arg("yes")
            .exec(&mut server.connection())
            .unwrap();
        let id = put(&queue, job(&format!("done {round}"))).await;
        reaches(&queue, &id, State::Done).await;
    }
    assert_eq!(queue.stats().await.unwrap().accepted, 5, "a call that was made again put nothing in twice");
}

#[tokio::test]
async fn a_server_that_stood_still_for_longer_than_the_lease_loses_nothing_and_repeats_nothing_that_ended() {
    let server = RedisServer::start();
    let queue = queue(&server, QueueSettings { patience: Duration::from_millis(300), ..quick("reports") });
    let script = Script::new();
    let (_one, first) = work(&queue, &script, 2);
    let (_two, second) = work(&queue, &script, 2);
    let held = put(&queue, job("hold")).await;
    until("it runs", || async { script.begun().len() == 1 }).await;
    server.pause();
    until("both notice", || async { first.count("heartbeat broken") + second.count("heartbeat broken") == 2 }).await;
    assert!(matches!(queue.enqueue(job("done")).await, Err(QueueError::Away(_))), "callers hear of it in time");
    script.let_go(1);
    let of_both = |words: &str| first.count(words) + second.count(words);
    until("the end is told in vain", || async { of_both("finish broken") == 1 }).await;
    server.resume();
    reaches(&queue, &held, State::Done).await;
    assert_eq!(script.begun().iter().filter(|(text, _)| text == "hold").count(), 1);
    // The end was told twice, since the answer to the first time was lost. It counted, and that is what is reported.
    until("the end is reported", || async { of_both(&format!("finished {held}")) == 1 }).await;
    assert_eq!(of_both(&format!("lost {held}")), 0);
    let after = put(&queue, job("done after")).await;
    reaches(&queue, &after, State::Done).await;
}

#[tokio::test]
async fn a_full_server_refuses_new_jobs_and_takes_the_ends_of_old_ones() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let script = Script::new();
    let (_workers, _) = work(&queue, &script, 1);
    let id = put(&queue, job("hold with a result")).await;
    until("it runs", || async { script.begun().len() == 1 }).await;
    let mut connection = server.connection();
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).exec(&mut connection).unwrap();
    assert!(matches!(queue.enqueue(job("done")).await, Err(QueueError::Refused(_))));
    script.let_go(1);
    reaches(&queue, &id, State::Done).await;
    assert_eq!(queue.result(&id).await.unwrap().unwrap(), b"hold with a result");
    assert_eq!(queue.stats().await.unwrap().accepted, 1, "nothing of the refused one was done");
}

#[tokio::test]
async fn both_services_get_by_with_the_rights_that_they_have() {
    let server = RedisServer::start();
    let commands = "-@all +@connection +@string +@hash +@set +@sortedset +@transaction +@stream +del +unlink +exists \
                    +expire +pexpire +persist +ttl +pttl +type +time +eval +evalsha +script|load +script|exists \
                    -@admin -@dangerous";
    let mut connection = server.connection();
    for (user, more) in [("runner", ""), ("requestor", "~user:*:ev &user:* +publish")] {
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg(user).arg("on").arg(format!(">{user}-pass")).arg("~report:*");
        command.arg(commands.split_whitespace().chain(more.split_whitespace()).collect::<Vec<_>>());
        command.exec(&mut connection).unwrap();
    }
    let as_user = |user: &str, name: &str| {
        let (user, password) = (Some(user.to_owned()), Some(format!("{user}-pass")));
        RedisQueue::connect(&Connection { url: server.url(), user, password }, quick(name)).unwrap()
    };
    let (asks, works) = (as_user("requestor", "reports"), as_user("runner", "reports"));
    let script = Script::followed_in("webhooks");
    let (workers, notes) = work(&works, &script, 2);
    let announcement = Some(Announcement {
        stream: "user:anna:ev".to_owned(),
        channel: "user:anna".to_owned(),
        event: "queued {id}".to_owned(),
    });
    let trace = TraceContext { parent: PARENT.to_owned(), state: String::new() };
    let id = put(
        &asks,
        NewJob { user: Some("anna".to_owned()), announcement: announcement.clone(), trace, ..job("retry-once") },
    )
    .await;
    reaches(&asks, &id, State::Done).await;
    let log: redis::streams::StreamRangeReply =
        redis::cmd("XRANGE").arg("user:anna:ev").arg("-").arg("+").query(&mut connection).unwrap();
    assert_eq!(log.ids[0].get::<String>("event").unwrap(), format!("queued {id}"));
    assert_eq!(log.ids[0].get::<String>("trace").as_deref(), Some(PARENT));
    let held = put(&asks, job("hold")).await;
    until("it runs", || async { script.begun().iter().any(|(text, _)| text == "hold") }).await;
    asks.cancel(&held).await.unwrap();
    reaches(&asks, &held, State::Cancelled).await;
    workers.drain(Duration::from_secs(1)).await;
    assert_eq!(notes.count("broken"), 0, "{:?}", notes.all());
    // The runner may not write a user's log: all of such a call is refused, and nothing is left behind.
    let refused = works.enqueue(NewJob { announcement, ..job("done") }).await;
    assert!(matches!(refused, Err(QueueError::Refused(_))), "{refused:?}");
    assert_eq!(asks.stats().await.unwrap().waiting, 0);
    assert_eq!(state(&asks, &held).await, Some(State::Cancelled));
}

#[tokio::test]
async fn workers_that_start_before_the_server_work_when_it_comes() {
    let mut server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    server.stop();
    let script = Script::new();
    let (_workers, notes) = work(&queue, &script, 2);
    until("they notice", || async { notes.count("claim broken") == 1 }).await;
    server.start_again();
    let id = put(&queue, job("done")).await;
    reaches(&queue, &id, State::Done).await;
}

#[tokio::test]
async fn workers_live_through_a_server_that_was_emptied() {
    let server = RedisServer::start();
    let queue = queue(&server, quick("reports"));
    let script = Script::new();
    let (_workers, notes) = work(&queue, &script, 2);
    put(&queue, job("hold")).await;
    until("it runs", || async { script.begun().len() == 1 }).await;
    redis::cmd("FLUSHALL").exec(&mut server.connection()).unwrap();
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut server.connection()).unwrap();
    until("the run is told that it lost its lease", || async { notes.count("lost") == 1 }).await;
    let id = put(&queue, job("done")).await;
    reaches(&queue, &id, State::Done).await;
}
