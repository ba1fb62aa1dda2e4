//! The closed list of checks. A check that is not in the list does not compile (its function is unused), and one that
//! lacks a part neither.

mod alert;
mod alertmanager;
mod clickhouse;
mod disruption;
mod exporters;
mod grafana;
mod page;
mod postgresql;
mod prometheus;
mod redis;
mod redis_restart;
mod redis_rights;
mod reports;
mod requestor;
mod runner;
mod uptrace;

use super::lab::{Lab, Verdict};
use crate::model::component::ComponentName::{
    self, Alertmanager, Clickhouse, Grafana, NodeExporter, Postgresql, Prometheus, Redis, RedisExporter, Requestor,
    Runner, Uptrace,
};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// One check.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Readable and stable: the component and what it proves, such as `redis/keeps-data`.
    pub name: &'static str,
    /// Whose check it is: it is skipped with the component.
    pub component: ComponentName,
    /// What it proves, in words that a manager understands.
    pub title: &'static str,
    /// Whether it disturbs the stack.
    pub manner: Manner,
    /// The other components without which it proves nothing: it is skipped with them.
    pub needs: &'static [ComponentName],
    /// What it does.
    pub(super) run: Run,
}

/// Whether a check disturbs the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It only looks, or changes what nobody else uses: it may run beside others.
    Quiet,
    /// It restarts something: it runs alone, last, and only when that is allowed.
    Disruptive,
}

/// What a check does.
pub(super) type Run = fn(Arc<Lab>) -> Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// A check with its function; everything is said in one place.
macro_rules! check {
    ($name:literal, $component:ident, $title:literal, $manner:ident, [$($needs:ident),*], $run:path) => {
        Check {
            name: $name,
            component: $component,
            title: $title,
            manner: Manner::$manner,
            needs: &[$($needs),*],
            run: |lab| Box::pin(async move { $run(&lab).await }),
        }
    };
}

