use super::*;

/// The error messages of these texts all have to be `message`.
fn refuse(message: &str, texts: &[&str]) {
    for text in texts {
        match text.parse::<Rule>() {
            Ok(_) => panic!("{text:?} is a rule"),
            Err(error) => assert_eq!(error.to_string(), message, "{text:?}"),
        }
    }
}

#[test]
fn what_is_no_rule_is_refused_with_what_to_write_instead() {
    refuse(
        "the rule is empty: write a host, such as 'example.com' or 'https://example.com:8443'",
        &[""],
    );
    refuse("the rule is longer than 4096 bytes", &[&"a".repeat(4097)]);
    refuse(
        "a rule is '[METHODS] [SCHEME://]HOST[:PORT][/PATH] [to ADDRESSES]', with one space \
         between its parts",
        &[
            "a.test to",
            "to a.test",
            "GET a.test to 10.0.0.1 x",
            "GET  POST a.test b",
        ],
    );
    refuse(
        "'exa' is not a list of methods: write them in capitals, such as 'GET,HEAD example.com'",
        &["exa mple.com"],
    );
    refuse(
        "'get' is not a list of methods: write them in capitals, such as 'GET,HEAD example.com'",
        &["get example.com"],
    );
    refuse(
        "sandbox-net never sends the method CONNECT: remove it",
        &["GET,CONNECT example.com"],
    );
    refuse(
        "unknown scheme 'ftp': write 'http://' or 'https://', or remove the scheme to mean both",
        &["ftp://example.com", "ftp:///etc/passwd"],
    );
    refuse(
        "a rule cannot contain user information: write 'https://example.com:8443'",
        &[
            "https://user:pw@example.com:8443",
            "https://a@b@example.com:8443",
        ],
    );
    refuse(
        "a rule cannot contain a query or a fragment: write 'https://example.com:8443'",
        &[
            "https://example.com:8443?q",
            "https://example.com:8443#f/",
            "https://example.com:8443/?q",
        ],
    );
    refuse(
        "a rule cannot contain a query or a fragment: write 'example.com/a'",
        &["example.com/a?b=c"],
    );
    refuse(
        "'/' alone matches only that one path: write 'example.com:8443/**' for every path, or \
         remove the path",
        &["https://example.com:8443/"],
    );
    refuse(
        "the rule has no host: write one, such as 'example.com'",
        &["//example.com"],
    );
    refuse(
        "the host name has an empty label (two dots in a row, or a dot at its start)",
        &["a..b/c"],
    );
}

#[test]
fn networks_are_whole_and_not_most_of_the_internet() {
    for text in [
        "10.0.0.0/8",
        "10.0.0.0/8:443",
        "10.0.0.0/8:80-90/x",
        "[fd00::/8]",
        "https://[fc00::/7]:443",
        "192.0.2.1/32",
        "a.test to 10.0.0.0/8,[fd00::/8],fd00::1,public",
    ] {
        assert!(text.parse::<Rule>().is_ok(), "{text}");
    }
    refuse(
        "'10.0.0.1/8' has bits beyond its prefix: write '10.0.0.0/8' for the network (or a port \
         before the path, as in '192.0.2.1:80/8')",
        &["10.0.0.1/8", "a.test to 10.0.0.1/8"],
    );
    refuse(
        "'10.0.0.0/33' is not a network: write it as '10.0.0.0/8' or '[fd00::/8]'",
        &["10.0.0.0/33"],
    );
    refuse(
        "'fd00::/08' is not a network: write it as '10.0.0.0/8' or '[fd00::/8]'",
        &["[fd00::/08]"],
    );
    refuse(
        "'0.0.0.0/0' is a large part of all addresses: name smaller networks (IPv4 from /8, IPv6 \
         from /7 on), or write 'any' for every name and public address",
        &["0.0.0.0/0", "a.test to 0.0.0.0/0"],
    );
    refuse(
        "an IPv6 address needs brackets: write '[fd00::]' or '[fd00::]:8080'",
        &["fd00::/8"],
    );
    assert!(Rule::parse_deny("0.0.0.0/0").is_ok() && Rule::parse_deny("*.com").is_ok());
}

