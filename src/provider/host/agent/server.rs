//! The agent's own process.

use super::protocol::{Answer, LONGEST_LINE, LogLine, PROTOCOL, Request};
use super::records::{self, AgentRecord, SOCKET, boot_id, lock_path};
use super::services::Services;
use super::supervisor::{Pace, Shared};
use super::{AGENT, COMPONENT_MARKER, LogLimits, MARKER, logs, logs::Log};
use crate::context::Context;
use crate::exec::{self, Launch, search_path};
use crate::fs::{self, FsError, Lock, LockError};
use crate::model::component::ComponentName;
use crate::model::ids::EnvId;
use crate::model::inventory::Observed;
use crate::model::paths::Paths;
use std::collections::BTreeMap;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, broadcast, mpsc};

/// The most clients at a time.
const CLIENTS: usize = 64;
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most log lines that are held for a client that reads slowly; what goes beyond is dropped, and it is told.
const BACKLOG: usize = 4096;
/// What the agent says on its standard output once it can be asked.
const READY: &str = "ready";

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// There is one already.
    #[error("the environment has an agent already: {holder}")]
    AlreadyRuns {
        /// What that one wrote about itself.
        holder: String,
    },
    /// The folder is not that environment's.
    #[error("{} does not belong to {id}: {found}", folder.display())]
    Foreign {
        /// The environment's folder.
        folder: PathBuf,
        /// Whose it should be.
        id: EnvId,
        /// What was found in its identity.
        found: String,
    },
    /// A file of its own cannot be used.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The host refuses something.
    #[error("the agent cannot {what}: {source}")]
    Host {
        /// What, as a verb.
        what: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It was started and said nothing or something else than that it is ready.
    #[error("the agent did not become ready: {0}")]
    NotReady(String),
    /// Its program cannot be started.
    #[error(transparent)]
    Exec(#[from] exec::ExecError),
}

/// What may be different for one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// How fast it starts services again.
    pub pace: Pace,
    /// How much of their logs it keeps.
    pub log_limits: LogLimits,
}

fn cannot(what: &'static str) -> impl FnOnce(std::io::Error) -> AgentError {
    move |source| AgentError::Host { what, source }
}

/// Starts the agent as a process of its own, and waits until it can be asked. Blocks. Where one runs already, that is
/// an error.
///
/// Errors: it cannot be started, or does not become ready; then with what it said.
pub fn launch(context: &Context, paths: &Paths, id: &EnvId) -> Result<u32, AgentError> {
    fs::ensure_dir(&paths.logs(), 0o700)?;
    let kept = ["HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "SHELL"];
    let mut env: BTreeMap<String, String> =
        kept.iter().filter_map(|name| Some(((*name).to_owned(), context.var(name)?.to_owned()))).collect();
    env.insert("PATH".to_owned(), search_path(context.var("PATH")));
    env.insert("LANG".to_owned(), "C.UTF-8".to_owned());
    env.insert(MARKER.to_owned(), id.to_string());
    env.insert(COMPONENT_MARKER.to_owned(), AGENT.to_owned());
    let program = context.program.display().to_string();
    let root = paths.root.display().to_string();
    let argv = [&program, "agent", "--root", &root, "--id", id.as_str()].map(str::to_owned).to_vec();
    let log = agent_log(paths);
    let mut agent = Launch { argv, env, cwd: "/".into() }.detached(&log)?;
    let said = agent.said().map_err(cannot("be listened to"))?;
    match said.trim() {
        READY => Ok(agent.pid()),
        "" => {
            let how = agent.ended().unwrap_or_else(|| "closed its output".to_owned());
            Err(AgentError::NotReady(format!("it {how} and said nothing; its log is {}", log.display())))
        }
        reason => Err(AgentError::NotReady(reason.to_owned())),
    }
}

fn agent_log(paths: &Paths) -> PathBuf {
    paths.logs().join("agent.log")
}

/// Is the agent, until it is told to stop. Must not be called within a runtime: it makes its own.
///
/// Errors: there is an agent already, the folder is somebody else's, or the host refuses something.
pub fn serve(context: &Context, paths: &Paths, id: &EnvId, settings: Settings) -> Result<(), AgentError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot("start"))?;
    runtime.block_on(async {
        let agent = match Agent::open(context, paths, id, settings) {
            Ok(agent) => agent,
            Err(error) => {
                announce(&error.to_string());
                return Err(error);
            }
        };
        announce(READY);
        let null = fs::open_null()?;
        rustix::stdio::dup2_stdout(&null).map_err(|error| cannot("let go of its output")(error.into()))?;
        agent.run().await
    })
}

/// Tells whoever started us. Somebody who starts an agent by hand and has gone away does not need to know.
fn announce(text: &str) {
    let _ = rustix::io::write(rustix::stdio::stdout(), format!("{text}\n").as_bytes());
}

