//! A request body on the wire: as it is, or in chunks.

use bytes::Buf;
use tokio::io::{AsyncWriteExt, WriteHalf};

use crate::egress::BodyKind;
use crate::egress::h1::chunked::{CHUNK_END, LAST_CHUNK, chunk_start};
use crate::egress::message::RequestBody;
use crate::egress::pump::{Outgoing, Stop};
use crate::egress::stream::Stream;

/// Sends the body, piece by piece as it comes, and gives the connection's half back.
pub(super) async fn send_body(
    mut half: WriteHalf<Stream>,
    kind: BodyKind,
    body: RequestBody,
) -> Result<WriteHalf<Stream>, Stop> {
    let mut body = Outgoing::new(kind, body);
    while let Some(data) = body.next().await? {
        if kind == BodyKind::Chunked {
            let start = chunk_start(data.len());
            let mut chunk = start.as_bytes().chain(data).chain(CHUNK_END);
            half.write_all_buf(&mut chunk).await?;
        } else {
            half.write_all(&data).await?;
        }
        half.flush().await?;
    }
    if kind == BodyKind::Chunked {
        half.write_all(LAST_CHUNK).await?;
        half.flush().await?;
    }
    Ok(half)
}
