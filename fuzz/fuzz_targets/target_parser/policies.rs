//! The policies that requests are tested with.

use std::sync::LazyLock;

use sandbox_net_policy::{Document, Policy};

/// The rule for the only host with a single path.
pub(crate) const PUBLIC_PATH: &str = "public.test/public/**";

/// A policy with every feature. [`crate::hosts::check_permitted`] knows its lists of addresses, and
/// [`crate::paths`] its paths.
const MAIN: &str = r#"
version = 1
allow = [
    "public.test/public/**",
    "GET,HEAD api.test",
    "PUT,DELETE https://api.test:8443/v1/*/items/**",
    "repo.test",
    "*.pages.test:8000-8099",
    "lan.test to 10.0.0.0/8,192.168.1.1",
    "*.mixed.test to public,127.0.0.1,[fd12::/64]",
    "both.test to 10.0.0.0/8",
    "GET both.test to public",
    "localhost:3000",
    "172.16.0.0/12:8080",
    "[fd00::/8]",
    "169.254.169.254/latest/**",
    "any:9000",
]
deny = [
    "repo.test/admin/**",
    "DELETE any",
    "secret.pages.test",
    "10.9.0.0/16",
    "http://8.8.4.4",
    "[2001:4860::/32]:443",
]
ask = ["POST api.test/v1/**", "ask.test", "*.lan.test to 10.0.0.0/8"]
[end]
"#;

const WIDE: &str = r#"
version = 1
allow = ["any", "public.test/**", "10.0.0.0/8", "GET any:1-65535", "lan.test to 10.1.0.0/16,public"]
deny = ["repo.test/private/**", "POST any/v1/*"]
[end]
"#;

const REPORTING: &str = r#"
version = 1
mode = "report"
allow = ["api.test", "any:9000 to 10.0.0.0/8"]
deny = ["*.test/public/x/**", "192.168.0.0/16"]
ask = ["https://public.test"]
[end]
"#;

const ASKING: &str = r#"
version = 1
mode = "ask"
allow = ["*.pages.test:8080", "169.254.169.254"]
deny = ["any/admin/**"]
[end]
"#;

/// The policies, the main one first.
pub(crate) static POLICIES: LazyLock<[Policy; 4]> = LazyLock::new(|| {
    let parse = |text| Policy::from(Document::parse(text).expect("a policy"));
    [MAIN, WIDE, REPORTING, ASKING].map(parse)
});

/// The indexes of two policies, and both together.
pub(crate) static PAIRS: LazyLock<[(usize, usize, Policy); 5]> = LazyLock::new(|| {
    let pairs = [(0, 1), (1, 0), (0, 2), (3, 0), (2, 3)];
    pairs.map(|(a, b)| (a, b, POLICIES[a].intersect(&POLICIES[b])))
});
