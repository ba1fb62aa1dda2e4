//! The HTTP client of whoever calls other services.

use super::sender::{Options, SenderError};
use reqwest::Client;
use reqwest::redirect::Policy;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Makes ring the process's provider of cryptography, unless one is there already. Safe to call again and again. What is
/// made here does not need it; other libraries look for it.
pub fn install_tls() {
    // An error says that one is there; that is as good.
    let _ = ring::default_provider().install_default();
}

/// A client with the bounds of `options`, which follows no redirects, repeats nothing by itself, takes no proxy from the
/// environment, and verifies certificates. On a machine without any authorities it is made all the same; only `https`
/// fails then.
///
/// # Errors
/// The authorities of `options` cannot be read.
pub fn client(options: &Options) -> Result<Client, SenderError> {
    Client::builder()
        .tls_backend_preconfigured(tls(options.authorities.as_deref())?)
        .connect_timeout(options.connect_timeout)
        .timeout(options.timeout)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("report-webhook/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| SenderError::Client(error.to_string()))
}

fn tls(authorities: Option<&[u8]>) -> Result<ClientConfig, SenderError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| SenderError::Client(error.to_string()))?;
                roots.add(certificate).map_err(|error| SenderError::Client(error.to_string()))?;
            }
        }
        // Some of a system's certificates may be odd; the others count.
        None => {
            let (_, odd) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if odd > 0 || roots.is_empty() {
                tracing::info!(trusted = roots.len(), odd, "authorities of the system");
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SenderError::Client(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
