//! What every check works with, and how it says what it saw.

use super::target::Target;
use crate::context::Context;
use crate::model::component::ComponentName;
use crate::model::quantity::Version;
use crate::model::secret::SecretValue;
use crate::provider::supervisor::Supervisor;
use crate::reach::wait::{self, Pace};
use crate::reach::{Direct, Query, ReachError, Reply, begin};
use serde_json::Value;
use std::future::Future;
use std::time::Duration;

/// What a check came to: what it proved, in words, or what is wrong.
pub type Verdict = Result<String, Fault>;

/// Why a check does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was seen.
    pub seen: String,
    /// What should have been seen instead.
    pub expected: String,
    /// What to type next, where there is something better than a look at the component's log.
    pub advice: Option<String>,
}

impl Fault {
    /// Something else was seen than what was expected.
    pub fn new(seen: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { seen: seen.into(), expected: expected.into(), advice: None }
    }

    /// Says better what was expected.
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    /// Adds what to type next.
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// What every check works with.
#[derive(Clone)]
pub struct Lab {
    /// The clock and randomness.
    pub context: Context,
    /// What is checked.
    pub target: Target,
    /// The way to the components.
    pub direct: Direct,
    /// Who looks after their processes.
    pub supervisor: Supervisor,
    /// How long it is waited for something to become so, beside the scrapes that it needs.
    pub patience: Duration,
}

impl Lab {
    /// The number of a port of a component that runs.
    pub fn port(&self, name: ComponentName, port: &str) -> Result<u16, Fault> {
        self.target.port(name, port).ok_or_else(|| {
            Fault::new(format!("{name} has no port named {port} here"), "a port that was chosen by the plan")
                .advice(self.up())
        })
    }

    /// The value of a component's secret.
    pub fn secret(&self, name: ComponentName, own: &str) -> Result<&SecretValue, Fault> {
        let none = |why: String| Fault::new(why, "the secret that `up` stored").advice(self.up());
        let full = Target::secret_name(name, own).map_err(none)?;
        self.target.secrets.get(&full).ok_or_else(|| none(format!("the secret {full} is not stored")))
    }

    /// Some random letters and digits in lower case.
    pub fn random(&self, count: usize) -> Result<String, Fault> {
        self.context.random_lower(count).map_err(|why| Fault::new(why, "random characters from this host"))
    }

    /// A password that nobody has.
    pub fn wrong_password(&self) -> Result<SecretValue, Fault> {
        SecretValue::parse(&self.random(24)?).map_err(|why| Fault::new(why, "a random password"))
    }

    /// The answer to a question over HTTP, whatever its status.
    pub async fn ask(&self, query: &Query) -> Result<Reply, Fault> {
        self.direct.ask(query).await.map_err(|error| self.unreached(&error))
    }

    /// The body of an answer of status 200.
    pub async fn body(&self, query: &Query) -> Result<String, Fault> {
        let reply = self.ask(query).await?;
        match reply.status {
            200 => Ok(reply.body),
            _ => Err(Fault::new(answered(query, &reply), "status 200")),
        }
    }

    /// The JSON of an answer of status 200. A page that only looks like an answer is none.
    pub async fn json(&self, query: &Query) -> Result<Value, Fault> {
        let reply = self.ask(query).await?;
        if reply.status != 200 {
            return Err(Fault::new(answered(query, &reply), "status 200 and JSON"));
        }
        parsed(query, &reply)
    }

    /// What `work` comes to, done in Redis as one of its users.
    pub async fn redis<T: Send + 'static>(
        &self,
        user: &str,
        work: impl FnOnce(&mut redis::Connection) -> redis::RedisResult<T> + Send + 'static,
    ) -> Result<T, Fault> {
        let (port, password) = (self.port(ComponentName::Redis, "redis")?, self.secret(ComponentName::Redis, user)?);
        self.direct.redis(port, user, password, work).await.map_err(|error| self.unreached(&error))
    }

    /// Whether what runs is the program that is on the disk; `says` is where the running one tells its version.
    pub fn same_version(&self, name: ComponentName, says: &str) -> Result<Version, Fault> {
        let on_disk = self.target.active.get(&name).map(|placed| placed.program.version.clone());
        match (Version::find(says), on_disk) {
            (Some(running), Some(disk)) if running == disk => Ok(running),
            (Some(running), Some(disk)) => {
                Err(Fault::new(format!("version {running} runs"), format!("version {disk}, which is installed"))
                    .advice(self.up()))
            }
            (None, _) | (_, None) => Err(Fault::new(format!("it says of its version: {}", begin(says)), "its version")),
        }
    }

    /// No answer came.
    pub fn unreached(&self, error: &ReachError) -> Fault {
        let fault = Fault::new(error.to_string(), "an answer");
        match error {
            ReachError::Refused { .. } | ReachError::Closed { .. } | ReachError::NoWay { .. } => {
                fault.advice(format!("`reportctl status -e {}` shows what runs; {}", self.target.env.name, self.up()))
            }
            _ => fault,
        }
    }

    /// Looks until what is seen is good; `scrapes` says how many scrapes by Prometheus that may take.
    pub async fn wait<S, Look, Looking>(
        &self,
        what: &str,
        expected: &str,
        scrapes: u32,
        look: Look,
        judge: impl FnMut(&S) -> wait::Verdict,
    ) -> Result<S, Fault>
    where
        S: PartialEq,
        Look: FnMut() -> Looking,
        Looking: Future<Output = Result<S, String>>,
    {
        let stall = self.patience_for(scrapes);
        let pace = Pace {
            quick: Duration::from_millis(50),
            slow: Duration::from_millis(500),
            ..Pace::local(stall, stall * 2)
        };
        wait::until(what, &pace, look, judge, |_| {}).await.map_err(|error| Fault::new(error.to_string(), expected))
    }

    /// How long something may take that needs so many scrapes.
    pub fn patience_for(&self, scrapes: u32) -> Duration {
        self.patience + self.target.scrape_interval().duration() * scrapes
    }

    /// The command that puts right what is not as it should be.
    pub fn up(&self) -> String {
        format!("`reportctl up -e {}` puts right what is not as it should be", self.target.env.name)
    }

    /// The command that shows a component's last words.
    pub fn logs(&self, name: ComponentName) -> String {
        format!("`reportctl logs {name} -e {}` shows its last words", self.target.env.name)
    }
}

/// The JSON in an answer, which must say of itself that it is JSON.
pub fn parsed(query: &Query, reply: &Reply) -> Result<Value, Fault> {
    let wrong = |why: &str| Fault::new(format!("{why}: {}", answered(query, reply)), "JSON");
    if !reply.content_type.starts_with("application/json") {
        return Err(wrong("the answer is no JSON"));
    }
    serde_json::from_str(&reply.body).map_err(|error| wrong(&format!("the answer is broken JSON ({error})")))
}

/// What was asked and what was answered, on one line.
pub fn answered(query: &Query, reply: &Reply) -> String {
    let kind = if reply.content_type.is_empty() { "no content type" } else { &reply.content_type };
    format!("{query} answers {} ({kind}): {}", reply.status, begin(&reply.body))
}

/// `a, b and c`.
pub fn and<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => only.as_ref().to_owned(),
        [head @ .., last] => {
            let head: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", head.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_people_say_them() {
        assert_eq!(and::<&str>(&[]), "nothing");
        assert_eq!(and(&["a"]), "a");
        assert_eq!(and(&["a", "b", "c"]), "a, b and c");
    }
}
