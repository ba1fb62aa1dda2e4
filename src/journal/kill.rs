//! For tests, in builds with debug assertions only: the process kills itself at a chosen write to the journal.

use crate::context::Context;
use crate::fs::Appender;

/// The variable that asks for it: `3` just before the third write of the process, `3/` in the middle of it, and `3+`
/// just after it.
const VARIABLE: &str = "REPORTCTL_TEST_KILL_AT";

/// When the process kills itself.
#[derive(Debug, Default)]
pub(super) struct Kill {
    at: Option<(u64, Moment)>,
    writes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    Within,
    After,
}

impl Kill {
    /// As the context asks for it.
    pub fn asked_for(context: &Context) -> Self {
        let at = context.var(VARIABLE).and_then(|text| {
            let (number, moment) = match (text.strip_suffix('/'), text.strip_suffix('+')) {
                (Some(number), _) => (number, Moment::Within),
                (_, Some(number)) => (number, Moment::After),
                _ => (text, Moment::Before),
            };
            Some((number.parse().ok()?, moment))
        });
        Self { at, writes: 0 }
    }

    /// A line is about to be written.
    pub fn before(&mut self, file: &mut Appender, line: &[u8]) {
        self.writes += 1;
        if self.at == Some((self.writes, Moment::Before)) {
            kill();
        }
        if self.at == Some((self.writes, Moment::Within)) {
            let _ = file.append(&line[..line.len() / 2]);
            kill();
        }
    }

    /// A line was written.
    pub fn after(&self) {
        if self.at == Some((self.writes, Moment::After)) {
            kill();
        }
    }
}

fn kill() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}
