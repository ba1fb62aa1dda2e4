//! The queue on Redis Streams, for those who put jobs in and look after them.

use super::error::QueueError;
use super::id::JobId;
use super::job::{Enqueued, JobInfo, NewJob};
use super::link::Link;
use super::queue::{Queue, Stats};
use super::script;
use super::settings::{Connection, QueueSettings};
use super::wire;
use redis::{Script, ScriptInvocation};
use std::sync::Arc;
use std::time::Duration;

/// A queue on Redis Streams. Clones share one connection, which is made anew when it breaks.
#[derive(Clone)]
pub struct RedisQueue {
    inner: Arc<Inner>,
}

struct Inner {
    settings: QueueSettings,
    connection: Connection,
    client: redis::Client,
    link: Link,
    prefix: String,
}

impl RedisQueue {
    /// A queue. The server need not be there yet: each call connects when it must, and says so when it cannot.
    ///
    /// Errors: the address or the settings make no sense.
    pub fn connect(connection: &Connection, settings: QueueSettings) -> Result<Self, QueueError> {
        settings.check()?;
        let client = connection.client()?;
        let link = Link::new(client.clone(), settings.patience);
        let prefix = wire::prefix(&settings.name);
        let connection = connection.clone();
        Ok(Self { inner: Arc::new(Inner { settings, connection, client, link, prefix }) })
    }

    /// How it behaves.
    pub fn settings(&self) -> &QueueSettings {
        &self.inner.settings
    }

    /// Where it is.
    pub fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    pub(crate) fn client(&self) -> redis::Client {
        self.inner.client.clone()
    }

    pub(crate) fn link(&self) -> &Link {
        &self.inner.link
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    /// A call of a script, with the queue's prefix as its first argument.
    pub(crate) fn call<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.arg(self.prefix());
        call
    }

    fn patience(&self) -> Duration {
        self.inner.settings.patience
    }

    fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.inner.prefix)
    }

    /// Runs a script until it is answered or patience is over.
    async fn run<T: redis::FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, QueueError> {
        self.link().patiently(self.patience(), || self.link().script(call)).await
    }

    /// Runs commands, all of which only read or are safe twice, until they are answered or patience is over.
    async fn ask<T: redis::FromRedisValue>(&self, commands: &redis::Pipeline) -> Result<T, QueueError> {
        let link = self.link();
        link.patiently(self.patience(), || {
            link.once(|mut line| async move { commands.query_async::<T>(&mut line).await })
        })
        .await
    }

    /// What is known of several jobs; those that are not there are left out.
    async fn infos(&self, ids: Vec<String>) -> Result<Vec<JobInfo>, QueueError> {
        let ids: Vec<JobId> = ids.iter().filter_map(|id| JobId::parse(id)).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = redis::pipe();
        for id in &ids {
            commands.cmd("HMGET").arg(self.key(&format!("job:{id}"))).arg(&wire::INFO);
        }
        let known: Vec<Vec<Option<Vec<u8>>>> = self.ask(&commands).await?;
        let infos = ids.into_iter().zip(known).map(|(id, fields)| wire::read_info(id, fields));
        infos.filter_map(Result::transpose).collect()
    }
}

impl Queue for RedisQueue {
    async fn enqueue(&self, job: NewJob) -> Result<Enqueued, QueueError> {
        wire::check(&job)?;
        // The name is ours, so a call whose answer was lost can be made again.
        let id = JobId::fresh()?;
        let mut call = self.call(&script::ENQUEUE);
        wire::write_job(&mut call, &id, &job);
        let name: String = self.run(&call).await?;
        if name == id.as_str() {
            return Ok(Enqueued::New(id));
        }
        let first = JobId::parse(&name);
        first.map(Enqueued::Duplicate).ok_or_else(|| QueueError::Damaged {
            key: self.key("key:…"),
            problem: format!("`{name}` is no name of a job"),
        })
    }

    async fn cancel(&self, id: &JobId) -> Result<bool, QueueError> {
        let mut call = self.call(&script::CANCEL);
        call.arg(id.as_str());
        self.run(&call).await
    }

    async fn job(&self, id: &JobId) -> Result<Option<JobInfo>, QueueError> {
        Ok(self.infos(vec![id.to_string()]).await?.pop())
    }

    async fn result(&self, id: &JobId) -> Result<Option<Vec<u8>>, QueueError> {
        let mut commands = redis::pipe();
        commands.cmd("HGET").arg(self.key(&format!("job:{id}"))).arg("result");
        let (result,) = self.ask(&commands).await?;
        Ok(result)
    }

    async fn jobs_of(&self, user: &str, before: Option<&JobId>, limit: usize) -> Result<Vec<JobInfo>, QueueError> {
        let from = before.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
        let mut commands = redis::pipe();
        commands.cmd("ZREVRANGEBYLEX").arg(self.key(&format!("of:{user}"))).arg(from).arg("-");
        commands.arg("LIMIT").arg(0).arg(limit);
        let (ids,) = self.ask(&commands).await?;
        self.infos(ids).await
    }

    async fn dead(&self, limit: usize) -> Result<Vec<JobInfo>, QueueError> {
        let mut commands = redis::pipe();
        commands.cmd("ZRANGE").arg(self.key("dead")).arg("+inf").arg("-inf").arg("BYSCORE").arg("REV");
        commands.arg("LIMIT").arg(0).arg(limit);
        let (ids,) = self.ask(&commands).await?;
        self.infos(ids).await
    }

    async fn requeue(&self, id: &JobId) -> Result<bool, QueueError> {
        let mut call = self.call(&script::REQUEUE);
        call.arg(id.as_str());
        self.run(&call).await
    }

    async fn pause(&self, paused: bool) -> Result<(), QueueError> {
        let mut commands = redis::pipe();
        if paused {
            commands.cmd("SET").arg(self.key("paused")).arg(1).ignore();
        } else {
            commands.cmd("DEL").arg(self.key("paused")).ignore();
            // Those who wait look again.
            commands.cmd("XADD").arg(self.key("bell")).arg("MAXLEN").arg(1).arg("*").arg("ring").arg(1).ignore();
        }
        self.ask(&commands).await
    }

    async fn stats(&self) -> Result<Stats, QueueError> {
        let figures: Vec<u64> = self.run(&self.call(&script::STATS)).await?;
        let [waiting, parked, delayed, running, dead, dropped, oldest, accepted, paused] = figures[..] else {
            return Err(QueueError::Damaged {
                key: self.key("…"),
                problem: "the figures have another count".to_owned(),
            });
        };
        let oldest = Duration::from_millis(oldest);
        Ok(Stats { waiting, parked, delayed, running, dead, dropped, oldest, accepted, paused: paused != 0 })
    }
}
