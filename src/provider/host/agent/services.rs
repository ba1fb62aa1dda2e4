//! The set of services of an agent.

use super::records::{self, ServiceRecord};
use super::supervisor::{Service, Shared};
use crate::model::component::ComponentName;
use crate::model::inventory::{ServiceState, ServiceStatus};
use crate::model::service::ServiceSpec;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// All services. Changes are made one after the other; how they do can be asked at any time.
pub struct Services {
    shared: Shared,
    running: Mutex<BTreeMap<ComponentName, Service>>,
    /// Held while something is changed. True once everything was stopped: nothing is started after that.
    changing: tokio::sync::Mutex<bool>,
    records: Arc<Mutex<BTreeMap<ComponentName, ServiceRecord>>>,
    records_path: PathBuf,
}

impl Services {
    /// None yet. `records_path` is where it is written down what was started.
    pub fn new(mut shared: Shared, records_path: PathBuf) -> Self {
        let records: Arc<Mutex<BTreeMap<ComponentName, ServiceRecord>>> = Arc::default();
        let (kept, path) = (Arc::clone(&records), records_path.clone());
        shared.on_start = Arc::new(move |spec, record| {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(spec.component, record);
            // Without the record a process is still found by its marker.
            let _ = records::write(&path, &*kept);
        });
        Self { shared, running: Mutex::default(), changing: tokio::sync::Mutex::default(), records, records_path }
    }

    /// How they do.
    pub fn states(&self) -> BTreeMap<ComponentName, ServiceState> {
        self.running().iter().map(|(name, service)| (*name, service.state())).collect()
    }

    /// Whether a component is among them.
    pub fn has(&self, component: ComponentName) -> bool {
        self.running().contains_key(&component)
    }

    /// Where each keeps its log.
    pub fn logs(&self) -> BTreeMap<ComponentName, PathBuf> {
        self.running().iter().map(|(name, service)| (*name, service.spec.log.clone())).collect()
    }

