//! Evidence as it could be, for tests.
#![allow(clippy::expect_used, reason = "a test may fail by panicking")]

use Outcome::{Failed, Passed, Skipped};
use reportctl::model::component::ComponentName;
use reportctl::model::ids::{EnvId, EnvName};
use reportctl::model::quantity::Version;
use reportctl::smoke::evidence::{CheckResult, Evidence, Outcome};
use std::collections::BTreeMap;

/// Each sample.
pub fn all() -> [Evidence; 5] {
    [green(), some_failed(), many_skipped(), nothing(), hostile()]
}

fn evidence(checks: Vec<CheckResult>) -> Evidence {
    let versions = [
        (ComponentName::Redis, "8.0.2"),
        (ComponentName::Prometheus, "2.53.3"),
        (ComponentName::Alertmanager, "0.28.1"),
    ];
    let versions = versions.map(|(component, version)| (component, Version::parse(version).expect("a version")));
    Evidence {
        schema: Evidence::SCHEMA,
        env: EnvName::parse("local").expect("a name"),
        id: EnvId::parse("local-7f3k9q2m").expect("an identity"),
        at: "2026-03-09T14:05:06Z".to_owned(),
        millis: checks.iter().map(|check| check.millis).sum(),
        versions: if checks.is_empty() { BTreeMap::new() } else { versions.into() },
        checks,
    }
}

fn check(
    component: ComponentName,
    name: &str,
    outcome: Outcome,
    millis: u64,
    title: &str,
    detail: &str,
) -> CheckResult {
    CheckResult {
        name: format!("{component}/{name}"),
        component,
        title: title.to_owned(),
        outcome,
        detail: detail.to_owned(),
        expected: None,
        advice: None,
        millis,
    }
}

/// Whether the character changes the direction in which text reads.
pub fn turns_text_around(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// All passed.
pub fn green() -> Evidence {
    use ComponentName::{Alertmanager, NodeExporter, Prometheus, Redis, RedisExporter};
    let list = [
        (
            Redis,
            "answers",
            4,
            "Redis answers whoever knows the password",
            "PING was answered by PONG at 127.0.0.1:6379",
        ),
        (
            Redis,
            "refuses-strangers",
            3,
            "Redis refuses whoever does not know the password",
            "NOAUTH Authentication required.",
        ),
        (
            Redis,
            "keeps-data",
            2_417,
            "Redis keeps its data over a restart",
            "a key that was written before the restart was read after it",
        ),
        (RedisExporter, "figures", 12, "The figures of Redis are there", "redis_up 1 at http://127.0.0.1:9121/metrics"),
        (
            NodeExporter,
            "figures",
            31,
            "The figures of this machine are there",
            "node_uname_info at http://127.0.0.1:9100/metrics",
        ),
        (
            Prometheus,
            "targets",
            5_204,
            "Every source of figures is being read",
            "5 of 5 targets are up: alertmanager, node-exporter, prometheus, redis, redis-exporter",
        ),
        (Prometheus, "series", 18, "Our own figures are there and fresh", "redis_up is 1, 3 s old"),
        (
            Alertmanager,
            "alert-fires",
            7_902,
            "A real alert reaches whoever is on call, and is taken back when all is well again",
            "firing after 4.1 s, resolved after 7.9 s",
        ),
    ];
    evidence(
        list.map(|(component, name, millis, title, detail)| check(component, name, Passed, millis, title, detail))
            .into(),
    )
}

/// Two failed, three skipped.
pub fn some_failed() -> Evidence {
    let mut evidence = green();
    let mut fail = |name: &str, detail: &str, expected: Option<&str>, advice: Option<&str>| {
        let check = evidence.checks.iter_mut().find(|check| check.name == name).expect("a check");
        check.outcome = Failed;
        detail.clone_into(&mut check.detail);
        check.expected = expected.map(str::to_owned);
        check.advice = advice.map(str::to_owned);
    };
    fail(
        "redis/keeps-data",
        "the key `smoke:7f3k9q2m` was gone after the restart\nLast words of Redis: Can't open the append-only file appendonly.aof.1.base.rdb: Permission denied",
        Some("the value that was written before the restart"),
        Some("see `reportctl logs redis -e local`, then run `reportctl up -e local` to put the folder's rights right"),
    );
    fail(
        "prometheus/targets",
        "4 of 5 targets are up; redis-exporter: Get \"http://127.0.0.1:9121/metrics\": context deadline exceeded",
        None,
        None,
    );
    evidence.checks.extend(not_had().into_iter().take(3));
    evidence.millis = 15_591;
    evidence
}

fn not_had() -> Vec<CheckResult> {
    use ComponentName::{Clickhouse, Grafana, Postgresql, Requestor, Runner, Uptrace};
    let grafana = "grafana is not installed and no package source has it";
    let uptrace = "uptrace is not installed and no package source has it, so what only it needs is left out";
    let later = "comes with a later release";
    [
        (Grafana, "datasource", "Grafana can ask Prometheus", grafana),
        (Grafana, "dashboard", "The dashboard shows our figures", grafana),
        (Postgresql, "answers", "PostgreSQL answers", "only uptrace needs it, and that is skipped"),
        (Clickhouse, "answers", "ClickHouse answers", uptrace),
        (Uptrace, "answers", "Uptrace answers", uptrace),
        (Uptrace, "trace", "A trace that is sent can be found again", uptrace),
        (Requestor, "answers", "The requestor answers", later),
        (Runner, "report", "A report goes all the way and comes back right", later),
    ]
    .map(|(component, name, title, reason)| check(component, name, Skipped, 0, title, reason))
    .into()
}

/// One passed, seven skipped.
pub fn many_skipped() -> Evidence {
    let mut checks = green().checks;
    checks.truncate(1);
    let mut skipped = not_had();
    skipped.remove(2);
    for check in &mut skipped[..4] {
        "its program is not on this machine".clone_into(&mut check.detail);
    }
    checks.extend(skipped);
    evidence(checks)
}

/// No check at all.
pub fn nothing() -> Evidence {
    evidence(Vec::new())
}

/// Words that want to be more than words, in every field that can hold them.
pub fn hostile() -> Evidence {
    let nasty = "<script>alert(1)</script> ]]> &amp; \" ' {{ env }} <!-- \u{1b}[2J\u{9b}31m\u{0}\u{7}\u{8}\r \u{fffe}\u{ffff} \u{202e}txt.exe\u{202c} 日本語 ñ 🚀";
    let long = "x".repeat(500);
    let hostile = |outcome| {
        let words = format!("{nasty}\n{nasty}\t{long}");
        let mut check = check(ComponentName::Redis, &words, outcome, u64::MAX / 8, &words, &words);
        check.expected = Some(words.clone());
        check.advice = Some(words);
        check
    };
    let mut evidence = evidence(vec![hostile(Passed), hostile(Failed), hostile(Skipped)]);
    evidence.at = nasty.to_owned();
    evidence
}