fn check_identity(paths: &Paths, id: &EnvId) -> Result<(), AgentError> {
    let found = match fs::observe(&paths.identity()) {
        Observed::Present(text) if text.trim() == id.as_str() => return Ok(()),
        Observed::Present(text) => format!("it carries {}", text.trim()),
        Observed::Absent => "it has no identity".to_owned(),
        Observed::Unknown(reason) => reason,
    };
    Err(AgentError::Foreign { folder: paths.root.clone(), id: id.clone(), found })
}

/// Listens on the folder's socket. A path through `/proc` is short enough, however long the folder's own is: the
/// kernel takes 107 bytes (unix(7)).
fn listen(paths: &Paths) -> Result<UnixListener, AgentError> {
    let folder = fs::open_folder(&paths.agent())?;
    let socket = paths.agent().join(SOCKET);
    // We hold the lock, so whoever left it is gone.
    fs::remove_file(&socket)?;
    let listener =
        UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd())).map_err(cannot("listen"))?;
    fs::set_mode(&socket, 0o600)?;
    Ok(listener)
}

/// The agent, ready to be asked.
struct Opened {
    agent: Arc<Agent>,
    listener: UnixListener,
    paths: Paths,
    lock: Lock,
}

impl Opened {
    /// Serves, and takes everything away that it has made but its log.
    async fn run(self) -> Result<(), AgentError> {
        let Self { agent, listener, paths, lock } = self;
        agent.serve_until_stopped(listener).await?;
        agent.note("everything is stopped");
        fs::remove_file(&paths.agent().join(SOCKET))?;
        fs::remove_file(&records::service_records(&paths))?;
        fs::remove_file(&records::agent_record(&paths))?;
        Ok(lock.remove()?)
    }
}

struct Agent {
    context: Context,
    id: EnvId,
    services: Services,
    listeners: broadcast::Sender<LogLine>,
    log: Mutex<Log>,
}

impl Agent {
    fn open(context: &Context, paths: &Paths, id: &EnvId, settings: Settings) -> Result<Opened, AgentError> {
        check_identity(paths, id)?;
        // A session of our own: the terminal's end is not ours. It fails only for one who has it already.
        let _ = rustix::process::setsid();
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        fs::ensure_dir(&paths.agent(), 0o700)?;
        fs::ensure_dir(&paths.logs(), 0o700)?;
        let pid = std::process::id();
        let lock = match Lock::take(&lock_path(paths), &format!("the agent of {id}, process {pid}")) {
            Ok(lock) => lock,
            Err(LockError::Held { holder }) => return Err(AgentError::AlreadyRuns { holder }),
            Err(LockError::Fs(error)) => return Err(error.into()),
        };
        let listener = listen(paths)?;
        let boot = boot_id().present().cloned().unwrap_or_default();
        let process = match exec::identity(pid) {
            Observed::Present(reading) => reading.identity,
            _ => exec::Identity { pid, started: 0 },
        };
        let record = AgentRecord { protocol: PROTOCOL, id: id.clone(), process, boot: boot.clone() };
        records::write(&records::agent_record(paths), &record)?;
        let (listeners, _) = broadcast::channel(BACKLOG);
        let shared = Shared {
            context: context.clone(),
            id: id.clone(),
            boot,
            pace: settings.pace,
            log_limits: settings.log_limits,
            listeners: listeners.clone(),
            on_start: Arc::new(|_, _| {}),
        };
        let agent = Arc::new(Self {
            context: context.clone(),
            id: id.clone(),
            services: Services::new(shared, records::service_records(paths)),
            listeners,
            log: Mutex::new(Log::new(agent_log(paths), LogLimits { bytes: 1 << 20, files: 1 })),
        });
        agent.note("ready");
        Ok(Opened { agent, listener, paths: paths.clone(), lock })
    }