    /// Runs these: see [`Request::Apply`](super::Request::Apply).
    ///
    /// Errors: the first service that cannot be started, in words. The others are running.
    pub async fn apply(&self, wanted: Vec<ServiceSpec>, only_these: bool) -> Result<(), String> {
        let closed = self.changing.lock().await;
        if *closed {
            return Err("the agent is about to end".to_owned());
        }
        let names: BTreeSet<ComponentName> = wanted.iter().map(|spec| spec.component).collect();
        let differs = |service: &Service| {
            let digest = service.spec.digest();
            let same = wanted.iter().any(|spec| spec.component == service.spec.component && spec.digest() == digest);
            let goes = only_these && !names.contains(&service.spec.component);
            let changed = names.contains(&service.spec.component)
                // One that waits to be started again is started at once.
                && !(same && matches!(service.state().status, ServiceStatus::Running { .. }));
            goes || changed
        };
        let old: BTreeSet<ComponentName> =
            self.running().values().filter(|service| differs(service)).map(|service| service.spec.component).collect();
        self.stop_these(&old).await;
        let mut failed = None;
        for spec in in_order(wanted) {
            let component = spec.component;
            if self.has(component) {
                continue;
            }
            match Service::start(self.shared.clone(), spec).await {
                Ok(service) => drop(self.running().insert(component, service)),
                Err(reason) => failed = failed.or(Some(format!("{component}: {reason}"))),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Stops one and forgets it; that it is not there is as good.
    pub async fn stop(&self, component: ComponentName) {
        let _changing = self.changing.lock().await;
        self.stop_these(&BTreeSet::from([component])).await;
    }

    /// Stops all in reverse order, for good.
    pub async fn stop_all(&self) {
        let mut closed = self.changing.lock().await;
        *closed = true;
        let all = self.running().keys().copied().collect();
        self.stop_these(&all).await;
    }

    /// Stops these in reverse order: those first that none of the others needs, all such at once.
    async fn stop_these(&self, names: &BTreeSet<ComponentName>) {
        let mut left: BTreeMap<ComponentName, BTreeSet<ComponentName>> = self
            .running()
            .iter()
            .filter(|(name, _)| names.contains(name))
            .map(|(name, service)| (*name, service.spec.needs.iter().copied().collect()))
            .collect();
        while !left.is_empty() {
            let now = not_needed(&left);
            let mut stopping = tokio::task::JoinSet::new();
            for name in &now {
                left.remove(name);
                let service = self.running().remove(name);
                if let Some(service) = service {
                    stopping.spawn(service.stop());
                }
            }
            while stopping.join_next().await.is_some() {}
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            records.retain(|name, _| !now.contains(name));
            let _ = records::write(&self.records_path, &*records);
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<ComponentName, Service>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those that none of the others needs; all of them when each needs another.
fn not_needed(left: &BTreeMap<ComponentName, BTreeSet<ComponentName>>) -> BTreeSet<ComponentName> {
    let needed: BTreeSet<ComponentName> =
        left.iter().flat_map(|(name, needs)| needs.iter().filter(move |need| *need != name)).copied().collect();
    let free: BTreeSet<ComponentName> = left.keys().filter(|name| !needed.contains(name)).copied().collect();
    if free.is_empty() { left.keys().copied().collect() } else { free }
}

/// Each after what it needs; the order is otherwise kept.
fn in_order(mut specs: Vec<ServiceSpec>) -> Vec<ServiceSpec> {
    let mut ordered = Vec::with_capacity(specs.len());
    while !specs.is_empty() {
        let waiting: BTreeSet<ComponentName> = specs.iter().map(|spec| spec.component).collect();
        let free =
            |spec: &ServiceSpec| spec.needs.iter().all(|need| *need == spec.component || !waiting.contains(need));
        let at = specs.iter().position(free).unwrap_or(0);
        ordered.push(specs.remove(at));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::quantity::Span;
    use ComponentName::{Alertmanager, Prometheus, Redis, RedisExporter};

    fn spec(component: ComponentName, needs: &[ComponentName]) -> ServiceSpec {
        ServiceSpec {
            component,
            argv: vec!["true".to_owned()],
            env: BTreeMap::new(),
            cwd: "/".into(),
            log: "/dev/null".into(),
            needs: needs.to_vec(),
            stop_timeout: Span::seconds(1),
            files: BTreeMap::new(),
        }
    }

    #[test]
    fn services_start_after_what_they_need_and_stop_before() {
        let specs = vec![
            spec(Prometheus, &[Alertmanager, RedisExporter]),
            spec(RedisExporter, &[Redis]),
            spec(Redis, &[]),
            spec(Alertmanager, &[]),
        ];
        let order: Vec<_> = in_order(specs.clone()).iter().map(|spec| spec.component).collect();
        assert_eq!(order, [Redis, RedisExporter, Alertmanager, Prometheus]);
        let mut left: BTreeMap<_, BTreeSet<_>> =
            specs.iter().map(|spec| (spec.component, spec.needs.iter().copied().collect())).collect();
        let mut waves = Vec::new();
        while !left.is_empty() {
            let now = not_needed(&left);
            left.retain(|name, _| !now.contains(name));
            waves.push(now.into_iter().collect::<Vec<_>>());
        }
        assert_eq!(waves, [vec![Prometheus], vec![RedisExporter, Alertmanager], vec![Redis]]);
    }

    #[test]
    fn a_circle_is_no_reason_to_hang() {
        let specs = vec![spec(Redis, &[Prometheus]), spec(Prometheus, &[Redis])];
        assert_eq!(in_order(specs).len(), 2);
        let circle = BTreeMap::from([(Redis, BTreeSet::from([Prometheus])), (Prometheus, BTreeSet::from([Redis]))]);
        assert_eq!(not_needed(&circle).len(), 2);
    }
}
