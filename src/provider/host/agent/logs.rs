//! The components' logs: one file each, one line of output a line, with the time before it.
//!
//! A file that has reached its bound becomes `NAME.1`, that one `NAME.2`, and the last is dropped.

use super::protocol::LogLine;
use crate::context::Context;
use crate::fs::{self, Appender, FsError};
use crate::model::component::ComponentName;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::broadcast;

/// The longest line that is kept whole; a longer one becomes several.
const LONGEST_LINE: usize = 16 << 10;
/// The most bytes that are read at once, to find the last lines of a log.
const TAIL_BYTES: u64 = 1 << 20;
/// The most lines that anybody is given of the past.
const MOST_LINES: usize = 10_000;

/// How much of a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The size of a file in bytes, after which it is put aside.
    pub bytes: u64,
    /// How many files that were put aside are kept.
    pub files: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 8 << 20, files: 2 }
    }
}

/// A log that is written.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    limits: Limits,
    file: Option<(Appender, u64)>,
    /// What a broken disk or the like has cost.
    lost: u64,
}

impl Log {
    /// Opens the log at the first write.
    pub const fn new(path: PathBuf, limits: Limits) -> Self {
        Self { path, limits, file: None, lost: 0 }
    }

    /// Appends a line of our own. Cannot fail: a service does not end because its log cannot be written.
    pub fn note(&mut self, at: &str, text: &str) {
        self.append(format!("{at} [reportctl] {text}\n").as_bytes());
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.try_append(bytes).is_err() {
            self.lost += bytes.len() as u64;
            self.file = None;
        }
    }

    /// Appends whole lines. A file grows over its bound only by a single line that is longer than that.
    fn try_append(&mut self, mut bytes: &[u8]) -> Result<(), FsError> {
        while !bytes.is_empty() {
            let limit = self.limits.bytes;
            let (file, len) = self.open()?;
            let room = usize::try_from(limit.saturating_sub(*len)).unwrap_or(usize::MAX);
            let is_end = |byte: &u8| *byte == b'\n';
            let now = match bytes.get(..room) {
                None => bytes.len(),
                Some(fits) => match fits.iter().rposition(is_end) {
                    Some(end) => end + 1,
                    None if *len == 0 => bytes.iter().position(is_end).map_or(bytes.len(), |end| end + 1),
                    None => 0,
                },
            };
            let (now, later) = bytes.split_at(now);
            file.append(now)?;
            *len += now.len() as u64;
            bytes = later;
            if !bytes.is_empty() {
                self.file = None;
                self.put_aside()?;
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<&mut (Appender, u64), FsError> {
        let Some(open) = self.file.take() else {
            let mut file = Appender::open(&self.path)?;
            let mut len = fs::observe_meta(&self.path).present().map_or(0, |meta| meta.len);
            if self.lost > 0 {
                let apology = format!("- [reportctl] {} bytes of this log could not be written\n", self.lost);
                file.append(apology.as_bytes())?;
                len += apology.len() as u64;
                self.lost = 0;
            }
            return Ok(self.file.insert((file, len)));
        };
        Ok(self.file.insert(open))
    }

    fn put_aside(&self) -> Result<(), FsError> {
        for number in (1..self.limits.files).rev() {
            let older = aside(&self.path, number);
            if !fs::observe_meta(&older).is_absent() {
                fs::rename(&older, &aside(&self.path, number + 1))?;
            }
        }
        match self.limits.files {
            0 => fs::remove_file(&self.path),
            _ => fs::rename(&self.path, &aside(&self.path, 1)),
        }
    }
}

/// The file that a log becomes.
fn aside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Writes what comes out of a pipe into the log, and tells whoever listens, until the pipe is closed.
pub async fn pump(
    context: Context,
    component: ComponentName,
    mut pipe: Receiver,
    log: &mut Log,
    listeners: broadcast::Sender<LogLine>,
) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; LONGEST_LINE];
    loop {
        let count = match pipe.read(&mut buffer).await {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        let at = context.timestamp();
        let mut batch = Vec::with_capacity(count + 64);
        let mut take = |line: &[u8]| {
            batch.extend_from_slice(at.as_bytes());
            batch.push(b' ');
            batch.extend_from_slice(line);
            batch.push(b'\n');
            if listeners.receiver_count() > 0 {
                let text = String::from_utf8_lossy(line).into_owned();
                // Nobody listens any more: no harm.
                let _ = listeners.send(LogLine { component, at: at.clone(), text });
            }
        };
        match count {
            0 => lines.finish(&mut take),
            _ => lines.split(&buffer[..count], &mut take),
        }
        if !batch.is_empty() {
            log.append(&batch);
        }
        if count == 0 {
            return;
        }
    }
}

/// Cuts a stream into lines.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn split(&mut self, mut bytes: &[u8], take: &mut impl FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.push(&bytes[..end], take);
            let line = std::mem::take(&mut self.begun);
            take(line.strip_suffix(b"\r").unwrap_or(&line));
            bytes = &bytes[end + 1..];
        }
        self.push(bytes, take);
    }

    fn push(&mut self, mut bytes: &[u8], take: &mut impl FnMut(&[u8])) {
        while self.begun.len() + bytes.len() > LONGEST_LINE {
            let (now, later) = bytes.split_at(LONGEST_LINE - self.begun.len());
            self.begun.extend_from_slice(now);
            take(&std::mem::take(&mut self.begun));
            bytes = later;
        }
        self.begun.extend_from_slice(bytes);
    }

    fn finish(&mut self, take: &mut impl FnMut(&[u8])) {
        if !self.begun.is_empty() {
            take(&std::mem::take(&mut self.begun));
        }
    }
}

