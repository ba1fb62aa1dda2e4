//! Runs the real binary, alone in a home of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A home with nothing in it, which goes away with this value.
pub struct Home {
    folder: tempfile::TempDir,
}

/// What a command came to.
pub struct Done {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The result.
    pub out: String,
    /// The narration.
    pub err: String,
}

impl Home {
    /// A new one, with an empty folder to start commands in.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder that commands are started in.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The command, ready to be changed further. It sees nothing of the environment that the tests run in but the
    /// search path.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reportctl"));
        command.args(line.split_whitespace()).env_clear().current_dir(self.work()).stdin(Stdio::null());
        for (name, value) in [("PATH", std::env::var("PATH").unwrap()), ("LC_ALL", "C.UTF-8".into())] {
            command.env(name, value);
        }
        command.env("HOME", self.path()).env("XDG_STATE_HOME", self.path().join("state"));
        command
    }

    /// Runs the words of a line.
    pub fn run(&self, line: &str) -> Done {
        done(&mut self.command(line))
    }

    /// The text with this home's own path and other things that differ from run to run taken out.
    pub fn steady(&self, text: &str) -> String {
        text.replace(&self.path().canonicalize().unwrap().display().to_string(), "HOME")
            .replace(&self.path().display().to_string(), "HOME")
    }
}

/// Runs a command to its end.
pub fn done(command: &mut Command) -> Done {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done { code: status.code(), out: text(stdout), err: text(stderr) }
}

impl Done {
    /// The result, where the command must have succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self.out
    }

    /// The whole of it, for a snapshot.
    pub fn shown(&self) -> String {
        let code = self.code.map_or("signal".to_owned(), |code| code.to_string());
        format!("exit {code}\n--- stdout\n{}--- stderr\n{}", self.out, self.err)
    }
}
