//! A client of PostgreSQL: login (trust, clear text, SCRAM-SHA-256) and simple queries.

use super::config::Config;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest message that is read, in bytes.
const MESSAGE_LIMIT: usize = 1 << 20;

/// A connection.
#[derive(Debug)]
pub(super) struct Pg {
    stream: TcpStream,
}

impl Pg {
    /// Whether one can log in.
    pub(super) async fn check(config: &Config) -> Result<(), String> {
        Self::of(config).await.map(|_| ())
    }

    /// Logs in as the configuration says.
    ///
    /// Errors: no connection, or a refusal in PostgreSQL's words.
    pub(super) async fn of(config: &Config) -> Result<Self, String> {
        let pg = &config.pg;
        let fail = |error: String| format!("pg: {}: {error}", pg.addr);
        let stream = TcpStream::connect(&pg.addr).await.map_err(|error| fail(error.to_string()))?;
        let mut this = Self { stream };
        this.login(&pg.user, &pg.password, &pg.database).await.map_err(fail)?;
        Ok(this)
    }

    /// The value of a step that was done.
    pub(super) async fn get(&mut self, step: &str) -> Result<Option<String>, String> {
        if self.query("SELECT to_regclass('fake_uptrace') IS NOT NULL").await?.as_deref() != Some("t") {
            return Ok(None);
        }
        self.query(&format!("SELECT value FROM fake_uptrace WHERE step = {}", quoted(step))).await
    }

    /// Remembers a step that was done.
    pub(super) async fn put(&mut self, step: &str, value: &str) -> Result<(), String> {
        self.query("CREATE TABLE IF NOT EXISTS fake_uptrace (step text PRIMARY KEY, value text NOT NULL)").await?;
        let (step, value) = (quoted(step), quoted(value));
        let insert = "INSERT INTO fake_uptrace VALUES";
        self.query(&format!("{insert} ({step}, {value}) ON CONFLICT (step) DO UPDATE SET value = {value}")).await?;
        Ok(())
    }

    async fn login(&mut self, user: &str, password: &str, database: &str) -> Result<(), String> {
        let mut startup = vec![0, 3, 0, 0];
        for word in ["user", user, "database", database, ""] {
            startup.extend(word.as_bytes());
            startup.push(0);
        }
        self.send(None, &startup).await?;
        let nonce = format!("fake{}", std::process::id());
        let mut scram = Scram::new(password, &nonce);
        loop {
            let (kind, body) = self.receive().await?;
            match (kind, int(&body, 0)) {
                (b'R', 0 | 12) | (b'S' | b'K' | b'N', _) => {}
                (b'R', 3) => self.send(Some(b'p'), format!("{password}\0").as_bytes()).await?,
                (b'R', 10) => {
                    let first = scram.first();
                    let mut message = b"SCRAM-SHA-256\0".to_vec();
                    message.extend(u32::try_from(first.len()).unwrap_or_default().to_be_bytes());
                    message.extend(first.as_bytes());
                    self.send(Some(b'p'), &message).await?;
                }
                (b'R', 11) => {
                    let last = scram.last(&String::from_utf8_lossy(&body[4..]))?;
                    self.send(Some(b'p'), last.as_bytes()).await?;
                }
                (b'Z', _) => return Ok(()),
                (b'E', _) => return Err(error_text(&body)),
                (kind, way) => return Err(format!("message {kind} {way} is not understood")),
            }
        }
    }

    /// Runs a query: the first value of its first row.
    async fn query(&mut self, sql: &str) -> Result<Option<String>, String> {
        self.send(Some(b'Q'), format!("{sql}\0").as_bytes()).await.map_err(|error| format!("pg: {error}"))?;
        let (mut value, mut failed) = (None, None);
        loop {
            let (kind, body) = self.receive().await.map_err(|error| format!("pg: {error}"))?;
            match kind {
                // Two bytes with the number of columns, four with the length of the first.
                b'D' if value.is_none() && body.len() >= 6 && int(&body, 2) >= 0 => {
                    let end = 6 + usize::try_from(int(&body, 2)).unwrap_or_default();
                    value = body.get(6..end).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                }
                b'E' => failed = Some(error_text(&body)),
                b'Z' => return failed.map_or(Ok(value), |error| Err(format!("pg: {error}"))),
                _ => {}
            }
        }
    }

