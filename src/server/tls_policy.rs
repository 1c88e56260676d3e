//! Which TLS is spoken on the secure port.

use rustls::SupportedCipherSuite;
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{cipher_suite, kx_group};

/// Which TLS is spoken on the secure port. The default is all that is safe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsPolicy {
    /// `--tls-min-version`. Versions below 1.2 are never spoken, whatever the flag says.
    pub min_version: MinTlsVersion,
    /// `--tls-cipher-suites`: which suites TLS 1.2 may use; `None` is all we have, empty is no TLS
    /// 1.2 at all. As in Go, the suites of TLS 1.3 cannot be chosen.
    pub cipher_suites: Option<Vec<CipherSuite>>,
    /// `--tls-curve-preferences`: which key exchanges are offered, the best in front; `None` is all
    /// we have.
    pub key_exchanges: Option<Vec<KeyExchange>>,
}

/// The oldest version of TLS that is spoken; older ones than these are refused in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinTlsVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// A cipher suite of TLS 1.2 we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipherSuite {
    /// `TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256`.
    EcdsaAes128Gcm,
    /// `TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384`.
    EcdsaAes256Gcm,
    /// `TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256`.
    EcdsaChacha20,
    /// `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`.
    RsaAes128Gcm,
    /// `TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384`.
    RsaAes256Gcm,
    /// `TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256`.
    RsaChacha20,
}

/// A key exchange we can offer, by the number TLS gives its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyExchange {
    /// 23, `secp256r1`.
    P256,
    /// 24, `secp384r1`.
    P384,
    /// 29, `x25519`.
    X25519,
    /// 4587, `SecP256r1MLKEM768`.
    P256MlKem768,
    /// 4588, `X25519MLKEM768`.
    X25519MlKem768,
}

impl CipherSuite {
    pub(super) const fn supported(self) -> SupportedCipherSuite {
        match self {
            Self::EcdsaAes128Gcm => cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            Self::EcdsaAes256Gcm => cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            Self::EcdsaChacha20 => cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            Self::RsaAes128Gcm => cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            Self::RsaAes256Gcm => cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            Self::RsaChacha20 => cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        }
    }
}

impl KeyExchange {
    pub(super) const fn supported(self) -> &'static dyn SupportedKxGroup {
        match self {
            Self::P256 => kx_group::SECP256R1,
            Self::P384 => kx_group::SECP384R1,
            Self::X25519 => kx_group::X25519,
            Self::P256MlKem768 => kx_group::SECP256R1MLKEM768,
            Self::X25519MlKem768 => kx_group::X25519MLKEM768,
        }
    }
}
