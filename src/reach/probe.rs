//! Puts a probe's question, and judges the answer.

use super::direct::Direct;
use super::guest::Run;
use super::query::{Query, begin};
use crate::context::Context;
use crate::exec::{self, Command};
use crate::model::probe::{Body, Probe};
use crate::model::secret::Secrets;
use std::time::Duration;

/// Whether the probe holds now.
///
/// Errors: what is missing, in words.
pub async fn holds(direct: &Direct, context: &Context, secrets: &Secrets, probe: &Probe) -> Result<(), String> {
    match probe {
        Probe::Http { port, path, expect } => {
            let query = Query::get(*port, path);
            let reply = direct.ask(&query).await.map_err(|error| error.to_string())?;
            if reply.status != 200 {
                return Err(format!("{query} answers {}: {}", reply.status, begin(&reply.body)));
            }
            judge(expect, &reply.body).map_err(|wrong| format!("{query} answers 200, but {wrong}"))
        }
        Probe::Redis { port, user, password } => {
            let value = secrets.get(password).ok_or_else(|| format!("the secret {password} is not stored"))?;
            let pong = direct.redis(*port, user, value, |connection| redis::cmd("PING").query::<String>(connection));
            match pong.await.map_err(|error| error.to_string())?.as_str() {
                "PONG" => Ok(()),
                other => Err(format!("redis answers {other:?} to PING")),
            }
        }
        Probe::Postgres { port, program } => {
            let argv = [program.as_str(), "--quiet", "--host=127.0.0.1", &format!("--port={port}"), "--timeout=3"];
            let longest = Duration::from_secs(5);
            let code = match direct.inside() {
                // Its own program is where it is.
                Some(inside) => {
                    inside.run(Run::new(argv).deadline(longest)).await.map_err(|error| error.to_string())?.code
                }
                None => {
                    let command = Command::reads(context, argv).deadline(longest).accept(&[0, 1, 2]);
                    exec::start(command).await.map_err(|error| error.to_string())?.code
                }
            };
            match code {
                0 => Ok(()),
                // pg_isready(1)
                1 => Err("postgresql is starting and takes no login yet".to_owned()),
                _ => Err(format!("postgresql does not answer on 127.0.0.1:{port}")),
            }
        }
    }
}

/// Whether a body is what it must be; the error goes on after "but".
fn judge(expect: &Body, body: &str) -> Result<(), String> {
    match expect {
        Body::Contains(text) if body.contains(text) => Ok(()),
        Body::Contains(text) => Err(format!("its body does not say `{text}`: {}", begin(body))),
        Body::Json { pointer, equals } => {
            let value: serde_json::Value =
                serde_json::from_str(body).map_err(|_| format!("its body is no JSON: {}", begin(body)))?;
            match value.pointer(pointer) {
                Some(serde_json::Value::String(found)) if found == equals => Ok(()),
                Some(found) => Err(format!("at {pointer} stands {found} and not `{equals}`")),
                None => Err(format!("nothing stands at {pointer}: {}", begin(body))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_body_does_not_hold() {
        let says = Body::Contains("Prometheus Server is Ready.".to_owned());
        assert_eq!(judge(&says, "Prometheus Server is Ready.\n"), Ok(()));
        assert!(judge(&says, "").is_err());
        assert!(judge(&says, "<html>It works!</html>").is_err());
        let json = Body::Json { pointer: "/database".to_owned(), equals: "ok".to_owned() };
        assert_eq!(judge(&json, r#"{"database": "ok"}"#), Ok(()));
        for wrong in [r#"{"database": "failing"}"#, r#"{"database": true}"#, "{}", "ok", ""] {
            assert!(judge(&json, wrong).is_err(), "{wrong}");
        }
    }
}
