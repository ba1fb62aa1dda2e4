//! Tables of a real PostgreSQL as sources.

use super::library::{column, run, times, words};
use report_model::catalog::{ReportType, validate};
use report_model::source::ColumnKind;
use report_runner::reports::Reports;
use report_runner::sources::{Limits, SourceError, Sources, Wanted};
use report_testing::{Identity, PostgresServer, eventually};
use serde_json::json;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// A source whose address is in a file.
struct Plant {
    folder: TempDir,
    runtime: Runtime,
}

impl Plant {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), runtime: Runtime::new().unwrap() }
    }

    fn sources(&self, url: &str, tables: &[&str]) -> Sources {
        let path = self.folder.path().join("url");
        std::fs::write(&path, format!("{url}\n")).unwrap();
        let setting = |(index, table): (usize, &&str)| format!("s{index}=postgres:{}#{table}", path.display());
        Sources::parse(&tables.iter().enumerate().map(setting).collect::<Vec<_>>()).unwrap()
    }

    fn error(&self, url: &str, table: &str) -> SourceError {
        let sources = self.sources(url, &[table]);
        let wanted = vec![Wanted::required("v")];
        self.runtime.block_on(sources.extract("s0", wanted, &CancellationToken::new())).unwrap_err()
    }
}

#[test]
fn tables_views_and_schemas_are_read_with_their_types() {
    let server = PostgresServer::start();
    server.execute(
        "CREATE SCHEMA \"Line 4\";
         CREATE TABLE \"Line 4\".\"odd \"\" name\" (at timestamptz, v numeric(10,3), \"Größe\" real, note text, day date, ok bool);
         INSERT INTO \"Line 4\".\"odd \"\" name\" VALUES
           ('2026-01-01 06:00:00.5+01', 1.250, 0.1, 'a, \"b\"', '2026-01-01', true), (NULL, NULL, 'NaN', NULL, NULL, NULL);
         CREATE VIEW twice AS SELECT v * 2 AS v FROM \"Line 4\".\"odd \"\" name\";
         ALTER DATABASE postgres SET datestyle = 'German';
         ALTER DATABASE postgres SET timezone = 'Asia/Tokyo'",
    );
    let plant = Plant::new();
    let sources = plant.sources(&server.url(), &["Line 4.odd \" name", "twice"]);
    let (infos, errors) = plant.runtime.block_on(sources.describe());
    assert_eq!(errors, []);
    let kinds: Vec<(&str, ColumnKind)> =
        infos[0].columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    let (number, date, text) = (ColumnKind::Number, ColumnKind::Date, ColumnKind::Text);
    assert_eq!(kinds, [("at", date), ("v", number), ("Größe", number), ("note", text), ("day", date), ("ok", text)]);
    let wanted = ["at", "v", "Größe", "note", "day"].map(Wanted::required).to_vec();
    let table = plant.runtime.block_on(sources.extract("s0", wanted, &CancellationToken::new())).unwrap();
    let at = |name: &str| table.column(name);
    assert_eq!((table.rows(), table.place(1), table.word()), (2, 2, "row"));
    assert_eq!(table.text(at("at"), 0), "2026-01-01 14:00:00.5+09");
    assert_eq!(table.moment(at("at"), 0).good().unwrap().seconds, 1_767_243_600);
    assert_eq!((table.number(at("v"), 0).good(), table.number(at("Größe"), 0).good()), (Some(1.25), Some(0.1)));
    assert_eq!((table.text(at("note"), 0), table.text(at("day"), 0)), ("a, \"b\"", "2026-01-01"));
    assert!(["at", "v", "Größe", "note", "day"].iter().all(|name| table.number(at(name), 1).good().is_none()));
    let table = plant.runtime.block_on(sources.extract("s1", vec![Wanted::required("v")], &CancellationToken::new()));
    assert_eq!(table.unwrap().text(Some(0), 0), "2.500");
}

#[test]
fn reports_are_the_same_of_a_table_as_of_a_file() {
    let server = PostgresServer::start();
    let csv = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/co2.csv");
    server.execute("CREATE TABLE co2 (date date, co2_ppm float8)");
    let rows: Vec<String> = std::fs::read_to_string(csv)
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| line.split_once(',').unwrap())
        .map(|(day, value)| format!("('{day}', {})", if value.is_empty() { "NULL" } else { value }))
        .collect();
    server.execute(&format!("INSERT INTO co2 VALUES {}", rows.join(", ")));
    let plant = Plant::new();
    let given = |source: &str| json!({"source": source, "column": "co2_ppm", "date_column": "date", "values": "readings", "order": 12, "ahead": 3});
    let of_table = run(plant.sources(&server.url(), &["co2"]), ReportType::MovingAverage, given("s0")).unwrap();
    let of_file = run(Sources::samples(), ReportType::MovingAverage, given("co2")).unwrap();
    assert_eq!((&of_table.summary, &of_table.rows, &of_table.chart), (&of_file.summary, &of_file.rows, &of_file.chart));
    assert_eq!(words(&column(&of_table, "date")).len(), 2_287);
}

