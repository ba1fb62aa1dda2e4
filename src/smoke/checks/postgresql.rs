//! PostgreSQL: it takes Uptrace's login, and nobody's who does not know the password.

use crate::exec::{self, Command, ExecError};
use crate::fs;
use crate::model::component::ComponentName::Postgresql;
use crate::model::secret::SecretValue;
use crate::reach::guest::{Inside, Run};
use crate::smoke::lab::{Fault, Lab, Verdict};
use std::path::PathBuf;
use std::time::Duration;

/// Who is logged in, where, and at which server.
const WHO: &str = "SELECT current_user || ' ' || current_database() || ' ' || current_setting('server_version')";

/// Runs `PSQL ARGUMENT...` with the password file that comes by standard input, which only root can read and which is gone at the end.
const PSQL: &str = "p=$1; shift; [ -x \"$p\" ] || p=psql; umask 077; f=$(mktemp /run/reportctl-pgpass.XXXXXXXXXX) || exit 1; \
     trap 'rm -f \"$f\"' EXIT; cat >\"$f\"; PGPASSFILE=$f PGCONNECT_TIMEOUT=5 \"$p\" \"$@\"";

/// The role logs in to its database.
pub async fn answers(lab: &Lab) -> Verdict {
    let said = login(lab, lab.secret(Postgresql, "uptrace")?)
        .await?
        .map_err(|error| Fault::new(error, "a login as uptrace on the database uptrace"))?;
    let Some(version) = said.strip_prefix("uptrace uptrace ") else {
        return Err(Fault::new(format!("it says who we are: {said}"), "uptrace on the database uptrace"));
    };
    let version = lab.same_version(Postgresql, version)?;
    Ok(format!("PostgreSQL {version} at 127.0.0.1:{} takes the login of uptrace", lab.port(Postgresql, "postgres")?))
}

/// A wrong password is none.
pub async fn refuses_strangers(lab: &Lab) -> Verdict {
    match login(lab, &lab.wrong_password()?).await? {
        Err(error) if error.contains("password authentication failed") => {
            Ok("a wrong password is refused: password authentication failed".to_owned())
        }
        Err(error) => Err(Fault::new(error, "password authentication failed")),
        Ok(_) => {
            let seen = "uptrace is logged in with a wrong password";
            Err(Fault::new(seen, "password authentication failed").advice(lab.up()))
        }
    }
}

/// Logs in as uptrace. Returns who we are, or the last words of psql.
///
/// Errors: psql cannot be run.
async fn login(lab: &Lab, password: &SecretValue) -> Result<Result<String, String>, Fault> {
    let port = lab.port(Postgresql, "postgres")?;
    // Our secrets have none of the characters that mean something in this file.
    let line = format!("127.0.0.1:{port}:uptrace:uptrace:{}\n", password.expose());
    let arguments = [
        "--no-psqlrc".to_owned(),
        "--no-password".to_owned(),
        "--quiet".to_owned(),
        "--tuples-only".to_owned(),
        "--no-align".to_owned(),
        "--host=127.0.0.1".to_owned(),
        format!("--port={port}"),
        "--username=uptrace".to_owned(),
        "--dbname=uptrace".to_owned(),
        format!("--command={WHO}"),
    ];
    if let Some(inside) = lab.direct.inside() {
        return login_inside(lab, inside, line, &arguments).await;
    }
    let file = PasswordFile::write(lab, &line)?;
    let argv = std::iter::once(psql(lab)).chain(arguments);
    let env = [("PGPASSFILE", file.0.display().to_string()), ("PGCONNECT_TIMEOUT", "5".to_owned())];
    let command =
        Command::reads(&lab.context, argv).env(env).deadline(Duration::from_secs(15)).mask(&lab.target.secrets);
    match exec::start(command).await {
        Ok(output) => Ok(Ok(output.stdout.trim().to_owned())),
        Err(error @ ExecError::Exit { .. }) => Ok(Err(error.tail().trim().to_owned())),
        Err(error) => Err(Fault::new(error.to_string(), "an answer of psql")),
    }
}

/// The same in a machine, where psql and the server are. The line with the password comes by standard input.
async fn login_inside(
    lab: &Lab,
    inside: &Inside,
    line: String,
    arguments: &[String],
) -> Result<Result<String, String>, Fault> {
    let beside = server(lab).with_file_name("psql").display().to_string();
    let words = ["sh", "-c", PSQL, "sh", &beside].map(str::to_owned);
    let run =
        Run::new(words.into_iter().chain(arguments.iter().cloned())).stdin(line).deadline(Duration::from_secs(15));
    let output = inside.run(run).await.map_err(|error| Fault::new(error.to_string(), "an answer of psql"))?;
    Ok(if output.code == 0 { Ok(output.stdout.trim().to_owned()) } else { Err(output.stderr.trim().to_owned()) })
}

fn server(lab: &Lab) -> PathBuf {
    lab.target.active.get(&Postgresql).map(|placed| placed.program.path.clone()).unwrap_or_default()
}

/// The client of the server's own version where it is there, else the one on the search path.
fn psql(lab: &Lab) -> String {
    let beside = server(lab).with_file_name("psql");
    if fs::observe_meta(&beside).present().is_some() { beside.display().to_string() } else { "psql".to_owned() }
}

/// A file that only its owner reads, from which psql takes the password; removed at the end.
struct PasswordFile(PathBuf);

impl PasswordFile {
    fn write(lab: &Lab, line: &str) -> Result<Self, Fault> {
        let cannot = |error: fs::FsError| Fault::new(error.to_string(), "a file that only psql and we read");
        let folder = lab.target.records.smoke();
        fs::ensure_dir(&folder, 0o700).map_err(cannot)?;
        let file = Self(folder.join(format!("pgpass-{}", lab.random(8)?)));
        fs::replace(&file.0, line.as_bytes(), 0o600).map_err(cannot)?;
        Ok(file)
    }
}

impl Drop for PasswordFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
