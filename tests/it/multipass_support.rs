//! A Multipass of its own for a test: the strict stand-in, under the name `multipass` on a search path of its own.

use crate::fakes;
use reportctl::context::Context;
use reportctl::model::ids::{EnvId, EnvName, RunId};
use reportctl::model::multipass::instance_name;
use reportctl::model::paths::Paths;
use reportctl::model::quantity::Size;
use reportctl::plan::multipass::{MultipassAction, Shape};
use reportctl::provider::multipass::Multipass;
use reportctl::provider::{Failure, Notes};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What runs the instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    /// Nothing does: they have states, and no command can be run in them.
    Nothing,
    /// Containers of this host's LXD, from the image of that alias.
    Lxd(String),
}

/// A Multipass of its own, and the environment that uses it.
pub struct Bench {
    folder: tempfile::TempDir,
    behind: Behind,
    pub context: Context,
    pub id: EnvId,
    /// The instance's name.
    pub name: String,
}

/// Writes `multipass` into the folder `bin`: the stand-in, with these things in its environment. Other programs are found as
/// everywhere. What it knows is in `home`; faults are in the file `faults`. Returns `bin`.
pub fn put_on_path(folder: &Path, generation: &str, behind: &Behind) -> PathBuf {
    let at = |name: &str| folder.join(name).display().to_string();
    std::fs::create_dir_all(folder.join("home")).unwrap();
    let (backend, image) = match behind {
        Behind::Nothing => ("script", ""),
        Behind::Lxd(image) => ("lxd", image.as_str()),
    };
    let bin = fakes::search_path(folder, &[]);
    let vars = [
        ("FAKE_MULTIPASS_HOME", at("home")),
        ("FAKE_MULTIPASS_GENERATION", generation.to_owned()),
        ("FAKE_MULTIPASS_BACKEND", backend.to_owned()),
        ("FAKE_MULTIPASS_LXD_IMAGE", image.to_owned()),
        ("FAKE_MULTIPASS_VISIBLE_HOME", at("user")),
        ("FAKE_FAULT_FILE", at("faults")),
    ];
    let exports: String = vars.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
    let program = fakes::program("fake-multipass").display().to_string();
    crate::stage::write_program(&bin.join("multipass"), &format!("#!/bin/sh\n{exports}exec '{program}' \"$@\"\n"));
    bin
}

/// Deletes every container that the stand-in of this folder has made.
pub fn sweep(folder: &Path) {
    let Ok(home) = folder.join("home").canonicalize() else { return };
    let lxc = |words: &[&str]| {
        Command::new("timeout").args(["120", "lxc"]).args(words).stdin(Stdio::null()).output().unwrap().stdout
    };
    let all: serde_json::Value =
        serde_json::from_slice(&lxc(&["query", "/1.0/instances?recursion=1"])).unwrap_or_default();
    for one in all.as_array().into_iter().flatten() {
        if one["config"]["user.fake-multipass"].as_str() == home.to_str() {
            lxc(&["delete", "--force", one["name"].as_str().unwrap()]);
        }
    }
}

impl Bench {
    pub fn new(generation: &str, behind: Behind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = put_on_path(folder.path(), generation, &behind);
        std::fs::create_dir(folder.path().join("user")).unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let vars = BTreeMap::from([("PATH".to_owned(), path), ("HOME".to_owned(), "/root".to_owned())]);
        let suffix: String = std::iter::repeat_with(|| fastrand::char('a'..='z')).take(8).collect();
        let id = EnvId::parse(&format!("mp-{suffix}")).unwrap();
        let (context, name) = (Context::fixed(vars, folder.path().to_owned()), instance_name(&id));
        Self { folder, behind, context, id, name }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn faults(&self, text: &str) {
        std::fs::write(self.at("faults"), text).unwrap();
    }

    /// Runs the stand-in itself. Its exit code, and both of its streams.
    pub fn by_hand(&self, words: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(self.at("bin/multipass"));
        let output = command.args(words).stdin(Stdio::null()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }

    /// What the stand-in says that the instance does.
    pub fn state(&self) -> Option<String> {
        let (_, text) = self.by_hand(&["info", &self.name, "--format", "json", "--no-runtime-information"]);
        let value: serde_json::Value = serde_json::from_str(&text).ok()?;
        value["info"][&self.name]["state"].as_str().map(str::to_owned)
    }

    pub fn launch(&self, user_data: &str) -> MultipassAction {
        let shape = Shape {
            image: "24.04".to_owned(),
            cpus: 1,
            memory: Size(1 << 30),
            disk: Size(5 << 30),
            mounts: BTreeMap::new(),
        };
        let (name, id, user_data) = (self.name.clone(), self.id.clone(), user_data.to_owned());
        MultipassAction::Launch { name, id, shape, user_data }
    }

    pub fn multipass(&self) -> Multipass {
        Multipass {
            context: self.context.clone(),
            paths: Paths::new(&self.at("state"), &EnvName::parse("mp").unwrap()),
            id: self.id.clone(),
            run: RunId::numbered(1),
        }
    }

    /// Does something, within so many seconds.
    pub async fn act(&self, action: &MultipassAction, seconds: u64) -> Result<(), Failure> {
        self.multipass().perform(action, Duration::from_secs(seconds), &Notes::silent()).await
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Behind::Lxd(_) = self.behind {
            sweep(self.folder.path());
        }
    }
}
