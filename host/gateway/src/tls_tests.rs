//! A program's own TLS settings at each stage: grants, secrets, the log, and replaced policies.

use http_body_util::{BodyExt, Empty};
use tokio::sync::mpsc;

use std::sync::Arc;

use super::*;
use sandbox_net_egress::test_support::tls::{Authority, serve_tls};
use sandbox_net_egress::test_support::{Server, ok, read_request, write};
use sandbox_net_egress::{BodyKind, EgressError, GuestTlsOptions, Reuse};
use sandbox_net_policy::{Denial, DenyReason, Document, Policy, TlsOverride, Verification};

const VALUE: &str = "real-value-1234";

/// A server that reports its requests.
async fn telling(authority: &Authority) -> (Server, mpsc::UnboundedReceiver<String>) {
    let (tx, requests) = mpsc::unbounded_channel();
    let server = serve_tls(authority.server(&[]), move |mut stream, _| {
        let tx = tx.clone();
        async move {
            loop {
                let head = read_request(&mut stream).await;
                if head.is_empty() {
                    return;
                }
                let _ = tx.send(head);
                write(&mut stream, ok("here").as_bytes()).await;
            }
        }
    });
    (server.await, requests)
}

fn document(server: &Server, grants: &[&str]) -> Document {
    let origin = server.https();
    let grant = |setting: &&str| format!("{setting} {origin}").parse().unwrap();
    Document {
        allow: vec![origin.to_string().parse().unwrap()],
        tls: grants.iter().map(grant).collect(),
        ..Document::default()
    }
}

fn verified(verification: Verification) -> GuestTlsOptions {
    GuestTlsOptions {
        verification,
        ..GuestTlsOptions::default()
    }
}

async fn secured(
    gateway: &Gateway,
    server: &Server,
    options: &GuestTlsOptions,
) -> Result<Link, EgressError> {
    let link = gateway
        .connect(server.https().endpoint, None, Reuse::Pool)?
        .await?;
    let (link, handshake) = gateway.start_tls(&link, None, options)?;
    handshake.await?;
    Ok(link)
}

/// Sends a GET with this `Authorization`; a failure is the completion's.
async fn get(gateway: &Gateway, link: &Link, authorization: &str) -> Result<(), EgressError> {
    let completion = Completion::new();
    let outgoing = Outgoing {
        link: link.clone(),
        head: RequestHead {
            method: b"GET".to_vec(),
            path: b"/".to_vec(),
            fields: vec![(b"Authorization".to_vec(), authorization.into())],
        },
        kind: BodyKind::None,
        completion: Arc::clone(&completion),
        takes_unframed: false,
        between_bytes: None,
    };
    let empty = Empty::new().map_err(|never| match never {});
    let sent = gateway.send(outgoing, empty.boxed_unsync()).await;
    match sent {
        Ok(answer) => {
            answer.body.collect().await.unwrap();
            Ok(())
        }
        Err(_) => Err(completion.failure().unwrap()),
    }
}

fn denied<T: std::fmt::Debug>(result: Result<T, EgressError>) -> Denial {
    match result {
        Err(EgressError::Denied(denial)) => denial,
        other => panic!("not denied: {other:?}"),
    }
}

fn at(gateway: &Gateway, stage: Stage) -> Vec<DecisionRecord> {
    let decisions = gateway.audit().decisions().into_iter();
    decisions.filter(|record| record.stage == stage).collect()
}

#[tokio::test]
async fn without_a_grant_no_handshake_is_made_and_with_it_the_log_names_it() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let options = verified(Verification::None);
    for (grants, is_let) in [
        (&[][..], false),
        (&["own_roots"], false),
        (&["unverified"], true),
    ] {
        let (server, mut requests) = telling(&stranger).await;
        let policy = Policy::from(document(&server, grants));
        let gateway = Gateway::new(policy, authority.config(), AuditLog::new());
        let link = secured(&gateway, &server, &options).await;
        let decision = at(&gateway, Stage::Tls).remove(0);
        assert_eq!(decision.tls, [TlsOverride::Unverified]);
        if !is_let {
            let denial = denied(link.map(|_| ()));
            assert_eq!(denial.reason, DenyReason::TlsOptions);
            let proposed = format!("--tls 'unverified {}'", server.https());
            assert!(denial.message.contains(&proposed), "{}", denial.message);
            assert_eq!(decision.verdict, Verdict::Deny);
            continue;
        }
        get(&gateway, &link.unwrap(), "").await.unwrap();
        assert!(requests.recv().await.is_some());
        assert_eq!(decision.verdict, Verdict::Allow);
        let request = at(&gateway, Stage::Request).remove(0);
        assert_eq!(request.tls, [TlsOverride::Unverified]);
    }
}

