//! Replaces the transport's own types for the reader's sources, under the names of its files.

pub(crate) mod h1;
#[path = "../../../../host/egress/src/trailers.rs"]
pub(crate) mod trailers;

pub(crate) mod fields {
    /// The most fields of a head: fewer than in the transport, so that short inputs have too many.
    pub(crate) const MAX_FIELDS: usize = 16;

    pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;
}

pub(crate) mod response {
    use super::fields::Fields;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum HttpVersion {
        Http10,
        Http11,
    }

    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct ResponseHead {
        pub(crate) status: u16,
        pub(crate) version: HttpVersion,
        pub(crate) reason: Vec<u8>,
        pub(crate) fields: Fields,
    }
}

pub(crate) mod limit {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Limit {
        ResponseHeadSize,
    }
}

pub(crate) mod protocol_failure {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) enum ProtocolFault {
        NotHttp,
        Head(&'static str),
        Chunk(&'static str),
        Trailers(&'static str),
    }

    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct ProtocolFailure {
        pub(crate) fault: ProtocolFault,
        pub(crate) received: bytes::Bytes,
    }
}

pub(crate) mod error {
    use super::limit::Limit;
    use super::protocol_failure::{ProtocolFailure, ProtocolFault};

    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) enum EgressError {
        Protocol(ProtocolFailure),
        Limit(Limit),
    }

    impl EgressError {
        pub(crate) fn protocol(fault: ProtocolFault) -> Self {
            Self::Protocol(ProtocolFailure {
                fault,
                received: bytes::Bytes::new(),
            })
        }
    }
}
