//! Tables and views of PostgreSQL.
//!
//! Everything is read in one read-only transaction, as text, row by row; nothing that a person sends becomes SQL.

use super::origin::off_thread;
use super::table::choose;
use super::tls::{self, Address};
use super::{Limits, SourceError, Table, Wanted};
use futures_util::StreamExt;
use report_model::source::{ColumnKind, SourceColumn};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, NoTls, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long it may take to be let in.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a statement may take. What takes longer belongs into a view that the database prepares.
const STATEMENT: Duration = Duration::from_secs(30);

/// How long to wait for a next row: the server gives up earlier, unless it is gone.
const SILENCE: Duration = Duration::from_secs(35);

/// The largest file with a URL.
const MAX_URL: u64 = 4 << 10;

/// Days and numbers as they are meant, whatever the server's habits.
const MANNERS: &str = "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL extra_float_digits = 1";

/// A table or view, and where it is.
#[derive(Debug, Clone)]
pub(super) struct TableOfPostgres {
    url_file: PathBuf,
    /// Quoted: ready for SQL.
    table: String,
}

impl TableOfPostgres {
    /// One that is named `TABLE` or `SCHEMA.TABLE`, at the server whose URL the file holds.
    pub(super) fn new(url_file: &Path, table: &str) -> Self {
        let table = table.splitn(2, '.').map(quoted).collect::<Vec<_>>().join(".");
        Self { url_file: url_file.to_owned(), table }
    }

    /// Its columns.
    pub(super) async fn columns(&self) -> Result<Vec<SourceColumn>, SourceError> {
        let mut session = self.connect().await?;
        let transaction = session.begin().await?;
        let columns = self.described(&transaction).await?;
        drop(transaction);
        session.busy = false;
        Ok(columns.into_iter().map(|(name, kind)| SourceColumn { name, kind }).collect())
    }

    /// The wanted columns of all its rows, in the order in which the server has them.
    pub(super) async fn read(&self, wanted: &[Wanted], limits: Limits) -> Result<Table, SourceError> {
        let mut session = self.connect().await?;
        let transaction = session.begin().await?;
        let columns = self.described(&transaction).await?;
        let there: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let names: Vec<&str> =
            choose(&there, wanted)?.into_iter().filter_map(|index| there.get(index).copied()).collect();
        let fields: Vec<String> = names.iter().map(|name| format!("{}::text", quoted(name))).collect();
        // One row more than allowed tells that there are too many.
        let most = limits.rows.saturating_add(1);
        let statement = format!("SELECT {} FROM {} LIMIT {most}", fields.join(", "), self.table);
        let none: [&str; 0] = [];
        let rows = within(SILENCE, transaction.query_raw(&statement, none)).await?;
        tokio::pin!(rows);
        let mut table = Table::new(&names, "row", false);
        let mut number = 0;
        while let Some(row) = within(SILENCE, async { rows.next().await.transpose() }).await? {
            number += 1;
            let cells =
                (0..names.len()).map(|index| row.try_get::<_, Option<&str>>(index).map(Option::unwrap_or_default));
            let cells = cells.collect::<Result<Vec<&str>, Error>>().map_err(failed)?;
            table.push(number, cells.into_iter(), limits)?;
        }
        drop(transaction);
        session.busy = false;
        Ok(table)
    }

    async fn described(&self, transaction: &Transaction<'_>) -> Result<Vec<(String, ColumnKind)>, SourceError> {
        let statement = format!("SELECT * FROM {}", self.table);
        let statement = within(SILENCE, transaction.prepare(&statement)).await?;
        let columns = statement.columns().iter();
        Ok(columns.map(|column| (column.name().to_owned(), kind(column.type_()))).collect())
    }

    async fn connect(&self) -> Result<Session, SourceError> {
        let path = self.url_file.clone();
        let text = off_thread(move || url(&path)).await?;
        let Some(mut address) = Address::parse(&text) else { return Err(no_url()) };
        address.config.connect_timeout(CONNECT).application_name("report-runner");
        let tls = match address.roots {
            Some(roots) => Some(off_thread(move || tls::connector(&roots)).await?),
            None => None,
        };
        let (client, connection) = match tls.clone() {
            Some(tls) => {
                let (client, connection) = within(CONNECT, address.config.connect(tls)).await?;
                (client, tokio::spawn(connection))
            }
            None => {
                let (client, connection) = within(CONNECT, address.config.connect(NoTls)).await?;
                (client, tokio::spawn(connection))
            }
        };
        Ok(Session { client, connection, tls, busy: true })
    }
}

