use super::*;

#[test]
fn a_rule_allows_its_schemes_hosts_and_ports_and_nothing_else() {
    use Scheme::{Http, Https};
    for (rule, scheme, host, port, allowed) in [
        ("example.com", Http, "example.com", 80, true),
        ("example.com", Https, "example.com", 443, true),
        ("example.com", Http, "example.com", 443, false),
        ("example.com", Https, "example.com", 80, false),
        ("example.com", Https, "example.com", 8443, false),
        ("example.com", Https, "www.example.com", 443, false),
        ("example.com", Https, "example.com.", 443, true),
        ("Example.COM.", Https, "example.com", 443, true),
        ("example.com:8080", Http, "example.com", 8080, true),
        ("example.com:8080", Https, "example.com", 8080, true),
        ("example.com:8080", Http, "example.com", 80, false),
        ("https://example.com", Https, "example.com", 443, true),
        ("https://example.com", Http, "example.com", 80, false),
        ("HTTP://example.com", Http, "example.com", 80, true),
        ("https://example.com:8443", Https, "example.com", 8443, true),
        ("https://example.com:8443", Https, "example.com", 443, false),
        ("https://example.com:8443", Http, "example.com", 8443, false),
        ("*.example.com", Https, "a.example.com", 443, true),
        ("*.example.com", Https, "a.b.example.com", 443, true),
        ("*.example.com", Https, "example.com", 443, false),
        ("*.example.com", Https, "evilexample.com", 443, false),
        ("bücher.example", Https, "xn--bcher-kva.example", 443, true),
        ("xn--bcher-kva.example", Https, "bücher.example", 443, true),
        ("127.0.0.1:8080", Http, "127.0.0.1", 8080, true),
        ("127.0.0.1:8080", Http, "::ffff:127.0.0.1", 8080, false),
        ("[::1]:8080", Http, "::1", 8080, true),
        ("[0:0::1]", Http, "::1", 80, true),
        ("[::1]", Http, "::2", 80, false),
    ] {
        let parsed: Rule = rule
            .parse()
            .unwrap_or_else(|error| panic!("{rule}: {error}"));
        let endpoint = Endpoint::new(host, port).unwrap();
        assert_eq!(
            parsed.allows(scheme, &endpoint),
            allowed,
            "{rule}: {scheme} {endpoint}"
        );
        assert_eq!(parsed.to_string(), rule);
    }
}
