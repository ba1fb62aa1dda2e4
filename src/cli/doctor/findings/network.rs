//! What stands between machines and the world.

use crate::cli::doctor::finding::{Finding, missing, note, ok};
use crate::cli::doctor::look::MachineLook;
use reportctl::model::inventory::{Observed, Told};

/// The firewall, forwarding and names. `bridge` is the interface of the machines on this host; it may end in `+`, which
/// iptables takes for any end.
pub fn findings(bridge: &str, told: Option<&Told<'_>>, seen: &MachineLook) -> Vec<Finding> {
    let network = &seen.network;
    let mut all = Vec::new();
    match &network.rules {
        Observed::Present(rules) => {
            // LXD puts its own rules before all others then, once there is a network.
            let is_let_in = network.firewall.as_deref() == Some("xtables");
            all.push(forward(rules, bridge, is_let_in));
            all.push(input(rules, bridge, is_let_in));
        }
        Observed::Unknown(why) if network.has_docker => {
            all.push(note("firewall", format!("Docker is here, which may drop the packets of machines; {why}")).mend(
                "sudo iptables -S FORWARD | grep -- '-P FORWARD DROP'   # if so, run `reportctl doctor` as root",
            ));
        }
        Observed::Unknown(_) | Observed::Absent => {}
    }
    let runs = told.is_some_and(|told| told.is_running);
    all.push(match &network.forwards {
        Observed::Present(true) => ok("forwarding", "the kernel passes packets on"),
        Observed::Present(false) if runs => {
            missing("forwarding", "the kernel passes no packets on, so that the machine reaches nobody")
                .mend("sudo sysctl -w net.ipv4.ip_forward=1")
        }
        Observed::Present(false) => note("forwarding", "it is off; it is switched on with the network of the machine")
            .mend("sudo sysctl -w net.ipv4.ip_forward=1"),
        Observed::Absent => note("forwarding", "whether the kernel passes packets on cannot be told"),
        Observed::Unknown(why) => note("forwarding", why.clone()),
    });
    if let Some((host, known)) = &network.archive {
        let asks = format!("getent hosts {host}");
        all.push(match known {
            Observed::Present(()) => ok("names", format!("{host} is known")),
            Observed::Absent => missing("names", format!("nobody knows {host}, where packages come from{}", vpn(seen)))
                .mend(format!("{asks}   # see /etc/resolv.conf")),
            Observed::Unknown(why) => note("names", why.clone()).mend(asks),
        });
    }
    all
}

/// How far the machine gets, where one runs.
pub fn way(told: &Told<'_>, seen: &MachineLook) -> Vec<Finding> {
    let name = told.guest.name();
    if told.is_running && told.address.is_none() {
        let detail = format!("{name} runs and has no address: it got no lease by DHCP");
        return vec![
            missing("machine address", detail)
                .mend("sudo ss -lunp 'sport = :67'   # dnsmasq must listen there; then see the firewall"),
        ];
    }
    let Some(way) = &seen.way else { return Vec::new() };
    // What was initialised has its packages.
    let state = |detail: String| match told.marker {
        Observed::Present(_) => note("way out", detail),
        Observed::Absent | Observed::Unknown(_) => missing("way out", detail),
    };
    let host = &way.host;
    vec![match (way.resolves, way.connects) {
        (_, true) => ok("way out", format!("{name} reaches {host}")),
        (false, false) => {
            let detail = format!("{name} finds no address of {host}{}", vpn(seen));
            state(detail).mend(
                "resolvectl status || cat /etc/resolv.conf   # this host's own name servers must answer machines too",
            )
        }
        (true, false) => {
            let detail = format!("{name} knows the address of {host} and makes no connection{}", vpn(seen));
            state(detail).mend("sudo iptables -S FORWARD   # does it let the machine's packets through?")
        }
    }]
}

/// What to think of where a virtual private network is up.
fn vpn(seen: &MachineLook) -> String {
    match seen.network.vpns.as_slice() {
        [] => String::new(),
        names => format!("; a VPN is up ({}), which often takes all names and packets for itself", names.join(", ")),
    }
}

/// Whether what machines send is passed on.
fn forward(rules: &str, bridge: &str, is_let_in: bool) -> Finding {
    let chains = ["FORWARD", "DOCKER-USER"];
    let passes = ["-i", "-o"].iter().all(|way| lets(rules, &chains, way, bridge));
    if !drops(rules, "FORWARD") || passes || is_let_in {
        return ok("firewall", "packets of machines are passed on");
    }
    let is_docker = rules.lines().any(|line| line == "-N DOCKER-USER");
    let chain = if is_docker { "DOCKER-USER" } else { "FORWARD" };
    let whose = if is_docker { " by Docker" } else { "" };
    let detail =
        format!("packets of machines are dropped: the chain FORWARD is shut{whose}, and nothing lets {bridge} through");
    missing("firewall", detail).mend(format!(
        "sudo iptables -I {chain} -i {bridge} -j ACCEPT && sudo iptables -I {chain} -o {bridge} -m conntrack --ctstate \
         RELATED,ESTABLISHED -j ACCEPT"
    ))
}

/// Whether machines can ask this host for an address and for names.
fn input(rules: &str, bridge: &str, is_let_in: bool) -> Finding {
    if !drops(rules, "INPUT") || lets(rules, &["INPUT", "ufw-user-input"], "-i", bridge) || is_let_in {
        return ok("DHCP and DNS", "this host's firewall lets machines ask");
    }
    let detail = format!("machines get no address: the chain INPUT is shut, and nothing lets {bridge} in");
    let is_ufw = rules.lines().any(|line| line.starts_with("-N ufw-"));
    missing("DHCP and DNS", detail).mend(match is_ufw && !bridge.ends_with('+') {
        true => format!("sudo ufw allow in on {bridge}"),
        false => format!(
            "sudo iptables -I INPUT -i {bridge} -p udp -m multiport --dports 53,67 -j ACCEPT && sudo iptables -I INPUT -i \
             {bridge} -p tcp --dport 53 -j ACCEPT"
        ),
    })
}

/// Whether a chain drops what no rule of it lets through.
fn drops(rules: &str, chain: &str) -> bool {
    let shut = [format!("-P {chain} DROP"), format!("-A {chain} -j DROP"), format!("-A {chain} -j REJECT")];
    rules.lines().any(|line| line == shut[0] || line == shut[1] || line.starts_with(shut[2].as_str()))
}

/// Whether a rule of one of the chains accepts what comes in (`-i`) or goes out (`-o`) by that interface.
fn lets(rules: &str, chains: &[&str], way: &str, bridge: &str) -> bool {
    let is_of = |pattern: &str| match pattern.strip_suffix('+') {
        Some(start) => bridge.starts_with(start),
        None => bridge == pattern,
    };
    rules.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let of_chain = matches!(words.as_slice(), ["-A", chain, ..] if chains.contains(chain));
        let value = |flag: &str| words.windows(2).find(|pair| pair[0] == flag).map(|pair| pair[1]);
        of_chain && value("-j") == Some("ACCEPT") && value(way).is_some_and(is_of)
    })
}