/// A client, and the task that speaks for it, which ends with it whatever the network does.
struct Session {
    client: Client,
    connection: JoinHandle<Result<(), Error>>,
    tls: Option<MakeRustlsConnect>,
    /// Whether the server may be at work for it.
    busy: bool,
}

impl Session {
    async fn begin(&mut self) -> Result<Transaction<'_>, SourceError> {
        let transaction = within(SILENCE, self.client.build_transaction().read_only(true).start()).await?;
        let bound = format!("SET LOCAL statement_timeout = {}; {MANNERS}", STATEMENT.as_millis());
        within(SILENCE, transaction.batch_execute(&bound)).await?;
        Ok(transaction)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
        // A server that computes does not see that nobody listens any more: it is told.
        if let (true, Ok(runtime)) = (self.busy, Handle::try_current()) {
            let (token, tls) = (self.client.cancel_token(), self.tls.take());
            runtime.spawn(timeout(CONNECT, async move {
                match tls {
                    Some(tls) => token.cancel_query(tls).await,
                    None => token.cancel_query(NoTls).await,
                }
            }));
        }
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, SourceError> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(failed),
        Err(_) => {
            Err(SourceError::away("its database does not answer", format!("nothing within {} s", limit.as_secs())))
        }
    }
}

/// What to do about an error: the codes are those of appendix A of PostgreSQL's manual.
fn failed(error: Error) -> SourceError {
    let Some(said) = error.as_db_error() else {
        let cause = std::error::Error::source(&error);
        let io = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>());
        let detail = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        // A broken certificate comes as invalid data; a server without TLS as no error of the system at all.
        let lost = error.is_closed() || io.is_some_and(|error| error.kind() != std::io::ErrorKind::InvalidData);
        return if lost {
            SourceError::away("its database cannot be reached", detail)
        } else {
            SourceError::unusable("its database cannot be trusted or speaks otherwise than its address says", detail)
        };
    };
    let code = said.code().code();
    let detail = format!("{code}: {}", said.message());
    match code {
        "42P01" | "3F000" => SourceError::unusable("its database has no such table or view", detail),
        "42501" => SourceError::unusable("its table may not be read by the login that it uses", detail),
        "28P01" | "28000" => SourceError::unusable("its database refuses the login", detail),
        "3D000" => SourceError::unusable("its server has no such database", detail),
        "57014" => SourceError::away(format!("reading it takes longer than {} s", STATEMENT.as_secs()), detail),
        // Connections, resources, an operator's work, the system: those pass.
        _ if ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class)) => {
            SourceError::away("its database is not ready", detail)
        }
        _ => SourceError::unusable("its database refuses to read it", detail),
    }
}

fn no_url() -> SourceError {
    let problem = "the file with its address holds no URL such as postgres://user:password@host/database";
    SourceError::unusable(problem, "")
}

fn url(path: &Path) -> Result<String, SourceError> {
    let read = || {
        let mut text = String::new();
        std::fs::File::open(path)?.take(MAX_URL).read_to_string(&mut text)?;
        Ok(text)
    };
    read().map_err(|error: std::io::Error| {
        SourceError::unusable("the file with its address may not be read", format!("{}: {error}", path.display()))
    })
}

/// A name as SQL takes it for a name and nothing else.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn kind(of: &Type) -> ColumnKind {
    const NUMBERS: [Type; 6] = [Type::INT2, Type::INT4, Type::INT8, Type::FLOAT4, Type::FLOAT8, Type::NUMERIC];
    const MOMENTS: [Type; 3] = [Type::DATE, Type::TIMESTAMP, Type::TIMESTAMPTZ];
    if NUMBERS.contains(of) {
        ColumnKind::Number
    } else if MOMENTS.contains(of) {
        ColumnKind::Date
    } else {
        ColumnKind::Text
    }
}
