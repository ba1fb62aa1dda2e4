//! Whether a database's address asks for TLS, and whom that trusts.

use super::SourceError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// An address of a database.
pub(super) struct Address {
    /// Where it is and who comes.
    pub(super) config: Config,
    /// Whom TLS trusts; none where it is plain.
    pub(super) roots: Option<Roots>,
}

/// Whom TLS trusts.
pub(super) enum Roots {
    /// Those whom this machine trusts.
    System,
    /// Those whose certificates are in this PEM file.
    File(PathBuf),
}

impl Address {
    /// Reads a URL. Its `sslmode` may be `disable`, and `require`, `verify-ca` or `verify-full`, which all mean: TLS with a
    /// certificate that is trusted and bears the host's name. Where it says nothing (or `allow` or `prefer`) sockets and
    /// loopback addresses are plain, all others as with `verify-full`. `sslrootcert` names a PEM file of those to trust
    /// instead of the system's.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return None;
        }
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut file, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => file = Some(PathBuf::from(value)),
                _ => rest.push(pair),
            }
        }
        let mut config: Config = format!("{place}?{}", rest.join("&")).parse().ok()?;
        let encrypted = match mode {
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            None | Some("allow" | "prefer") => !config.get_hosts().iter().all(is_here),
            Some(_) => return None,
        };
        config.ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable });
        Some(Self { config, roots: encrypted.then(|| file.map_or(Roots::System, Roots::File)) })
    }
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    }
}

/// What makes connections with TLS. Reads files.
pub(super) fn connector(roots: &Roots) -> Result<MakeRustlsConnect, SourceError> {
    let bad = |detail: String| SourceError::unusable("the certificates to trust cannot be read", detail);
    let certificates: Vec<CertificateDer<'static>> = match roots {
        Roots::System => rustls_native_certs::load_native_certs().certs,
        Roots::File(path) => {
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
            read.map_err(|error| bad(format!("{}: {error}", path.display())))?
        }
    };
    let mut store = RootCertStore::empty();
    let (taken, _) = store.add_parsable_certificates(certificates);
    if taken == 0 {
        return Err(bad("there are none".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| bad(error.to_string()))?.with_root_certificates(store).with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn tls_is_for_all_that_is_not_here_and_for_who_asks() {
        for (url, encrypted) in [
            ("postgres://a:b@127.0.0.1/d", false),
            ("postgres://a:b@localhost:5433/d\n", false),
            ("postgres://a@[::1]/d", false),
            ("postgresql:///d?host=/run/postgresql&user=a", false),
            ("postgres://a@127.0.0.1/d?sslmode=require", true),
            ("postgres://a@127.0.0.1/d?connect_timeout=3&sslmode=verify-full&sslrootcert=/ca.pem", true),
            ("postgres://a@db.plant/d", true),
            ("postgres://a@db.plant/d?sslmode=prefer", true),
            ("postgres://a@db.plant,127.0.0.1/d", true),
            ("postgres://a@db.plant/d?sslmode=disable", false),
        ] {
            let address = Address::parse(url).unwrap_or_else(|| panic!("{url}"));
            assert_eq!(address.roots.is_some(), encrypted, "{url}");
            let mode = if encrypted { SslMode::Require } else { SslMode::Disable };
            assert_eq!(address.config.get_ssl_mode(), mode, "{url}");
        }
        for url in
            ["", "host=x user=y", "mysql://a@b/c", "postgres://a@b/c?sslmode=maybe", "postgres://a@b/c?nonsense=1"]
        {
            assert!(Address::parse(url).is_none(), "{url}");
        }
    }
}
