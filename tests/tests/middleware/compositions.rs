//! How components are composed, and what is refused.

use sandbox_net_compose::{ComposeError, Wasi, confine, middleware, other_ways, plug};

use crate::hosts::{client, component, under};

const POLICY: &str = "version = 1\nallow = ['https://api.test']\n[end]";

/// The middlewares' modules as they are checked in: nobody has put a policy into them.
const P2: &[u8] = include_bytes!("../../../guest/middleware-p2/sandbox_net_middleware_p2.wasm");
const P3: &[u8] = include_bytes!("../../../guest/middleware/sandbox_net_middleware.wasm");

/// The guest under a middleware whose policy is missing, and under one with a damaged policy.
pub(crate) fn without_a_policy(wasi: Wasi, policy: &str) -> [Vec<u8>; 2] {
    let missing = component(match wasi {
        Wasi::P2 => P2,
        Wasi::P3 => P3,
    });
    let mut damaged = under(wasi, policy);
    let rule = damaged.windows(8).position(|bytes| bytes == b"GET,POST");
    damaged[rule.expect("the policy's text")] = b'g';
    let missing = plug(&[&missing], &client(wasi)).expect("a composition");
    [missing, damaged]
}

fn of_text(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("a component")
}

#[test]
fn a_composed_guest_has_one_way_to_the_network() {
    for wasi in Wasi::ALL {
        let composed = under(wasi, POLICY);
        assert_eq!(other_ways(&composed).expect("a component"), [""; 0]);
        assert_eq!(other_ways(&client(wasi)).expect("a component"), [""; 0]);
        assert_eq!(Wasi::all_of(&composed).expect("a component"), [wasi]);
    }
}

#[test]
fn a_second_policy_narrows_a_composition() {
    for wasi in Wasi::ALL {
        let composed = confine(&[POLICY], &under(wasi, POLICY)).expect("a composition");
        assert_eq!(other_ways(&composed).expect("a component"), [""; 0]);
    }
}

#[test]
fn a_guest_of_another_patch_version_of_wasi_is_composed() {
    let mut guest = client(Wasi::P2);
    let versions: Vec<_> = guest.windows(6).enumerate().collect();
    let versions = versions.into_iter().filter(|(_, it)| *it == b"0.2.12");
    let places: Vec<_> = versions.map(|(place, _)| place).collect();
    assert!(!places.is_empty());
    for place in places {
        guest[place..place + 6].copy_from_slice(b"0.2.10");
    }
    let composed = confine(&[POLICY], &guest).expect("a composition");
    assert_eq!(Wasi::all_of(&composed).expect("a component"), [Wasi::P2]);
}

#[test]
fn what_cannot_be_decided_about_is_refused_with_a_reason() {
    let nothing = of_text("(component)");
    let types = of_text(r#"(component (import "wasi:http/types@0.2.12" (instance)))"#);
    let newer = of_text(r#"(component (import "wasi:http/outgoing-handler@0.3.0" (instance)))"#);
    let interfaces = Wasi::ALL.map(Wasi::interface);
    for (guest, parts) in [
        (&nothing, &interfaces[..]),
        (&types, &["wasi:http/types@0.2.12"]),
        (&newer, &["it imports wasi:http/outgoing-handler@0.3.0"]),
        (&b"text".to_vec(), &["not a WebAssembly component"]),
    ] {
        let middleware = middleware(Wasi::P3, &[POLICY]).expect("a policy");
        for error in [
            plug(&[&middleware], guest).unwrap_err(),
            confine(&[POLICY], guest).unwrap_err(),
        ] {
            let error = error.to_string();
            for part in parts {
                assert!(error.contains(part), "{part}: {error}");
            }
            assert!(!error.contains('\n'), "{error}");
        }
    }
    for (first, second) in [
        ("wasi:http/client@0.3.0", "wasi:http/client@0.3.1"),
        (
            "wasi:http/outgoing-handler@0.2.3",
            "wasi:http/outgoing-handler@0.2.12",
        ),
    ] {
        let two =
            format!(r#"(component (import "{first}" (instance)) (import "{second}" (instance)))"#);
        let error = confine(&[POLICY], &of_text(&two)).unwrap_err();
        assert!(matches!(error, ComposeError::TwoClients(..)), "{error}");
    }
}

#[test]
fn what_sends_requests_by_two_versions_of_wasi_is_decided_about_in_both_or_refused() {
    let [old, new] = Wasi::ALL.map(Wasi::interface);
    let both = of_text(&format!(
        r#"(component (import "{old}" (instance)) (import "{new}" (instance)))"#
    ));
    for wasi in Wasi::ALL {
        let middleware = middleware(wasi, &[POLICY]).expect("a policy");
        let error = plug(&[&middleware], &both).unwrap_err();
        assert!(matches!(error, ComposeError::Undecided(_)), "{error}");
    }
    confine(&[POLICY], &both).expect("a composition");
}
