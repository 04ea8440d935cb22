//! Every setting is enforced, refused, or documented as having no effect.

use std::net::SocketAddr;
use std::time::Duration;

use sandbox_net::policy::{Budgets, Document, Policy, Rule, Secret, SecretSource, TlsGrants};
use sandbox_net::{
    AuditStderr, DecisionHook, Engine, HookAnswer, HookError, HookRequest, Output, Sandbox,
    SandboxBuilder, Vault, VaultError,
};

/// A hook that allows everything.
struct Willing;

impl DecisionHook for Willing {
    async fn decide(&self, _: &HookRequest) -> Result<HookAnswer, HookError> {
        Ok(HookAnswer::allow())
    }
}

/// A valid secret after this change.
fn secret(change: impl FnOnce(&mut Secret)) -> Secret {
    let mut secret = Secret {
        name: "key".to_owned(),
        rule: "https://api.test".parse().expect("a rule"),
        env: "KEY".to_owned(),
        headers: vec!["Authorization".to_owned()],
        query: Vec::new(),
        basic: false,
        plain_http: false,
        source: SecretSource::Command(vec!["printf".to_owned(), "a-long-value".to_owned()]),
    };
    change(&mut secret);
    secret
}

fn with_secrets(secrets: Vec<Secret>) -> Document {
    Document {
        allow: vec!["https://api.test".parse().expect("a rule")],
        secrets,
        ..Document::default()
    }
}

fn with_budgets(budgets: Budgets) -> Document {
    Document {
        budgets,
        ..Document::default()
    }
}

fn broad() -> Rule {
    Rule::parse_deny("*.com").expect("a rule that denies")
}

fn servers(texts: &[&str]) -> Vec<SocketAddr> {
    let servers = texts.iter().map(|text| text.parse());
    servers.collect::<Result<_, _>>().expect("addresses")
}

