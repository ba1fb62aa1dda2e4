//! A plain image of Debian, made here.

use super::super::lxc::{Lxc, LxcError};
use super::super::{Lxd, failure};
use super::folder::{Folder, lock};
use super::{all, sources};
use crate::exec::{self, Command, ExecError};
use crate::fs;
use crate::model::lxd::{Image, ImageChoice};
use crate::plan::bake::recipe::{self, Mode, property};
use crate::provider::{Failure, FailureKind, Notes};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Packing and handing over.
const SMALL: Duration = Duration::from_secs(300);

/// A plain image that is to be there.
pub(super) struct Base<'a> {
    pub lxd: &'a Lxd,
    pub release: &'a str,
    pub digest: &'a str,
    pub cache: &'a Path,
}

impl Base<'_> {
    /// Makes the image, unless it is there or another run makes it at this moment.
    pub async fn ensure(&self, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
        let until = Instant::now() + timeout;
        if self.is_there().await? {
            return Ok(());
        }
        let name = ImageChoice::base_alias(self.digest);
        let lock = lock(&self.lxd.context, &self.lxd.paths, &name, timeout, notes).await?;
        if !self.is_there().await? {
            self.make(until, notes).await?;
            if !self.is_there().await? {
                return Err(Failure::new(FailureKind::Failed, format!("LXD has imported {name} and does not have it")));
            }
        }
        Ok(lock.remove()?)
    }

    /// Whether the image is there; it has its name then.
    async fn is_there(&self) -> Result<bool, Failure> {
        let lxc = Lxc::new(&self.lxd.context);
        let trouble = |error: LxcError| failure("LXD's images cannot be seen", &error);
        let images = all(&lxc).await.map_err(trouble)?;
        let is_it = |image: &&Image| image.properties.get(property::BASE).is_some_and(|is| is == self.digest);
        let Some(image) = images.iter().find(is_it) else { return Ok(false) };
        let name = ImageChoice::base_alias(self.digest);
        if !image.aliases.contains(&name) {
            let alias = json!({"name": name, "target": image.fingerprint});
            let named = lxc.send("POST", "/1.0/images/aliases", &alias, SMALL).await;
            named.map_err(|error| failure(&format!("the image cannot be called {name}"), &error))?;
        }
        Ok(true)
    }

    async fn make(&self, until: Instant, notes: &Notes) -> Result<(), Failure> {
        let (context, release) = (&self.lxd.context, self.release);
        let mode = self.mode()?;
        let folder = Folder::make(self.cache)?;
        let at = folder.path();
        fs::ensure_dir(&at.join(recipe::TEMPLATES_FOLDER), 0o755)?;
        fs::replace(&at.join(recipe::CLOUD_CONFIG_FILE), recipe::CLOUD_CONFIG.as_bytes(), 0o644)?;
        let made = context.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let machine = rustix::system::uname();
        for (name, text) in recipe::metadata(release, &machine.machine().to_string_lossy(), made) {
            fs::replace(&at.join(name), text.as_bytes(), 0o644)?;
        }
        let sources = sources::of(Path::new("/etc/apt"), release);
        let from = sources.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
        notes.say(format!("fetches and unpacks Debian {release} from {from}"));
        let left = || until.saturating_duration_since(Instant::now());
        let unpack = self.command(recipe::unpack(release, mode, at, &sources), left(), at);
        exec::start(unpack).await.map_err(|error| unpack_failed(&error, &from))?;
        if mode == Mode::Root {
            notes.say("packs it");
            let pack = self.command(recipe::pack(at), left().min(SMALL), at);
            exec::start(pack).await.map_err(|error| tool_failed(&error))?;
        }
        let pack = self.command(recipe::pack_metadata(at), SMALL, at);
        exec::start(pack).await.map_err(|error| tool_failed(&error))?;
        notes.say("hands it to LXD");
        let import = recipe::import(release, mode, at, &ImageChoice::base_alias(self.digest));
        let words: Vec<&str> = import.iter().skip(1).map(String::as_str).collect();
        let imported = Lxc::new(context).verb(&words, None, left().min(SMALL)).await;
        imported.map_err(|error| failure("the image cannot be imported", &error))?;
        folder.remove()
    }

    fn command(&self, argv: Vec<String>, deadline: Duration, folder: &Path) -> Command {
        // What apt fetches and what is unpacked is put there, too, where root does it; an ordinary user is another one within
        // the namespace, who may not reach into the environment's folder.
        let is_root = rustix::process::geteuid().is_root();
        let temporary = is_root.then(|| ("TMPDIR", folder.display().to_string()));
        Command::changes(&self.lxd.context, argv)
            .env(temporary)
            .without(|name| name == "SOURCE_DATE_EPOCH")
            .deadline(deadline)
    }

    /// How root is reached.
    ///
    /// Errors: an ordinary user lacks what it takes to be root in a namespace.
    fn mode(&self) -> Result<Mode, Failure> {
        if rustix::process::geteuid().is_root() {
            return Ok(Mode::Root);
        }
        let user = self.lxd.context.var("USER").or_else(|| self.lxd.context.var("LOGNAME")).unwrap_or_default();
        let uid = rustix::process::geteuid().as_raw().to_string();
        let lacks = |cause: &str, advice: &str| {
            Failure::new(FailureKind::Precondition, format!("an image cannot be made by this user: {cause}"))
                .advice(format!("{advice}; or have root make it: type the same command with sudo once"))
        };
        let (package, program) = recipe::TOOL_OF_USERS;
        if exec::find(&self.lxd.context, program).is_none() {
            return Err(lacks(&format!("{program} is not there"), &format!("sudo apt-get install {package}")));
        }
        let has_range = |file: &str| fs::read(Path::new(file)).is_ok_and(|text| has_range(&text, user, &uid));
        if !(has_range("/etc/subuid") && has_range("/etc/subgid")) {
            let advice = "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$USER\"";
            return Err(lacks("it has no numbers of other users to give", advice));
        }
        Ok(Mode::Unshare)
    }
}

