//! Sends a request body on a session, in pieces no larger than the peer's window.

use std::future::poll_fn;

use bytes::Bytes;
use h2::SendStream;

use crate::pump::{Outgoing, Outlet, Stop};

/// Dropping it before the body's end resets the stream.
impl Outlet for SendStream<Bytes> {
    async fn send_body(&mut self, mut body: Outgoing) -> Result<(), Stop> {
        while let Some(mut data) = body.next().await? {
            while !data.is_empty() {
                self.reserve_capacity(data.len());
                while self.capacity() == 0 {
                    match poll_fn(|cx| self.poll_capacity(cx)).await {
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => return Err(Stop::Peer),
                    }
                }
                let piece = data.split_to(data.len().min(self.capacity()));
                let is_last = data.is_empty() && body.is_complete();
                self.send_data(piece, is_last).map_err(|_| Stop::Peer)?;
                if is_last {
                    return Ok(());
                }
            }
        }
        self.send_data(Bytes::new(), true).map_err(|_| Stop::Peer)
    }
}
