use super::*;
use sandbox_net_egress::{EgressConfig, Phase, ProtocolFault, Roots, TlsConfig};
use sandbox_net_gateway::{AuditLog, Gateway};
use sandbox_net_policy::{Budgets, Denial, DenyReason, Policy};

fn told(error: &EgressError) -> (u16, Value) {
    let config = EgressConfig::new(TlsConfig::new(Roots::Bundled, []).unwrap());
    let budgets = Budgets {
        requests: Some(7),
        ..Budgets::default()
    };
    let policy = Policy::deny_all().with_budgets(budgets);
    let gateway = Gateway::new(policy, config, AuditLog::new());
    let json = ErrorJson::egress(error, gateway.bounds());
    let body: Value = serde_json::from_slice(&json.body()).unwrap();
    (json.status, body["error"].clone())
}

#[test]
fn each_error_has_its_code_its_status_and_a_sentence() {
    let denial = Denial {
        reason: DenyReason::NoRule,
        rule: "default-deny".into(),
        message: "no".into(),
        address: None,
    };
    let certificate = TlsFailure::Certificate {
        fault: CertificateFault::NameMismatch,
        message: "another name".into(),
    };
    for (error, status, expected) in [
        (
            EgressError::Denied(denial),
            403,
            json!({"code": "denied", "reason": "no-rule", "rule": "default-deny"}),
        ),
        (
            EgressError::Dns(DnsFailure::NotFound),
            502,
            json!({"code": "dns", "failure": "not-found"}),
        ),
        (EgressError::Refused, 502, json!({"code": "refused"})),
        (
            EgressError::Unreachable,
            502,
            json!({"code": "unreachable"}),
        ),
        (EgressError::Reset, 502, json!({"code": "reset"})),
        (
            EgressError::Timeout(Phase::Connect),
            504,
            json!({"code": "timeout", "phase": "connect"}),
        ),
        (
            EgressError::Tls(certificate),
            502,
            json!({"code": "tls", "certificate": "name-mismatch"}),
        ),
        (
            EgressError::Tls(TlsFailure::Other("x".into())),
            502,
            json!({"code": "tls", "certificate": null}),
        ),
        (
            EgressError::protocol(ProtocolFault::HeadTooLarge),
            502,
            json!({"code": "protocol"}),
        ),
        (
            EgressError::Limit(Limit::Requests),
            403,
            json!({"code": "limit", "limit": "requests", "value": 7, "can_be_raised": true}),
        ),
        (
            EgressError::Limit(Limit::RequestHeadSize),
            403,
            json!({"code": "limit", "limit": "request-head-size", "value": null, "can_be_raised": false}),
        ),
        (EgressError::Closed, 502, json!({"code": "closed"})),
        (
            EgressError::Invalid("nonsense".into()),
            400,
            json!({"code": "invalid"}),
        ),
    ] {
        let (found, mut value) = told(&error);
        let message = value.as_object_mut().unwrap().remove("message");
        assert_eq!((found, &value), (status, &expected), "{error}");
        assert!(
            message
                .unwrap()
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
}

#[test]
fn what_is_wrong_with_tls_begins_as_the_patch_expects_it() {
    let certificate = TlsFailure::Certificate {
        fault: CertificateFault::Expired,
        message: "it has expired".into(),
    };
    for (failure, expected) in [
        (
            certificate,
            "certificate verification failed: it has expired",
        ),
        (TlsFailure::Other("no".into()), "TLS failed: no"),
    ] {
        let (_, value) = told(&EgressError::Tls(failure));
        assert_eq!(value["message"], expected);
    }
}
