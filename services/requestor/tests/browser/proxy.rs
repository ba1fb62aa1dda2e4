//! What stands between a browser and the service, and can be as bad as networks are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on, as long as it is told to.
pub struct Proxy {
    /// Where browsers come in.
    pub port: u16,
    mood: Arc<Mood>,
}

/// How it behaves now.
struct Mood {
    /// Counts the times that all connections were cut.
    cuts: watch::Sender<u64>,
    /// New connections are closed at once.
    down: AtomicBool,
    /// Connections that ask for a websocket are closed.
    no_websockets: AtomicBool,
    /// Requests for reports arrive, and their answers do not.
    lost_answers: AtomicBool,
}

impl Proxy {
    /// Starts one before `target`.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mood = Arc::new(Mood {
            cuts: watch::Sender::new(0),
            down: AtomicBool::default(),
            no_websockets: AtomicBool::default(),
            lost_answers: AtomicBool::default(),
        });
        let mine = mood.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !mine.down.load(Ordering::SeqCst) {
                    tokio::spawn(pass(client, target, mine.clone()));
                }
            }
        });
        Self { port, mood }
    }

    /// Cuts every connection, and lets none come up again until [`Proxy::mend`].
    pub fn cut(&self) {
        self.mood.down.store(true, Ordering::SeqCst);
        self.mood.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Lets connections come up again.
    pub fn mend(&self) {
        self.mood.down.store(false, Ordering::SeqCst);
    }

    /// Whether websockets do not pass.
    pub fn refuse_websockets(&self, refuse: bool) {
        self.mood.no_websockets.store(refuse, Ordering::SeqCst);
    }

    /// Whether answers to requests for reports are lost.
    pub fn lose_answers(&self, lose: bool) {
        self.mood.lost_answers.store(lose, Ordering::SeqCst);
    }
}

async fn pass(client: TcpStream, target: SocketAddr, mood: Arc<Mood>) {
    let mut cuts = mood.cuts.subscribe();
    let Ok(server) = TcpStream::connect(target).await else { return };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let losing = AtomicBool::default();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = copy(from_client, to_server, |chunk| {
        if chunk.starts_with(b"POST /api/reports ") && mood.lost_answers.load(Ordering::SeqCst) {
            losing.store(true, Ordering::SeqCst);
        }
        !(chunk.starts_with(b"GET /api/socket") && mood.no_websockets.load(Ordering::SeqCst))
    });
    let down = copy(from_server, to_client, |_| !losing.load(Ordering::SeqCst));
    tokio::select! {
        () = up => {}
        () = down => {}
        _ = cuts.changed() => {}
    }
}

/// Copies until the end, or until `good` says of what came that it goes no further.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, good: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if !good(&buffer[..count]) || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
