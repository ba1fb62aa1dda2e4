//! The systemd unit of each component in a machine of its own.
//!
//! Each runs as a user of its own, sees the file system read-only but for its data, has no capability, opens only the kinds
//! of socket that it needs, and speaks with nobody but this machine unless that is its work. `systemd-analyze security`
//! counts what is left (systemd.exec(5), systemd.resource-control(5)).

use super::RenderError;
use super::native::{Native, View};
use crate::model::component::ComponentName;
use crate::model::file::RenderedFile;
use crate::model::quantity::Span;
use crate::model::unit;
use std::path::Path;

/// The unit's file. Nothing in it differs between environments with the same stack and the same ports.
///
/// Errors: something in it has no text form.
pub fn file(view: &View<'_>, component: ComponentName, native: &Native) -> Result<RenderedFile, RenderError> {
    Ok(RenderedFile {
        path: unit::file(component),
        mode: 0o644,
        text: text(view, component, native)?,
        owner: Some("root".to_owned()),
    })
}

/// The time between two starts of a component that ends by itself. It is constant, since systemd knows growing ones from
/// release 254 on only; there is no end to the tries.
const RESTART: Span = Span::seconds(2);

fn text(view: &View<'_>, component: ComponentName, native: &Native) -> Result<String, RenderError> {
    let user = unit::user(component);
    let variables = specifiers(&unit::variables(component))?;
    let service = &native.service;
    let needs: String = service.needs.iter().map(|need| format!(" {}", unit::name(*need))).collect();
    let state = specifiers(view.paths.data(component).strip_prefix("/var/lib").unwrap_or(&service.cwd))?;
    let Sandbox { families, outbound, own_code, whole_proc, server } = Sandbox::of(component);
    let mut lines = vec![
        "# Made by reportctl, which overwrites changes.".to_owned(),
        "[Unit]".to_owned(),
        format!("Description={}", component.purpose().trim_end_matches('.')),
        format!("After=network.target{needs}"),
        format!("ConditionPathExists={variables}"),
        "StartLimitIntervalSec=0".to_owned(),
        "[Service]".to_owned(),
        "Type=exec".to_owned(),
        format!("User={user}"),
        format!("EnvironmentFile={variables}"),
        format!("WorkingDirectory={}", specifiers(&service.cwd)?),
        // Makes the folder where it is missing, gives it to the user, and lets that one alone write in it.
        format!("StateDirectory={state}"),
        "StateDirectoryMode=0700".to_owned(),
        format!("ExecStart={}", command(&service.argv)?),
        "Restart=always".to_owned(),
        format!("RestartSec={}", seconds(RESTART)),
        format!("TimeoutStopSec={}", seconds(service.stop_timeout)),
    ];
    lines.extend(server.iter().map(|line| (*line).to_owned()));
    lines.extend(SHUT.iter().map(|line| (*line).to_owned()));
    lines.push(format!("RestrictAddressFamilies={families}"));
    lines.extend((!outbound).then(|| "IPAddressAllow=localhost\nIPAddressDeny=any".to_owned()));
    lines.extend((!own_code).then(|| "MemoryDenyWriteExecute=yes".to_owned()));
    lines.push(if whole_proc { "ProtectHome=read-only" } else { "ProtectHome=yes\nProtectProc=invisible" }.to_owned());
    lines.extend(["[Install]", "WantedBy=multi-user.target", ""].map(str::to_owned));
    Ok(lines.join("\n"))
}

/// What holds for all of them.
const SHUT: [&str; 22] = [
    "LimitNOFILE=65536",
    "UMask=0077",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "ProtectSystem=strict",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "RemoveIPC=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged",
    "SystemCallErrorNumber=EPERM",
];

/// What differs between the components.
struct Sandbox {
    /// The kinds of socket that it opens.
    families: &'static str,
    /// Whether it speaks with other machines: with the sources of reports, mail servers, webhooks.
    outbound: bool,
    /// Whether it makes machine code while it runs.
    own_code: bool,
    /// Whether it sees all of `/proc` and who is in `/home`: its work is to tell of the whole machine.
    whole_proc: bool,
    /// Settings that the program asks for.
    server: &'static [&'static str],
}

