//! Certificates for tests with TLS: made for the test, trusted by nobody else.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

/// A certificate that is its own authority.
pub struct Identity {
    pem: String,
    key_pem: String,
    der: Vec<u8>,
    key: Vec<u8>,
}

impl Identity {
    /// One for `names`, such as `localhost` or `127.0.0.1`.
    pub fn of(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        Self {
            pem: cert.pem(),
            key_pem: signing_key.serialize_pem(),
            der: cert.der().to_vec(),
            key: signing_key.serialize_der(),
        }
    }

    /// The certificate, for those who shall trust it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its key, for servers that want files.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// How a server shows it.
    pub fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(vec![self.der.clone().into()], key).unwrap())
    }
}
