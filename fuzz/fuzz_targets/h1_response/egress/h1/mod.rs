//! The reader's own sources, and a run over bytes that arrive in pieces.

#[allow(dead_code, reason = "it has the marks of an encoder, too")]
#[path = "../../../../../host/egress/src/h1/chunked.rs"]
mod chunked;
// The formatter would look here for its module of tests.
#[rustfmt::skip]
#[path = "../../../../../host/egress/src/h1/response.rs"]
pub(crate) mod response;

use bytes::BytesMut;

use self::chunked::{ChunkedDecoder, Decoded};
use self::response::{Framing, HeadError, HeadParser, framing, is_persistent};
use crate::error::EgressError;
use crate::protocol_failure::ProtocolFault;
use crate::response::HttpVersion;
use crate::{Body, End, Head, Outcome};

/// The most bytes that a fault in the chunked coding may show.
const MOST_RECEIVED: usize = 64;

/// Reads a response of these pieces. With `probes` the decoder is asked at each step whether it is
/// at its end.
pub(crate) fn read(pieces: &[&[u8]], max: usize, answers_head: bool, probes: bool) -> Outcome {
    let mut buffer = BytesMut::new();
    let mut pieces = pieces.iter();
    let mut parser = HeadParser::new(max);
    let (head, length) = loop {
        if !buffer.is_empty() {
            match parser.parse(&buffer) {
                Ok(Some(found)) => break found,
                Ok(None) => {}
                Err(HeadError::Limit) => return Outcome::NoHead(End::Limit),
                Err(HeadError::Fault(ProtocolFault::NotHttp)) => {
                    return Outcome::NoHead(End::NotHttp);
                }
                Err(HeadError::Fault(_)) => return Outcome::NoHead(End::Fault),
            }
        }
        match pieces.next() {
            Some(piece) => buffer.extend_from_slice(piece),
            None => return Outcome::NoHead(End::More),
        }
    };
    assert!(length <= max && length <= buffer.len());
    let framing = framing(&head, answers_head);
    let persistent = framing.as_ref().ok().map(|it| is_persistent(&head, *it));
    let _ = buffer.split_to(length);
    let body = match framing {
        Err(_) => Body::Unknown,
        Ok(Framing::Length(length)) => Body::Length(length),
        Ok(Framing::Close) => Body::Close,
        Ok(Framing::Chunked) => {
            let rest: Vec<&[u8]> = pieces.copied().collect();
            decode(buffer, &rest, max, probes)
        }
    };
    Outcome::Head {
        head: Head {
            status: head.status,
            is_http10: head.version == HttpVersion::Http10,
            reason: head.reason,
            fields: head.fields,
            length,
        },
        persistent,
        body,
    }
}

fn decode(mut buffer: BytesMut, pieces: &[&[u8]], max: usize, probes: bool) -> Body {
    let mut decoder = ChunkedDecoder::new(max);
    let (mut bytes, mut steps, all) = (Vec::new(), 0, pieces.len());
    let mut pieces = pieces.iter();
    let end = loop {
        steps += 1;
        let is_at_end = probes && decoder.is_at_end(&mut buffer);
        let decoded = decoder.decode(&mut buffer);
        assert!(!is_at_end || decoded == Ok(Decoded::End));
        match decoded {
            Ok(Decoded::Data(data)) => {
                assert!(!data.is_empty());
                bytes.extend_from_slice(&data);
            }
            Ok(Decoded::End) => break End::Complete,
            Ok(Decoded::More) => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => break End::More,
            },
            Err(error) => {
                assert_eq!(
                    decoder.decode(&mut buffer),
                    Err(error.clone()),
                    "it stays so"
                );
                break match error {
                    EgressError::Limit(_) => End::Limit,
                    EgressError::Protocol(failure) => {
                        assert!(failure.received.len() <= MOST_RECEIVED);
                        End::Fault
                    }
                };
            }
        }
    };
    // Each step but the last returned a byte of the body, or used a piece.
    assert!(steps <= bytes.len() + all + 1, "{steps} steps");
    let trailers = decoder.take_trailers();
    assert!(decoder.take_trailers().is_empty());
    let rest = (end == End::Complete).then(|| {
        let rest = pieces.flat_map(|piece| piece.iter().copied());
        buffer.iter().copied().chain(rest).collect()
    });
    Body::Chunked {
        bytes,
        end,
        trailers,
        rest,
    }
}