#[test]
fn the_socket_works_too() {
    let server = PostgresServer::start();
    server.execute("CREATE TABLE t AS SELECT 7 AS v");
    let plant = Plant::new();
    let folder = server.socket_folder().display();
    let url =
        format!("postgres:///postgres?host={folder}&port={}&user=plant&password={}", server.port(), server.password());
    let table = plant.runtime.block_on(plant.sources(&url, &["t"]).extract(
        "s0",
        vec![Wanted::required("v")],
        &CancellationToken::new(),
    ));
    assert_eq!(table.unwrap().text(Some(0), 0), "7");
}

#[test]
fn names_are_never_sql_and_nothing_can_be_written() {
    let server = PostgresServer::start();
    server.execute(
        "CREATE TABLE t AS SELECT 1 AS v;
         CREATE FUNCTION spoil() RETURNS int LANGUAGE sql VOLATILE AS 'DELETE FROM t RETURNING 1';
         CREATE VIEW trap AS SELECT spoil() AS v",
    );
    let plant = Plant::new();
    for name in ["t; DROP TABLE t; --", "t\"; DROP TABLE t; --", "(SELECT 1 AS v) x", "t WHERE true"] {
        assert!(plant.error(&server.url(), name).to_string().contains("no such table or view"), "{name}");
    }
    let error = plant.error(&server.url(), "trap");
    assert!(!error.retry_helps() && error.detail().starts_with("25006"), "{error:?}");
    assert_eq!(server.ask("SELECT count(*) FROM t"), "1");
}

#[test]
fn errors_say_what_to_do_and_never_the_password() {
    let mut server = PostgresServer::start();
    server.execute(
        "CREATE TABLE t AS SELECT 1 AS v;
         CREATE TABLE hidden AS SELECT 1 AS v;
         CREATE ROLE guest LOGIN PASSWORD 'guests-word'",
    );
    let plant = Plant::new();
    let (url, password) = (server.url(), server.password());
    let guest = url.replace("plant:", "guest:").replace(password, "guests-word");
    let cases = [
        (url.clone(), "none", "its database has no such table or view", false),
        (url.replace(password, "wrong-word"), "t", "its database refuses the login", false),
        (
            url.replace(&format!("{}/postgres", server.port()), &format!("{}/elsewhere", server.port())),
            "t",
            "its server has no such database",
            false,
        ),
        (guest, "hidden", "its table may not be read by the login that it uses", false),
        (
            url.replace("postgres://", "mysql://"),
            "t",
            "the file with its address holds no URL such as postgres://user:password@host/database",
            false,
        ),
        (
            format!("{url}?sslmode=require"),
            "t",
            "its database cannot be trusted or speaks otherwise than its address says",
            false,
        ),
        (
            "postgres://plant:a-password-of-the-tests@127.0.0.1:1/postgres".to_owned(),
            "t",
            "its database cannot be reached",
            true,
        ),
    ];
    let check = |url: &str, table: &str, problem: &str, retry: bool| {
        let error = plant.error(url, table);
        assert!(error.to_string().contains(problem), "{error:?}");
        assert_eq!(error.retry_helps(), retry, "{error:?}");
        let all = format!("{error} {} {error:?}", error.detail());
        assert!(!all.contains(password) && !all.contains("wrong-word") && !all.contains("guests-word"), "{all}");
    };
    for (url, table, problem, retry) in &cases {
        check(url, table, problem, *retry);
    }
    server.kill();
    check(&url, "t", "its database cannot be reached", true);
    let gone = Sources::parse(&["s0=postgres:/nowhere/url#t".to_owned()]).unwrap();
    let error = plant.runtime.block_on(gone.extract("s0", vec![], &CancellationToken::new())).unwrap_err();
    assert_eq!(error.to_string(), "The source s0 cannot be used: the file with its address may not be read.");
}