    fn note(&self, text: &str) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).note(&self.context.timestamp(), text);
    }

    /// Answers until everything was stopped on request, and a little less than until the very end: whoever asked is
    /// told after its services have gone.
    async fn serve_until_stopped(self: &Arc<Self>, listener: UnixListener) -> Result<(), AgentError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(cannot("hear signals"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot("hear signals"))?;
        let (stop, mut asked) = mpsc::channel::<UnixStream>(1);
        let stopped = async {
            let stream = tokio::select! {
                _ = terminate.recv() => None,
                _ = interrupt.recv() => None,
                stream = asked.recv() => stream,
            };
            self.note(if stream.is_some() { "asked to stop" } else { "told to end by a signal" });
            self.services.stop_all().await;
            if let Some(mut stream) = stream {
                // Whoever asked may have gone away.
                let _ = say(&mut stream, &Answer::Done).await;
            }
        };
        tokio::select! {
            () = stopped => Ok(()),
            () = self.accept(&listener, &stop) => Ok(()),
        }
    }

    async fn accept(self: &Arc<Self>, listener: &UnixListener, stop: &mpsc::Sender<UnixStream>) {
        let room = Arc::new(Semaphore::new(CLIENTS));
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (agent, stop, room) = (Arc::clone(self), stop.clone(), Arc::clone(&room));
                    tokio::spawn(async move {
                        let Ok(_place) = room.try_acquire_owned() else { return };
                        // A client that breaks off is not our trouble.
                        let _ = agent.attend(stream, stop).await;
                    });
                }
                // No descriptor is left, most likely: somebody must give one back first.
                Err(error) => {
                    self.note(&format!("cannot take a client: {error}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn attend(&self, mut stream: UnixStream, stop: mpsc::Sender<UnixStream>) -> std::io::Result<()> {
        let peer = stream.peer_cred()?.uid();
        // What a stranger says is read too, up to a bound: one who is cut off while speaking would not hear the reason.
        let heard = match tokio::time::timeout(PATIENCE, hear(&mut stream)).await {
            Ok(heard) => heard,
            Err(_) => return Ok(()),
        };
        if peer != rustix::process::geteuid().as_raw() && peer != 0 {
            let reason = format!("this agent does not answer user {peer}");
            return say(&mut stream, &Answer::Refused { reason }).await;
        }
        let request = match heard {
            Ok(request) => request,
            Err(reason) => return say(&mut stream, &Answer::Refused { reason }).await,
        };
        match request {
            Request::Version => {
                let version = env!("CARGO_PKG_VERSION").to_owned();
                let pid = std::process::id();
                say(&mut stream, &Answer::Version { protocol: PROTOCOL, version, id: self.id.clone(), pid }).await
            }
            Request::Status => say(&mut stream, &Answer::Status { services: self.services.states() }).await,
            Request::Apply { services, only_these } => {
                let answer = match self.services.apply(services, only_these).await {
                    Ok(()) => Answer::Done,
                    Err(reason) => Answer::Refused { reason },
                };
                say(&mut stream, &answer).await
            }
            Request::Stop { component: Some(component) } => {
                self.services.stop(component).await;
                say(&mut stream, &Answer::Done).await
            }
            Request::Stop { component: None } => {
                // It is full when somebody else has asked before: then we stop anyway.
                let _ = stop.try_send(stream);
                Ok(())
            }
            Request::Logs { components, lines, follow } => self.show(stream, &components, lines, follow).await,
        }
    }

    async fn show(
        &self,
        mut stream: UnixStream,
        components: &[ComponentName],
        lines: u32,
        follow: bool,
    ) -> std::io::Result<()> {
        let wanted = |component: ComponentName| components.is_empty() || components.contains(&component);
        // Listening begins before the old lines are read and nothing else runs in between, so none is missed or doubled.
        let mut listener = self.listeners.subscribe();
        let mut old = Vec::new();
        for (component, path) in self.services.logs().into_iter().filter(|(component, _)| wanted(*component)) {
            match logs::tail(component, &path, lines as usize) {
                Ok(lines) => old.extend(lines),
                Err(error) => return say(&mut stream, &Answer::Refused { reason: error.to_string() }).await,
            }
        }
        old.sort_by(|a, b| a.at.cmp(&b.at));
        for line in old {
            say(&mut stream, &Answer::Line(line)).await?;
        }
        if !follow {
            return say(&mut stream, &Answer::Done).await;
        }
        loop {
            let mut nothing = [0];
            tokio::select! {
                heard = listener.recv() => match heard {
                    Ok(line) if wanted(line.component) => say(&mut stream, &Answer::Line(line)).await?,
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(count)) => {
                        let reason = format!("{count} lines came faster than they were read; `reportctl logs` has them");
                        return say(&mut stream, &Answer::Refused { reason }).await;
                    }
                    Err(broadcast::error::RecvError::Closed) => return say(&mut stream, &Answer::Done).await,
                },
                // The client has gone away, or says something that nobody asked it.
                _ = stream.read(&mut nothing) => return Ok(()),
            }
        }
    }
}

async fn say(stream: &mut UnixStream, answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

async fn hear(stream: &mut UnixStream) -> Result<Request, String> {
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream.take(LONGEST_LINE as u64));
    reader.read_until(b'\n', &mut line).await.map_err(|error| format!("cannot read the request: {error}"))?;
    if line.len() >= LONGEST_LINE {
        return Err(format!("a request has at most {LONGEST_LINE} bytes"));
    }
    serde_json::from_slice(&line)
        .map_err(|error| format!("this is no request that agent protocol {PROTOCOL} has: {error}"))
}
