//! ClickHouse: Uptrace's spans, logs and metrics. By default it takes nine tenths of a machine's memory and writes logs
//! about itself without end; here it takes what it is given.

use super::{FILE_MODE, Native, RenderError, View, hashed, text};
use crate::model::component::ComponentName::Clickhouse;
use crate::model::file::RenderedFile;
use crate::model::probe::{Body, Probe};
use crate::model::quantity::Span;

/// The user and the database of Uptrace.
pub const UPTRACE: &str = "uptrace";

/// What ClickHouse needs in order to run.
pub fn native(view: &View<'_>) -> Result<Native, RenderError> {
    let folder = view.paths.config(Clickhouse);
    let users = xml_file(folder.join("users.xml"), users(view)?);
    let config = xml_file(folder.join("config.xml"), config(view, &text(&users.path)?)?);
    let argv = vec![view.program(Clickhouse)?, "server".to_owned(), format!("--config-file={}", text(&config.path)?)];
    let files = vec![config, users];
    let mut service = view.service(Clickhouse, argv, &files)?;
    service.stop_timeout = Span::seconds(60);
    let port = view.port(Clickhouse, "http")?;
    Ok(Native {
        folders: view.folders(Clickhouse),
        files,
        prepare: None,
        service,
        ready: vec![Probe::Http { port, path: "/ping".to_owned(), expect: Body::Contains("Ok.\n".to_owned()) }],
        address: format!("http://127.0.0.1:{port}"),
        page: None,
    })
}

fn xml_file(path: std::path::PathBuf, text: String) -> RenderedFile {
    RenderedFile { path, mode: FILE_MODE, text, owner: None }
}

/// The whole configuration: it does not build upon one of a package.
fn config(view: &View<'_>, users: &str) -> Result<String, RenderError> {
    let data = xml(&text(&view.paths.data(Clickhouse))?);
    let memory = view.active(Clickhouse)?.component.memory.bytes();
    Ok(format!(
        "\
<!-- Made by reportctl for environment {env}. Changes here are overwritten by the next `reportctl up`. -->
<clickhouse>
  <logger><level>warning</level><console>1</console></logger>

  <!-- Only programs of this host reach it. -->
  <listen_host>127.0.0.1</listen_host>
  <tcp_port>{native}</tcp_port>
  <http_port>{http}</http_port>
  <prometheus>
    <endpoint>/metrics</endpoint><port>{metrics}</port>
    <metrics>true</metrics><events>true</events><asynchronous_metrics>true</asynchronous_metrics>
  </prometheus>

  <path>{data}/</path>
  <tmp_path>{data}/tmp/</tmp_path>
  <user_files_path>{data}/user_files/</user_files_path>
  <format_schema_path>{data}/format_schemas/</format_schema_path>
  <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
  <default_profile>default</default_profile>
  <default_database>default</default_database>

  <!-- The server alone, and what it keeps at hand: together no more than {size}. -->
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>{marks}</mark_cache_size>
  <index_mark_cache_size>{index}</index_mark_cache_size>
  <primary_index_cache_size>{index}</primary_index_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <max_concurrent_queries>20</max_concurrent_queries>
  <max_connections>100</max_connections>

  <!-- Few threads in the background. The thresholds below must fit into so small a pool, or it does not start. -->
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
  <merge_tree>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>

  <!-- Logs about itself would fill tables without end. It keeps only those that are named here: none. -->
</clickhouse>
",
        env = view.env.name,
        native = view.port(Clickhouse, "native")?,
        http = view.port(Clickhouse, "http")?,
        metrics = view.port(Clickhouse, "metrics")?,
        users = xml(users),
        size = view.active(Clickhouse)?.component.memory,
        marks = memory / 12,
        index = memory / 24,
    ))
}

/// The users: Uptrace's and nobody else, not even the one called default.
fn users(view: &View<'_>) -> Result<String, RenderError> {
    let memory = view.active(Clickhouse)?.component.memory.bytes();
    Ok(format!(
        "\
<!-- Made by reportctl for environment {env}. Changes here are overwritten by the next `reportctl up`. -->
<clickhouse>
  <profiles>
    <default>
      <max_threads>2</max_threads>
      <max_block_size>8192</max_block_size>
      <max_memory_usage>{query}</max_memory_usage>
      <max_bytes_before_external_group_by>{spill}</max_bytes_before_external_group_by>
      <max_bytes_before_external_sort>{spill}</max_bytes_before_external_sort>
      <input_format_parallel_parsing>0</input_format_parallel_parsing>
      <output_format_parallel_formatting>0</output_format_parallel_formatting>
      <log_queries>0</log_queries>
    </default>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <{UPTRACE}>
      <password_sha256_hex>{password}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>
        <query>GRANT ALL ON {UPTRACE}.*</query>
        <query>GRANT SELECT ON system.*</query>
        <query>GRANT CREATE TEMPORARY TABLE, CLUSTER ON *.*</query>
      </grants>
    </{UPTRACE}>
  </users>
</clickhouse>
",
        env = view.env.name,
        query = memory / 3,
        spill = memory / 8,
        password = hashed(Clickhouse, UPTRACE)?,
    ))
}

/// A text within XML. Quotes are in none of our paths.
fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
