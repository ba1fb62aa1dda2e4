//! Connections that come in, with their bounds: how many there are, how long one may be silent, and how long one may refuse to
//! take what is sent.

use axum::serve::Listener;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// A connection over which nothing goes for so long is closed. Open pages are pinged more often than that.
const IDLE: Duration = Duration::from_secs(75);

/// A connection that takes nothing of what is sent for so long is closed. Open pages are sent away before, with a word.
const STALLED: Duration = Duration::from_secs(20);

/// So many bytes of a connection wait in the system to be taken: a page that does not read is noticed, and ten thousand of
/// them are not much.
const SEND_BUFFER: u32 = 128 * 1024;

/// So many connections wait to be accepted.
const BACKLOG: u32 = 4096;

/// The pause after accepting failed, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections.
pub struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Door {
    /// Listens at `address`, for at most `most` connections at once; further ones wait.
    ///
    /// Errors: the address is taken, or not to be had.
    pub fn open(address: SocketAddr, most: usize) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.bind(address)?;
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Ok(Self { listener: socket.listen(BACKLOG)?, places })
    }
}

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let place = Arc::clone(&self.places).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection keeps small packets back");
                    }
                    return (Connection::new(stream, place), address);
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection, which ends with an error when its time is over.
pub struct Connection {
    stream: TcpStream,
    timer: Pin<Box<Sleep>>,
    /// When something last went over it.
    moved: Instant,
    /// Since when it takes nothing.
    stalled: Option<Instant>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn new(stream: TcpStream, place: Option<OwnedSemaphorePermit>) -> Self {
        let moved = Instant::now();
        Self { stream, timer: Box::pin(sleep_until(moved + IDLE)), moved, stalled: None, _place: place }
    }

    /// What polling the stream gave, unless the connection's time is over.
    fn bound<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            return polled;
        }
        loop {
            let idle = self.moved + IDLE;
            let end = self.stalled.map_or(idle, |since| idle.min(since + STALLED));
            if end <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            // Set later only when it goes off: nearly every byte moves the end on. Earlier it is set at once.
            if end < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(end);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn wrote(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if polled.is_ready() {
            (self.moved, self.stalled) = (Instant::now(), None);
        } else {
            self.stalled.get_or_insert_with(Instant::now);
        }
        self.bound(cx, polled)
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if polled.is_ready() {
            self.moved = Instant::now();
        }
        self.bound(cx, polled)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
