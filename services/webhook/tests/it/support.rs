//! What the tests of the sender share.

use report_queue::{Claimed, JobId, TraceContext};
use report_testing::Receiver;
use report_webhook::{AttemptKind, Endpoint, Observer, Options, Secrets, Sender, WebhookId};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use url::Url;

pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Who was told of attempts, and of which.
#[derive(Default)]
pub struct Told(Mutex<Vec<(AttemptKind, bool, String)>>);

impl Told {
    pub fn all(&self) -> Vec<(AttemptKind, bool, String)> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Told {
    fn attempted(&self, kind: AttemptKind, took: Option<Duration>, trace: &TraceContext) {
        self.0.lock().unwrap().push((kind, took.is_some(), trace.parent.clone()));
    }
}

pub fn secrets() -> Secrets {
    Secrets::from_text(SECRET).unwrap()
}

pub fn id() -> WebhookId {
    WebhookId::parse("01abc.report-finished").unwrap()
}

/// Waits that a test can bear.
pub fn quick() -> Options {
    Options { connect_timeout: Duration::from_millis(500), timeout: Duration::from_millis(800), ..Options::default() }
}

pub fn sender(receiver: &Receiver, options: &Options, told: &Arc<Told>) -> Sender {
    let allowed = Url::parse(&receiver.url("/")).unwrap();
    Sender::new(&[allowed], options, Arc::<Told>::clone(told) as Arc<dyn Observer>).unwrap()
}

pub fn endpoint(receiver: &Receiver) -> Endpoint {
    sender(receiver, &quick(), &Arc::default()).endpoint(&receiver.url("/hooks"), secrets()).unwrap()
}

pub fn job(body: &[u8], age: Duration, attempt: u32) -> Claimed {
    let enqueued_at = 1_790_000_000_000;
    Claimed {
        id: JobId::parse("01abcdefghjkmnpqrstvwxyz01").unwrap(),
        kind: "webhook".to_owned(),
        payload: body.to_vec(),
        user: None,
        trace: TraceContext::default(),
        attempt,
        enqueued_at,
        ready_at: enqueued_at,
        claimed_at: enqueued_at + u64::try_from(age.as_millis()).unwrap(),
        cancelled: CancellationToken::new(),
    }
}