#[test]
fn addresses_after_to_are_for_names() {
    for (host, what) in [
        ("10.0.0.1", "an address"),
        ("10.0.0.0/8", "a network"),
        ("localhost", "'localhost'"),
    ] {
        refuse(
            &format!("'to' limits the addresses of a name, and {what} is not a name: remove it"),
            &[&format!("{host} to 10.0.0.1")],
        );
    }
    for text in ["private", "10.0.0", "a.test", "", "10.0.0.1:80"] {
        refuse(
            &format!(
                "'{text}' is not an address: after 'to' come addresses, networks, and 'public', \
                 with commas between them"
            ),
            &[
                &format!("a.test to {text}"),
                &format!("a.test to 10.0.0.1,{text}"),
            ],
        );
    }
}

#[test]
fn patterns_that_allow_more_than_they_seem_to_are_refused() {
    refuse(
        "'*' would allow every host: name the hosts, such as 'example.com' or '*.example.com', \
         or write 'any' for every name and public address",
        &["*", "*:443", "https://*"],
    );
    refuse(
        "'*.com' would allow a whole public suffix, where anybody can register a name: write a \
         longer domain, such as '*.example.com'",
        &["*.com", "https://*.com:8443"],
    );
    refuse(
        "'*.co.uk' would allow a whole public suffix, where anybody can register a name: write a \
         longer domain, such as '*.example.co.uk'",
        &["*.co.uk"],
    );
    refuse(
        "'*' can only stand for the labels before a domain: write '*.example.com'",
        &[
            "*example.com",
            "**.example.com",
            "*.*.example.com",
            "a.*.example.com",
        ],
    );
    refuse(
        "'*' can only stand for the labels before a domain: write 'https://*.example.com:8443'",
        &["https://*example.com:8443"],
    );
    refuse(
        "'*' can only stand for the labels before a domain",
        &["*com", "example.*", "a*.com", "**", "*.192.0.2.1"],
    );
}

#[test]
fn hosts_are_refused_in_every_spelling_but_the_plain_one() {
    refuse(
        "the rule has no host: write one, such as 'example.com'",
        &["https://", ":8080", "https://:8080"],
    );
    refuse("the host is empty", &["*.", "[]", "."]);
    refuse(
        "'\\u{a0}' cannot be part of a host name",
        &["a.test,b\u{a0}.test"],
    );
    refuse(
        "'\\n' cannot be part of a host name",
        &["example.com\n", "https://\n", "a:80\n"],
    );
    refuse(
        "'\\\\' cannot be part of a host name",
        &["example.com\\x", "a.test\\@b.test"],
    );
    refuse("',' cannot be part of a host name", &["a.test,b.test"]);
    refuse(
        "an IPv6 address needs brackets: write '[::1]' or '[::1]:8080'",
        &["::1", "https://::1"],
    );
    refuse(
        "not an IPv6 address, and names have no colon",
        &["example.com:80:90", "[a:b]"],
    );
    refuse(
        "brackets are misplaced: they go around an IPv6 address only",
        &[
            "[::1",
            "::1]",
            "[::1]x",
            "[[::1]]",
            "[192.0.2.1]",
            "[a.test]",
        ],
    );
    refuse(
        "IPv6 zone identifiers ('%eth0') are not accepted",
        &["[fe80::1%eth0]"],
    );
    refuse(
        "not an IPv4 address in its standard form: four decimal numbers, as in '192.0.2.1'",
        &[
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "127.0.0.256",
        ],
    );
    refuse(
        "not a valid internationalised name: write it in lower case, or in its 'xn--' form",
        &[
            "\u{ff45}\u{ff58}\u{ff41}\u{ff4d}\u{ff50}\u{ff4c}\u{ff45}.com",
            "*.\u{ff45}\u{ff58}\u{ff41}\u{ff4d}\u{ff50}\u{ff4c}\u{ff45}.com",
        ],
    );
}

#[test]
fn ports_are_plain_numbers_from_1_to_65535() {
    for port in [
        "",
        "0",
        "080",
        "65536",
        "99999999999",
        "+80",
        "-1",
        "90-80",
        "80-",
        "1-70000",
        "*",
        "0x50",
        "http",
    ] {
        refuse(
            &format!(
                "'{port}' is not a port: write a number from 1 to 65535 without leading zeros, or \
                     a range such as '8000-8099'"
            ),
            &[&format!("a.test:{port}"), &format!("[::1]:{port}")],
        );
    }
    for port in ["1", "80", "65535", "80-90", "80-80"] {
        assert!(format!("a.test:{port}").parse::<Rule>().is_ok());
    }
}
