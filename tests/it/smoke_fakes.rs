//! Smoke checks of Grafana, Uptrace and ClickHouse against the fakes, which read what we render, and do wrong what they
//! are told to.

use super::fakes_rendered::{ORDER, faults, stage, up};
use super::render_support::{Running, Stage};
use super::smoke_support::{comes_to_fail, fails, passes, patient, scrape_each, smoke, target};
use reportctl::model::component::ComponentName::*;
use reportctl::model::quantity::Span;
use reportctl::smoke::evidence::Outcome;

/// For each fault, the check that finds it, and words that it finds.
const FAULTS: [(&str, &str, &str); 45] = [
    ("grafana/hang", "grafana/answers", "did not answer within 5s"),
    ("grafana/broken", "grafana/answers", "answers 500"),
    ("grafana/html", "grafana/answers", "the answer is no JSON"),
    ("grafana/health-text", "grafana/answers", "the answer is no JSON"),
    ("grafana/health-other", "grafana/answers", "another program (fake)"),
    ("grafana/database-failing", "grafana/answers", "answers 503"),
    ("grafana/database-lies", "grafana/answers", "\"database\":\"failing\""),
    ("grafana/password-forgotten", "grafana/answers", "answers 401"),
    ("grafana/default-password", "grafana/refuses-strangers", "admin with the password `admin` is answered with 200"),
    ("grafana/password-unchecked", "grafana/refuses-strangers", "admin with the password `admin` is answered with 200"),
    ("grafana/html", "grafana/refuses-strangers", "somebody without a password is answered with 200"),
    ("grafana/datasource-missing", "grafana/datasource", "answers 404"),
    ("grafana/datasource-url", "grafana/datasource", "of type `prometheus` at http://127.0.0.1:1"),
    ("grafana/datasource-error", "grafana/datasource", "answers 400"),
    ("grafana/datasource-lies", "grafana/datasource", "\"status\":\"ERROR\""),
    ("grafana/query-error", "grafana/datasource", "broken on purpose (fake)"),
    ("grafana/frames-missing", "grafana/datasource", "the answer to `up` has no figure"),
    ("grafana/frames-empty", "grafana/datasource", "the answer to `up` has no figure"),
    ("grafana/query-error", "grafana/dashboard", "broken on purpose (fake)"),
    ("grafana/frames-missing", "grafana/dashboard", "no frame for `"),
    ("grafana/dashboards-missing", "grafana/dashboard", "no dashboard with the uid `report-stack`"),
    ("grafana/dashboard-manual", "grafana/dashboard", "made by hand"),
    ("grafana/dashboard-empty", "grafana/dashboard", "it has 0 panels that ask something"),
    ("grafana/dashboard-other", "grafana/dashboard", "its title is `Another`"),
    ("uptrace/hang", "uptrace/answers", "did not answer within 5s"),
    ("uptrace/broken", "uptrace/answers", "answers 500"),
    ("uptrace/html", "uptrace/answers", "the answer is no JSON"),
    ("uptrace/guest", "uptrace/answers", "to Uptrace we are a guest"),
    ("uptrace/other-user", "uptrace/answers", "to Uptrace we are `another@uptrace.local`"),
    ("uptrace/project-missing", "uptrace/answers", "no project `report` among []"),
    ("uptrace/project-other", "uptrace/answers", "no project `report` among [{"),
    ("uptrace/token-unchecked", "uptrace/refuses-strangers", "a span with a wrong token"),
    ("uptrace/dsn-unchecked", "uptrace/refuses-strangers", "a span without a token"),
    ("uptrace/query-unchecked", "uptrace/refuses-strangers", "a question with a wrong token"),
    ("uptrace/ingest-html", "uptrace/finds-trace", "the answer is no JSON"),
    ("uptrace/ingest-refused", "uptrace/finds-trace", "answers 403"),
    ("uptrace/span-lost", "uptrace/finds-trace", "is not found within 1s 500ms"),
    ("uptrace/span-late=30", "uptrace/finds-trace", "is not found within 1s 500ms"),
    ("uptrace/span-name", "uptrace/finds-trace", "another span than was sent"),
    ("uptrace/span-trace", "uptrace/finds-trace", "another span than was sent"),
    ("uptrace/span-service", "uptrace/finds-trace", "another span than was sent"),
    ("uptrace/span-invented", "uptrace/finds-trace", "a trace that nobody sent is found"),
    ("uptrace/query-html", "uptrace/finds-trace", "the answer is no JSON"),
    ("clickhouse/broken", "clickhouse/answers", "answers 500"),
    ("clickhouse/html", "clickhouse/answers", "<html>"),
];

