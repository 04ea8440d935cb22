//! TLS: what is verified, what is settled, and in which order.

use sandbox_net_guest::bindings::sandbox::net::client;
use sandbox_net_guest::bindings::sandbox::net::types::{
    BodyKind, CertificateFault, DenyReason, ErrorCode, Phase, TlsFailure, TlsInfo, TlsOptions,
    TlsVersions, Verification,
};

use super::{Behaviour, needs, row};
use crate::drive::{
    Step, answer, connect, fails, get, is_denied, is_invalid, pattern, post, same, secure, send,
    settle, stops, wrong,
};
use crate::servers::Servers;

const HTTPS: &[&str] = &["https"];

pub(super) const TABLE: &[Behaviour] = &[
    needs(HTTPS, "a verified session carries a request", carries),
    needs(
        HTTPS,
        "the connection's own host may be the server name",
        own_name,
    ),
    needs(
        HTTPS,
        "another server name is denied or invalid",
        other_name,
    ),
    needs(
        HTTPS,
        "what was settled is a version of TLS, or not known",
        version,
    ),
    needs(
        HTTPS,
        "the protocol is one that the guest has named",
        protocol,
    ),
    needs(HTTPS, "without names there is no protocol", no_protocol),
    needs(
        HTTPS,
        "certificates are those of the server, or not known",
        certificates,
    ),
    needs(HTTPS, "TLS 1.2 alone is TLS 1.2, or refused", version_12),
    needs(HTTPS, "TLS 1.3 alone is TLS 1.3, or refused", version_13),
    needs(HTTPS, "TLS begins once", twice),
    needs(
        HTTPS,
        "TLS does not begin behind a request",
        behind_a_request,
    ),
    needs(HTTPS, "bodies pass in both directions", both_ways),
    needs(
        &["untrusted"],
        "a certificate of a stranger is not accepted",
        untrusted,
    ),
    needs(
        &["expired"],
        "an expired certificate is not accepted",
        expired,
    ),
    needs(
        &["other-name"],
        "a certificate for another name is not accepted",
        name_mismatch,
    ),
    needs(
        HTTPS,
        "verification is not left out without a grant",
        not_left_out,
    ),
    needs(
        HTTPS,
        "the name is not left out without a grant",
        name_not_left_out,
    ),
    needs(HTTPS, "a root that is no certificate is refused", bad_root),
    needs(HTTPS, "without any root nothing is accepted", no_roots),
    needs(
        &["https"],
        "names of protocols that do not fit are invalid",
        bad_alpn,
    ),
    row("a server that speaks no TLS is a failure of TLS", plain),
    needs(
        &["silent", "deadlines"],
        "the host's deadline ends a handshake",
        silent,
    ),
];

fn with(change: impl FnOnce(&mut TlsOptions)) -> TlsOptions {
    let mut options = TlsOptions::default();
    change(&mut options);
    options
}

fn hello(servers: &Servers, options: &TlsOptions) -> Step {
    let connection = secure(&servers.at("https"), options)?;
    let exchange = get(&connection, "/hello")?;
    same("the response", answer(&exchange)?, (200, b"hello".to_vec()))
}

fn carries(servers: &Servers) -> Step {
    hello(servers, &TlsOptions::default())
}

fn own_name(servers: &Servers) -> Step {
    let place = servers.at("https");
    let connection = connect(&place)?;
    connection.start_tls(&place.host, &TlsOptions::default())?;
    settle(&connection)?;
    same("the status", answer(&get(&connection, "/hello")?)?.0, 200)
}

fn other_name(servers: &Servers) -> Step {
    let connection = connect(&servers.at("https"))?;
    let begun = connection.start_tls("other.test", &TlsOptions::default());
    fails(
        "TLS for another name",
        begun,
        "'denied' or 'invalid'",
        |code| match code {
            ErrorCode::Denied(denial) => denial.reason == DenyReason::HostMismatch,
            other => is_invalid(other),
        },
    )
}

