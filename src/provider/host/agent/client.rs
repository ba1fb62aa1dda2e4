//! Asks an agent.

use super::protocol::{Answer, LONGEST_LINE, LogLine, PROTOCOL, Request};
use super::records::SOCKET;
use crate::fs;
use crate::model::component::ComponentName;
use crate::model::ids::EnvId;
use crate::model::inventory::{AgentState, Observed, ServiceState};
use crate::model::paths::Paths;
use crate::model::service::ServiceSpec;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// How long an agent may take to say who it is and how its services do.
const PROMPT: Duration = Duration::from_secs(5);

/// Why an agent did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is none.
    #[error("no agent listens in {}", folder.display())]
    NoAgent {
        /// The agent's folder.
        folder: PathBuf,
    },
    /// The connection does not work.
    #[error("cannot talk to the agent in {}: {source}", folder.display())]
    Connection {
        /// The agent's folder.
        folder: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It did not answer in time.
    #[error("the agent in {} did not answer within {after:?}", folder.display())]
    Silent {
        /// The agent's folder.
        folder: PathBuf,
        /// How long we waited.
        after: Duration,
    },
    /// It will not.
    #[error("the agent refuses: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// It answered something else.
    #[error("the agent in {} answered something unexpected: {answer}", folder.display())]
    Strange {
        /// The agent's folder.
        folder: PathBuf,
        /// What.
        answer: String,
    },
}

/// The way to the agent of one environment. Each question is a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    folder: PathBuf,
}

impl Client {
    /// The way to the agent of these paths, whether it is there or not.
    pub fn new(paths: &Paths) -> Self {
        Self { folder: paths.agent() }
    }

    /// The agent and how its services do. Absent: nobody listens. Unknown: somebody does, and it is not that
    /// environment's agent, or it does not answer.
    pub async fn observe(&self, id: &EnvId) -> Observed<AgentState> {
        let version = match self.version().await {
            Ok(version) => version,
            Err(ClientError::NoAgent { .. }) => return Observed::Absent,
            Err(error) => return Observed::Unknown(error.to_string()),
        };
        let (protocol, theirs, pid) = version;
        if theirs != *id {
            return Observed::Unknown(format!("an agent of {theirs} listens in {}", self.folder.display()));
        }
        if protocol != PROTOCOL {
            return Observed::Present(AgentState { pid, protocol, services: BTreeMap::new() });
        }
        match self.status().await {
            Ok(services) => Observed::Present(AgentState { pid, protocol, services }),
            Err(ClientError::NoAgent { .. }) => Observed::Absent,
            Err(error) => Observed::Unknown(error.to_string()),
        }
    }

    /// The version of its protocol, its environment and its process.
    ///
    /// Errors: there is none, or it does not answer.
    pub async fn version(&self) -> Result<(u32, EnvId, u32), ClientError> {
        match self.ask(&Request::Version, PROMPT).await? {
            Answer::Version { protocol, version: _, id, pid } => Ok((protocol, id, pid)),
            other => Err(self.strange(&other)),
        }
    }

    /// How its services do.
    ///
    /// Errors: there is none, or it does not answer.
    pub async fn status(&self) -> Result<BTreeMap<ComponentName, ServiceState>, ClientError> {
        match self.ask(&Request::Status, PROMPT).await? {
            Answer::Status { services } => Ok(services),
            other => Err(self.strange(&other)),
        }
    }

    /// Has it run these services; see [`Request::Apply`].
    ///
    /// Errors: it cannot start one, there is none, or it does not answer within `longest`.
    pub async fn apply(
        &self,
        services: Vec<ServiceSpec>,
        only_these: bool,
        longest: Duration,
    ) -> Result<(), ClientError> {
        self.have_done(&Request::Apply { services, only_these }, longest).await
    }

    /// Has it stop a component and forget it, or stop everything and end.
    ///
    /// Errors: there is none, or it does not answer within `longest`.
    pub async fn stop(&self, component: Option<ComponentName>, longest: Duration) -> Result<(), ClientError> {
        self.have_done(&Request::Stop { component }, longest).await
    }

    /// Begins to read log lines; see [`Request::Logs`].
    ///
    /// Errors: there is none.
    pub async fn logs(
        &self,
        components: Vec<ComponentName>,
        lines: u32,
        follow: bool,
    ) -> Result<Followed, ClientError> {
        let stream = self.send(&Request::Logs { components, lines, follow }).await?;
        Ok(Followed { client: self.clone(), reader: BufReader::new(stream) })
    }

    async fn have_done(&self, request: &Request, longest: Duration) -> Result<(), ClientError> {
        match self.ask(request, longest).await? {
            Answer::Done => Ok(()),
            other => Err(self.strange(&other)),
        }
    }

    async fn ask(&self, request: &Request, longest: Duration) -> Result<Answer, ClientError> {
        let asking = async {
            let mut reader = BufReader::new(self.send(request).await?);
            self.answer(&mut reader).await
        };
        match tokio::time::timeout(longest, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Silent { folder: self.folder.clone(), after: longest }),
        }
    }

    async fn send(&self, request: &Request) -> Result<UnixStream, ClientError> {
        let broken = |source| ClientError::Connection { folder: self.folder.clone(), source };
        let none = || ClientError::NoAgent { folder: self.folder.clone() };
        let folder = match fs::open_folder(&self.folder) {
            Ok(folder) => folder,
            Err(error) if error.is_not_found() => return Err(none()),
            Err(error) => return Err(broken(error.source)),
        };
        // The way through `/proc` is short enough for the kernel, however long the folder's own path is.
        let path = format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd());
        let mut stream = match UnixStream::connect(path).await {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Err(none());
            }
            Err(error) => return Err(broken(error)),
        };
        let mut line = serde_json::to_vec(request).map_err(|error| broken(error.into()))?;
        line.push(b'\n');
        if line.len() >= LONGEST_LINE {
            return Err(ClientError::Refused { reason: format!("a request has at most {LONGEST_LINE} bytes") });
        }
        stream.write_all(&line).await.map_err(broken)?;
        Ok(stream)
    }

    async fn answer(&self, reader: &mut BufReader<UnixStream>) -> Result<Answer, ClientError> {
        let broken = |source| ClientError::Connection { folder: self.folder.clone(), source };
        let mut line = Vec::new();
        reader.take(2 * LONGEST_LINE as u64).read_until(b'\n', &mut line).await.map_err(broken)?;
        if line.is_empty() {
            return Err(broken(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")));
        }
        match serde_json::from_slice(&line) {
            Ok(Answer::Refused { reason }) => Err(ClientError::Refused { reason }),
            Ok(answer) => Ok(answer),
            Err(_) => Err(ClientError::Strange {
                folder: self.folder.clone(),
                answer: String::from_utf8_lossy(&line).chars().take(200).collect(),
            }),
        }
    }

    fn strange(&self, answer: &Answer) -> ClientError {
        ClientError::Strange { folder: self.folder.clone(), answer: format!("{answer:?}") }
    }
}

/// Log lines as they come.
#[derive(Debug)]
pub struct Followed {
    client: Client,
    reader: BufReader<UnixStream>,
}

impl Followed {
    /// The next line; none when there are no more.
    ///
    /// Errors: the agent is gone, or had to drop lines.
    pub async fn next(&mut self) -> Result<Option<LogLine>, ClientError> {
        match self.client.answer(&mut self.reader).await? {
            Answer::Line(line) => Ok(Some(line)),
            Answer::Done => Ok(None),
            other => Err(self.client.strange(&other)),
        }
    }
}
