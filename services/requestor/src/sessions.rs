//! Signing in: one-time links, and the sessions that they open. A link and a session are each a random token that the person
//! holds and of which Redis holds the digest; who the person is follows from the session alone.

use crate::store::{Store, StoreError};
use crate::token::Token;
use crate::user::UserId;
use jiff::Timestamp;
use std::sync::LazyLock;
use std::time::Duration;

/// What is published to a user's channel when one of their sessions ended or moved to another token. No entry's id looks
/// like it.
pub const SESSION_CHANGED: &str = "/session";

/// A session lives on under its old token for so long after it moved, for the requests that are on their way.
const MOVING: Duration = Duration::from_secs(60);

/// Uses up a link and opens a session; ends the session that the browser had before.
static OPEN: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
        local user = redis.call('GETDEL', KEYS[1])
        if not user then return false end
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local ends = string.format('%.0f', now + ARGV[1])
        now = string.format('%.0f', now)
        local before = redis.call('HGET', KEYS[3], 'user')
        if before then
            redis.call('DEL', KEYS[3])
            redis.call('PUBLISH', 'user:' .. before, ARGV[2])
        end
        redis.call('HSET', KEYS[2], 'user', user, 'since', now, 'made', now, 'ends', ends)
        redis.call('PEXPIREAT', KEYS[2], ends)
        return user
        ",
    )
});

/// Moves a session to another token with a new lifetime, but not beyond the longest one since the person signed in.
static MOVE: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
        local user, since = unpack(redis.call('HMGET', KEYS[1], 'user', 'since'))
        if not user or redis.call('HEXISTS', KEYS[1], 'moved') == 1 then return 0 end
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local ends = math.min(now + ARGV[1], since + ARGV[2])
        ends = string.format('%.0f', ends)
        now = string.format('%.0f', now)
        redis.call('HSET', KEYS[2], 'user', user, 'since', since, 'made', now, 'ends', ends)
        redis.call('PEXPIREAT', KEYS[2], ends)
        redis.call('HSET', KEYS[1], 'moved', '1')
        redis.call('PEXPIRE', KEYS[1], ARGV[3])
        redis.call('PUBLISH', 'user:' .. user, ARGV[4])
        return 1
        ",
    )
});

/// How long things last that let people in.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// How long a link can be used.
    pub link: Duration,
    /// How long a session lives without being used.
    pub session: Duration,
    /// How long a session lives at most, however often it is used.
    pub longest: Duration,
    /// A session that is older than this moves to another token when the page is opened.
    pub fresh: Duration,
}

/// Why somebody is not let in or a link not made.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Redis did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no token to give.
    #[error(transparent)]
    Token(#[from] getrandom::Error),
}

/// Somebody who has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The digest of its token.
    pub digest: String,
    /// Whose it is.
    pub user: UserId,
    /// When its token was made.
    pub made: Timestamp,
    /// When it ends, unless it is used.
    pub ends: Timestamp,
    /// Whether it goes on under another token, which the browser has.
    pub moved: bool,
}

/// All links and sessions.
#[derive(Clone)]
pub struct Sessions {
    store: Store,
    lifetimes: Lifetimes,
}

impl Sessions {
    /// Those in `store`.
    pub fn new(store: Store, lifetimes: Lifetimes) -> Self {
        Self { store, lifetimes }
    }

    /// How long a session lives without being used.
    pub fn lifetime(&self) -> Duration {
        self.lifetimes.session
    }

    /// Makes a link that lets `user` in once, and says until when. A mail address, where one is given, is remembered for
    /// what the user is to be told.
    pub async fn make_link(&self, user: &UserId, mail: Option<&str>) -> Result<(Token, Timestamp), SessionError> {
        if let Some(mail) = mail {
            let mut command = redis::cmd("HSET");
            command.arg(user.profile()).arg("mail").arg(mail);
            let _: i64 = self.store.ask(&command).await?;
        }
        let token = Token::new()?;
        let mut command = redis::cmd("SET");
        command.arg(link(&token)).arg(user.as_str()).arg("EX").arg(self.lifetimes.link.as_secs().max(1));
        let _: String = self.store.ask(&command).await?;
        let ends = Timestamp::now().saturating_add(self.lifetimes.link);
        Ok((token, ends.unwrap_or(Timestamp::MAX)))
    }

    /// Uses up a link: gives the token of a new session, and ends the one that the browser had. None when the link was used
    /// before, is over, or never was.
    pub async fn open(&self, used: &Token, before: Option<&Token>) -> Result<Option<Token>, SessionError> {
        let token = Token::new()?;
        // Without a session before, the new one's own key stands in: there is nothing under it yet.
        let before = before.map_or_else(|| session(&token.digest()), |before| session(&before.digest()));
        let mut call = OPEN.prepare_invoke();
        call.key(link(used)).key(session(&token.digest())).key(before);
        call.arg(millis(self.lifetimes.session)).arg(SESSION_CHANGED);
        let user: Option<String> = self.store.run(&call).await?;
        Ok(user.map(|_| token))
    }

    /// The session with this token; none when it ended.
    pub async fn find(&self, token: &Token) -> Result<Option<Session>, StoreError> {
        self.find_digest(&token.digest()).await
    }

    /// The session whose token has this digest; none when it ended.
    pub async fn find_digest(&self, digest: &str) -> Result<Option<Session>, StoreError> {
        let mut command = redis::cmd("HMGET");
        command.arg(session(digest)).arg(&["user", "made", "ends", "moved"]);
        type Fields = (Option<String>, Option<i64>, Option<i64>, Option<String>);
        let (user, made, ends, moved): Fields = self.store.ask(&command).await?;
        let time = |millis: Option<i64>| millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let known = user.and_then(|user| UserId::parse(&user).ok()).zip(time(made)).zip(time(ends));
        Ok(known.map(|((user, made), ends)| {
            let digest = digest.to_owned();
            Session { digest, user, made, ends, moved: moved.is_some() }
        }))
    }

    /// Moves a session that is no longer fresh to another token, and gives that. None when it need not or has moved already.
    pub async fn refresh(&self, session_now: &Session) -> Result<Option<Token>, SessionError> {
        let age = Timestamp::now().duration_since(session_now.made);
        let fresh = Duration::try_from(age).is_ok_and(|age| age < self.lifetimes.fresh);
        if session_now.moved || fresh {
            return Ok(None);
        }
        let token = Token::new()?;
        let mut call = MOVE.prepare_invoke();
        call.key(session(&session_now.digest)).key(session(&token.digest()));
        call.arg(millis(self.lifetimes.session)).arg(millis(self.lifetimes.longest));
        call.arg(millis(MOVING)).arg(SESSION_CHANGED);
        let moved: bool = self.store.run(&call).await?;
        Ok(moved.then_some(token))
    }

    /// Ends a session, and tells the pages that are open in it.
    pub async fn end(&self, ended: &Session) -> Result<(), StoreError> {
        let mut command = redis::cmd("DEL");
        command.arg(session(&ended.digest));
        let _: i64 = self.store.ask(&command).await?;
        let mut command = redis::cmd("PUBLISH");
        command.arg(ended.user.channel()).arg(SESSION_CHANGED);
        let _: i64 = self.store.ask(&command).await?;
        Ok(())
    }
}

fn link(token: &Token) -> String {
    format!("user:/link:{}", token.digest())
}

fn session(digest: &str) -> String {
    format!("user:/session:{digest}")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
