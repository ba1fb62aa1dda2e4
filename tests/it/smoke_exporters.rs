//! Smoke checks of the exporters against bodies that are wrong.

use crate::render_support::Stage;
use crate::smoke_support::{Said, fails, page, passes, plain, scripted, stage, target};
use reportctl::model::component::ComponentName::{self, *};

const REDIS: &str = "# TYPE redis_up gauge\nredis_up 1\nredis_exporter_last_scrape_error{err=\"\"} 0\nredis_aof_enabled 1\n\
    redis_connected_clients 2\nredis_memory_used_bytes 1e+06\nredis_memory_max_bytes 2.68435456e+08\n\
    redis_commands_total{cmd=\"ping\"} 3\n";
const NODE: &str = "node_uname_info{machine=\"x86_64\"} 1\nnode_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 5.5\n\
    node_memory_MemAvailable_bytes 1e9\nnode_filesystem_avail_bytes{mountpoint=\"/\"} 1e9\nnode_textfile_scrape_error 0\n";

fn exporter(name: ComponentName, said: Said) -> Stage {
    let stage = stage(&[Redis, name]);
    scripted(stage.port(name, "http"), move |question| (question == "GET /metrics").then(|| said.clone()));
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_of_redis_must_say_that_redis_is_up() {
    let good = exporter(RedisExporter, plain(REDIS));
    assert_eq!(passes(target(&good), "redis-exporter/figures").await, "redis_up 1 and 7 lines of figures");
    let cases = [
        (plain(REDIS.replace("redis_up 1", "redis_up 0")), "redis_up is 0"),
        (plain(REDIS.replace("{err=\"\"} 0", "{err=\"NOAUTH\"} 1")), "redis_exporter_last_scrape_error is 1"),
        (plain(REDIS.replace("redis_aof_enabled 1", "redis_aof_enabled 0")), "redis_aof_enabled is 0"),
        (plain(REDIS.replace("redis_memory_max_bytes", "other")), "no figure redis_memory_max_bytes"),
        (plain(NODE), "no figure redis_up; it begins: node_uname_info"),
        (page(), "no figure redis_up; it begins: <!doctype html>"),
        (plain(""), "no figure redis_up; it begins: an empty body"),
        ((503, "text/plain", "not now".to_owned()), "answers 503 (text/plain): not now"),
    ];
    for (said, seen) in cases {
        fails(target(&exporter(RedisExporter, said)), "redis-exporter/figures", seen).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_of_the_machine_must_be_of_this_kind_and_whole() {
    let good = exporter(NodeExporter, plain(NODE));
    assert_eq!(passes(target(&good), "node-exporter/figures").await, "1 processors seen and 5 lines of figures");
    let cases = [
        (
            plain(NODE.replace("node_textfile_scrape_error 0", "node_textfile_scrape_error 1")),
            "node_textfile_scrape_error is 1",
        ),
        (plain(NODE.replace("node_textfile_scrape_error", "other")), "no figure node_textfile_scrape_error"),
        (plain(NODE.replace("node_filesystem_avail_bytes", "other")), "no figure node_filesystem_avail_bytes"),
        (plain(REDIS), "no figure node_uname_info"),
        (page(), "no figure node_uname_info"),
    ];
    for (said, seen) in cases {
        fails(target(&exporter(NodeExporter, said)), "node-exporter/figures", seen).await;
    }
}
