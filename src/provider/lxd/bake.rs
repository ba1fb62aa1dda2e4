//! Images that are baked of a machine: made, listed, removed.

use super::lxc::{Lxc, LxcError, Sort};
use super::{Lxd, failure, image, path};
use crate::context::Context;
use crate::model::guest::Guest;
use crate::model::lxd::{Image, Kind, SNAPSHOT, Settings};
use crate::plan::bake::{IDLE, baked_alias, cleaned, properties, recipe::property};
use crate::provider::{Failure, FailureKind, Notes};
use crate::reach::guest::{Inside, Run};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// How the files of an image are packed: on two processors 6 s where LXD's own choice, gzip, takes 17 s for 253 MB of
/// files, and 8 % smaller.
const COMPRESSION: &str = "zstd";
/// Starting and stopping a copy in which nothing runs.
const SWITCH: Duration = Duration::from_secs(60);
/// Deleting an image.
const DELETE: Duration = Duration::from_secs(120);

impl Lxd {
    /// Copies the instance's snapshot. One that an earlier run has left goes first: nobody knows how far it was.
    pub(super) async fn bake_copy(
        &self,
        from: &str,
        copy: &str,
        timeout: Duration,
        notes: &Notes,
    ) -> Result<(), Failure> {
        let until = Instant::now() + timeout;
        self.delete(copy, timeout, notes).await?;
        let mut config = self.labels();
        config.insert("raw.lxc".to_owned(), IDLE.to_owned());
        // The client takes profiles and devices from the source; the interface by itself does not.
        let (source, target) = (format!("local:{from}/{SNAPSHOT}"), format!("local:{copy}"));
        let sets: Vec<String> = config.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        let sets = sets.iter().flat_map(|set| ["--config", set.as_str()]);
        let words: Vec<&str> = ["copy", &source, &target].into_iter().chain(sets).collect();
        let left = until.saturating_duration_since(Instant::now());
        let made = self.lxc().verb(&words, None, left).await;
        let made = made.map(drop);
        made.map_err(|error| failure(&format!("the machine's snapshot cannot be copied to {copy}"), &error))
    }

    /// Takes out what is one machine's own. Nothing but these commands runs in the copy meanwhile.
    pub(super) async fn bake_clean(
        &self,
        copy: &str,
        marker: &Path,
        timeout: Duration,
        notes: &Notes,
    ) -> Result<(), Failure> {
        let until = Instant::now() + timeout;
        if !self.claim(Kind::Instance, copy).await? {
            return Err(gone(copy));
        }
        self.switch(copy, "start").await?;
        let inside = Inside::new(&self.context, &Guest::Lxd(copy.to_owned()));
        for argv in cleaned(marker) {
            let words = argv.first().cloned().unwrap_or_default();
            notes.say(format!("runs {words} in the copy"));
            let deadline = until.saturating_duration_since(Instant::now());
            let output = inside.run(Run { deadline, ..Run::new(argv) }).await;
            let output = output.map_err(|error| Failure::new(FailureKind::Failed, error.to_string()))?;
            if output.code != 0 {
                let said = if output.stderr.trim().is_empty() { output.stdout } else { output.stderr };
                let cause = format!("`{words}` ended with exit code {} in {copy}: {}", output.code, said.trim());
                return Err(
                    Failure::new(FailureKind::Failed, cause).advice("reportctl up --no-bake   # goes without an image")
                );
            }
        }
        self.switch(copy, "stop").await
    }

    /// Makes the image. What it is and what it is called are in the call that makes it: it is there as a whole or not at all.
    pub(super) async fn bake_publish(
        &self,
        copy: &str,
        [key, blueprint, of]: [&str; 3],
        timeout: Duration,
        notes: &Notes,
    ) -> Result<(), Failure> {
        if self.has_baked(key).await? {
            return Ok(());
        }
        if !self.claim(Kind::Instance, copy).await? {
            return Err(gone(copy));
        }
        let mut says: BTreeMap<&str, String> =
            properties(key, blueprint, of).into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        says.insert("description", format!("machine of the blueprint {blueprint}, baked by reportctl"));
        let alias = baked_alias(key);
        let new = json!({
            "source": {"type": "instance", "name": copy},
            "properties": says,
            "aliases": [{"name": alias}],
            "compression_algorithm": COMPRESSION,
        });
        notes.say(format!("packs {alias}"));
        match self.lxc().send("POST", "/1.0/images", &new, timeout).await {
            Ok(()) => {}
            // Another environment has made the same meanwhile.
            Err(error) if error.sort() == Sort::Exists && self.has_baked(key).await? => {}
            Err(error) => return Err(failure(&format!("the image {alias} cannot be made of {copy}"), &error)),
        }
        if self.has_baked(key).await? {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Failed, format!("LXD has made the image {alias} and does not have it")))
    }

    async fn has_baked(&self, key: &str) -> Result<bool, Failure> {
        let images = image::all(&self.lxc()).await.map_err(|error| unseen(&error))?;
        Ok(images.iter().any(|image| image.properties.get(property::BAKE).is_some_and(|is| is == key)))
    }

    async fn switch(&self, copy: &str, action: &str) -> Result<(), Failure> {
        let state = json!({"action": action, "force": action == "stop", "timeout": SWITCH.as_secs()});
        match self.lxc().send("PUT", &format!("{}/state", path(Kind::Instance, copy)), &state, SWITCH).await {
            Err(error) if !error.said().contains("already") => {
                Err(failure(&format!("the copy {copy} does not {action}"), &error))
            }
            _ => Ok(()),
        }
    }
}

fn gone(copy: &str) -> Failure {
    Failure::new(FailureKind::Failed, format!("the copy {copy} is not there any more"))
        .advice("type the same command again")
}

