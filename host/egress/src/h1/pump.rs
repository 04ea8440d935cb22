//! Sends an HTTP/1.1 request body, unchanged or in chunks.

use bytes::Buf;
use tokio::io::{AsyncWriteExt, WriteHalf};

use crate::h1::chunked::{CHUNK_END, LAST_CHUNK, chunk_start};
use crate::pump::{Outgoing, Outlet, Stop};
use crate::stream::Stream;

impl Outlet for WriteHalf<Stream> {
    async fn send_body(&mut self, mut body: Outgoing) -> Result<(), Stop> {
        while let Some(data) = body.next().await? {
            if body.is_sized() {
                self.write_all(&data).await?;
            } else {
                let start = chunk_start(data.len());
                let mut chunk = start.as_bytes().chain(data).chain(CHUNK_END);
                self.write_all_buf(&mut chunk).await?;
            }
            self.flush().await?;
        }
        if !body.is_sized() {
            self.write_all(LAST_CHUNK).await?;
            self.flush().await?;
        }
        Ok(())
    }
}