/// What a session settled, behind a request on it.
fn settled(servers: &Servers, options: &TlsOptions) -> Step<TlsInfo> {
    let connection = secure(&servers.at("https"), options)?;
    answer(&get(&connection, "/hello")?)?;
    match connection.tls() {
        Some(info) => Ok(info),
        None => wrong("there is no 'tls' behind a handshake"),
    }
}

fn version(servers: &Servers) -> Step {
    let info = settled(servers, &TlsOptions::default())?;
    match (info.version, info.cipher) {
        (None | Some(0x0303 | 0x0304), None) => Ok(()),
        (None | Some(0x0303 | 0x0304), Some(cipher)) if cipher.starts_with("TLS") => Ok(()),
        other => wrong(format!("version and cipher suite are {other:?}")),
    }
}

fn protocol(servers: &Servers) -> Step {
    let options = with(|o| o.alpn = vec![b"http/1.1".to_vec()]);
    let alpn = settled(servers, &options)?.alpn;
    match alpn.as_slice() {
        b"" | b"http/1.1" => Ok(()),
        _ => wrong(format!("the protocol is {alpn:?}")),
    }
}

fn no_protocol(servers: &Servers) -> Step {
    let info = settled(servers, &with(|o| o.alpn.clear()))?;
    same("the protocol", info.alpn, Vec::new())
}

fn certificates(servers: &Servers) -> Step {
    let list = settled(servers, &TlsOptions::default())?.certificates;
    // A sequence in DER (X.690).
    match list.iter().all(|der| der.first() == Some(&0x30)) {
        true => Ok(()),
        false => wrong("a certificate is not in DER"),
    }
}

fn in_version(servers: &Servers, versions: TlsVersions, number: u16) -> Step {
    match settled(servers, &with(|o| o.versions = versions)) {
        Ok(info) if info.version.is_some_and(|version| version != number) => {
            wrong(format!("the version is {:?}", info.version))
        }
        Ok(_) => Ok(()),
        // What a host cannot offer alone it refuses.
        other => stops("the handshake", other, "a refusal", |code| {
            is_invalid(code) || is_denied(code)
        }),
    }
}

fn version_12(servers: &Servers) -> Step {
    in_version(servers, TlsVersions::V12, 0x0303)
}

fn version_13(servers: &Servers) -> Step {
    in_version(servers, TlsVersions::V13, 0x0304)
}

fn twice(servers: &Servers) -> Step {
    let connection = secure(&servers.at("https"), &TlsOptions::default())?;
    let again = connection.start_tls("", &TlsOptions::default());
    fails("TLS a second time", again, "'invalid'", is_invalid)?;
    same("the status", answer(&get(&connection, "/hello")?)?.0, 200)
}

fn behind_a_request(servers: &Servers) -> Step {
    let connection = connect(&servers.at("http"))?;
    answer(&get(&connection, "/hello")?)?;
    let begun = connection.start_tls("", &TlsOptions::default());
    // Whether the policy or the interface refuses it first is the host's choice.
    fails(
        "TLS behind a request",
        begun,
        "'invalid' or 'denied'",
        |code| is_invalid(code) || is_denied(code),
    )
}

fn both_ways(servers: &Servers) -> Step {
    let connection = secure(&servers.at("https"), &TlsOptions::default())?;
    let body = pattern(300_000);
    let exchange = post(&connection, "/echo", BodyKind::Sized(body.len() as u64))?;
    send(&exchange, &body)?;
    let (status, echoed) = answer(&exchange)?;
    same("the status", status, 200)?;
    match echoed == body {
        true => Ok(()),
        false => wrong(format!("{} other bytes came back", echoed.len())),
    }
}

