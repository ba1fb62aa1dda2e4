//! The closed list of components, and what is true of each of them wherever it runs.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One part of the stack. The list is closed: a new component does not compile until every table below knows it.
///
/// The order is the order in which tables and summaries show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentName {
    /// The queue and the results: Redis.
    Redis,
    /// Redis's figures for Prometheus.
    RedisExporter,
    /// This host's figures for Prometheus.
    NodeExporter,
    /// Metrics, recording rules and alert rules.
    Prometheus,
    /// Routing of alerts.
    Alertmanager,
    /// Dashboards.
    Grafana,
    /// Uptrace's metadata.
    Postgresql,
    /// Uptrace's spans, logs and metrics.
    Clickhouse,
    /// Traces, metrics and logs by OTLP.
    Uptrace,
    /// The service that takes requests for reports and delivers results.
    Requestor,
    /// The service that runs the reports.
    Runner,
}

impl ComponentName {
    /// Every component, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::Redis,
        Self::RedisExporter,
        Self::NodeExporter,
        Self::Prometheus,
        Self::Alertmanager,
        Self::Grafana,
        Self::Postgresql,
        Self::Clickhouse,
        Self::Uptrace,
        Self::Requestor,
        Self::Runner,
    ];

    /// The name as people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::RedisExporter => "redis-exporter",
            Self::NodeExporter => "node-exporter",
            Self::Prometheus => "prometheus",
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::Postgresql => "postgresql",
            Self::Clickhouse => "clickhouse",
            Self::Uptrace => "uptrace",
            Self::Requestor => "requestor",
            Self::Runner => "runner",
        }
    }

    /// What it is for, in one line.
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Redis => "Redis: the queue of requests and the results.",
            Self::RedisExporter => "Redis's figures for Prometheus.",
            Self::NodeExporter => "The machine's figures for Prometheus.",
            Self::Prometheus => "Prometheus: metrics, recording rules and alert rules.",
            Self::Alertmanager => "Alertmanager: sends alerts where they belong.",
            Self::Grafana => "Grafana: dashboards.",
            Self::Postgresql => "PostgreSQL: Uptrace's accounts and projects.",
            Self::Clickhouse => "ClickHouse: Uptrace's spans, logs and metrics.",
            Self::Uptrace => "Uptrace: traces, metrics and logs by OTLP.",
            Self::Requestor => "Takes requests for reports and delivers the results.",
            Self::Runner => "Runs the reports.",
        }
    }

    /// The component of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }

    /// The doors of the component: the name of each port and its customary number.
    ///
    /// `alertmanager/smoke` is where a smoke test listens for notifications while it runs; nothing else does.
    pub const fn ports(self) -> &'static [(&'static str, u16)] {
        match self {
            Self::Redis => &[("redis", 6379)],
            Self::RedisExporter => &[("http", 9121)],
            Self::NodeExporter => &[("http", 9100)],
            Self::Prometheus => &[("http", 9090)],
            Self::Alertmanager => &[("http", 9093), ("smoke", 9099)],
            Self::Grafana => &[("http", 3000)],
            Self::Postgresql => &[("postgres", 5432)],
            Self::Clickhouse => &[("native", 9000), ("http", 8123), ("metrics", 9363)],
            Self::Uptrace => &[("http", 14318), ("grpc", 14317)],
            Self::Requestor => &[("http", 8080)],
            Self::Runner => &[("http", 8081)],
        }
    }

    /// The secrets that the component cannot do without; each must be named in its `secrets`.
    pub const fn secrets(self) -> &'static [&'static str] {
        match self {
            Self::Redis => &["admin", "requestor", "runner", "metrics", "uptrace"],
            Self::Alertmanager => &["smoke"],
            Self::Grafana => &["admin"],
            Self::Postgresql | Self::Clickhouse => &["uptrace"],
            Self::Uptrace => &["signing", "admin", "user-token", "project-token"],
            Self::Requestor => &["admin", "alerts", "webhook"],
            Self::Runner => &["scaling", "results"],
            Self::RedisExporter | Self::NodeExporter | Self::Prometheus => &[],
        }
    }

    /// The components that it cannot do without, wherever it runs; each must be named in its `needs`.
    pub const fn needs(self) -> &'static [Self] {
        match self {
            Self::RedisExporter | Self::Requestor => &[Self::Redis],
            Self::Grafana => &[Self::Prometheus],
            Self::Uptrace => &[Self::Redis, Self::Postgresql, Self::Clickhouse],
            Self::Runner => &[Self::Redis, Self::Requestor],
            Self::Redis
            | Self::NodeExporter
            | Self::Prometheus
            | Self::Alertmanager
            | Self::Postgresql
            | Self::Clickhouse => &[],
        }
    }

    /// Where the component's program comes from on a Debian or Ubuntu machine.
    pub const fn source(self) -> Source {
        match self {
            Self::Redis => {
                Source::Package { package: "redis-server", unit: "redis-server.service", program: "redis-server" }
            }
            Self::RedisExporter => Source::Package {
                package: "prometheus-redis-exporter",
                unit: "prometheus-redis-exporter.service",
                program: "prometheus-redis-exporter",
            },
            Self::NodeExporter => Source::Package {
                package: "prometheus-node-exporter",
                unit: "prometheus-node-exporter.service",
                program: "prometheus-node-exporter",
            },
            Self::Prometheus => {
                Source::Package { package: "prometheus", unit: "prometheus.service", program: "prometheus" }
            }
            Self::Alertmanager => Source::Package {
                package: "prometheus-alertmanager",
                unit: "prometheus-alertmanager.service",
                program: "prometheus-alertmanager",
            },
            Self::Postgresql => {
                Source::Package { package: "postgresql", unit: "postgresql.service", program: "postgres" }
            }
            Self::Grafana => Source::Program { program: "grafana", from: "Grafana's own repository" },
            Self::Clickhouse => Source::Program { program: "clickhouse", from: "ClickHouse's own repository" },
            Self::Uptrace => Source::Program { program: "uptrace", from: "Uptrace's releases" },
            Self::Requestor => Source::Ours { program: "report-requestor" },
            Self::Runner => Source::Ours { program: "report-runner" },
        }
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a component's program comes from on a Debian or Ubuntu machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A package of the distribution, which apt can install.
    Package {
        /// The package's name.
        package: &'static str,
        /// The system unit that the package would start, and that we do not use on this host.
        unit: &'static str,
        /// The program's file name.
        program: &'static str,
    },
    /// A program that the distribution does not have: used when it is on the search path.
    Program {
        /// The program's file name.
        program: &'static str,
        /// Who publishes it, in words.
        from: &'static str,
    },
    /// A program of this project: used where it is installed, and otherwise built from a checkout of its source.
    Ours {
        /// The program's file name, which is also the name of its Cargo package.
        program: &'static str,
    },
}

/// One door of one component, such as `uptrace/grpc`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey {
    /// Whose door it is.
    pub component: ComponentName,
    /// Its name among that component's ports.
    pub port: String,
}

impl PortKey {
    /// The key of `component`'s port named `port`.
    pub fn new(component: ComponentName, port: &str) -> Self {
        Self { component, port: port.to_owned() }
    }

    /// Whether the port is open only now and then, so that nobody listening there says nothing of whether somebody
    /// counts on it.
    pub fn is_seldom_open(&self) -> bool {
        self.component == ComponentName::Alertmanager && self.port == "smoke"
    }

    /// The port's customary number.
    pub fn customary(&self) -> Option<u16> {
        self.component.ports().iter().find(|(name, _)| *name == self.port).map(|(_, number)| *number)
    }
}

impl fmt::Display for PortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.component, self.port)
    }
}

impl Serialize for PortKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PortKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.split_once('/')
            .and_then(|(component, port)| Some(Self::new(ComponentName::parse(component)?, port)))
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not COMPONENT/PORT")))
    }
}
