//! What policy files parse to, and the errors for invalid ones.

mod faults;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::secret_source::SecretSource;

/// A document with every key.
const WHOLE: &str = r#"# Who may be talked to.
version = 1
mode = "report"
allow = ["https://api.example.com", "*.example.org:8443"]
deny = [
    "https://api.example.com:8443", # not there
]
ask = ["example.net"]
tunnel = ["db.example.com:5432 to 10.0.0.7"]

[budgets]
requests = 1000
requests_per_second = 10
connections = 8
bytes_up = 10_000_000
bytes_down = 100_000_000
response_head = 65536
hosts = 5
seconds = 300
host_memory = 1048576
lookups = 50
connections_per_second = 20
denials = 100

[[secret]]
name = "openai"
rule = "https://api.openai.com"
env = "KEY"
headers = ["Authorization", "x-api-key"]
query = ["key"]
basic = true
plain_http = true
source = { file = "/run/secrets/key" }

[[secret]]
name = "git-hub"
rule = "https://api.github.com"
source = { command = ["pass", "show", "key"] }

[[tls]]
hosts = ["https://legacy.example.com", "*.internal.example:8443"]
unverified = true
own_roots = true

[[tls]]
hosts = ["example.net"]
unverified_name = true
client_certificates = true
unverified = false

[[field]]
names = ["X-HTTP-Method-Override", "forwarded"]
hosts = ["https://api.example.com"]

[end]
"#;

