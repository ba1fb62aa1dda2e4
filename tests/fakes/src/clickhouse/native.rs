//! The native protocol, as far as a greeting and a ping.

use super::{Exception, Server};
use crate::Refusal;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The revision of the protocol that the fake speaks: old enough that a greeting has no further fields.
const REVISION: u64 = 54_032;
/// The longest text that is read, in bytes.
const TEXT_LIMIT: u64 = 4096;

/// Answers on a listener, for ever.
pub(super) async fn serve(listener: TcpListener, server: Arc<Server>) -> Result<(), Refusal> {
    loop {
        let (stream, peer) = listener.accept().await.map_err(|error| Refusal::new(error.to_string()))?;
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            // A connection that breaks is the other side's affair.
            let _ = talk(stream, &peer.ip().to_string(), &server).await;
        });
    }
}

async fn talk(mut stream: TcpStream, peer: &str, server: &Server) -> std::io::Result<()> {
    let hello = number(&mut stream).await?;
    if hello != 0 {
        let error = Exception::new(101, "UNEXPECTED_PACKET_FROM_CLIENT", "Unexpected packet from client");
        return refuse(&mut stream, &error).await;
    }
    let _client = text(&mut stream).await?;
    for _ in 0..3 {
        number(&mut stream).await?;
    }
    let (database, user, password) = (text(&mut stream).await?, text(&mut stream).await?, text(&mut stream).await?);
    let faults = server.faults.now().unwrap_or_default();
    if faults.on("hang") {
        std::future::pending::<()>().await;
    }
    if let Err(error) = server.login(&user, &password, &database, peer, faults.on("user-unchecked")) {
        return refuse(&mut stream, &error).await;
    }
    let mut greeting = Vec::new();
    put(&mut greeting, 0);
    put_text(&mut greeting, "ClickHouse (fake)");
    for part in super::version().split('.').take(2) {
        put(&mut greeting, part.parse().unwrap_or_default());
    }
    put(&mut greeting, REVISION);
    stream.write_all(&greeting).await?;
    loop {
        match number(&mut stream).await? {
            4 => stream.write_all(&[4]).await?,
            _ => {
                let error = Exception::new(48, "NOT_IMPLEMENTED", "the fake takes queries on its HTTP port only");
                return refuse(&mut stream, &error).await;
            }
        }
    }
}

async fn refuse(stream: &mut TcpStream, error: &Exception) -> std::io::Result<()> {
    let mut packet = Vec::new();
    put(&mut packet, 2);
    packet.extend(error.code.to_le_bytes());
    put_text(&mut packet, "DB::Exception");
    put_text(&mut packet, &format!("DB::Exception: {}", error.text));
    put_text(&mut packet, "");
    packet.push(0);
    stream.write_all(&packet).await
}

/// A number of variable length.
pub(crate) async fn number(stream: &mut TcpStream) -> std::io::Result<u64> {
    let mut value = 0;
    for index in 0..9 {
        let byte = stream.read_u8().await?;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(std::io::Error::other("a number is too long"))
}

/// A text with its length before it.
pub(crate) async fn text(stream: &mut TcpStream) -> std::io::Result<String> {
    let length = number(stream).await?;
    if length > TEXT_LIMIT {
        return Err(std::io::Error::other("a text is too long"));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes a number of variable length.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

/// Writes a text with its length before it.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, u64::try_from(text.len()).unwrap_or_default());
    out.extend(text.as_bytes());
}

/// Greets a ClickHouse as a client does, and pings it: its major and minor version.
///
/// Errors: no connection, a refusal in the server's words, or another answer.
pub(crate) async fn greet(address: &str, database: &str, user: &str, password: &str) -> Result<(u64, u64), String> {
    let fail = |error: std::io::Error| format!("ch: dial tcp {address}: {error}");
    let mut stream = TcpStream::connect(address).await.map_err(fail)?;
    let mut hello = Vec::new();
    put(&mut hello, 0);
    put_text(&mut hello, "uptrace (fake)");
    for value in [1, 0, REVISION] {
        put(&mut hello, value);
    }
    for value in [database, user, password] {
        put_text(&mut hello, value);
    }
    stream.write_all(&hello).await.map_err(fail)?;
    match number(&mut stream).await.map_err(fail)? {
        0 => {}
        2 => {
            let code = stream.read_i32_le().await.map_err(fail)?;
            let _name = text(&mut stream).await.map_err(fail)?;
            let message = text(&mut stream).await.map_err(fail)?;
            return Err(format!("ch: code {code}: {message}"));
        }
        other => return Err(format!("ch: {address} answers packet {other}: no ClickHouse")),
    }
    let _name = text(&mut stream).await.map_err(fail)?;
    let version = (number(&mut stream).await.map_err(fail)?, number(&mut stream).await.map_err(fail)?);
    let _revision = number(&mut stream).await.map_err(fail)?;
    stream.write_all(&[4]).await.map_err(fail)?;
    match number(&mut stream).await.map_err(fail)? {
        4 => Ok(version),
        other => Err(format!("ch: {address} answers packet {other} to a ping")),
    }
}
