//! Whom to trust: the authorities of the system (or of `SSL_CERT_FILE` and `SSL_CERT_DIR`), so that an operator's own are among
//! them. A system that has none, such as a small container, gets those that are built in.

use lettre::transport::smtp::client::CertificateStore;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

pub(super) fn for_http() -> TlsConfig {
    let found = rustls_native_certs::load_native_certs().certs;
    let roots = match found.is_empty() {
        true => RootCerts::WebPki,
        false => {
            let all: Vec<_> = found.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
            RootCerts::new_with_certs(&all)
        }
    };
    TlsConfig::builder().root_certs(roots).build()
}

pub(super) fn for_mail() -> CertificateStore {
    match rustls_native_certs::load_native_certs().certs.is_empty() {
        true => CertificateStore::WebpkiRoots,
        false => CertificateStore::Default,
    }
}
