//! Reads the body of a request: bounded in size, in time, and in what all bodies hold together.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Listening;
use crate::failure::Failure;

/// What all bodies may hold.
pub(crate) struct Bodies {
    room: Arc<Semaphore>,
    most: u64,
    time: std::time::Duration,
}

/// Room that a body takes, until its program has ended.
pub(crate) type Room = OwnedSemaphorePermit;

impl Bodies {
    pub(crate) fn new(server: &Listening) -> Self {
        let room = usize::try_from(server.bodies.bytes().div_ceil(1024)).unwrap_or(usize::MAX);
        Self {
            room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
            most: server.body.bytes(),
            time: server.body_timeout.duration(),
        }
    }

    /// Reads JSON. An empty body is an empty object.
    ///
    /// # Errors
    ///
    /// 413 if it is too long, 408 if it comes too slowly, 503 if all bodies together are too much, and 400
    /// if it is not what was asked for.
    pub(crate) async fn read<T: DeserializeOwned>(&self, body: Body) -> Result<(T, Room), Failure> {
        let length = body.size_hint().upper().unwrap_or(self.most);
        if length > self.most {
            return Err(self.too_long());
        }
        let wanted = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(wanted);
        let room = room.map_err(|_| {
            let why = "the bodies of all requests hold as much as they may: try again";
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, "bodies", why).retry(1)
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
        let value = serde_json::from_slice(text);
        let wrong =
            |error| Failure::bad("body", format!("the body is not as it has to be: {error}"));
        Ok((value.map_err(wrong)?, room))
    }

    fn too_long(&self) -> Failure {
        let why = format!("the body is longer than {} bytes: send less", self.most);
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-long", why)
    }
}