#[test]
fn rows_are_bounded() {
    let server = PostgresServer::start();
    server.execute("CREATE TABLE t AS SELECT g AS v FROM generate_series(1, 50000) g");
    let plant = Plant::new();
    let extract = |rows| {
        let sources = plant.sources(&server.url(), &["t"]).with_limits(Limits { rows, ..Limits::default() });
        plant.runtime.block_on(sources.extract("s0", vec![Wanted::required("v")], &CancellationToken::new()))
    };
    assert_eq!(extract(50_000).unwrap().rows(), 50_000);
    let error = extract(49_999).unwrap_err();
    assert_eq!(error.to_string(), "The source s0 cannot be used: it has more than 49999 rows.");
}

#[test]
fn a_cancelled_reading_ends_at_once_and_so_does_its_connection() {
    let server = PostgresServer::start();
    server.execute("CREATE VIEW slow AS SELECT pg_sleep(60)::text AS v");
    let plant = Plant::new();
    let sources = plant.sources(&server.url(), &["slow"]);
    let token = CancellationToken::new();
    let (reading, cancel) = (token.clone(), token);
    let runtime = &plant.runtime;
    let task = runtime.spawn(async move { sources.extract("s0", vec![Wanted::required("v")], &reading).await });
    let sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'report-runner' AND wait_event = 'PgSleep'";
    eventually("it sleeps", || server.ask(sleeping) == "1");
    let start = Instant::now();
    cancel.cancel();
    assert_eq!(runtime.block_on(task).unwrap().unwrap_err(), SourceError::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(5));
    eventually("the server sleeps no more", || server.ask(sleeping) == "0");
}

#[test]
fn a_database_that_is_silent_is_not_waited_for_for_ever() {
    let server = PostgresServer::start();
    server.execute("CREATE TABLE t AS SELECT 1 AS v");
    server.pause();
    let plant = Plant::new();
    let error = plant.error(&server.url(), "t");
    server.resume();
    assert!(error.retry_helps() && error.to_string().contains("does not answer"), "{error:?}");
}

#[test]
fn tls_is_spoken_with_those_who_are_trusted_only() {
    let identity = Identity::of(&["localhost"]);
    let server = PostgresServer::start_with(Some(&identity));
    server.execute("CREATE TABLE t AS SELECT ssl::int AS v FROM pg_stat_ssl LIMIT 0; CREATE VIEW me AS SELECT ssl::int AS v FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    let plant = Plant::new();
    let trusted = plant.folder.path().join("ca.pem");
    std::fs::write(&trusted, identity.pem()).unwrap();
    let url = server.url().replace("127.0.0.1", "localhost");
    let verified = format!("{url}?sslmode=verify-full&sslrootcert={}", trusted.display());
    let sources = plant.sources(&verified, &["me"]);
    let table = plant.runtime.block_on(sources.extract("s0", vec![Wanted::required("v")], &CancellationToken::new()));
    assert_eq!(table.unwrap().text(Some(0), 0), "1");
    // Nobody knows it; somebody else is trusted; the name is another.
    let other = plant.folder.path().join("other.pem");
    std::fs::write(&other, Identity::of(&["localhost"]).pem()).unwrap();
    let wrong = [
        format!("{url}?sslmode=require&sslrootcert={}", other.display()),
        format!("{}?sslmode=require&sslrootcert={}", server.url(), trusted.display()),
    ];
    for url in wrong {
        let error = plant.error(&url, "t");
        assert!(!error.retry_helps() && error.to_string().contains("cannot be trusted"), "{error:?}");
    }
    let error = plant.error(&format!("{url}?sslmode=require&sslrootcert=/nowhere.pem"), "t");
    assert!(error.to_string().contains("the certificates to trust cannot be read"), "{error}");
}

#[test]
fn a_source_that_comes_back_is_offered_and_a_report_says_to_try_again() {
    let mut server = PostgresServer::start();
    server.execute("CREATE TABLE t AS SELECT g AS v FROM generate_series(1, 20) g");
    let plant = Plant::new();
    let sources = plant.sources(&server.url(), &["t"]);
    let (infos, _) = plant.runtime.block_on(sources.describe());
    let given = json!({"source": "s0", "column": "v", "values": "readings", "order": 4, "ahead": 2});
    let parameters = validate(ReportType::MovingAverage, &given, &infos).unwrap();
    server.kill();
    let (infos, errors) = plant.runtime.block_on(sources.describe());
    assert_eq!((infos.len(), errors.len()), (0, 1));
    let reports = Reports::new(sources);
    let error = plant.runtime.block_on(reports.run(&parameters, times(), &CancellationToken::new())).unwrap_err();
    assert!(error.retry_helps() && !error.is_cancelled(), "{error:?}");
}