#[tokio::test]
async fn a_policy_that_reports_lets_ungranted_settings_pass_and_says_so() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (server, _requests) = telling(&stranger).await;
    let document = Document {
        mode: sandbox_net_policy::Mode::Report,
        ..document(&server, &[])
    };
    let gateway = Gateway::new(document.into(), authority.config(), AuditLog::new());
    let options = verified(Verification::None);
    secured(&gateway, &server, &options).await.unwrap();
    let decision = at(&gateway, Stage::Tls).remove(0);
    assert_eq!(decision.verdict, Verdict::Report);
    assert_eq!(decision.reason, Some(DenyReason::TlsOptions.into()));
}

#[tokio::test]
async fn the_hosts_own_settings_leave_nothing_in_the_log() {
    let authority = Authority::new();
    let (server, _requests) = telling(&authority).await;
    let policy = Policy::from(document(&server, &["unverified"]));
    let gateway = Gateway::new(policy, authority.config(), AuditLog::new());
    let narrowed = GuestTlsOptions {
        host_roots: false,
        roots: vec![authority.certificate()],
        ..GuestTlsOptions::default()
    };
    for options in [GuestTlsOptions::default(), narrowed] {
        let link = secured(&gateway, &server, &options).await.unwrap();
        get(&gateway, &link, "").await.unwrap();
    }
    let decisions = gateway.audit().decisions();
    assert!(decisions.iter().all(|record| record.tls.is_empty()));
}

#[tokio::test]
async fn a_secret_goes_only_to_servers_that_the_host_itself_verifies() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (certificate, key) = other.client("a program");
    let roots = |roots: &[&Authority], host_roots| GuestTlsOptions {
        host_roots,
        roots: roots.iter().map(|root| root.certificate()).collect(),
        ..GuestTlsOptions::default()
    };
    let client = GuestTlsOptions {
        client_certificate: Some(sandbox_net_egress::ClientCertificate {
            certificates: vec![certificate],
            key,
        }),
        ..GuestTlsOptions::default()
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), VALUE).unwrap();
    for (options, gets_it) in [
        (GuestTlsOptions::default(), true),
        (roots(&[&authority], false), true),
        (client, true),
        (verified(Verification::None), false),
        (verified(Verification::NameUnchecked), false),
        (roots(&[&other], true), false),
    ] {
        let (server, mut requests) = telling(&authority).await;
        let keys = format!(
            "version = 1\n[[secret]]\nname = 'key'\nrule = '{}'\nsource.file = '{}'\n[end]",
            server.https(),
            file.path().display()
        );
        let document = Document {
            secrets: Document::parse(&keys).unwrap().secrets,
            ..document(&server, &["unverified,own_roots,client_certificates"])
        };
        let vault = Vault::open(&document.secrets).unwrap();
        let placeholder = vault.variables().next().unwrap().1.to_owned();
        let builder = Gateway::builder().secrets(vault);
        let gateway = builder.build(document.into(), authority.config());
        let link = secured(&gateway, &server, &options).await.unwrap();
        let sent = get(&gateway, &link, &placeholder).await;
        if gets_it {
            sent.unwrap();
            assert!(requests.recv().await.unwrap().contains(VALUE));
            continue;
        }
        let denial = denied(sent);
        assert_eq!(denial.reason, DenyReason::Secret);
        let why = "the secret 'key' is sent only to servers whose certificate the host verified";
        assert!(denial.message.contains(why), "{}", denial.message);
        // Without its placeholder the request is sent.
        get(&gateway, &link, "none").await.unwrap();
        assert!(!requests.recv().await.unwrap().contains(VALUE));
        assert!(requests.try_recv().is_err());
    }
}

#[tokio::test]
async fn a_policy_without_the_grant_ends_the_use_of_a_connection_that_had_it() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (server, mut requests) = telling(&stranger).await;
    let granting = document(&server, &["unverified"]);
    let gateway = Gateway::new(granting.into(), authority.config(), AuditLog::new());
    let options = verified(Verification::None);
    let link = secured(&gateway, &server, &options).await.unwrap();
    get(&gateway, &link, "").await.unwrap();
    requests.recv().await.unwrap();

    gateway
        .replace_policy(document(&server, &[]).into())
        .unwrap();
    let denial = denied(get(&gateway, &link, "").await);
    assert_eq!(denial.reason, DenyReason::TlsOptions);
    denied(secured(&gateway, &server, &options).await.map(|_| ()));
    assert!(requests.try_recv().is_err());
    gateway
        .replace_policy(document(&server, &["unverified"]).into())
        .unwrap();
    get(&gateway, &link, "").await.unwrap();
}
