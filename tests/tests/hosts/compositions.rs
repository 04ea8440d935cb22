//! What a composition imports and exports, and what is refused.

use sandbox_net::{Capability, Engine};
use sandbox_net_compose::{ComposeError, Decider, ExitCode, on_wasi_http};
use wasmparser::{ComponentExternalKind, Parser, Payload};

const POLICY: &str = "version = 1\nallow = ['https://api.test']\n[end]";

async fn python(capability: Capability) -> Vec<u8> {
    let engine = Engine::shared().await.expect("the default distribution");
    let file = engine.component(capability).await.expect("a component");
    std::fs::read(file).expect("a component")
}

/// The names that a component imports and exports.
fn names(component: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload.expect("a component") {
            Payload::ComponentSection { .. } | Payload::ModuleSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(
                    section
                        .into_iter()
                        .map(|it| it.expect("an import").name.0.to_owned()),
                );
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.expect("an export");
                    assert!(export.kind != ComponentExternalKind::Module);
                    exports.push(export.name.0.to_owned());
                }
            }
            _ => {}
        }
    }
    (imports, exports)
}

#[test]
fn a_program_with_another_way_to_the_network_is_refused_by_its_name() {
    let with = |more: &str| {
        let text = format!(
            "(component
                (import \"sandbox:net/client@0.1.0\" (instance))
                {more}
                (instance $run)
                (export \"wasi:cli/run@0.2.0\" (instance $run)))"
        );
        let component = wat::parse_str(&text).expect("a component");
        on_wasi_http(&component, Decider::Policies(&[POLICY]), ExitCode::Kept)
    };
    for way in [
        "wasi:http/outgoing-handler@0.2.3",
        "wasi:sockets/tcp@0.2.3",
        "wasi:http/client@0.3.0",
    ] {
        let error = with(&format!("(import \"{way}\" (instance))")).expect_err("a way");
        let is_named = matches!(&error, ComposeError::OtherWays(ways) if ways == &[way]);
        assert!(is_named, "{error}");
    }
    // The control: what leads nowhere is no way.
    let harmless = with("(import \"wasi:clocks/wall-clock@0.2.3\" (instance))");
    assert!(!matches!(harmless, Err(ComposeError::OtherWays(_))));
}

#[tokio::test]
async fn a_composition_has_one_way_to_the_network_and_runs_as_a_command() {
    let python = python(Capability::Network).await;
    for (decider, has_policy) in [(Decider::Policies(&[POLICY]), false), (Decider::Host, true)] {
        for (exit_code, code) in [(ExitCode::Kept, true), (ExitCode::OneBit, false)] {
            let composed = on_wasi_http(&python, decider, exit_code).expect("a composition");
            let (imports, exports) = names(&composed);
            assert_eq!(exports, ["run", "wasi:cli/run@0.2.12"]);
            let of = |prefix: &str| imports.iter().any(|name| name.starts_with(prefix));
            assert!(
                of("wasi:http/outgoing-handler@0.2") && !of("wasi:sockets"),
                "{imports:?}"
            );
            assert!(!of("sandbox:net/client"), "{imports:?}");
            assert_eq!(of("sandbox:net/policy"), has_policy, "{imports:?}");
            let asks_for_code = composed
                .windows(14)
                .filter(|name| *name == b"exit-with-code")
                .count();
            // Without it, only what stands in for it has the name.
            assert!(asks_for_code > 0 && of("wasi:cli/exit"), "{code}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_composed_is_refused_with_what_is_missing() {
    let component = |text: &str| wat::parse_str(text).expect("a component");
    let network = r#"(import "sandbox:net/client@0.1.0" (instance))"#;
    let older = r#"(import "sandbox:net/client@0.0.9" (instance))"#;
    for (bytes, parts) in [
        (b"text".to_vec(), &["not a WebAssembly component"][..]),
        (component("(module)"), &["not a WebAssembly component"]),
        (
            component("(component)"),
            &["does not import 'sandbox:net/client@0.1.0'"],
        ),
        (
            component(&format!("(component {older})")),
            &[
                "does not import 'sandbox:net/client@0.1.0'",
                "it has 'sandbox:net/client@0.0.9'",
            ],
        ),
        (
            component(&format!("(component {network})")),
            &["does not export 'run'"],
        ),
        (
            python(Capability::None).await,
            &["does not import 'sandbox:net/client@0.1.0'"],
        ),
    ] {
        let refused = on_wasi_http(&bytes, Decider::Policies(&[POLICY]), ExitCode::Kept);
        let error = refused.expect_err("no composition").to_string();
        for part in parts {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(!error.contains('\n'), "{error}");
    }
}

#[tokio::test]
async fn a_run_of_another_type_is_refused() {
    let other = r#"(component
        (import "sandbox:net/client@0.1.0" (instance))
        (core module $m (func (export "run") (result i64) i64.const 0))
        (core instance $i (instantiate $m))
        (func $run (result u64) (canon lift (core func $i "run")))
        (export "run" (func $run)))"#;
    let other = wat::parse_str(other).expect("a component");
    let refused = on_wasi_http(&other, Decider::Host, ExitCode::Kept);
    let error = refused.expect_err("no composition");
    assert!(matches!(error, ComposeError::Graph(_)), "{error}");
}

#[tokio::test]
async fn a_policy_that_is_none_is_refused() {
    let python = python(Capability::Network).await;
    for (files, part) in [
        (&[][..], "there is no policy"),
        (&["version = 2"][..], "policy file 1"),
        (&[POLICY, "allow = 7"][..], "policy file 2"),
    ] {
        let refused = on_wasi_http(&python, Decider::Policies(files), ExitCode::Kept);
        let error = refused.expect_err("no composition").to_string();
        assert!(error.contains(part), "{error}");
    }
}