const MORE_FAULTS: [(&str, &str, &str); 8] = [
    ("clickhouse/hang", "clickhouse/answers", "did not answer within 5s"),
    ("clickhouse/ping-other", "clickhouse/answers", "pong"),
    ("clickhouse/select-wrong", "clickhouse/answers", "SELECT 1 gives `2`"),
    ("clickhouse/select-empty", "clickhouse/answers", "SELECT 1 gives ``"),
    ("clickhouse/version-other", "clickhouse/answers", "version 18.16.1 runs"),
    ("clickhouse/user-refused", "clickhouse/answers", "answers 403"),
    ("clickhouse/user-unchecked", "clickhouse/refuses-strangers", "uptrace with a wrong password"),
    ("clickhouse/html", "clickhouse/refuses-strangers", "uptrace with a wrong password"),
];

fn running(uptrace: &str) -> (Stage, Vec<Running>) {
    let mut stage = stage(uptrace);
    scrape_each(&mut stage, Span::seconds(1));
    stage.env.stack.components.retain(|name, _| ORDER.contains(name));
    for (name, (program, _)) in &mut stage.active {
        if let (Redis | Postgresql | Prometheus, Some(version)) = (name, super::smoke_support::version_of(*name)) {
            program.version = version;
        }
    }
    let running = ORDER.into_iter().map(|name| up(&stage, name)).collect();
    (stage, running)
}

#[test]
fn each_fault_is_found_by_its_check() {
    let (stage, _running) = running("2.1.0");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        // No report is made here, so none can be followed.
        let uptrace = ["uptrace/answers", "uptrace/refuses-strangers", "uptrace/finds-trace"];
        let wanted = [&["grafana", "clickhouse", "postgresql"][..], &uptrace].concat();
        let evidence = smoke(target(&stage), &wanted, patient()).await.unwrap();
        let wrong: Vec<_> = evidence.checks.iter().filter(|check| check.outcome != Outcome::Passed).collect();
        assert!(wrong.is_empty() && evidence.checks.len() == 11, "{evidence:#?}");
        for check in &evidence.checks {
            println!("{:<28} {:>6} ms  {}", check.name, check.millis, check.detail);
        }
        for (fault, check, seen) in FAULTS.into_iter().chain(MORE_FAULTS) {
            println!("{fault}");
            std::fs::write(faults(&stage), fault).unwrap();
            fails(target(&stage), check, seen).await;
        }
        // What only takes its time is no fault.
        std::fs::write(faults(&stage), "uptrace/span-late=1").unwrap();
        passes(target(&stage), "uptrace/finds-trace").await;
        // A wrong token of ours is a guest's, and a wrong password of ours is none.
        std::fs::remove_file(faults(&stage)).unwrap();
        let mut other = target(&stage);
        for (name, own) in [(Uptrace, "user-token"), (Grafana, "admin"), (Clickhouse, "uptrace")] {
            let secret = reportctl::model::environment::secret_name(name, own).unwrap();
            other.secrets.insert(secret, reportctl::model::secret::SecretValue::parse("another-value").unwrap());
        }
        fails(other.clone(), "uptrace/answers", "we are a guest").await;
        fails(other.clone(), "grafana/answers", "answers 401").await;
        fails(other, "clickhouse/answers", "answers 403").await;
        std::fs::write(faults(&stage), "clickhouse/metrics-html").unwrap();
        comes_to_fail(target(&stage), "prometheus/targets", "clickhouse is down").await;
        std::fs::write(faults(&stage), "clickhouse/metrics-empty").unwrap();
        comes_to_fail(target(&stage), "prometheus/series", "no fresh sample of ClickHouseMetrics_Query").await;
    });
}

#[test]
fn the_older_dialect_of_uptrace_is_spoken_too() {
    let (stage, _running) = running("2.0.3");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let proof = passes(target(&stage), "uptrace/answers").await;
        assert!(proof.ends_with("it speaks as 2.0 does"), "{proof}");
        passes(target(&stage), "uptrace/finds-trace").await;
        passes(target(&stage), "uptrace/refuses-strangers").await;
        let of_queries = ["span-lost", "span-service", "span-invented", "query-html", "query-unchecked"];
        for (fault, check, seen) in FAULTS
            .into_iter()
            .filter(|(fault, ..)| fault.strip_prefix("uptrace/").is_some_and(|fault| of_queries.contains(&fault)))
        {
            println!("{fault}");
            std::fs::write(faults(&stage), fault).unwrap();
            fails(target(&stage), check, seen).await;
        }
    });
}