/// The last `lines` lines of a component's log, oldest first; none when there is no log. Needs no agent.
///
/// Errors: the log is there and cannot be read.
pub fn tail(component: ComponentName, path: &Path, lines: usize) -> Result<Vec<LogLine>, FsError> {
    let wanted = lines.min(MOST_LINES);
    let mut found = Vec::new();
    for path in std::iter::once(path.to_owned()).chain((1..).map(|number| aside(path, number))) {
        if found.len() >= wanted {
            break;
        }
        let Some(bytes) = last_bytes(&path)? else { break };
        let text = String::from_utf8_lossy(&bytes);
        let parsed: Vec<LogLine> = text.lines().filter_map(|line| parse(component, line)).collect();
        let from = parsed.len().saturating_sub(wanted - found.len());
        found.splice(0..0, parsed[from..].iter().cloned());
    }
    Ok(found)
}

/// The end of a file, from a line's start on; none when it is not there.
fn last_bytes(path: &Path) -> Result<Option<Vec<u8>>, FsError> {
    let len = match fs::observe_meta(path).present() {
        Some(meta) => meta.len,
        None => return Ok(None),
    };
    let from = len.saturating_sub(TAIL_BYTES);
    let mut bytes = match fs::read_from(path, from, TAIL_BYTES) {
        Ok((bytes, _)) => bytes,
        // It was put aside between the two looks.
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    if from > 0 {
        let line = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        bytes.drain(..line);
    }
    Ok(Some(bytes))
}

fn parse(component: ComponentName, line: &str) -> Option<LogLine> {
    let (at, text) = line.split_once(' ')?;
    Some(LogLine { component, at: at.to_owned(), text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        let mut take = |line: &[u8]| out.push(line.to_vec());
        for chunk in chunks {
            lines.split(chunk, &mut take);
        }
        lines.finish(&mut take);
        out
    }

    #[test]
    fn a_stream_is_cut_into_lines_wherever_it_was_cut_before() {
        assert_eq!(cut(&[b"one\ntw", b"o\r\n", b"\nrest"]), [&b"one"[..], b"two", b"", b"rest"]);
        assert!(cut(&[b""]).is_empty());
        let long = vec![b'x'; LONGEST_LINE * 2 + 1];
        let lengths: Vec<usize> = cut(&[&long, b"\n"]).iter().map(Vec::len).collect();
        assert_eq!(lengths, [LONGEST_LINE, LONGEST_LINE, 1]);
    }

    #[test]
    fn a_log_keeps_its_bound_and_its_newest_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redis.log");
        let mut log = Log::new(path.clone(), Limits { bytes: 100, files: 2 });
        for number in 0..50 {
            log.note("2026-01-01T00:00:00.000Z", &format!("line {number}"));
        }
        assert_eq!(fs::list(folder.path()).unwrap(), ["redis.log", "redis.log.1", "redis.log.2"]);
        for name in fs::list(folder.path()).unwrap() {
            assert!(fs::observe_meta(&folder.path().join(name)).present().unwrap().len <= 100);
        }
        let last = tail(ComponentName::Redis, &path, 3).unwrap();
        let texts: Vec<&str> = last.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["[reportctl] line 47", "[reportctl] line 48", "[reportctl] line 49"]);
        assert!(tail(ComponentName::Redis, &path, 0).unwrap().is_empty());
        assert!(tail(ComponentName::Redis, &folder.path().join("none"), 3).unwrap().is_empty());
    }

    #[test]
    fn a_log_that_cannot_be_written_goes_on_and_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("later/redis.log");
        let mut log = Log::new(path.clone(), Limits::default());
        log.note("t", "lost");
        fs::ensure_dir(&folder.path().join("later"), 0o700).unwrap();
        log.note("t", "kept");
        assert_eq!(
            fs::read(&path).unwrap(),
            "- [reportctl] 19 bytes of this log could not be written\nt [reportctl] kept\n"
        );
    }
}
