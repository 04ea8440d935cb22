//! Why a certificate is not accepted.

/// Why a certificate was not accepted. Displays as in OpenSSL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Its validity has ended.
    #[error("certificate has expired")]
    Expired,
    /// Its validity has not begun.
    #[error("certificate is not yet valid")]
    NotYetValid,
    /// No trusted root signs it.
    #[error("unable to get local issuer certificate")]
    UnknownIssuer,
    /// It is for another name.
    #[error("the certificate is for another name")]
    NameMismatch,
    /// It was revoked.
    #[error("certificate revoked")]
    Revoked,
    /// Anything else, such as a bad encoding.
    #[error("unspecified certificate verification error")]
    Other,
    /// It signs itself, and is not trusted.
    #[error("self-signed certificate")]
    SelfSigned,
    /// The chain ends with a certificate that signs itself and is not trusted.
    #[error("self-signed certificate in certificate chain")]
    SelfSignedInChain,
    /// A trusted certificate that is not a root lacks its own issuer.
    #[error("unable to get issuer certificate")]
    IssuerUnavailable,
    /// The chain has too many certificates.
    #[error("certificate chain too long")]
    ChainTooLong,
    /// A signature in the chain is not that of its issuer.
    #[error("certificate signature failure")]
    BadSignature,
    /// More authorities follow than an authority's path length allows.
    #[error("path length constraint exceeded")]
    PathLength,
    /// A certificate is for another purpose than a TLS server.
    #[error("unsuitable certificate purpose")]
    Purpose,
    /// The key of an issuer is not for signing certificates.
    #[error("key usage does not include certificate signing")]
    NoCertificateSigning,
    /// A critical extension is not known.
    #[error("unhandled critical extension")]
    CriticalExtension,
    /// The server's own certificate is that of an authority.
    #[error("invalid non-CA certificate (has CA markings)")]
    NotAnEndEntity,
    /// A proxy certificate (RFC 3820).
    #[error("proxy certificates not allowed, please set the appropriate flag")]
    Proxy,
    /// A name is outside of those that an authority may sign for.
    #[error("permitted subtree violation")]
    PermittedSubtree,
    /// A name is among those that an authority may not sign for.
    #[error("excluded subtree violation")]
    ExcludedSubtree,
    /// The server's key is too weak.
    #[error("EE certificate key too weak")]
    WeakKey,
    /// An authority's key is too weak.
    #[error("CA certificate key too weak")]
    WeakAuthorityKey,
    /// A signature's digest is too weak.
    #[error("CA signature digest algorithm too weak")]
    WeakSignature,
    /// An issuer is not an authority.
    #[error("invalid CA certificate")]
    InvalidAuthority,
    /// A path length in a certificate that is not an authority's.
    #[error("Path length invalid for non-CA cert")]
    PathLengthWithoutAuthority,
    /// A path length, and a key that is not for signing certificates.
    #[error("Path length given without key usage keyCertSign")]
    PathLengthWithoutSigning,
    /// A key for signing certificates in a certificate that is not an authority's.
    #[error("Key usage keyCertSign invalid for non-CA cert")]
    SigningWithoutAuthority,
    /// The issuer has no name.
    #[error("Issuer name empty")]
    NoIssuerName,
    /// The subject has no name.
    #[error("Subject name empty")]
    NoSubjectName,
    /// The authority key identifier is missing.
    #[error("Missing Authority Key Identifier")]
    NoAuthorityKeyIdentifier,
    /// The subject key identifier of an authority is missing.
    #[error("Missing Subject Key Identifier")]
    NoSubjectKeyIdentifier,
    /// The list of alternative names is empty.
    #[error("Empty Subject Alternative Name extension")]
    NoAlternativeName,
    /// The subject has no name, and its alternative names are not critical.
    #[error("Subject empty and Subject Alt Name extension not critical")]
    AlternativeNameNotCritical,
    /// The basic constraints of an authority are not critical.
    #[error("Basic Constraints of CA cert not marked critical")]
    ConstraintsNotCritical,
    /// The authority key identifier is critical.
    #[error("Authority Key Identifier marked critical")]
    AuthorityKeyIdentifierCritical,
    /// The subject key identifier is critical.
    #[error("Subject Key Identifier marked critical")]
    SubjectKeyIdentifierCritical,
    /// An authority does not say what its key is for.
    #[error("CA cert does not include key usage extension")]
    NoKeyUsage,
    /// Extensions in a certificate of an earlier version than 3.
    #[error("Using cert extension requires at least X509v3")]
    ExtensionsBeforeVersion3,
    /// The two mentions of the signature's algorithm differ.
    #[error("cert info signature and signature algorithm mismatch")]
    InconsistentSignatureAlgorithm,
}
