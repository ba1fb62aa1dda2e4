//! The exporters: their pages hold our figures, and not only an answer.

use crate::model::component::ComponentName::{self, NodeExporter, RedisExporter};
use crate::reach::{Query, begin};
use crate::smoke::exposition::{samples, value};
use crate::smoke::lab::{Fault, Lab, Verdict};

/// The exporter is up even when Redis is not, so what counts is what it says of Redis.
pub async fn redis(lab: &Lab) -> Verdict {
    let body = figures(lab, RedisExporter).await?;
    for (name, expected) in [("redis_up", 1.0), ("redis_exporter_last_scrape_error", 0.0), ("redis_aof_enabled", 1.0)] {
        match value(&body, name) {
            Some(seen) if seen == expected => {}
            Some(seen) => {
                return Err(Fault::new(format!("{name} is {seen}"), format!("{name} is {expected}")).advice(format!(
                    "the exporter answers and Redis does not answer it: {}",
                    lab.logs(RedisExporter)
                )));
            }
            None => return Err(without(name, &body)),
        }
    }
    present(
        &body,
        &["redis_connected_clients", "redis_memory_used_bytes", "redis_memory_max_bytes", "redis_commands_total"],
    )?;
    Ok(format!("redis_up 1 and {} lines of figures", lines(&body)))
}

/// Processors, memory, disks and the door through which others tell their figures.
pub async fn node(lab: &Lab) -> Verdict {
    let body = figures(lab, NodeExporter).await?;
    present(
        &body,
        &["node_uname_info", "node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_filesystem_avail_bytes"],
    )?;
    match value(&body, "node_textfile_scrape_error") {
        Some(0.0) => {}
        Some(seen) => {
            let folder = lab.target.view().textfile();
            return Err(Fault::new(format!("node_textfile_scrape_error is {seen}"), "node_textfile_scrape_error is 0")
                .advice(format!("a file in {} is malformed: remove it", folder.display())));
        }
        None => return Err(without("node_textfile_scrape_error", &body)),
    }
    Ok(format!("{} processors seen and {} lines of figures", processors(&body), lines(&body)))
}

async fn figures(lab: &Lab, name: ComponentName) -> Result<String, Fault> {
    lab.body(&Query::get(lab.port(name, "http")?, "/metrics")).await
}

fn present(body: &str, names: &[&str]) -> Result<(), Fault> {
    match names.iter().find(|name| samples(body, name).next().is_none()) {
        Some(name) => Err(without(name, body)),
        None => Ok(()),
    }
}

fn without(name: &str, body: &str) -> Fault {
    Fault::new(
        format!("the page has no figure {name}; it begins: {}", begin(body)),
        format!("{name} among the figures"),
    )
}

fn lines(body: &str) -> usize {
    body.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count()
}

fn processors(body: &str) -> usize {
    body.lines().filter(|line| line.starts_with("node_cpu_seconds_total{") && line.contains("mode=\"idle\"")).count()
}
