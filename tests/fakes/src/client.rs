//! The smallest HTTP client: one question, one connection.

use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a question may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Asks `http://HOST:PORT/PATH`: the status and the body.
///
/// Errors: another scheme, no connection, no answer within [`PATIENCE`], or an answer that is no HTTP.
pub(crate) async fn ask(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: &str,
) -> Result<(u16, String), String> {
    let (address, path) = split(url)?;
    // HTTP/1.0: the body ends where the connection ends, so that there are no chunks to put together.
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nUser-Agent: Grafana/fake\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    let exchange = async {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(head.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        std::io::Result::Ok(bytes)
    };
    let bytes = match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(format!("{method} {url}: {error}")),
        Err(_) => return Err(format!("{method} {url}: context deadline exceeded")),
    };
    let text = String::from_utf8_lossy(&bytes);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    match (text.split_once("\r\n\r\n"), status) {
        (Some((_, body)), Some(status)) => Ok((status, body.to_owned())),
        _ => Err(format!("{method} {url}: malformed HTTP response")),
    }
}

/// `HOST:PORT` and the path of a URL.
///
/// Errors: it is no `http` URL with a host.
pub(crate) fn split(url: &str) -> Result<(String, String), String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("`{url}` is no http:// URL"))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.is_empty() || authority.contains('@') || path.contains(char::is_whitespace) {
        return Err(format!("`{url}` is no URL of a host"));
    }
    let address = match authority.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => authority.to_owned(),
        Some(_) => return Err(format!("`{url}` has no valid port")),
        None => format!("{authority}:80"),
    };
    Ok((address, format!("/{path}")))
}

/// A form's fields as `application/x-www-form-urlencoded`.
pub(crate) fn form(fields: &[(&str, String)]) -> String {
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
                _ => out.push_str(&format!("%{byte:02X}")),
            }
            out
        })
    };
    fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}