    async fn send(&mut self, kind: Option<u8>, body: &[u8]) -> Result<(), String> {
        let mut message: Vec<u8> = kind.into_iter().collect();
        message.extend(u32::try_from(body.len() + 4).map_err(|error| error.to_string())?.to_be_bytes());
        message.extend(body);
        self.stream.write_all(&message).await.map_err(|error| error.to_string())
    }

    async fn receive(&mut self) -> Result<(u8, Vec<u8>), String> {
        let kind = self.stream.read_u8().await.map_err(|error| error.to_string())?;
        let length = self.stream.read_u32().await.map_err(|error| error.to_string())?;
        let length = usize::try_from(length).unwrap_or_default();
        if !(4..=MESSAGE_LIMIT).contains(&length) {
            return Err("no PostgreSQL answers there".to_owned());
        }
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body).await.map_err(|error| error.to_string())?;
        Ok((kind, body))
    }
}

/// A number of four bytes; -1 where there is none.
fn int(body: &[u8], at: usize) -> i32 {
    body.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(-1, i32::from_be_bytes)
}

/// The message among the fields of an error.
fn error_text(body: &[u8]) -> String {
    let field = body.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"M"));
    field.map_or_else(|| "unknown error".to_owned(), |text| String::from_utf8_lossy(text).into_owned())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// One login by SCRAM-SHA-256 (RFC 5802 and RFC 7677).
struct Scram<'a> {
    password: &'a str,
    nonce: &'a str,
}

impl<'a> Scram<'a> {
    fn new(password: &'a str, nonce: &'a str) -> Self {
        Self { password, nonce }
    }

    fn first(&self) -> String {
        format!("n,,n=,r={}", self.nonce)
    }

    fn last(&mut self, challenge: &str) -> Result<String, String> {
        let field = |name: char| {
            let found = challenge.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| format!("SCRAM: no {name} in {challenge:?}"))
        };
        let (nonce, rounds) = (field('r')?, field('i')?.parse::<u32>().map_err(|error| error.to_string())?);
        let salt = STANDARD.decode(field('s')?).map_err(|error| error.to_string())?;
        let salted = pbkdf2(self.password.as_bytes(), &salt, rounds);
        let client = hmac(&salted, b"Client Key");
        let bare = format!("c=biws,r={nonce}");
        let signed = format!("n=,r={},{challenge},{bare}", self.nonce);
        let signature = hmac(&Sha256::digest(client), signed.as_bytes());
        let proof: Vec<u8> = client.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        Ok(format!("{bare},p={}", STANDARD.encode(proof)))
    }
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    block[..key.len().min(64)].copy_from_slice(&key[..key.len().min(64)]);
    let hash = |pad: u8, text: &[u8]| {
        let mut hash = Sha256::new();
        hash.update(block.map(|byte| byte ^ pad));
        hash.update(text);
        hash.finalize()
    };
    hash(0x5c, &hash(0x36, text)).into()
}

fn pbkdf2(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 32] {
    // A key longer than a block is hashed first (RFC 2104).
    let hashed = Sha256::digest(password);
    let key: &[u8] = if password.len() > 64 { &hashed } else { password };
    let mut last = hmac(key, &[salt, &[0, 0, 0, 1]].concat());
    let mut sum = last;
    for _ in 1..rounds {
        last = hmac(key, &last);
        sum.iter_mut().zip(last).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677 §3, with the user's name left out as PostgreSQL wants it: so only the keys are compared.
    #[test]
    fn keys_are_derived_as_the_standard_says() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let client = hmac(&pbkdf2(b"pencil", &salt, 4096), b"Client Key");
        let signed = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                      s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac(&Sha256::digest(client), signed.as_bytes());
        let proof: Vec<u8> = client.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        assert_eq!(STANDARD.encode(proof), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    }
}
