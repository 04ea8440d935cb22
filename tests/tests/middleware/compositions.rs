//! How components are composed, and what is refused.

use sandbox_net_compose::{ComposeError, middleware, other_ways, plug};
use wit_component::ComponentEncoder;

use crate::hosts::{client, under};

const POLICY: &str = "version = 1\nallow = ['https://api.test']\n[end]";

/// The middleware's module as it is checked in: nobody has put a policy into it.
const MODULE: &[u8] = include_bytes!("../../../guest/middleware/sandbox_net_middleware.wasm");

/// The guest under a middleware whose policy is missing, and under one with a damaged policy.
pub(crate) fn without_a_policy(policy: &str) -> [Vec<u8>; 2] {
    let encoder = ComponentEncoder::default().validate(true).module(MODULE);
    let missing = encoder.expect("a module").encode().expect("a component");
    let mut damaged = under(policy);
    let rule = damaged.windows(8).position(|bytes| bytes == b"GET,POST");
    damaged[rule.expect("the policy's text")] = b'g';
    [plug(&missing, &client()).expect("a composition"), damaged]
}

#[test]
fn a_composed_guest_has_one_way_to_the_network() {
    let composed = under(POLICY);
    assert_eq!(other_ways(&composed).expect("a component"), [""; 0]);
    assert_eq!(other_ways(&client()).expect("a component"), [""; 0]);
}

#[test]
fn a_second_policy_narrows_a_composition() {
    let narrower = middleware(&[POLICY]).expect("a policy");
    let composed = plug(&narrower, &under(POLICY)).expect("a composition");
    assert_eq!(other_ways(&composed).expect("a component"), [""; 0]);
}

#[test]
fn what_cannot_be_decided_about_is_refused_with_a_reason() {
    let middleware = middleware(&[POLICY]).expect("a policy");
    let component = |text: &str| wat::parse_str(text).expect("a component");
    let nothing = component("(component)");
    let old = component(r#"(component (import "wasi:http/outgoing-handler@0.2.12" (instance)))"#);
    for (guest, parts) in [
        (&nothing, &["wasi:http/client@0.3.0"][..]),
        (
            &old,
            &[
                "wasi:http/client@0.3.0",
                "wasi:http/outgoing-handler@0.2.12",
            ],
        ),
        (&b"text".to_vec(), &["not a WebAssembly component"]),
    ] {
        let error = plug(&middleware, guest).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(!error.contains('\n'), "{error}");
    }
    let two = component(
        r#"(component
             (import "wasi:http/client@0.3.0" (instance))
             (import "wasi:http/client@0.3.1" (instance)))"#,
    );
    let error = plug(&middleware, &two).unwrap_err();
    assert!(matches!(error, ComposeError::TwoClients(..)), "{error}");
}