/// Refused settings, and a part of each message.
fn refused() -> Vec<(SandboxBuilder, &'static str)> {
    let new = Sandbox::builder;
    let policy = |document: Document| new().policy(document);
    let key = |change: fn(&mut Secret)| policy(with_secrets(vec![secret(change)]));
    let zero = Budgets::default();
    vec![
        (
            new().time_limit(Duration::ZERO),
            "the time limit can't be used: it is zero",
        ),
        (
            new().request_deadline(Duration::ZERO),
            "the request deadline can't be used: it is zero",
        ),
        (
            new().memory_limit(0),
            "the memory limit can't be used: it is 0 B,",
        ),
        (
            new().memory_limit(1 << 20),
            "the interpreter alone needs 40.0 MiB; give it more",
        ),
        (
            new().preparation_limit(Duration::ZERO),
            "the preparation limit can't be used: it is zero",
        ),
        (
            new().host_memory_limit(0),
            "the host memory limit can't be used: it is 0 bytes",
        ),
        (
            key(|s| s.env = "PYTHONPATH".to_owned()),
            "'PYTHONPATH' can't be set",
        ),
        (
            new().name("a\nb"),
            "the sandbox's name can't be used: it has a control character",
        ),
        (
            new().name("x".repeat(10_000)),
            "it is longer than 256 bytes",
        ),
        (
            new().dns_servers([]),
            "the list of DNS servers can't be used: it is empty",
        ),
        (
            new().dns_servers(servers(&["192.0.2.1:53", "192.0.2.1:53"])),
            "is in it twice",
        ),
        (
            new().dns_servers(servers(&["0.0.0.0:53"])),
            "0.0.0.0:53 is not a server's address",
        ),
        (new().arg("a\0b"), "contains a NUL"),
        (
            new().env("A=B", "1"),
            "the environment variable 'A=B' has a name or a value",
        ),
        (
            new().env("", "1"),
            "has a name or a value that can't be set",
        ),
        (
            new().env("PYTHONHASHSEED", "1"),
            "'PYTHONHASHSEED' can't be set: the interpreter has started",
        ),
        (
            new().env("PYTHONPATH", "/home"),
            "add to sys.path in the program",
        ),
        (
            new().env("PYTHONWARNINGS", "error"),
            "use warnings.filterwarnings()",
        ),
        (
            new().env("PYTHONOPTIMIZE", "1"),
            "assertions are always executed",
        ),
        (
            new().hook(Willing),
            "the hook can't be used: it is never asked where nothing is allowed",
        ),
        (
            new().deny("a.test").hook(Willing),
            "it is never asked where nothing is allowed",
        ),
        (
            new()
                .allow("a.test")
                .intersect(Policy::deny_all())
                .hook(Willing),
            "it is never asked",
        ),
        (
            new().allow("a.test").hook_deadline(Duration::from_secs(1)),
            "there is no hook",
        ),
        (
            new()
                .allow("a.test")
                .hook(Willing)
                .hook_deadline(Duration::ZERO),
            "the hook's deadline can't be used: it is zero",
        ),
        (
            new().audit_sink(AuditStderr).stderr(Output::Inherit),
            "the audit log can't be used: the program's stderr goes to the same place",
        ),
        (
            new().stderr(Output::Inherit).audit_sink(AuditStderr),
            "(--audit FILE)",
        ),
        (
            key(|s| s.rule = "any".parse().expect("a rule")),
            "secret 1: rule: a secret cannot use 'any'",
        ),
        (key(|s| s.rule = broad()), "the rule '*.com' is refused"),
        (
            key(|s| s.headers.clear()),
            "secret 1: headers: the secret is never sent",
        ),
        (
            key(|s| s.headers = vec!["Host".to_owned()]),
            "'host' is set by the host",
        ),
        (
            key(|s| s.headers = vec!["X\nY".to_owned()]),
            "write names of header fields",
        ),
        (
            key(|s| s.name = "a\nb".to_owned()),
            "secret 1: name: write 1 to 64",
        ),
        (
            key(|s| s.rule = "http://api.test".parse().expect("a rule")),
            "would send the secret without TLS",
        ),
        (
            key(|s| s.env.clear()),
            "secret 1: env: a variable name cannot be empty",
        ),
        (
            key(|s| s.source = SecretSource::Command(Vec::new())),
            "source: a command begins with a program",
        ),
        (
            policy(with_secrets(vec![
                secret(|_| {}),
                secret(|s| s.env = "B".to_owned()),
            ])),
            "secret 2: name: another secret is already called 'key'",
        ),
        (
            policy(with_secrets(vec![
                secret(|_| {}),
                secret(|s| s.name = "b".to_owned()),
            ])),
            "secret 2: env: another secret already has",
        ),
        (
            policy(with_secrets(vec![secret(|_| {})])).env("KEY", "mine"),
            "'KEY' can't be set: a secret of the policy has it",
        ),
        (
            policy(with_budgets(Budgets {
                requests_per_second: Some(0),
                ..zero
            })),
            "budgets: requests_per_second: expected",
        ),
        (
            policy(with_budgets(Budgets {
                response_head: Some(0),
                ..zero
            })),
            "budgets: response_head: expected",
        ),
        (
            policy(with_budgets(Budgets {
                time: Some(Duration::ZERO),
                ..zero
            })),
            "budgets: seconds: expected",
        ),
        (
            policy(with_budgets(Budgets {
                host_memory: Some(0),
                ..zero
            })),
            "budgets: host_memory: expected",
        ),
        (
            policy(with_budgets(Budgets {
                connections_per_second: Some(0),
                ..zero
            })),
            "budgets: connections_per_second",
        ),
        (
            new().intersect(
                with_budgets(Budgets {
                    response_head: Some(0),
                    ..zero
                })
                .into(),
            ),
            "budgets: response_head",
        ),
        (
            policy(Document {
                allow: vec![broad()],
                ..Document::default()
            }),
            "allow: the rule '*.com' is refused",
        ),
        (
            policy(Document {
                ask: vec![broad()],
                ..Document::default()
            }),
            "ask: the rule '*.com' is refused",
        ),
        (
            policy(Document {
                tls: vec![TlsGrants::default()],
                ..Document::default()
            }),
            "tls 1: hosts: name at least one host",
        ),
        (
            new().intersect(
                Document {
                    tls: vec![TlsGrants::default()],
                    ..Document::default()
                }
                .into(),
            ),
            "tls 1: hosts",
        ),
        (new().trust_ca_pem(""), "no certificate is in it"),
        (new().allow(""), "the rule is empty"),
    ]
}

