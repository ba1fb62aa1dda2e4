//! A network between browser and service that fails when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Hands bytes on, both ways, until it is told otherwise.
pub struct Proxy {
    pub base: String,
    swallows: Arc<AtomicBool>,
    swallowed: Arc<AtomicUsize>,
    cut: CancellationToken,
}

impl Proxy {
    /// A way to `service`, such as `http://127.0.0.1:8080`.
    pub async fn to(service: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let target = service.strip_prefix("http://").unwrap().to_owned();
        let proxy = Self { base, swallows: Arc::default(), swallowed: Arc::default(), cut: CancellationToken::new() };
        let (swallows, swallowed, cut) = (proxy.swallows.clone(), proxy.swallowed.clone(), proxy.cut.clone());
        tokio::spawn(async move {
            while let Ok((browser, _)) = listener.accept().await {
                let service = TcpStream::connect(&target).await.unwrap();
                let hands = hand_on(browser, service, swallows.clone(), swallowed.clone());
                let cut = cut.clone();
                tokio::spawn(async move {
                    tokio::select! { () = cut.cancelled() => {}, () = hands => {} }
                });
            }
        });
        proxy
    }

    /// From now on nothing that the service sends arrives.
    pub fn swallow(&self) {
        self.swallows.store(true, Ordering::SeqCst);
    }

    /// How many bytes did not arrive.
    pub fn swallowed(&self) -> usize {
        self.swallowed.load(Ordering::SeqCst)
    }

    /// Cuts all connections that there are.
    pub fn cut(&self) {
        self.cut.cancel();
    }
}

async fn hand_on(browser: TcpStream, service: TcpStream, swallows: Arc<AtomicBool>, swallowed: Arc<AtomicUsize>) {
    let (mut from_browser, mut to_browser) = browser.into_split();
    let (mut from_service, mut to_service) = service.into_split();
    let up = tokio::io::copy(&mut from_browser, &mut to_service);
    let down = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from_service.read(&mut buffer).await {
            if swallows.load(Ordering::SeqCst) {
                swallowed.fetch_add(count, Ordering::SeqCst);
            } else if to_browser.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { _ = up => {}, () = down => {} }
}
