//! A login to Redis.

use super::config::RedisCache;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Logs in to every address, chooses the database and pings.
///
/// Errors: no connection, or a refusal in Redis's words.
pub(super) async fn check(cache: &RedisCache) -> Result<(), String> {
    for address in cache.addrs.values() {
        let stream =
            TcpStream::connect(address).await.map_err(|error| format!("redis: dial tcp {address}: {error}"))?;
        let mut stream = BufReader::new(stream);
        let db = cache.db.to_string();
        let auth: Vec<&str> = match (cache.username.as_str(), cache.password.as_str()) {
            ("", "") => vec!["PING"],
            ("", password) => vec!["AUTH", password],
            (user, password) => vec!["AUTH", user, password],
        };
        for words in [auth, vec!["SELECT", db.as_str()], vec!["PING"]] {
            let answer = ask(&mut stream, &words).await.map_err(|error| format!("redis: {address}: {error}"))?;
            if !answer.starts_with('+') {
                return Err(format!("redis: {address}: {}: {}", words[0], answer.trim_start_matches('-')));
            }
        }
    }
    Ok(())
}

async fn ask(stream: &mut BufReader<TcpStream>, words: &[&str]) -> std::io::Result<String> {
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(command.as_bytes()).await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}