#[tokio::test]
async fn a_setting_that_would_mean_nothing_is_one_clear_line() {
    for (index, (builder, expected)) in refused().into_iter().enumerate() {
        let Err(error) = builder.check() else {
            panic!("{index} is accepted: {expected}");
        };
        let said = error.to_string();
        assert!(
            said.contains(expected) && !said.contains('\n'),
            "{index}: {said}"
        );
        // Building is refused, too.
        assert!(builder.build().await.is_err(), "{said}");
    }
}

#[test]
fn a_setting_that_means_something_is_accepted() {
    let new = || Sandbox::builder().allow("https://api.test");
    let accepted = [
        new().time_limit(Duration::from_millis(1)),
        new().memory_limit(64 << 20),
        new().name("agent-7/ä"),
        new().name(""),
        new().dns_servers(servers(&["192.0.2.1:53", "[2001:db8::1]:53"])),
        new()
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1"),
        new()
            .env("PYTHONHASHSEED", "0")
            .env("PYTHONUTF8", "1")
            .env("PYTHONPATH", ""),
        new().env("A", "1").env("A", "2"),
        new().hook(Willing).hook_deadline(Duration::from_secs(1)),
        Sandbox::builder().ask("a.test").hook(Willing),
        new().audit_sink(AuditStderr),
        new()
            .audit_sink(AuditStderr)
            .stderr(Output::to(std::io::sink())),
        Sandbox::builder().policy(with_secrets(vec![secret(|_| {})])),
        Sandbox::builder().policy(with_budgets(Budgets {
            requests: Some(0),
            denials: Some(0),
            time: Some(Duration::from_millis(1)),
            ..Budgets::default()
        })),
    ];
    for (index, builder) in accepted.into_iter().enumerate() {
        builder
            .check()
            .unwrap_or_else(|error| panic!("{index}: {error}"));
    }
}

#[test]
fn a_vault_is_never_opened_for_what_a_file_could_not_have() {
    assert!(Vault::open(&[secret(|_| {})]).is_ok());
    let bad = secret(|s| s.rule = "any".parse().expect("a rule"));
    assert!(matches!(Vault::open(&[bad]), Err(VaultError::Refused(_))));
    assert!(matches!(
        Vault::open(&[secret(|_| {}), secret(|_| {})]),
        Err(VaultError::Refused(_))
    ));
}

#[tokio::test]
async fn an_engine_has_time_to_be_prepared() {
    let engine = |limit| Engine::builder().preparation_limit(limit).build();
    let error = engine(Duration::ZERO).await.expect_err("it is refused");
    let expected = "the preparation limit can't be used: it is zero; omit it for 30 minutes";
    assert_eq!(error.to_string(), expected);
    engine(Duration::from_secs(600)).await.expect("an engine");
}

#[tokio::test]
async fn a_sandbox_refuses_later_what_it_would_have_refused_at_first() {
    let sandbox = Sandbox::builder().policy(with_secrets(vec![secret(|_| {})]));
    let sandbox = sandbox.build().await.expect("a sandbox");
    let placeholder = sandbox.get_env("KEY").expect("a placeholder");
    for (name, value, expected) in [
        ("KEY", "mine", "a secret of the policy has it"),
        ("PYTHONPATH", "/home", "add to sys.path"),
        ("A=B", "1", "has a name or a value"),
    ] {
        let said = sandbox
            .set_env(name, value)
            .expect_err("a refusal")
            .to_string();
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(sandbox.get_env("KEY"), Some(placeholder));
    sandbox.set_env("OTHER", "1").expect("a variable");
    let fork = sandbox.fork().await.expect("a fork");
    assert!(fork.set_env("KEY", "mine").is_err());
    let broad = Document {
        allow: vec![broad()],
        ..Document::default()
    };
    let said = sandbox
        .set_policy(broad.into())
        .expect_err("a refusal")
        .to_string();
    assert!(said.contains("'*.com' is refused"), "{said}");
    sandbox
        .set_policy(Policy::allow(["b.test".parse().expect("a rule")]))
        .expect("a policy");
}