impl Sandbox {
    const fn of(component: ComponentName) -> Self {
        let local =
            Self { families: "AF_UNIX AF_INET", outbound: false, own_code: false, whole_proc: false, server: &[] };
        match component {
            ComponentName::Redis
            | ComponentName::RedisExporter
            | ComponentName::Prometheus
            | ComponentName::Alertmanager => local,
            // The figures of network devices come by netlink.
            ComponentName::NodeExporter => Self { families: "AF_UNIX AF_INET AF_NETLINK", whole_proc: true, ..local },
            // A request to end is one to end now, else it would wait for its clients; and it tells its own processes so.
            ComponentName::Postgresql => Self { server: &["KillMode=mixed", "KillSignal=SIGINT"], ..local },
            // It compiles queries, and asks the system for its addresses.
            ComponentName::Clickhouse => {
                Self { families: "AF_UNIX AF_INET AF_INET6 AF_NETLINK", own_code: true, ..local }
            }
            // The units that their makers publish do not forbid it to them.
            ComponentName::Grafana | ComponentName::Uptrace => {
                Self { families: "AF_UNIX AF_INET AF_INET6", own_code: true, ..local }
            }
            // The C library looks at the machine's addresses before it says which of a name's addresses is best.
            ComponentName::Requestor | ComponentName::Runner => {
                Self { families: "AF_UNIX AF_INET AF_INET6 AF_NETLINK", outbound: true, ..local }
            }
        }
    }
}

/// A time as systemd reads it: a number alone counts seconds.
fn seconds(span: Span) -> String {
    if span.0.is_multiple_of(1000) { (span.0 / 1000).to_string() } else { format!("{}ms", span.0) }
}

/// A path where systemd takes the rest of the line as it is, but for specifiers.
///
/// Errors: it is no text of one line.
fn specifiers(path: &Path) -> Result<String, RenderError> {
    match path.to_str() {
        Some(text) if !text.is_empty() && !text.contains(|c: char| c.is_control() || c.is_whitespace()) => {
            Ok(text.replace('%', "%%"))
        }
        _ => Err(RenderError::Path(path.to_owned())),
    }
}

/// A command line as systemd reads it (systemd.service(5), "Command lines"): it splits at blanks, takes quotes and
/// backslashes away, and replaces `%` specifiers and `$` variables.
///
/// Errors: there is no program, or no whole path to it.
pub fn command(argv: &[String]) -> Result<String, RenderError> {
    let Some(program) = argv.first().filter(|program| program.starts_with('/')) else {
        return Err(RenderError::Text("a unit's program needs its whole path".to_owned()));
    };
    // systemd replaces no variable in the program's own path, so a dollar there could not be written.
    if program.contains(['$', '\\', '"', '\'']) || program.chars().any(char::is_control) {
        return Err(RenderError::Path(program.into()));
    }
    Ok(argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
}

/// One word of a command line, so that systemd takes it as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.push('"');
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' | '$' => quoted.extend([c, c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
    use super::*;

    fn line(words: &[&str]) -> String {
        command(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn only_what_systemd_would_read_otherwise_is_quoted() {
        assert_eq!(line(&["/usr/bin/redis-server", "/etc/redis.conf"]), "/usr/bin/redis-server /etc/redis.conf");
        assert_eq!(
            line(&["/bin/x", "--web.cors.origin=http://(127\\.0\\.0\\.1|localhost):9090"]),
            "/bin/x \"--web.cors.origin=http://(127\\\\.0\\\\.0\\\\.1|localhost):9090\""
        );
        assert_eq!(line(&["/bin/x", "", "a b", ";", "50%", "$HOME"]), "/bin/x \"\" \"a b\" \";\" \"50%%\" \"$$HOME\"");
        assert_eq!(
            line(&["/bin/x", "say \"hi\"", "it's", "a\nb\u{1}"]),
            "/bin/x \"say \\\"hi\\\"\" \"it's\" \"a\\nb\\x01\""
        );
    }

    #[test]
    fn a_program_without_its_whole_path_is_refused() {
        for bad in [&[][..], &["redis-server"], &["-/bin/true"], &["/bin/$x"]] {
            assert!(command(&bad.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).is_err(), "{bad:?}");
        }
    }
}