fn refused(servers: &Servers, name: &str, faults: &[CertificateFault]) -> Step {
    let ended = secure(&servers.at(name), &TlsOptions::default())
        .and_then(|connection| answer(&get(&connection, "/hello")?));
    let expected = format!("a certificate's fault of {faults:?}");
    stops("the handshake", ended, &expected, |code| match code {
        ErrorCode::Tls(TlsFailure::Certificate((fault, _))) => faults.contains(fault),
        _ => false,
    })
}

fn untrusted(servers: &Servers) -> Step {
    use CertificateFault as Fault;
    let faults = [Fault::UnknownIssuer, Fault::IssuerUnavailable, Fault::Other];
    refused(servers, "untrusted", &faults)
}

fn expired(servers: &Servers) -> Step {
    refused(
        servers,
        "expired",
        &[CertificateFault::Expired, CertificateFault::Other],
    )
}

fn name_mismatch(servers: &Servers) -> Step {
    let faults = [CertificateFault::NameMismatch, CertificateFault::Other];
    refused(servers, "other-name", &faults)
}

fn not_granted(servers: &Servers, verification: Verification) -> Step {
    let options = with(|o| o.verification = verification);
    let ended = secure(&servers.at("other-name"), &options)
        .and_then(|connection| answer(&get(&connection, "/hello")?));
    stops(
        "the handshake",
        ended,
        "'denied' for its TLS settings",
        |code| match code {
            ErrorCode::Denied(denial) => denial.reason == DenyReason::TlsOptions,
            // Without the grant a host may verify all the same.
            ErrorCode::Tls(TlsFailure::Certificate(_)) => true,
            _ => false,
        },
    )
}

fn not_left_out(servers: &Servers) -> Step {
    not_granted(servers, Verification::None)
}

fn name_not_left_out(servers: &Servers) -> Step {
    not_granted(servers, Verification::NameUnchecked)
}

fn bad_root(servers: &Servers) -> Step {
    let connection = connect(&servers.at("https"))?;
    let options = with(|o| o.roots = vec![b"no certificate".to_vec()]);
    let begun = connection.start_tls("", &options);
    fails(
        "TLS with such a root",
        begun,
        "'invalid' or 'denied'",
        |code| is_invalid(code) || is_denied(code),
    )
}

fn no_roots(servers: &Servers) -> Step {
    let ended = secure(&servers.at("https"), &with(|o| o.host_roots = false))
        .and_then(|connection| answer(&get(&connection, "/hello")?));
    stops(
        "the handshake",
        ended,
        "a certificate's fault, or a refusal",
        |code| {
            matches!(code, ErrorCode::Tls(TlsFailure::Certificate(_)))
                || is_denied(code)
                || is_invalid(code)
        },
    )
}

fn bad_alpn(servers: &Servers) -> Step {
    for names in [vec![Vec::new()], vec![vec![b'x'; 256]]] {
        let connection = connect(&servers.at("https"))?;
        let begun = connection.start_tls("", &with(|o| o.alpn = names));
        fails("TLS with such a protocol", begun, "'invalid'", is_invalid)?;
    }
    Ok(())
}

fn plain(servers: &Servers) -> Step {
    let ended = secure(&servers.at("http"), &TlsOptions::default())
        .and_then(|connection| answer(&get(&connection, "/hello")?));
    stops(
        "the handshake",
        ended,
        "'tls', 'reset' or a denial",
        |code| {
            // The policy may open the port for HTTP alone.
            matches!(code, ErrorCode::Tls(_) | ErrorCode::Reset) || is_denied(code)
        },
    )
}

fn silent(servers: &Servers) -> Step {
    let connection = connect(&servers.at("silent"))?;
    connection.start_tls("", &TlsOptions::default())?;
    let ended = settle(&connection).and_then(|()| {
        let exchange = client::request(
            &connection,
            &crate::drive::head_of("GET", "/hello"),
            BodyKind::None,
        )?;
        answer(&exchange)
    });
    stops("the handshake", ended, "'timeout'", |code| {
        matches!(code, ErrorCode::Timeout(Phase::Tls | Phase::Connect))
    })
}