/// Every check, in the order in which they are shown: by component, then from the simple to the deep.
static ALL: &[Check] = &[
    check!("redis/answers", Redis, "Redis answers every program that works with it", Quiet, [], redis::answers),
    check!(
        "redis/refuses-strangers",
        Redis,
        "Redis refuses whoever does not know a password",
        Quiet,
        [],
        redis::refuses_strangers
    ),
    check!(
        "redis/least-privilege",
        Redis,
        "Each program may do in Redis what it needs, and nothing else",
        Quiet,
        [],
        redis_rights::least_privilege
    ),
    check!("redis/saves", Redis, "Redis saves every change to the disk", Quiet, [], redis::saves),
    check!(
        "redis/keeps-all",
        Redis,
        "Redis refuses new data when it is full, and never throws old data away",
        Quiet,
        [],
        redis::keeps_all
    ),
    check!("redis/keeps-data", Redis, "Redis keeps its data over a restart", Disruptive, [], redis_restart::keeps_data),
    check!("redis-exporter/figures", RedisExporter, "Redis's figures can be read", Quiet, [Redis], exporters::redis),
    check!("node-exporter/figures", NodeExporter, "This machine's figures can be read", Quiet, [], exporters::node),
    check!("prometheus/answers", Prometheus, "Prometheus runs with our configuration", Quiet, [], prometheus::answers),
    check!(
        "prometheus/targets",
        Prometheus,
        "Everything that is to be watched is being watched",
        Quiet,
        [],
        prometheus::targets
    ),
    check!("prometheus/rules", Prometheus, "Every alert rule is being evaluated", Quiet, [], prometheus::rules),
    check!("prometheus/series", Prometheus, "Our figures arrive and are fresh", Quiet, [], prometheus::series),
    check!("prometheus/page", Prometheus, "The page with the graphs can be opened", Quiet, [], page::shows),
    check!(
        "alertmanager/answers",
        Alertmanager,
        "Alertmanager runs with our configuration",
        Quiet,
        [],
        alertmanager::answers
    ),
    check!(
        "alertmanager/known",
        Alertmanager,
        "Prometheus knows where to send alerts",
        Quiet,
        [Prometheus],
        prometheus::knows_alertmanager
    ),
    check!(
        "alertmanager/alert-arrives",
        Alertmanager,
        "A real alert is raised and arrives, and so does the news that all is well again",
        Quiet,
        [NodeExporter, Prometheus],
        alert::arrives
    ),
    check!("grafana/answers", Grafana, "Grafana runs and takes our password", Quiet, [], grafana::answers),
    check!(
        "grafana/refuses-strangers",
        Grafana,
        "Grafana refuses whoever has no password, or only the one it was delivered with",
        Quiet,
        [],
        grafana::refuses_strangers
    ),
    check!(
        "grafana/datasource",
        Grafana,
        "Grafana gets its figures from Prometheus",
        Quiet,
        [Prometheus],
        grafana::datasource
    ),
    check!("grafana/dashboard", Grafana, "Every panel of the dashboard works", Quiet, [Prometheus], grafana::dashboard),
    check!("postgresql/answers", Postgresql, "PostgreSQL takes the login of Uptrace", Quiet, [], postgresql::answers),
    check!(
        "postgresql/refuses-strangers",
        Postgresql,
        "PostgreSQL refuses whoever does not know a password",
        Quiet,
        [],
        postgresql::refuses_strangers
    ),
    check!("clickhouse/answers", Clickhouse, "ClickHouse answers Uptrace", Quiet, [], clickhouse::answers),
    check!(
        "clickhouse/refuses-strangers",
        Clickhouse,
        "ClickHouse refuses whoever does not know a password",
        Quiet,
        [],
        clickhouse::refuses_strangers
    ),
    check!("uptrace/answers", Uptrace, "Uptrace runs with our account and project", Quiet, [], uptrace::answers),
    check!(
        "uptrace/refuses-strangers",
        Uptrace,
        "Uptrace takes no traces from strangers, and shows them none",
        Quiet,
        [],
        uptrace::refuses_strangers
    ),
    check!("uptrace/finds-trace", Uptrace, "A trace that is sent can be found again", Quiet, [], uptrace::finds_trace),
    check!(
        "uptrace/follows-report",
        Uptrace,
        "A report can be followed from the click to the result by its trace",
        Quiet,
        [Requestor, Runner],
        uptrace::follows_report
    ),
    check!(
        "requestor/answers",
        Requestor,
        "The page of reports can be opened, and the requestor reaches Redis",
        Quiet,
        [],
        requestor::answers
    ),
    check!(
        "requestor/refuses-strangers",
        Requestor,
        "The requestor lets nobody in without a session, a token or a signature",
        Quiet,
        [],
        requestor::refuses_strangers
    ),
    check!("runner/answers", Runner, "The runner is ready for reports and reaches Redis", Quiet, [], runner::answers),
    check!(
        "runner/refuses-strangers",
        Runner,
        "The runner takes no alert and gives no result without a token",
        Quiet,
        [],
        runner::refuses_strangers
    ),
    check!(
        "runner/report-arrives",
        Runner,
        "A report goes from the click to the result in the browser",
        Quiet,
        [Requestor],
        reports::arrives
    ),
    check!(
        "runner/every-report",
        Runner,
        "Every report that the page offers can be made",
        Quiet,
        [Requestor],
        reports::each
    ),
    check!(
        "runner/scales",
        Runner,
        "A real alert makes the workers more, and its end makes them fewer",
        Quiet,
        [NodeExporter, Prometheus, Alertmanager],
        runner::scales
    ),
    check!(
        "runner/survives-kills",
        Runner,
        "A report arrives, once, although its worker and Redis are killed while it is made",
        Disruptive,
        [Requestor],
        disruption::survives
    ),
];

/// Every check, in the order in which they are shown.
pub fn all() -> &'static [Check] {
    ALL
}

/// The components that have no check of their own in this release.
pub(super) fn without_checks() -> impl Iterator<Item = ComponentName> {
    ComponentName::ALL.into_iter().filter(|name| ALL.iter().all(|check| check.component != *name))
}

/// The name under which a component without checks is shown.
pub(super) fn stand_in(name: ComponentName) -> String {
    format!("{name}/answers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_begin_with_their_component_and_come_in_its_order() {
        let names: BTreeSet<&str> = ALL.iter().map(|check| check.name).collect();
        assert_eq!(names.len(), ALL.len());
        for check in ALL {
            let (component, own) = check.name.split_once('/').unwrap_or_default();
            assert_eq!(component, check.component.as_str(), "{}", check.name);
            assert!(!own.is_empty() && own.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", check.name);
            assert!(!check.title.ends_with('.') && check.title.starts_with(char::is_uppercase), "{}", check.title);
        }
        assert!(ALL.is_sorted_by_key(|check| check.component), "a component's checks stand together");
    }
}
