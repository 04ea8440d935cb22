//! The shortest ways to use a gateway, for tests.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use sandbox_net_egress::test_support::{Server, read_request, write};
use sandbox_net_egress::{BodyKind, EgressError};
use sandbox_net_policy::{Denial, Origin};
use tokio::sync::mpsc;

use crate::gateway::Gateway;
use crate::request::{Request, RequestHead, Response, Timeouts};

/// A server whose answers have each request's head for their body, and which tells the heads.
pub(crate) async fn reflecting() -> (Server, mpsc::UnboundedReceiver<String>) {
    let (tx, requests) = mpsc::unbounded_channel();
    let server = Server::start(move |mut stream, _| {
        let tx = tx.clone();
        async move {
            loop {
                let request = read_request(&mut stream).await;
                if request.is_empty() {
                    return;
                }
                let answer = sandbox_net_egress::test_support::ok(&request);
                let _ = tx.send(request);
                write(&mut stream, answer.as_bytes()).await;
            }
        }
    });
    (server.await, requests)
}

/// Sends a request with this body, and these fields.
pub(crate) async fn send(
    gateway: &Gateway,
    origin: &Origin,
    fields: &[(&str, &str)],
    body: &str,
) -> Result<Response, EgressError> {
    let fields = fields.iter();
    let request = Request {
        origin: origin.clone(),
        head: RequestHead {
            method: b"POST".to_vec(),
            path: b"/".to_vec(),
            fields: fields.map(|(n, v)| ((*n).into(), (*v).into())).collect(),
        },
        kind: BodyKind::Sized(body.len() as u64),
        timeouts: Timeouts::default(),
    };
    let body = Full::new(Bytes::from(body.to_owned())).map_err(|never| match never {});
    gateway.fetch(request, body.boxed_unsync()).await
}

/// Sends a request with this `Authorization`; returns the body of its answer.
pub(crate) async fn authorized(
    gateway: &Gateway,
    origin: &Origin,
    authorization: &str,
) -> Result<String, EgressError> {
    let answer = send(gateway, origin, &[("Authorization", authorization)], "").await?;
    let body = answer.body.collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

#[track_caller]
pub(crate) fn denied<T: std::fmt::Debug>(result: Result<T, EgressError>) -> Denial {
    match result {
        Err(EgressError::Denied(denial)) => denial,
        other => panic!("not denied: {other:?}"),
    }
}
