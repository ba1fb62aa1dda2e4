//! An instance, started and stopped.

use super::answer::{Instance, State};
use super::lxc::{LxcError, Sort};
use super::{Lxd, failure, path};
use crate::exec;
use crate::model::lxd::{Kind, Subnet};
use crate::provider::{Failure, FailureKind, Notes};
use crate::reach::wait::{self, Pace, Verdict, WaitError};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// How long an instance may do without an address while nothing else changes. A virtual machine boots first.
const NO_ADDRESS: Duration = Duration::from_secs(120);
/// How long its own services may take to stop before it is ended by force.
const GRACE: Duration = Duration::from_secs(120);

/// What is seen while it is waited for an address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    status: String,
    address: Option<IpAddr>,
}

impl Lxd {
    /// Starts the instance and waits until it has an address in its network.
    pub(super) async fn start(
        &self,
        name: &str,
        subnet: Subnet,
        timeout: Duration,
        notes: &Notes,
    ) -> Result<(), Failure> {
        let until = Instant::now() + timeout;
        let left = || until.saturating_duration_since(Instant::now());
        let Some(found) = self.instance(name).await? else { return Err(gone(name)) };
        if found.status != "Running" {
            self.start_one(name, left(), notes).await?;
        }
        self.await_address(name, subnet, left(), notes).await
    }

    async fn start_one(&self, name: &str, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
        let until = Instant::now() + timeout;
        let target = format!("local:{name}");
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let error = match self.lxc().verb(&["start", &target], None, left).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if error.sort() == Sort::Busy && Instant::now() < until {
                self.await_idle(name, until.saturating_duration_since(Instant::now()), notes).await?;
            } else if error.said().contains("already running") {
                return Ok(());
            } else {
                return Err(self
                    .with_log(name, failure(&format!("the instance {name} cannot be started"), &error))
                    .await);
            }
        }
    }

    async fn await_address(&self, name: &str, subnet: Subnet, timeout: Duration, notes: &Notes) -> Result<(), Failure> {
        let (lxc, path) = (self.lxc(), format!("{}/state", path(Kind::Instance, name)));
        let look = || async {
            let state: Result<State, LxcError> = lxc.get(&path).await;
            state
                .map(|state| Seen { address: state.address(subnet), status: state.status })
                .map_err(|error| error.to_string())
        };
        let judge = |seen: &Seen| match (seen.status.as_str(), seen.address) {
            (_, Some(_)) => Verdict::Good,
            ("Stopped" | "Error", None) => Verdict::Broken("it stopped while it was starting".to_owned()),
            (_, None) => Verdict::NotYet(format!("it has no address in {subnet} yet")),
        };
        let pace = Pace { slow: Duration::from_secs(1), in_a_row: 1, ..Pace::remote(NO_ADDRESS.min(timeout), timeout) };
        match wait::until(&format!("the instance {name}"), &pace, look, judge, |why| notes.say(why)).await {
            Ok(_) => Ok(()),
            Err(WaitError::Broken { what, why }) => {
                Err(self.with_log(name, Failure::new(FailureKind::Failed, format!("{what}: {why}"))).await)
            }
            Err(error) => Err(self.no_lease(&error, name, subnet)),
        }
    }

    /// It runs, and got no address from the network's own DHCP server.
    fn no_lease(&self, error: &WaitError, name: &str, subnet: Subnet) -> Failure {
        let names = crate::model::lxd::Names::of(&self.id);
        let bridge = &names.network;
        let there = |program: &str| exec::find(&self.context, program).is_some();
        let mut advice = Vec::new();
        if !there("dnsmasq") {
            advice.push("LXD's network needs dnsmasq: sudo apt-get install dnsmasq-base".to_owned());
        }
        if !there("iptables") && !there("nft") {
            advice.push("LXD's network needs iptables or nft: sudo apt-get install iptables".to_owned());
        }
        if there("docker") {
            advice.push(format!(
                "Docker closes this host's forwarding: sudo iptables -I DOCKER-USER -i {bridge} -j ACCEPT; sudo iptables -I \
                 DOCKER-USER -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
            ));
        }
        if there("ufw") || there("firewall-cmd") {
            advice.push(format!("a firewall may keep DHCP out: sudo ufw allow in on {bridge}"));
        }
        advice.push(format!("lxc network list-leases {bridge}; lxc console {name} --show-log"));
        Failure::new(FailureKind::Stall, format!("{error}: it has no DHCP lease"))
            .observed(format!("the instance {name} runs without an address in {subnet}"))
            .expected(format!("a lease of the DHCP server that LXD runs for its network {bridge}"))
            .advice(advice.join("; or "))
    }

    /// Stops the instance: by itself, and by force where it does not. One that does not run, or is gone, is left.
    pub(super) async fn stop(&self, name: &str, timeout: Duration) -> Result<(), Failure> {
        let Some(found) = self.instance(name).await? else { return Ok(()) };
        if found.status == "Stopped" {
            return Ok(());
        }
        let grace = GRACE.min(timeout / 2);
        let (target, seconds) = (format!("local:{name}"), grace.as_secs().max(1).to_string());
        let words = ["stop", &target, "--timeout", &seconds];
        let by_itself = self.lxc().verb(&words, None, grace + Duration::from_secs(10)).await;
        match by_itself {
            Ok(_) => Ok(()),
            Err(error) if error.said().contains("already stopped") => Ok(()),
            Err(_) => self.stop_now(name, timeout.saturating_sub(grace)).await,
        }
    }

    /// Stops it by force.
    pub(super) async fn stop_now(&self, name: &str, timeout: Duration) -> Result<(), Failure> {
        let target = format!("local:{name}");
        match self.lxc().verb(&["stop", &target, "--force"], None, timeout).await {
            Ok(_) => Ok(()),
            Err(error) if error.said().contains("already stopped") => Ok(()),
            Err(error) => Err(failure(&format!("the instance {name} cannot be stopped"), &error)),
        }
    }

    /// The instance, where it is there.
    ///
    /// Errors: it is somebody else's, or nobody can say.
    pub(super) async fn instance(&self, name: &str) -> Result<Option<Instance>, Failure> {
        let found: Option<Instance> = self
            .lxc()
            .find(&format!("{}?recursion=1", path(Kind::Instance, name)))
            .await
            .map_err(|error| failure(&format!("it cannot be told how the instance {name} does"), &error))?;
        if let Some(found) = &found {
            self.check(Kind::Instance, name, &found.config)?;
        }
        Ok(found)
    }

    /// Adds the end of what LXD has written down of the instance's start.
    async fn with_log(&self, name: &str, failed: Failure) -> Failure {
        let words = ["info", &format!("local:{name}"), "--show-log", "--project", "default"];
        let text = self.lxc().ask(&words, Duration::from_secs(20)).await.unwrap_or_default();
        let log = text.split_once("\nLog:").map(|(_, log)| log.trim()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(15)..].join("\n");
        let failed = if end.is_empty() { failed } else { failed.observed(end) };
        if failed.advice.is_some() { failed } else { failed.advice(format!("lxc info {name} --show-log")) }
    }
}

pub(super) fn gone(name: &str) -> Failure {
    Failure::new(FailureKind::Failed, format!("the instance {name} is not there any more"))
        .advice("somebody deleted it meanwhile: type the same command again")
}
