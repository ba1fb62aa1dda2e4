//! Where the server is, and how a queue behaves.

use super::error::QueueError;
use redis::IntoConnectionInfo;
use std::fmt;
use std::time::Duration;

/// Where Redis (or Valkey) is and who we are there.
#[derive(Clone, Default)]
pub struct Connection {
    /// Its address, such as `redis://127.0.0.1:6379`.
    pub url: String,
    /// The user of its access list; none for the default one.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
}

impl Connection {
    /// An address without a user.
    pub fn to(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// A client of it. Nothing is connected yet.
    ///
    /// Errors: the address is not one of Redis.
    pub fn client(&self) -> Result<redis::Client, QueueError> {
        let wrong = |e: redis::RedisError| QueueError::Address(e.to_string());
        let info = self.url.as_str().into_connection_info().map_err(wrong)?;
        let mut settings = info.redis_settings().clone();
        if let Some(user) = &self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        redis::Client::open(info.set_redis_settings(settings).set_tcp_settings(tcp)).map_err(wrong)
    }
}

/// Without the password.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How a queue behaves. Those who only put jobs in need nothing but its name; the rest is the workers' to say.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueSettings {
    /// The queue's name, such as `reports`: 1 to 64 of `a-z 0-9 -`.
    pub name: String,
    /// How many jobs of one user may wait in front or run at once; the others wait aside. None for no limit. It holds for
    /// all who put jobs in, and is written when workers start.
    pub per_user: Option<u32>,
    /// After how many attempts a job that goes wrong is dead. At least 1.
    pub max_attempts: u32,
    /// After how many deaths of those who ran it a job is dead, whatever `max_attempts` says: it may be what kills them.
    pub max_deaths: u32,
    /// How long a worker may be silent before its jobs are given to others.
    pub lease: Duration,
    /// How often a worker says that it lives. A quarter of the lease, so that three may be missed.
    pub heartbeat: Duration,
    /// The pause before the second attempt is drawn between zero and this; it doubles with each further one.
    pub retry_first: Duration,
    /// No pause is drawn beyond this.
    pub retry_most: Duration,
    /// How long an idle worker listens before it listens anew. What comes is heard at once; this bounds how long a connection
    /// that is dead without a sign goes unnoticed.
    pub listen: Duration,
    /// How long a call may take in all, with its connecting anew, before it is an error.
    pub patience: Duration,
    /// After how long without progress the workers are taken for stuck. Longer than `listen` and `patience` together, and than
    /// two leases.
    pub watchdog: Duration,
}

impl QueueSettings {
    /// The usual behaviour: 5 attempts with pauses of up to 1 s, 2 s, 4 s … 5 min, 5 deaths, no limit per user, a lease of
    /// 6 s with a heartbeat every 1.5 s.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            per_user: None,
            max_attempts: 5,
            max_deaths: 5,
            lease: Duration::from_secs(6),
            heartbeat: Duration::from_millis(1500),
            retry_first: Duration::from_secs(1),
            retry_most: Duration::from_secs(300),
            listen: Duration::from_secs(30),
            patience: Duration::from_secs(5),
            watchdog: Duration::from_secs(90),
        }
    }

    /// Checks what [`QueueSettings`] promises of its fields.
    pub(crate) fn check(&self) -> Result<(), QueueError> {
        let wrong = |what: &str| Err(QueueError::Settings(format!("queue `{}`: {what}", self.name)));
        let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(good) {
            return wrong("a name is 1 to 64 of a-z, 0-9 and -");
        }
        if self.max_attempts == 0 || self.max_deaths == 0 || self.per_user == Some(0) {
            return wrong("max_attempts, max_deaths and per_user are at least 1");
        }
        if self.heartbeat < Duration::from_millis(50) || self.lease < self.heartbeat * 3 {
            return wrong("a heartbeat is at least 50 ms, and a lease at least three of them");
        }
        if self.watchdog <= self.listen + self.patience || self.watchdog <= self.lease * 2 {
            return wrong("the watchdog must wait longer than listen and patience together, and than two leases");
        }
        Ok(())
    }

    /// The pause before the attempt after `attempt`, by exponential back-off with full jitter. `draw` is in 0..1.
    pub(crate) fn pause_after(&self, attempt: u32, draw: f64) -> Duration {
        let doubled = 1_u32.checked_shl(attempt.saturating_sub(1).min(31)).unwrap_or(u32::MAX);
        self.retry_first.saturating_mul(doubled).min(self.retry_most).mul_f64(draw.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn pauses_double_up_to_the_most_and_are_drawn_from_zero_on() {
        let settings = QueueSettings::new("reports");
        assert_eq!(settings.pause_after(1, 1.0), Duration::from_secs(1));
        assert_eq!(settings.pause_after(4, 1.0), Duration::from_secs(8));
        assert_eq!(settings.pause_after(4, 0.25), Duration::from_secs(2));
        assert_eq!(settings.pause_after(u32::MAX, 1.0), Duration::from_secs(300));
        assert_eq!(settings.pause_after(9, 0.0), Duration::ZERO);
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let bad = |change: fn(&mut QueueSettings)| {
            let mut settings = QueueSettings::new("reports");
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        assert!(bad(|s| s.name = "a b".into()).contains("a-z"));
        assert!(bad(|s| s.max_attempts = 0).contains("at least 1"));
        assert!(bad(|s| s.lease = s.heartbeat).contains("three of them"));
        assert!(bad(|s| s.watchdog = s.listen).contains("watchdog"));
        assert!(bad(|s| s.lease = s.watchdog).contains("watchdog"));
        QueueSettings::new("reports").check().unwrap();
    }

    #[test]
    fn a_password_is_not_shown() {
        let connection = Connection {
            url: "redis://:geheim@127.0.0.1".into(),
            user: Some("runner".into()),
            password: Some("geheim".into()),
        };
        assert!(!format!("{connection:?}").contains("geheim"));
    }
}
