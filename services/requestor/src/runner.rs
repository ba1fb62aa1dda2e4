//! Fetching large results from the runner: only from where the settings say that it is, with its token, never more than was
//! announced, and checked against the digest that stands in Redis.

use crate::token::hex;
use axum::body::Bytes;
use futures_util::{Stream, StreamExt, stream};
use report_model::result::FileReference;
use report_secret::Secret;
use reqwest::StatusCode;
use sha2::{Digest, Sha256};
use std::time::Duration;
use url::Url;

/// The largest file that is handed on.
const LARGEST: u64 = 1024 * 1024 * 1024;

/// How long connecting, and how long each pause within an answer, may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why a file cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// Nobody said where the runner is.
    #[error("the service does not know the runner: start it with --runner-url and --results-token-file")]
    NotSetUp,
    /// The file is said to be elsewhere.
    #[error("the result is said to be at {0}, which is not at the runner that the settings name")]
    Elsewhere(String),
    /// The file is not there any more.
    #[error("the runner does not have the file any more")]
    Gone,
    /// The runner is not to be reached, or answers something else.
    #[error("the runner at {url}: {problem}")]
    Failed {
        /// Where it was asked.
        url: String,
        /// What went wrong.
        problem: String,
    },
    /// The file is not the one that was announced.
    #[error("the file at the runner is not the one that the report made")]
    Changed,
}

/// The way to the runner.
#[derive(Clone)]
pub struct Runner {
    base: Url,
    token: Secret,
    client: reqwest::Client,
}

impl Runner {
    /// The runner at `base`, who wants to see `token`.
    pub fn new(base: Url, token: Secret) -> Result<Self, RunnerError> {
        let failed = |error: reqwest::Error| RunnerError::Failed { url: base.to_string(), problem: error.to_string() };
        let client = reqwest::Client::builder()
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(failed)?;
        Ok(Self { base, token, client })
    }

    /// The file's bytes as they come. The last ones come only if all were right; otherwise the stream ends with an error.
    pub async fn stream(
        &self,
        file: FileReference,
    ) -> Result<impl Stream<Item = Result<Bytes, RunnerError>> + Send + use<>, RunnerError> {
        let response = self.ask(&file).await?;
        let url = file.url.clone();
        let failed = move |error: reqwest::Error| RunnerError::Failed { url: url.clone(), problem: reason(&error) };
        let chunks = Box::pin(response.bytes_stream().map(move |chunk| chunk.map_err(&failed)));
        let state = Checked { chunks, held: None, digest: Sha256::new(), left: file.size, file, over: false };
        Ok(stream::unfold(state, |mut state| async move { state.next().await.map(|item| (item, state)) }))
    }

    /// The whole file at once. The caller has looked at its size.
    pub async fn whole(&self, file: FileReference) -> Result<Vec<u8>, RunnerError> {
        let mut bytes = Vec::with_capacity(usize::try_from(file.size).unwrap_or_default());
        let mut stream = Box::pin(self.stream(file).await?);
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(bytes)
    }

    async fn ask(&self, file: &FileReference) -> Result<reqwest::Response, RunnerError> {
        let url = Url::parse(&file.url).map_err(|_| RunnerError::Elsewhere(file.url.clone()))?;
        let below = url.path().starts_with(&format!("{}/", self.base.path().trim_end_matches('/')));
        let bare = url.username().is_empty() && url.password().is_none();
        if url.origin() != self.base.origin() || !below || !bare {
            return Err(RunnerError::Elsewhere(file.url.clone()));
        }
        if file.size > LARGEST {
            let problem = format!("the file has {} bytes; at most {LARGEST} are handed on", file.size);
            return Err(RunnerError::Failed { url: file.url.clone(), problem });
        }
        let failed = |problem: String| RunnerError::Failed { url: file.url.clone(), problem };
        let mut request = self.client.get(url).bearer_auth(self.token.reveal());
        let mut headers = axum::http::HeaderMap::new();
        report_telemetry::inject(&mut headers);
        request = request.headers(headers);
        let response = request.send().await.map_err(|error| failed(reason(&error)))?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(RunnerError::Gone),
            status => Err(failed(format!("it answers {status}"))),
        }
    }
}

/// Bytes on their way, of which the last ones are held back until all were right.
struct Checked<S> {
    chunks: S,
    held: Option<Bytes>,
    digest: Sha256,
    left: u64,
    file: FileReference,
    over: bool,
}

impl<S: Stream<Item = Result<Bytes, RunnerError>> + Unpin> Checked<S> {
    async fn next(&mut self) -> Option<Result<Bytes, RunnerError>> {
        while !self.over {
            match self.chunks.next().await {
                Some(Ok(chunk)) if chunk.len() as u64 <= self.left => {
                    self.left -= chunk.len() as u64;
                    self.digest.update(&chunk);
                    if let Some(ready) = self.held.replace(chunk) {
                        return Some(Ok(ready));
                    }
                }
                Some(Ok(_)) => return self.end(Err(RunnerError::Changed)),
                Some(Err(error)) => return self.end(Err(error)),
                None => {
                    let right = self.left == 0 && hex(&self.digest.clone().finalize()) == self.file.sha256;
                    let last = self.held.take().unwrap_or_default();
                    return self.end(if right { Ok(last) } else { Err(RunnerError::Changed) });
                }
            }
        }
        None
    }

    fn end(&mut self, last: Result<Bytes, RunnerError>) -> Option<Result<Bytes, RunnerError>> {
        self.over = true;
        Some(last)
    }
}

/// What went wrong, down to the cause, without the address that the caller names anyway.
fn reason(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}