/// The error message for this text.
fn message(text: &str) -> String {
    match Document::parse(text) {
        Ok(document) => panic!("{text:?} is a document: {document:?}"),
        Err(error) => error.to_string(),
    }
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// What the whole document means.
fn whole() -> Document {
    let first = Secret {
        name: "openai".to_owned(),
        rule: "https://api.openai.com".parse().unwrap(),
        env: "KEY".to_owned(),
        headers: strings(&["authorization", "x-api-key"]),
        query: strings(&["key"]),
        basic: true,
        plain_http: true,
        source: SecretSource::File("/run/secrets/key".into()),
    };
    let second = Secret {
        name: "git-hub".to_owned(),
        rule: "https://api.github.com".parse().unwrap(),
        env: "GIT_HUB".to_owned(),
        headers: strings(&["authorization"]),
        query: Vec::new(),
        basic: false,
        plain_http: false,
        source: SecretSource::Command(strings(&["pass", "show", "key"])),
    };
    Document {
        mode: Mode::Report,
        allow: rules(&["https://api.example.com", "*.example.org:8443"]),
        deny: rules(&["https://api.example.com:8443"]),
        ask: rules(&["example.net"]),
        budgets: Budgets {
            requests: Some(1000),
            requests_per_second: Some(10),
            connections: Some(8),
            bytes_up: Some(10_000_000),
            bytes_down: Some(100_000_000),
            response_head: Some(65536),
            hosts: Some(5),
            time: Some(Duration::from_secs(300)),
            host_memory: Some(1 << 20),
            lookups: Some(50),
            connections_per_second: Some(20),
            denials: Some(100),
        },
        secrets: vec![first, second],
        tls: vec![
            TlsGrants {
                hosts: rules(&["https://legacy.example.com", "*.internal.example:8443"]),
                unverified: true,
                own_roots: true,
                ..TlsGrants::default()
            },
            TlsGrants {
                hosts: rules(&["example.net"]),
                unverified_name: true,
                client_certificates: true,
                ..TlsGrants::default()
            },
        ],
        fields: vec![FieldGrants {
            names: strings(&["X-HTTP-Method-Override", "forwarded"]),
            hosts: rules(&["https://api.example.com"]),
        }],
        tunnel: vec!["db.example.com:5432 to 10.0.0.7".parse().unwrap()],
    }
}

/// An empty document after this change.
fn with(change: impl FnOnce(&mut Document)) -> Document {
    let mut document = Document::default();
    change(&mut document);
    document
}

#[test]
fn a_document_means_what_it_says() {
    let none = Budgets::default();
    for (text, expected) in [
        (WHOLE, whole()),
        ("version = 1\n[end]", Document::default()),
        (
            "\u{feff}version = 0x1\r\nmode = 'ask'\r\n[end] # really\r\n # yes\r\n",
            with(|d| d.mode = Mode::Ask),
        ),
        (
            "version = 1\nallow = []\n[budgets]\n[end]",
            Document::default(),
        ),
        (
            "version = 1\nbudgets = { requests = 0, bytes_down = 0 }\n[end]",
            with(|d| {
                d.budgets = Budgets {
                    requests: Some(0),
                    bytes_down: Some(0),
                    ..none
                };
            }),
        ),
        (
            "budgets.hosts = 0\nversion = 1\nbudgets.connections = 0\n[end]",
            with(|d| {
                d.budgets = Budgets {
                    hosts: Some(0),
                    connections: Some(0),
                    ..none
                };
            }),
        ),
    ] {
        assert_eq!(Document::parse(text), Ok(expected.clone()), "{text}");
        assert_eq!(text.parse(), Ok(expected), "{text}");
    }
    for secret in whole().secrets {
        assert_eq!(secret.check(), Ok(()));
    }
}

#[test]
fn a_secret_goes_into_authorization_unless_it_says_where() {
    for (keys, headers) in [
        ("", &["authorization"][..]),
        ("basic = false\nquery = []", &["authorization"]),
        ("headers = [\"X-Key\"]", &["x-key"]),
        ("query = [\"key\"]", &[]),
        ("basic = true", &[]),
        ("headers = []\nbasic = true", &[]),
    ] {
        let text = format!(
            "version = 1\n[[secret]]\nname = 'a'\nrule = 'a.test'\nsource.env = 'A'\n{keys}\n[end]"
        );
        let document = Document::parse(&text).unwrap();
        assert_eq!(document.secrets[0].headers, headers, "{keys}");
        assert_eq!(document.secrets[0].env, "A");
    }
}

#[test]
fn a_document_that_is_too_large_is_refused() {
    let padding = "#".repeat(MAX_LENGTH);
    let text = format!("version = 1\n[end]\n{padding}");
    assert_eq!(message(&text), "the policy is longer than 4 MiB");
    assert!(Document::parse(&text[..MAX_LENGTH]).is_ok());
    let many = |count: usize| {
        let rules = "'a.test',".repeat(count);
        format!("version = 1\ndeny = ['b.test']\nallow = [{rules}]\n[end]")
    };
    assert_eq!(
        message(&many(MAX_RULES)),
        "the policy has more than 100000 rules"
    );
    assert!(Document::parse(&many(MAX_RULES - 1)).is_ok());
    let grants = "[[tls]]\nhosts = ['a.test', 'b.test']\nunverified = true\n".repeat(2);
    let text = |rules: usize| many(rules).replace("[end]", &format!("{grants}[end]"));
    assert_eq!(
        message(&text(MAX_RULES - 4)),
        "the policy has more than 100000 rules"
    );
    assert!(Document::parse(&text(MAX_RULES - 5)).is_ok());
    for deep in ["[", "{a=", "a."] {
        let text = format!("version = 1\nallow = {}", deep.repeat(1_000_000));
        assert!(message(&text).starts_with("line 2: not TOML: "));
        let text = format!("version = 1\n{}=1", "a.".repeat(1_000_000));
        assert!(message(&text).starts_with("line 2: not TOML: "));
    }
}

/// Without its last line a policy might lack rules that deny, and budgets.
#[test]
fn a_document_that_is_cut_off_anywhere_is_refused() {
    let last = WHOLE.trim_end().len();
    for end in 0..last {
        assert!(Document::parse(&WHOLE[..end]).is_err(), "{end}");
    }
    assert!(Document::parse(&WHOLE[..last]).is_ok());
    for (text, expected) in [
        (
            "version = 1\n",
            "the last line '[end]' is missing: the file may be cut off; if it is complete, add the line",
        ),
        (
            "version = 1\n[end]\n[budgets]\n",
            "line 2: '[end]' is not the last line: nothing may follow it",
        ),
        (
            "version = 1\nend = {}\n",
            "line 2: '[end]' is not the last line: nothing may follow it",
        ),
        (
            "version = 1\n[end]\nx = 1\n",
            "line 3: unknown key 'x' in [end]; this table has no keys",
        ),
    ] {
        assert_eq!(message(text), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic_or_write_more_than_one_line(
        text in ".*|[a-z\"'=\\[\\]{}.,#\n 0-9-]{0,40}|\\PC*",
        key in "[a-z_]{1,12}",
        at in 0..WHOLE.len(),
        removed in 0..20_usize,
    ) {
        let end = (at + removed).min(WHOLE.len());
        for text in [
            format!("{}{text}{}", &WHOLE[..at], &WHOLE[end..]),
            format!("version = 1\n{key} = {text}"),
            format!("version = 1\n[[secret]]\n{key} = {text}"),
            text,
        ] {
            if let Err(error) = Document::parse(&text) {
                let shown = error.to_string();
                prop_assert!(!shown.contains(char::is_control), "{shown}");
                let lines = text.matches('\n').count() + 1;
                prop_assert!(error.line.is_none_or(|line| (1..=lines).contains(&line)));
            }
        }
    }

    #[test]
    fn a_string_of_any_characters_is_shown_on_one_line(
        text: String, key in prop::sample::select(read::DOCUMENT.to_vec()),
    ) {
        let quoted: String = text.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
        for text in [
            format!("{key} = \"{quoted}\""),
            format!("version = 1\n\"{quoted}\" = 1"),
            format!("version = 1\n{key} = [\"{quoted}\"]"),
            format!("version = 1\nmode = \"{quoted}\""),
        ] {
            if let Err(error) = Document::parse(&text) {
                prop_assert!(!error.to_string().contains(char::is_control), "{error}");
            }
        }
    }
}

#[test]
fn the_policy_in_the_documentation_is_valid() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policies.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let document = Document::parse(text).unwrap();
    assert_eq!((document.allow.len(), document.secrets.len()), (2, 1));
    assert!(document.budgets.time.is_some() && document.mode == Mode::Enforce);
}

#[test]
fn the_rules_in_the_documentation_are_valid() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policies.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page
        .split_once("| rule | what it means |\n|---|---|\n")
        .unwrap();
    let rows = rest.lines().take_while(|line| line.starts_with('|'));
    let mut count = 0;
    for row in rows {
        let cell = row.split('|').nth(1).unwrap();
        for rule in cell.split('`').skip(1).step_by(2) {
            assert!(rule.parse::<Rule>().is_ok(), "{rule}");
            count += 1;
        }
    }
    assert!(count > 6, "{count}");
}
