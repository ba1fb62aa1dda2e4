//! Alertmanager: it runs with our configuration.

use super::prometheus::text;
use crate::model::component::ComponentName::Alertmanager;
use crate::reach::{Query, begin};
use crate::smoke::exposition::value;
use crate::smoke::lab::{Fault, Lab, Verdict};

/// It is the program that is installed, stands alone, and its configuration is ours and was read without an error.
pub async fn answers(lab: &Lab) -> Verdict {
    let port = lab.port(Alertmanager, "http")?;
    let status = lab.json(&Query::get(port, "/api/v2/status")).await?;
    let version = lab.same_version(Alertmanager, text(&status, "/versionInfo/version"))?;
    let cluster = text(&status, "/cluster/status");
    if cluster != "disabled" {
        let seen = format!("its cluster is `{cluster}`: it waits for others before it notifies");
        return Err(Fault::new(seen, "`disabled`: it stands alone").advice(lab.up()));
    }
    // The address of a receiver is a secret to later releases and does not show; the path of its token does.
    let token = lab.target.paths.config(Alertmanager).join("smoke.token").display().to_string();
    let config = text(&status, "/config/original");
    if !config.contains(&token) {
        let seen = format!("its configuration is another one: {}", begin(config));
        return Err(Fault::new(seen, format!("a receiver with the token in {token}")).advice(lab.up()));
    }
    let body = lab.body(&Query::get(port, "/metrics")).await?;
    match value(&body, "alertmanager_config_last_reload_successful") {
        Some(1.0) => Ok(format!("Alertmanager {version} at 127.0.0.1:{port} runs with our configuration")),
        seen => {
            let seen =
                seen.map_or_else(|| format!("not told; the page begins: {}", begin(&body)), |seen| seen.to_string());
            let seen = format!("alertmanager_config_last_reload_successful is {seen}");
            Err(Fault::new(seen, "alertmanager_config_last_reload_successful is 1"))
        }
    }
}
