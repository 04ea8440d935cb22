//! Reads the body of a request: bounded in size, in time, and in what all bodies of a tenant hold together, so
//! that none takes the room of the others.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Listening;
use crate::failure::Failure;
use crate::few::Object;

/// What a body may hold, and for how long.
pub(crate) struct Bodies {
    most: u64,
    time: std::time::Duration,
}

/// Room that a body takes, until its program has ended.
pub(crate) type Room = OwnedSemaphorePermit;

/// The share of each of so many tenants. The configuration makes sure that the largest body fits.
pub(crate) fn share(server: &Listening, tenants: usize) -> Arc<Semaphore> {
    let tenants = u64::try_from(tenants).unwrap_or(u64::MAX).max(1);
    let room = (server.bodies.bytes() / tenants).div_ceil(1024);
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS)))
}

impl Bodies {
    pub(crate) fn new(server: &Listening) -> Self {
        Self {
            most: server.body.bytes(),
            time: server.body_timeout.duration(),
        }
    }

    /// Reads JSON, in the tenant's `share`. An empty body is an empty object.
    ///
    /// # Errors
    ///
    /// 413 if it is too long, 408 if it comes too slowly, 429 if those of the tenant are too much together, and
    /// 400 if it is not what was asked for.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        share: &Arc<Semaphore>,
        body: Body,
    ) -> Result<(T, Room), Failure> {
        let length = body.size_hint().upper().unwrap_or(self.most);
        if length > self.most {
            return Err(self.too_long());
        }
        let wanted = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
        let room = Arc::clone(share).try_acquire_many_owned(wanted);
        let room = room.map_err(|_| {
            let why =
                "the bodies of this tenant's requests hold as much as they may: try again later";
            Failure::busy("tenant-bodies", why, 1)
        })?;
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        let collected = Limited::new(body, most).collect();
        let collected = tokio::time::timeout(self.time, collected).await;
        let bytes = match collected {
            Err(_) => {
                let why = format!(
                    "the body did not come within {:?}: send it faster",
                    self.time
                );
                return Err(Failure::new(StatusCode::REQUEST_TIMEOUT, "slow-body", why));
            }
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(self.too_long()),
            Ok(Err(error)) => return Err(Failure::bad("body", format!("the body: {error}"))),
            Ok(Ok(collected)) => collected.to_bytes(),
        };
        let text = if bytes.is_empty() {
            &b"{}"[..]
        } else {
            &bytes[..]
        };
        let wrong = |error| {
            let why = format!("the body is not the JSON object that it has to be: {error}");
            Failure::bad("body", why)
        };
        let Object(value) = serde_json::from_slice(text).map_err(wrong)?;
        Ok((value, room))
    }

    fn too_long(&self) -> Failure {
        let why = format!("the body is longer than {} bytes: send less", self.most);
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-long", why)
    }
}
