//! Whom there is to tell, and how.

use super::hook;
use super::item::Item;
use super::mail::Postman;
use super::notice::Notice;
use super::payload::digest;
use super::settings::{NotifySettings, NotifySettingsError};
use super::teams::{self, Teams};
use crate::user::UserId;
use lettre::message::Mailbox;
use report_queue::{JobId, Outcome, TraceContext};
use report_webhook::{Endpoint, Observer, Options, Sender};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long it is tried to tell a channel.
const LIFE: Duration = Duration::from_hours(24);
/// How long it is tried to tell Teams where others can be told that it failed.
const TEAMS_LIFE: Duration = Duration::from_hours(1);
/// What the name of a user's own channel begins with.
const USER: &str = "user/";

/// All channels of the configuration. Their names are parts of keys, stay the same while the configuration does, and hold no
/// address.
pub(crate) struct Channels {
    /// Those that operations are told by.
    operations: BTreeMap<String, Means>,
    /// Who sends mail, also to the users.
    postman: Option<Postman>,
}

enum Means {
    Mail(Mailbox),
    Teams(Teams),
    Hook(Endpoint),
}

impl Channels {
    /// Those of `settings`. Nothing is connected yet. `observer` is told of each attempt by HTTP.
    pub(crate) fn new(settings: &NotifySettings, observer: Arc<dyn Observer>) -> Result<Self, NotifySettingsError> {
        let mut operations = BTreeMap::new();
        let mut postman = None;
        if let Some(mail) = &settings.mail {
            postman = Some(Postman::new(&mail.server, mail.from.clone())?);
            for to in &mail.to {
                operations.insert(format!("mail/{}", short(to.email.as_ref())), Means::Mail(to.clone()));
            }
        }
        let allowed: Vec<Url> = settings.addresses().filter_map(|address| Url::parse(address).ok()).collect();
        let options = Options { authorities: settings.authorities.clone(), concurrency: 4, ..Options::default() };
        let sender = Sender::new(&allowed, &options, observer)?;
        if let Some(address) = &settings.teams {
            operations.insert("teams".to_owned(), Means::Teams(Teams::new(sender.door(address, teams::MOST)?)));
        }
        if let Some((addresses, secrets)) = &settings.hooks {
            for address in addresses {
                let endpoint = sender.endpoint(address, secrets.clone())?;
                operations.insert(format!("hook/{}", short(address)), Means::Hook(endpoint));
            }
        }
        Ok(Self { operations, postman })
    }

    /// The names of those that operations are told by.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.operations.keys().cloned().collect()
    }

    /// Whether users can be told by mail.
    pub(crate) const fn has_mail(&self) -> bool {
        self.postman.is_some()
    }

    /// How long it is tried to tell a channel before the others are told that it failed.
    pub(crate) fn life(&self, channel: &str) -> Duration {
        if channel == "teams" && self.operations.len() > 1 { TEAMS_LIFE } else { LIFE }
    }

    /// Tells a channel. `to` is the user's address, for a user's own channel.
    pub(crate) async fn tell(
        &self,
        channel: &str,
        to: Option<&Mailbox>,
        (items, notice): (&[Item], &Notice),
        (job, trace): (&JobId, &TraceContext),
    ) -> Outcome {
        match (self.operations.get(channel), to, &self.postman) {
            (Some(Means::Mail(to)), _, Some(postman)) | (None, Some(to), Some(postman)) => {
                postman.send(notice, to, job).await
            }
            (Some(Means::Teams(teams)), ..) => teams.send(notice, trace).await.into_outcome(),
            (Some(Means::Hook(endpoint)), ..) => hook::send(endpoint, items, notice, job, trace).await.into_outcome(),
            _ => Outcome::Fail {
                error: "it is no longer configured, or the user has no mail address any more".to_owned(),
            },
        }
    }
}

/// The name of a user's own channel.
pub(crate) fn of_user(user: &UserId) -> String {
    format!("{USER}{user}")
}

/// Whose own channel it is; none for those of operations.
pub(crate) fn user_of(channel: &str) -> Option<UserId> {
    UserId::parse(channel.strip_prefix(USER)?).ok()
}

/// What kind of channel it is, in figures.
pub(crate) fn kind(channel: &str) -> &'static str {
    match channel.split('/').next() {
        Some("mail") => "mail",
        Some("teams") => "teams",
        Some("hook") => "webhook",
        _ => "user",
    }
}

/// What a channel is called by people.
pub(crate) fn title(channel: &str) -> String {
    match kind(channel) {
        "mail" => "Somebody at operations (by mail)".to_owned(),
        "teams" => "Teams".to_owned(),
        "webhook" => "Somebody by webhook".to_owned(),
        _ => format!("{} (by mail)", channel.strip_prefix(USER).unwrap_or(channel)),
    }
}

/// The mailbox of a user's address; none when it is none.
pub(crate) fn mailbox(address: &str) -> Option<Mailbox> {
    address.parse().ok().map(|email| Mailbox::new(None, email))
}

fn short(address: &str) -> String {
    digest(&[address]).chars().take(12).collect()
}
