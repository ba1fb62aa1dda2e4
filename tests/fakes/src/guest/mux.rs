//! Many connections over one, as ssh's tunnels carry them. The frames are the fake's own: a channel, what happens to it, and
//! bytes.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const OPEN: u8 = 0;
const DATA: u8 = 1;
const END: u8 = 2;
const LOST: u8 = 3;
const LONGEST: usize = 1 << 20;

/// One end. Both ends are the same but for the numbers of the channels that they open.
pub(super) struct Mux<W: Write + Send + 'static> {
    out: Mutex<W>,
    channels: Mutex<HashMap<u32, TcpStream>>,
    next: Mutex<u32>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<W: Write + Send + 'static> Mux<W> {
    /// `first` is 0 at one end and 1 at the other.
    pub(super) fn new(out: W, first: u32) -> Arc<Self> {
        Arc::new(Self { out: Mutex::new(out), channels: Mutex::default(), next: Mutex::new(first) })
    }

    /// Each connection to a port of this end goes to `target` of the other one.
    pub(super) fn listen(self: &Arc<Self>, listener: TcpListener, target: u16) {
        let mux = Arc::clone(self);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let channel = {
                    let mut next = held(&mux.next);
                    *next += 2;
                    *next
                };
                mux.send(channel, OPEN, &target.to_be_bytes());
                mux.carry(channel, stream);
            }
        });
    }

    /// Until the other end is gone.
    pub(super) fn run(self: &Arc<Self>, mut from: impl Read) {
        let mut head = [0; 9];
        while from.read_exact(&mut head).is_ok() {
            let channel = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
            let length = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) as usize;
            if length > LONGEST {
                return;
            }
            let mut bytes = vec![0; length];
            if from.read_exact(&mut bytes).is_err() {
                return;
            }
            self.take(channel, head[4], &bytes);
        }
    }

    fn take(self: &Arc<Self>, channel: u32, kind: u8, bytes: &[u8]) {
        let stream = held(&self.channels).get(&channel).and_then(|stream| stream.try_clone().ok());
        match (kind, stream, bytes) {
            (OPEN, None, [high, low]) => match TcpStream::connect(("127.0.0.1", u16::from_be_bytes([*high, *low]))) {
                Ok(stream) => self.carry(channel, stream),
                Err(_) => self.send(channel, LOST, &[]),
            },
            (DATA, Some(stream), bytes) if (&stream).write_all(bytes).is_err() => self.send(channel, LOST, &[]),
            (DATA, Some(_), _) => {}
            (END, Some(stream), _) => drop(stream.shutdown(Shutdown::Write)),
            (LOST, Some(stream), _) => {
                let _ = stream.shutdown(Shutdown::Both);
                held(&self.channels).remove(&channel);
            }
            _ => {}
        }
    }

    fn carry(self: &Arc<Self>, channel: u32, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let Ok(mut reads) = stream.try_clone() else { return self.send(channel, LOST, &[]) };
        held(&self.channels).insert(channel, stream);
        let mux = Arc::clone(self);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 16 << 10];
            while let Ok(count @ 1..) = reads.read(&mut buffer) {
                mux.send(channel, DATA, &buffer[..count]);
            }
            mux.send(channel, END, &[]);
        });
    }

    fn send(&self, channel: u32, kind: u8, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or_default();
        let frame = [&channel.to_be_bytes()[..], &[kind], &length.to_be_bytes(), bytes].concat();
        let mut out = held(&self.out);
        let _ = out.write_all(&frame).and_then(|()| out.flush());
    }
}