/// Whether a user has a range of subordinate numbers: `USER:FIRST:COUNT` (subuid(5)).
fn has_range(text: &str, user: &str, uid: &str) -> bool {
    text.lines().filter_map(|line| line.split(':').next()).any(|who| !who.is_empty() && (who == user || who == uid))
}

fn unpack_failed(error: &ExecError, from: &str) -> Failure {
    let said = error.tail();
    let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    let failure = tool_failed(error);
    if failure.advice.is_some() {
        failure
    } else if has(&[
        "Temporary failure resolving",
        "Could not resolve",
        "Failed to fetch",
        "Could not connect",
        "Unable to connect",
    ]) {
        failure.advice(format!("see whether this host reaches its mirror: curl --head {from}/"))
    } else if has(&["NO_PUBKEY", "is not signed", "EXPKEYSIG"]) {
        failure.advice("sudo apt-get install --only-upgrade debian-archive-keyring")
    } else if has(&["Operation not permitted", "unprivileged_userns_clone", "cannot unshare", "unshare("]) {
        Failure { kind: FailureKind::Precondition, ..failure }.advice(
            "this host does not let users have namespaces of their own; have root make the image: type the same command with \
             sudo once",
        )
    } else {
        failure
    }
}

fn tool_failed(error: &ExecError) -> Failure {
    let kind = match error {
        ExecError::NotFound { .. } => FailureKind::ForeignTool,
        ExecError::Deadline { .. } => FailureKind::Timeout,
        _ => FailureKind::Failed,
    };
    let failure = Failure::new(kind, error.to_string());
    if error.is_not_found() {
        let packages = recipe::TOOLS.map(|(package, _)| package).join(" ");
        failure.advice(format!("sudo apt-get install {packages}"))
    } else if error.tail().contains("No space left on device") {
        failure.advice("make room on the disk, and type the same command again")
    } else {
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_numbers_are_found_by_name_and_by_number() {
        let text = "root:100000:65536\nada:165536:65536\n1001:231072:65536\n";
        assert!(has_range(text, "ada", "1000"));
        assert!(has_range(text, "bob", "1001"));
        assert!(!has_range(text, "bob", "1000"));
        assert!(!has_range(text, "", "1000") && !has_range("", "ada", "1000"));
    }

    #[test]
    fn each_way_to_fail_says_what_to_type() {
        let failed = |tail: &str| {
            let error = ExecError::Exit {
                command: "mmdebstrap".to_owned(),
                code: Some(1),
                status: "ended with exit code 1".to_owned(),
                tail: tail.to_owned(),
            };
            unpack_failed(&error, "http://mirror.example/debian").advice.unwrap_or_default()
        };
        assert!(failed("E: Failed to fetch http://x  Temporary failure resolving 'x'").contains("curl --head"));
        assert!(failed("W: GPG error: NO_PUBKEY 0E98404D386FA1D9").contains("debian-archive-keyring"));
        assert!(failed("tar: No space left on device").contains("make room"));
        assert!(failed("E: unshare() failed: Operation not permitted").contains("sudo once"));
        assert_eq!(failed("E: something else"), "");
        let missing = ExecError::NotFound { program: "mmdebstrap".to_owned(), searched: "/bin".to_owned() };
        assert_eq!(tool_failed(&missing).kind, FailureKind::ForeignTool);
    }
}
