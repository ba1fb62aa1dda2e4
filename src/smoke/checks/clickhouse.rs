//! ClickHouse: it answers Uptrace, and nobody who does not know the password.

use crate::model::component::ComponentName::Clickhouse;
use crate::reach::Query;
use crate::smoke::lab::{Fault, Lab, Verdict, answered};

/// It says that it is there, and does what it is asked on the database that Uptrace uses.
pub async fn answers(lab: &Lab) -> Verdict {
    let port = lab.port(Clickhouse, "http")?;
    let ping = Query::get(port, "/ping");
    let reply = lab.ask(&ping).await?;
    if reply.status != 200 || reply.body != "Ok.\n" {
        return Err(Fault::new(answered(&ping, &reply), "`Ok.`"));
    }
    let one = select(lab, "SELECT 1").await?;
    if one != "1" {
        return Err(Fault::new(format!("SELECT 1 gives `{one}`"), "`1`"));
    }
    let version = lab.same_version(Clickhouse, &select(lab, "SELECT version()").await?)?;
    Ok(format!("ClickHouse {version} at 127.0.0.1:{port} answers the user uptrace on the database uptrace"))
}

/// A wrong password is none, and neither is a missing one.
pub async fn refuses_strangers(lab: &Lab) -> Verdict {
    let wrong = lab.wrong_password()?;
    let query = question(lab, "SELECT 1")?;
    for (who, query) in
        [("uptrace with a wrong password", query.clone().user("uptrace", &wrong)), ("somebody without a login", query)]
    {
        let reply = lab.ask(&query).await?;
        // A page that only looks like a refusal is none: the error has a number and a name.
        let refused = reply.body.contains("Code: 516") || reply.body.contains("AUTHENTICATION_FAILED");
        if reply.status < 400 || !refused {
            let seen = format!("{who}: {}", answered(&query, &reply));
            return Err(Fault::new(seen, "an error with code 516: it is refused").advice(lab.up()));
        }
    }
    Ok("code 516 (authentication failed) to a wrong password and to none".to_owned())
}

/// What a query comes to, as uptrace.
async fn select(lab: &Lab, sql: &str) -> Result<String, Fault> {
    let query = question(lab, sql)?.user("uptrace", lab.secret(Clickhouse, "uptrace")?);
    Ok(lab.body(&query).await?.trim_end().to_owned())
}

fn question(lab: &Lab, sql: &str) -> Result<Query, Fault> {
    Ok(Query::post(lab.port(Clickhouse, "http")?, "/?database=uptrace", "text/plain", sql))
}
