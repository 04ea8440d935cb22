//! Reads the first message of a client's TLS, and answers it with an alert where TLS cannot go on.

use std::time::Duration;

use bytes::BytesMut;
use rustls::server::Acceptor;
use sandbox_net_egress::{CertificateFault, EgressError, TlsFailure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::socket::ClientSocket;

/// Bytes that the message may have.
const MAX_HELLO: usize = 64 << 10;

/// The message, which is unread again.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) socket: ClientSocket,
    /// The name that the client asks for.
    pub(crate) server_name: Option<String>,
}

/// Reads the message; `None` if the client sends another one, or none in time. Then it has got an
/// alert, if it can.
pub(crate) async fn read(mut socket: ClientSocket, within: Duration) -> Option<Hello> {
    let mut bytes = BytesMut::new();
    let name = timeout(within, hello(&mut socket, &mut bytes)).await.ok()?;
    match name {
        Ok(server_name) => Some(Hello {
            socket: socket.with_unread(bytes),
            server_name,
        }),
        Err(alert) => {
            let _ = socket.write_all(&alert).await;
            let _ = socket.shutdown().await;
            None
        }
    }
}

/// The name in the message, or the alert that answers it.
async fn hello(socket: &mut ClientSocket, bytes: &mut BytesMut) -> Result<Option<String>, Vec<u8>> {
    let mut acceptor = Acceptor::default();
    loop {
        let before = bytes.len();
        match socket.read_buf(bytes).await {
            Ok(1..) if bytes.len() <= MAX_HELLO => {}
            _ => return Err(Vec::new()),
        }
        let mut new = &bytes[before..];
        while !new.is_empty() {
            if !matches!(acceptor.read_tls(&mut new), Ok(1..)) {
                return Err(alert(DECODE_ERROR));
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let name = accepted.client_hello().server_name().map(str::to_owned);
                    return Ok(name);
                }
                Err((_, mut alert)) => {
                    let mut bytes = Vec::new();
                    let _ = alert.write_all(&mut bytes);
                    return Err(bytes);
                }
            }
        }
    }
}

// Alert descriptions (RFC 8446 section 6).
const HANDSHAKE_FAILURE: u8 = 40;
const BAD_CERTIFICATE: u8 = 42;
const CERTIFICATE_REVOKED: u8 = 44;
const CERTIFICATE_EXPIRED: u8 = 45;
const UNKNOWN_CA: u8 = 48;
const ACCESS_DENIED: u8 = 49;
const DECODE_ERROR: u8 = 50;
const INTERNAL_ERROR: u8 = 80;

/// A fatal alert before any key is agreed on.
fn alert(description: u8) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, description]
}

/// The alert that fits a failure to reach the server.
fn description(error: &EgressError) -> u8 {
    use CertificateFault::{
        Expired, IssuerUnavailable, NotYetValid, Revoked, SelfSigned, SelfSignedInChain,
        UnknownIssuer,
    };
    match error {
        EgressError::Denied(_) | EgressError::Limit(_) => ACCESS_DENIED,
        EgressError::Tls(TlsFailure::Certificate { fault, .. }) => match fault {
            Expired | NotYetValid => CERTIFICATE_EXPIRED,
            UnknownIssuer | SelfSigned | SelfSignedInChain | IssuerUnavailable => UNKNOWN_CA,
            Revoked => CERTIFICATE_REVOKED,
            _ => BAD_CERTIFICATE,
        },
        EgressError::Tls(TlsFailure::Other(_)) => HANDSHAKE_FAILURE,
        _ => INTERNAL_ERROR,
    }
}

/// Tells the client in its handshake that there is no TLS with the server.
pub(crate) async fn refuse(mut socket: ClientSocket, error: &EgressError) {
    if matches!(error, EgressError::Reset) {
        socket.resets();
        return;
    }
    // A client that is gone needs no alert.
    let _ = socket.write_all(&alert(description(error))).await;
    let _ = socket.shutdown().await;
    // Unread bytes would make the kernel reset the connection, and the alert could be lost.
    let mut rest = [0; 1024];
    let drained = async { while matches!(socket.read(&mut rest).await, Ok(1..)) {} };
    let _ = timeout(Duration::from_secs(1), drained).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox_net_egress::Phase;
    use sandbox_net_policy::{Denial, DenyReason};

    #[test]
    fn the_alert_fits_what_is_wrong_with_the_server() {
        let certificate = |fault| {
            let message = String::new();
            EgressError::Tls(TlsFailure::Certificate { fault, message })
        };
        let denial = Denial {
            reason: DenyReason::NoRule,
            rule: String::new(),
            message: String::new(),
            address: None,
        };
        for (error, expected) in [
            (EgressError::Denied(denial), ACCESS_DENIED),
            (certificate(CertificateFault::Expired), CERTIFICATE_EXPIRED),
            (certificate(CertificateFault::SelfSigned), UNKNOWN_CA),
            (certificate(CertificateFault::UnknownIssuer), UNKNOWN_CA),
            (certificate(CertificateFault::Revoked), CERTIFICATE_REVOKED),
            (certificate(CertificateFault::NameMismatch), BAD_CERTIFICATE),
            (
                EgressError::Tls(TlsFailure::Other(String::new())),
                HANDSHAKE_FAILURE,
            ),
            (EgressError::Timeout(Phase::Tls), INTERNAL_ERROR),
        ] {
            assert_eq!(description(&error), expected, "{error:?}");
        }
    }
}
