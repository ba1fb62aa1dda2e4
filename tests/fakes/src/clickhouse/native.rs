//! The native protocol: a greeting, pings, and queries of one text column, as an old client and server speak it.

use super::{Exception, Server};
use crate::Refusal;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The revision of the protocol that the fake speaks: old enough that greetings and queries have no further fields.
const REVISION: u64 = 54_031;
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
    let database = match server.login(&user, &password, &database, peer, faults.on("user-unchecked")) {
        Ok(database) => database,
        Err(error) => return refuse(&mut stream, &error).await,
    };
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
            1 => {
                let query = query(&mut stream).await?;
                let answer = match server.query(&query, &user, &database, false) {
                    Ok(text) => rows(&text),
                    Err(error) => return refuse(&mut stream, &error).await,
                };
                stream.write_all(&answer).await?;
            }
            4 => stream.write_all(&[4]).await?,
            other => {
                let text = format!("Unknown packet {other} from client (the fake knows queries and pings)");
                return refuse(&mut stream, &Exception::new(99, "UNKNOWN_PACKET_FROM_CLIENT", text)).await;
            }
        }
    }
}

/// The text of a query, after its packet's number.
async fn query(stream: &mut TcpStream) -> std::io::Result<String> {
    let _id = text(stream).await?;
    if !text(stream).await?.is_empty() {
        return Err(std::io::Error::other("the fake takes no settings"));
    }
    let (_stage, compressed) = (number(stream).await?, number(stream).await?);
    if compressed != 0 {
        return Err(std::io::Error::other("the fake takes no compression"));
    }
    let query = text(stream).await?;
    let mut end = [0; EMPTY.len()];
    stream.read_exact(&mut end).await?;
    if end != EMPTY {
        return Err(std::io::Error::other("the fake takes no data with a query"));
    }
    Ok(query)
}

/// A packet with an empty block: no table, its two facts (no overflow, bucket -1), no columns, no rows.
const EMPTY: [u8; 12] = [2, 0, 1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0];

/// The answer to a query: a block of one column of text, if there are lines, and the end.
fn rows(text: &str) -> Vec<u8> {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = Vec::new();
    if !lines.is_empty() {
        out.push(1);
        out.extend(&EMPTY[1..10]);
        put(&mut out, 1);
        put(&mut out, u64::try_from(lines.len()).unwrap_or_default());
        put_text(&mut out, "result");
        put_text(&mut out, "String");
        lines.iter().for_each(|line| put_text(&mut out, line));
    }
    out.push(5);
    out
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
async fn number(stream: &mut TcpStream) -> std::io::Result<u64> {
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
async fn text(stream: &mut TcpStream) -> std::io::Result<String> {
    let length = number(stream).await?;
    if length > TEXT_LIMIT {
        return Err(std::io::Error::other("a text is too long"));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes a number of variable length.
fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

/// Writes a text with its length before it.
fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, u64::try_from(text.len()).unwrap_or_default());
    out.extend(text.as_bytes());
}

/// A connection of a client.
pub(crate) struct Client {
    stream: TcpStream,
    address: String,
    /// Major and minor version of the server.
    pub(crate) version: (u64, u64),
}

impl Client {
    /// Greets a ClickHouse.
    ///
    /// Errors: no connection, a refusal in the server's words, or another answer.
    pub(crate) async fn connect(address: &str, database: &str, user: &str, password: &str) -> Result<Self, String> {
        let fail = |error: std::io::Error| format!("ch: dial tcp {address}: {error}");
        let stream = TcpStream::connect(address).await.map_err(fail)?;
        let mut client = Self { stream, address: address.to_owned(), version: (0, 0) };
        let mut hello = Vec::new();
        put(&mut hello, 0);
        put_text(&mut hello, "client (fake)");
        for value in [1, 0, REVISION] {
            put(&mut hello, value);
        }
        for value in [database, user, password] {
            put_text(&mut hello, value);
        }
        client.stream.write_all(&hello).await.map_err(fail)?;
        match client.packet().await? {
            0 => {}
            other => return Err(format!("ch: {address} answers packet {other}: no ClickHouse")),
        }
        let _name = text(&mut client.stream).await.map_err(fail)?;
        client.version = (client.number().await?, client.number().await?);
        let _revision = client.number().await?;
        Ok(client)
    }

    /// Whether it answers.
    pub(crate) async fn ping(&mut self) -> Result<(), String> {
        self.stream.write_all(&[4]).await.map_err(|error| error.to_string())?;
        match self.packet().await? {
            4 => Ok(()),
            other => Err(format!("ch: {} answers packet {other} to a ping", self.address)),
        }
    }

    /// The lines of a query's answer.
    pub(crate) async fn query(&mut self, query: &str) -> Result<Vec<String>, String> {
        let mut packet = Vec::new();
        put(&mut packet, 1);
        // No id, no settings, to the last stage, not compressed.
        packet.extend([0, 0, 2, 0]);
        put_text(&mut packet, query);
        packet.extend(EMPTY);
        self.stream.write_all(&packet).await.map_err(|error| error.to_string())?;
        let mut lines = Vec::new();
        loop {
            match self.packet().await? {
                5 => return Ok(lines),
                1 => {
                    let mut facts = [0; 9];
                    self.stream.read_exact(&mut facts).await.map_err(|error| error.to_string())?;
                    let (columns, rows) = (self.number().await?, self.number().await?);
                    if columns != 1 {
                        return Err(format!("ch: {columns} columns are not understood"));
                    }
                    // The name and the type of the column, then its values.
                    for index in 0..rows + 2 {
                        let value = text(&mut self.stream).await.map_err(|error| error.to_string())?;
                        if index >= 2 {
                            lines.push(value);
                        }
                    }
                }
                other => return Err(format!("ch: {} answers packet {other} to a query", self.address)),
            }
        }
    }

    async fn number(&mut self) -> Result<u64, String> {
        number(&mut self.stream).await.map_err(|error| format!("ch: {}: {error}", self.address))
    }

    /// The number of the next packet; an exception is an error.
    async fn packet(&mut self) -> Result<u64, String> {
        let packet = self.number().await?;
        if packet != 2 {
            return Ok(packet);
        }
        let fail = |error: std::io::Error| error.to_string();
        let code = self.stream.read_i32_le().await.map_err(fail)?;
        let _name = text(&mut self.stream).await.map_err(fail)?;
        Err(format!("ch: code {code}: {}", text(&mut self.stream).await.map_err(fail)?))
    }
}
