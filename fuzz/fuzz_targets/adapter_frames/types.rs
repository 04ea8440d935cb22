//! The types of `wit/` as the generator writes them. Enumerations are their numbers.

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ErrorCode {
    Denied(Denial),
    Dns(u8),
    Refused,
    Unreachable,
    Reset,
    Timeout(u8),
    Tls(TlsFailure),
    Protocol(ProtocolFailure),
    Limit(LimitFailure),
    Closed,
    Invalid(String),
}

pub(crate) enum IpAddress {
    Ipv4((u8, u8, u8, u8)),
    Ipv6((u16, u16, u16, u16, u16, u16, u16, u16)),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Denial {
    pub(crate) reason: u8,
    pub(crate) rule: String,
    pub(crate) message: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TlsFailure {
    Certificate((u8, String)),
    Other(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProtocolFailure {
    pub(crate) message: String,
    pub(crate) received: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LimitFailure {
    pub(crate) limit: u8,
    pub(crate) value: Option<u64>,
    pub(crate) can_be_raised: bool,
}

pub(crate) struct ConnectOptions {
    pub(crate) timeout: Option<u64>,
}

pub(crate) enum Verification {
    Full,
    NameUnchecked,
    None,
}

pub(crate) struct ClientCertificate<'a> {
    pub(crate) certificates: &'a [&'a [u8]],
    pub(crate) key: &'a [u8],
}

pub(crate) enum TlsVersions {
    All,
    V12,
    V13,
}

pub(crate) enum ChainChecks {
    Usual,
    Strict,
    Partial,
    StrictPartial,
}

pub(crate) struct TlsOptions<'a> {
    pub(crate) versions: TlsVersions,
    pub(crate) verification: Verification,
    pub(crate) host_roots: bool,
    pub(crate) roots: &'a [&'a [u8]],
    pub(crate) client_certificate: Option<ClientCertificate<'a>>,
    pub(crate) alpn: &'a [&'a [u8]],
    pub(crate) checks: ChainChecks,
}

pub(crate) struct TlsInfo {
    pub(crate) version: Option<u16>,
    pub(crate) cipher: Option<String>,
    pub(crate) alpn: Vec<u8>,
    pub(crate) certificates: Vec<Vec<u8>>,
}

pub(crate) enum BodyKind {
    None,
    Sized(u64),
    Chunked,
}

pub(crate) type FieldResult = (Vec<u8>, Vec<u8>);

pub(crate) type FieldParam<'a> = (&'a [u8], &'a [u8]);

pub(crate) struct RequestHead<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) path: &'a [u8],
    pub(crate) fields: &'a [FieldParam<'a>],
}

pub(crate) enum HttpVersion {
    Http10,
    Http11,
    Http2,
    Unknown,
}

pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) version: HttpVersion,
    pub(crate) reason: Vec<u8>,
    pub(crate) fields: Vec<FieldResult>,
}
