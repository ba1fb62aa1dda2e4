//! Processes that exist already: who they are, when they end, and how they are told to.

use crate::fs;
use crate::model::inventory::Observed;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// A process and none that comes to have the same number later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub pid: u32,
    /// When the kernel started it, in clock ticks since boot.
    pub started: u64,
}

/// What `/proc` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Who it is.
    pub identity: Identity,
    /// Its parent.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its session.
    pub session: u32,
    /// Whether it has ended and only waits to be reaped.
    pub ended: bool,
}

/// Who has that number now.
pub fn identity(pid: u32) -> Observed<Reading> {
    let path = Path::new("/proc").join(pid.to_string()).join("stat");
    match fs::observe(&path) {
        Observed::Present(text) => parse_stat(pid, &text)
            .map_or_else(|| Observed::Unknown(format!("{} reads strangely", path.display())), Observed::Present),
        Observed::Absent => Observed::Absent,
        // A process that goes away while it is read gives this error.
        Observed::Unknown(reason) if reason.contains("No such process") => Observed::Absent,
        Observed::Unknown(reason) => Observed::Unknown(reason),
    }
}

/// Reads `/proc/PID/stat` (proc(5)): the name in brackets may itself hold brackets and blanks.
fn parse_stat(pid: u32, text: &str) -> Option<Reading> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    // Field 22 of the page; the state is field 3 and the session is field 6.
    let started = fields.nth(15)?.trim().parse().ok()?;
    Some(Reading { identity: Identity { pid, started }, parent, group, session, ended: matches!(state, "Z" | "X") })
}

/// Sends a signal to a whole process group.
///
/// Errors: there is none, or it is another user's.
pub fn signal_group(leader: u32, signal: Signal) -> io::Result<()> {
    let pid = to_pid(leader)?;
    Ok(rustix::process::kill_process_group(pid, signal)?)
}

fn to_pid(pid: u32) -> io::Result<Pid> {
    // 0 and 1 would mean our own group and everybody.
    i32::try_from(pid)
        .ok()
        .filter(|pid| *pid > 1)
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("{pid} is no process that we may signal")))
}

/// A hold on one process: a signal through it reaches that process or nobody, whatever becomes of its number.
#[derive(Debug)]
pub struct Watch {
    pid: u32,
    fd: OwnedFd,
}

impl Watch {
    /// Takes hold of the process that has this identity now; none when it has ended.
    ///
    /// Errors: the kernel knows no such holds (before 5.3), or has none left.
    pub fn open(identity: Identity) -> io::Result<Option<Self>> {
        let Some(watch) = Self::of_pid(identity.pid)? else { return Ok(None) };
        // The hold came first, so the number cannot change its owner between this look and a signal.
        match self::identity(identity.pid) {
            Observed::Present(reading) if reading.identity == identity && !reading.ended => Ok(Some(watch)),
            Observed::Present(_) | Observed::Absent => Ok(None),
            Observed::Unknown(reason) => Err(io::Error::other(reason)),
        }
    }

    /// Takes hold of whoever has that number now; none when nobody has.
    pub(super) fn of_pid(pid: u32) -> io::Result<Option<Self>> {
        match pidfd_open(to_pid(pid)?, PidfdFlags::NONBLOCK) {
            Ok(fd) => Ok(Some(Self { pid, fd })),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a signal to the process; that it has ended is as good.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.fd, signal) {
            Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Its number.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the process has ended; says whether it did within `longest`.
    pub async fn ended(&self, longest: Duration) -> io::Result<bool> {
        let fd = workaround_async_fd(self.fd.try_clone()?)?;
        match tokio::time::timeout(longest, fd.readable()).await {
            Ok(ready) => ready.map(|()| true),
            Err(_) => Ok(false),
        }
    }

    pub(super) const fn fd(&self) -> &OwnedFd {
        &self.fd
    }
}

/// Every safe way to make an `AsyncFd` is deprecated (tokio pull request 8587), and a pipe's receiver made without its
/// checks waits for any descriptor that can be polled. Nothing is ever read through it.
fn workaround_async_fd(fd: OwnedFd) -> io::Result<Receiver> {
    Receiver::from_owned_fd_unchecked(fd)
}

/// Whether a child of ours has ended. It is not reaped.
pub fn child_has_ended(pid: u32) -> io::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(rustix::process::waitid(WaitId::Pid(to_pid(pid)?), options)?.is_some())
}

/// How a process ended, in words.
pub fn ended_how(status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_name_does_not_shift_the_fields() {
        let stat = "77 (a) b (c) S 1 70 71 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 0 0 18446744073709551615\n";
        let expected =
            Reading { identity: Identity { pid: 77, started: 4242 }, parent: 1, group: 70, session: 71, ended: false };
        assert_eq!(parse_stat(77, stat), Some(expected));
        assert_eq!(parse_stat(77, "77 (a) S 1"), None);
    }

    #[test]
    fn we_find_ourselves_and_nobody_else() {
        let own = std::process::id();
        assert!(matches!(identity(own), Observed::Present(reading) if reading.identity.pid == own && !reading.ended));
        assert!(identity(u32::MAX).is_absent());
        for nobody in [0, 1, u32::MAX] {
            assert!(signal_group(nobody, Signal::CONT).is_err(), "{nobody}");
        }
    }
}
