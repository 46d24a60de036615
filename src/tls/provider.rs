//! Which crypto provider is taken where none is given.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::CryptoProvider;

/// The one that the process has installed, or else that of this crate's feature
/// `aws-lc-rs` or `ring`, in this order.
pub(crate) fn default_provider() -> Option<Arc<CryptoProvider>> {
    CryptoProvider::get_default().cloned().or_else(of_features)
}

#[cfg(feature = "aws-lc-rs")]
fn of_features() -> Option<Arc<CryptoProvider>> {
    use tokio_rustls::rustls::crypto::aws_lc_rs;
    Some(Arc::new(aws_lc_rs::default_provider()))
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn of_features() -> Option<Arc<CryptoProvider>> {
    use tokio_rustls::rustls::crypto::ring;
    Some(Arc::new(ring::default_provider()))
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
fn of_features() -> Option<Arc<CryptoProvider>> {
    None
}
