//! How long each kind of step may take before it counts as failed. Generous: they end what hangs, not what is slow.

use crate::model::component::ComponentName;
use crate::model::quantity::Span;
use crate::model::service::ServiceSpec;

/// Writing a few files, or asking the agent something.
pub(super) const SHORT: Span = Span::seconds(30);
/// Fetching and installing packages over a slow line.
pub(super) const INSTALL: Span = Span::seconds(1800);
/// Fetching what the services are made of and building them on a small machine.
pub(super) const BUILD: Span = Span::seconds(3600);
/// Bringing a program into a machine.
pub(super) const PROGRAM: Span = Span::seconds(300);
/// Removing what may be many files.
pub(super) const REMOVE: Span = Span::seconds(600);
/// Setting up a database, or migrating it.
pub(super) const PREPARE: Span = Span::seconds(900);
/// Ending a process of which only the component is known.
pub(super) const STOP: Span = Span::seconds(60);
/// Ending all processes, one layer after the other.
pub(super) const STOP_ALL: Span = Span::seconds(180);

/// Until the process has started; the one before it may have to be stopped first.
pub(super) const fn start(spec: &ServiceSpec) -> Span {
    Span(SHORT.0 + spec.stop_timeout.0)
}

/// Until the process has ended.
pub(super) const fn stop(spec: &ServiceSpec) -> Span {
    Span(10_000 + spec.stop_timeout.0)
}

/// Until the component answers. Those that read a long log at their start may take long.
pub(super) const fn ready(component: ComponentName) -> Span {
    match component {
        ComponentName::Redis | ComponentName::Prometheus | ComponentName::Postgresql => Span::seconds(180),
        ComponentName::Clickhouse | ComponentName::Uptrace | ComponentName::Grafana => Span::seconds(180),
        ComponentName::RedisExporter
        | ComponentName::NodeExporter
        | ComponentName::Alertmanager
        | ComponentName::Requestor
        | ComponentName::Runner => Span::seconds(60),
    }
}
