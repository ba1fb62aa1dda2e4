//! A user's log: everything that their open pages were told or still have to be told. It is the truth; the publish that
//! goes with each entry is only a wake-up.

use crate::store::{Store, StoreError};
use crate::user::UserId;
use redis::streams::{StreamId, StreamRangeReply};
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

/// About so many entries are kept in a log.
const KEPT: u32 = 1000;

/// A log is kept for so long after its last entry.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

/// A webhook that comes again within this time is known.
const REMEMBERED: Duration = Duration::from_hours(24);

/// Remembers that something was seen, adds to a log and wakes, all or nothing. Gives nothing when it was seen before.
static ADD_ONCE: LazyLock<redis::Script> = LazyLock::new(|| {
    redis::Script::new(
        r"
        if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return false end
        local id = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'event', ARGV[5], 'trace', ARGV[6])
        redis.call('EXPIRE', KEYS[2], ARGV[3])
        redis.call('PUBLISH', ARGV[4], id)
        return id
        ",
    )
});

/// The id of an entry: when it was added, in milliseconds since 1970 by the server's clock, and a number within that one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(u64, u64);

impl EntryId {
    /// Reads an id, such as `1700000000000-0`; none when it is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, number) = text.split_once('-')?;
        let digits = |part: &str| !part.is_empty() && part.len() <= 20 && part.bytes().all(|c| c.is_ascii_digit());
        if !digits(time) || !digits(number) {
            return None;
        }
        Some(Self(time.parse().ok()?, number.parse().ok()?))
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// What stands in a log at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub id: EntryId,
    /// What is told, as it was written: an event of `report-model` as JSON, unless somebody damaged it.
    pub event: String,
    /// The `traceparent` under which it was added; empty when there was none.
    pub trace: String,
}

/// The logs of all users.
#[derive(Clone)]
pub struct Logs {
    store: Store,
}

impl Logs {
    /// The logs in `store`.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// A user's entries after `last`, oldest first, at most `count`.
    pub async fn after(&self, user: &UserId, last: EntryId, count: usize) -> Result<Vec<Entry>, StoreError> {
        let mut command = redis::cmd("XRANGE");
        command.arg(user.log()).arg(format!("({last}")).arg("+").arg("COUNT").arg(count);
        Ok(entries(self.store.ask::<StreamRangeReply>(&command).await?.ids))
    }

    /// A user's last `count` entries, oldest first.
    pub async fn latest(&self, user: &UserId, count: usize) -> Result<Vec<Entry>, StoreError> {
        let mut command = redis::cmd("XREVRANGE");
        command.arg(user.log()).arg("+").arg("-").arg("COUNT").arg(count);
        let mut found = entries(self.store.ask::<StreamRangeReply>(&command).await?.ids);
        found.reverse();
        Ok(found)
    }

    /// Whether a user's log holds an entry with this id. When it does not, the log was cut in the meantime, or is not the
    /// one that the id came from.
    pub async fn holds(&self, user: &UserId, id: EntryId) -> Result<bool, StoreError> {
        let mut command = redis::cmd("XRANGE");
        command.arg(user.log()).arg(id.to_string()).arg(id.to_string());
        Ok(!self.store.ask::<StreamRangeReply>(&command).await?.ids.is_empty())
    }

    /// Adds an event to a user's log and wakes their pages, unless a webhook with this id did so within the last day: then
    /// nothing changes and nothing is given. All in one step, so that what was answered is kept.
    pub async fn add_once(
        &self,
        user: &UserId,
        webhook: &str,
        event: &str,
        trace: &str,
    ) -> Result<Option<EntryId>, StoreError> {
        let mut call = ADD_ONCE.prepare_invoke();
        call.key(format!("user:/hook:{webhook}")).key(user.log());
        call.arg(REMEMBERED.as_secs()).arg(KEPT).arg(KEPT_FOR.as_secs());
        call.arg(user.channel()).arg(event).arg(trace);
        let id: Option<String> = self.store.run(&call).await?;
        Ok(id.as_deref().and_then(EntryId::parse))
    }
}

/// What Redis answered, without entries that have no place or no event.
fn entries(found: Vec<StreamId>) -> Vec<Entry> {
    let entry = |found: StreamId| {
        let id = EntryId::parse(&found.id)?;
        Some(Entry { id, event: found.get("event").unwrap_or_default(), trace: found.get("trace").unwrap_or_default() })
    };
    found.into_iter().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::EntryId;

    #[test]
    fn only_whole_ids_are_read() {
        assert_eq!(EntryId::parse("1700000000000-3").map(|id| id.to_string()), Some("1700000000000-3".to_owned()));
        for bad in
            ["", "-", "1", "1-", "-1", "+", "$", "(1-1", "1-1-1", "1-x", "18446744073709551616-0", " 1-1", "+1-1"]
        {
            assert_eq!(EntryId::parse(bad), None, "{bad:?}");
        }
        assert!(EntryId::parse("2-0") > EntryId::parse("1-9"));
    }
}