fn unseen(error: &LxcError) -> Failure {
    failure("LXD's images cannot be seen", error)
}

/// An image that reportctl has made, which stays when environments go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// What it is for.
    pub kind: KeptKind,
    /// Its alias, else the beginning of its fingerprint.
    pub name: String,
    /// Its SHA-256.
    pub fingerprint: String,
    /// Of a baked one the blueprint that it is for, of a plain one the release of Debian.
    pub of: String,
    /// Bytes.
    pub size: u64,
    /// When it was made, RFC 3339 in UTC.
    pub made: String,
    /// The instances that were made from it.
    pub used_by: Vec<String>,
}

/// What an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptKind {
    /// Machines start from it with all packages in it.
    Baked,
    /// A plain Debian.
    Base,
}

/// An instance, as far as it matters here.
#[derive(Deserialize)]
struct User {
    name: String,
    #[serde(default)]
    config: Option<Settings>,
}

/// Every image that reportctl has made on this host, by kind and age, the newest first.
///
/// Errors: LXD does not say.
pub async fn kept(context: &Context) -> Result<Vec<Kept>, Failure> {
    let lxc = Lxc::new(context);
    let (images, users) = tokio::join!(image::all(&lxc), lxc.get::<Vec<User>>("/1.0/instances?recursion=1"));
    Ok(judge(images.map_err(|error| unseen(&error))?, &users.map_err(|error| unseen(&error))?))
}

fn judge(images: Vec<Image>, users: &[User]) -> Vec<Kept> {
    let says = |image: &Image, key: &str| image.properties.get(key).cloned();
    let each = |image: Image| {
        let kind = match (says(&image, property::BAKE), says(&image, property::BASE)) {
            (Some(_), _) => KeptKind::Baked,
            (None, Some(_)) => KeptKind::Base,
            (None, None) => return None,
        };
        let of = match kind {
            KeptKind::Baked => says(&image, property::BLUEPRINT),
            KeptKind::Base => says(&image, "release").map(|release| format!("debian {release}")),
        };
        let uses = |user: &&User| {
            let base = user.config.as_ref().and_then(|config| config.get("volatile.base_image"));
            // A copy that is there for a moment is no user.
            base == Some(&image.fingerprint) && !user.name.starts_with("report-bake-")
        };
        let used_by = users.iter().filter(uses).map(|user| user.name.clone()).collect();
        let short = || image.fingerprint.chars().take(12).collect();
        Some(Kept {
            kind,
            name: image.aliases.first().cloned().unwrap_or_else(short),
            of: of.unwrap_or_else(|| "?".to_owned()),
            size: image.size.bytes(),
            made: image.uploaded.clone(),
            used_by,
            fingerprint: image.fingerprint,
        })
    };
    let mut kept: Vec<Kept> = images.into_iter().filter_map(each).collect();
    kept.sort_by(|a, b| (a.kind, &b.made).cmp(&(b.kind, &a.made)));
    kept
}

/// Removes an image of ours. One that says by now that it is not is left alone; one that is gone is as good.
///
/// Errors: LXD refuses.
pub async fn remove(context: &Context, kept: &Kept) -> Result<(), Failure> {
    let lxc = Lxc::new(context);
    let images = image::all(&lxc).await.map_err(|error| unseen(&error))?;
    let Some(image) = images.iter().find(|image| image.fingerprint == kept.fingerprint) else { return Ok(()) };
    if ![property::BAKE, property::BASE].iter().any(|key| image.properties.contains_key(*key)) {
        let cause = format!("the image {} does not say any more that reportctl has made it", kept.name);
        return Err(
            Failure::new(FailureKind::Precondition, cause).advice(format!("lxc image delete {}", kept.fingerprint))
        );
    }
    match lxc.send("DELETE", &format!("/1.0/images/{}", kept.fingerprint), &Value::Null, DELETE).await {
        Err(error) if error.sort() != Sort::NotFound => {
            Err(failure(&format!("the image {} cannot be removed", kept.name), &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::environment::InstanceKind;
    use crate::model::quantity::Size;

    fn image(fingerprint: &str, uploaded: &str, properties: &[(&str, &str)]) -> Image {
        Image {
            fingerprint: fingerprint.to_owned(),
            aliases: std::iter::once(format!("alias-{fingerprint}")).collect(),
            properties: properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            size: Size(7),
            uploaded: uploaded.to_owned(),
            kind: InstanceKind::Container,
        }
    }

    #[test]
    fn only_images_of_ours_are_kept_and_who_uses_them_is_said() {
        let images = vec![
            image("a", "2026-01-01T00:00:00Z", &[("os", "Debian")]),
            image("b", "2026-01-01T00:00:00Z", &[(property::BASE, "d"), ("release", "bookworm")]),
            image("c", "2026-01-01T00:00:00Z", &[(property::BAKE, "k"), (property::BLUEPRINT, "report-stack")]),
            image("d", "2026-01-02T00:00:00Z", &[(property::BAKE, "l")]),
        ];
        let user = |name: &str, base: &str| User {
            name: name.to_owned(),
            config: Some(Settings::from([("volatile.base_image".to_owned(), base.to_owned())])),
        };
        let users = [user("report-lxd-1", "c"), user("report-bake-1", "b"), user("other", "a")];
        let kept = judge(images, &users);
        let shown: Vec<_> =
            kept.iter().map(|kept| (kept.name.as_str(), kept.of.as_str(), kept.used_by.len())).collect();
        assert_eq!(shown, [("alias-d", "?", 0), ("alias-c", "report-stack", 1), ("alias-b", "debian bookworm", 0)]);
    }
}
