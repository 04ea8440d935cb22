use super::*;
use crate::denial::DenyReason;
use crate::testing::{origin, policy as parse};

fn policy(rules: &[&str]) -> Policy {
    parse(&rules.join(";"))
}

#[test]
#[rustfmt::skip] // one row a line
fn an_address_that_is_not_public_is_dialled_only_where_the_rule_itself_says_so() {
    for (rules, host, address, permitted) in [
        ("api.test:8080", "api.test", "93.184.216.34", true),
        ("api.test:8080", "api.test", "127.0.0.1", false),
        ("api.test:8080", "api.test", "10.0.0.1", false),
        ("api.test:8080", "api.test", "169.254.169.254", false),
        ("api.test:8080", "api.test", "::ffff:10.0.0.1", false),
        ("api.test:8080", "api.test", "64:ff9b::10.0.0.1", false),
        ("api.test:8080", "api.test", "fd00::1", false),
        ("api.test:8080; 127.0.0.1:8080", "api.test", "127.0.0.1", false),
        ("any:8080", "api.test", "127.0.0.1", false),
        ("api.test:8080 to 127.0.0.1", "api.test", "127.0.0.1", true),
        ("api.test:8080 to 127.0.0.1", "api.test", "::ffff:127.0.0.1", true),
        ("api.test:8080 to 127.0.0.1", "api.test", "64:ff9b::127.0.0.1", false),
        ("api.test:8080 to 127.0.0.1", "api.test", "127.0.0.2", false),
        ("api.test:8080 to 127.0.0.1", "api.test", "::1", false),
        ("api.test:8080 to 127.0.0.1", "api.test", "93.184.216.34", false),
        ("api.test:8080 to public,127.0.0.1", "api.test", "93.184.216.34", true),
        ("api.test:8080 to 10.0.0.0/8", "api.test", "10.2.3.4", true),
        ("api.test:8080 to 10.0.0.0/8", "api.test", "::ffff:10.2.3.4", true),
        ("api.test:8080 to 10.0.0.0/8", "api.test", "2002:a02:304::", false),
        ("api.test:8080 to 169.254.0.0/16", "api.test", "169.254.169.254", false),
        ("api.test:8080 to 169.254.169.254", "api.test", "169.254.169.254", true),
        ("http://api.test:8080; https://api.test:8080 to 10.0.0.1", "api.test", "10.0.0.1", true),
        ("*.api.test:8080 to [fd00::1]", "a.api.test", "fd00::1", true),
        ("127.0.0.1:8080", "127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1:8080; 127.0.0.2:8080", "127.0.0.1", "127.0.0.2", false),
        ("8.8.8.8:8080", "8.8.8.8", "8.8.4.4", false),
        ("api.test:8080; !93.184.216.0/24", "api.test", "93.184.216.34", false),
        ("api.test:8080; !93.184.216.0/24:443", "api.test", "93.184.216.34", true),
        ("localhost:8080; !127.0.0.0/8", "localhost", "127.0.0.1", false),
        ("localhost:8080; !127.0.0.0/8", "localhost", "::1", true),
        ("report; api.test:8080", "api.test", "10.0.0.1", true),
        ("report; api.test:8080", "api.test", "169.254.169.254", false),
        ("report; api.test:8080", "api.test", "64:ff9b::169.254.169.254", false),
        ("?api.test:8080 to 10.0.0.1", "api.test", "10.0.0.1", true),
        ("ask", "api.test", "10.0.0.1", false),
        ("ask", "api.test", "93.184.216.34", true),
    ] {
        let endpoint = Endpoint::new(host, 8080).unwrap();
        let route = match parse(rules).answer_connect(endpoint).unwrap() {
            Answer::Checked(checked) => checked,
            Answer::Ask(asked) => asked.grant(),
        };
        let address = address.parse().unwrap();
        assert_eq!(route.permits(address), permitted, "{rules} {host} {address}");
    }
}

#[test]
fn localhost_means_the_loopback_addresses_and_no_other_name_does() {
    let policy = policy(&["localhost:8080", "a.localhost:8080", "api.test:8080"]);
    for (host, address, permitted) in [
        ("localhost", "127.0.0.1", true),
        ("LOCALHOST.", "127.8.9.10", true),
        ("localhost", "::1", true),
        ("localhost", "::ffff:127.0.0.1", true),
        ("localhost", "10.0.0.1", false),
        ("localhost", "8.8.8.8", false),
        ("localhost", "0.0.0.0", false),
        ("a.localhost", "127.0.0.1", false),
        ("api.test", "127.0.0.1", false),
    ] {
        let route = policy
            .check_connect(Endpoint::new(host, 8080).unwrap())
            .unwrap();
        assert_eq!(
            route.permits(address.parse().unwrap()),
            permitted,
            "{host} {address}"
        );
    }
}

#[test]
fn the_addresses_get_fewer_as_more_is_known() {
    let policy = parse("api.test:8080; POST http://api.test:8080/in/** to 127.0.0.1; !10.0.0.0/8");
    let loopback = "127.0.0.1".parse().unwrap();
    let http = origin(Scheme::Http, "api.test", 8080);
    let connect = policy.check_connect(http.endpoint.clone()).unwrap();
    assert!(connect.permits(loopback));
    let tls = policy
        .check_tls(&http.endpoint, None, TlsOverrides::default())
        .unwrap();
    assert!(!tls.permits(loopback));
    for (method, path, permitted) in [
        ("POST", "/in/x", true),
        ("GET", "/in/x", false),
        ("POST", "/out", false),
    ] {
        let (method, path) = (method.as_bytes(), path.as_bytes());
        let exchange = policy.check_request(&http, method, path, &[]).unwrap();
        assert_eq!(exchange.permits(loopback), permitted, "{method:?} {path:?}");
        assert_eq!(exchange.check_address(loopback).is_ok(), permitted);
    }
}

#[test]
#[rustfmt::skip] // one row a line
fn an_address_of_this_machine_counts_as_loopback_whatever_network_it_is_from() {
    for (rules, host, address, elsewhere, own) in [
        // Like a name that leads to 127.0.0.1.
        ("api.test:8080", "api.test", "93.184.216.34", true, false),
        ("any:8080", "api.test", "93.184.216.34", true, false),
        ("api.test:8080 to public", "api.test", "93.184.216.34", true, false),
        ("ask", "api.test", "93.184.216.34", true, false),
        ("api.test:8080", "api.test", "::ffff:93.184.216.34", true, false),
        ("api.test:8080", "api.test", "2606:2800:220:1::1", true, false),
        ("api.test:8080 to 93.184.216.34", "api.test", "93.184.216.34", true, true),
        ("api.test:8080 to 93.184.216.34", "api.test", "::ffff:93.184.216.34", true, true),
        ("api.test:8080 to 93.184.216.0/24,public", "api.test", "93.184.216.34", true, true),
        ("api.test:8080 to 10.0.0.0/8", "api.test", "10.0.0.1", true, true),
        ("api.test:8080 to 93.184.216.34; !93.184.216.34", "api.test", "93.184.216.34", false, false),
        // Like 127.0.0.1 itself.
        ("any:8080", "93.184.216.34", "93.184.216.34", true, false),
        ("93.184.216.34:8080", "93.184.216.34", "93.184.216.34", true, true),
        ("any:8080; 93.184.216.34:8080", "93.184.216.34", "93.184.216.34", true, true),
        ("93.184.216.0/24:8080", "93.184.216.34", "93.184.216.34", true, true),
        ("ask", "93.184.216.34", "93.184.216.34", true, true),
        ("localhost:8080", "localhost", "127.0.0.1", true, true),
        ("127.0.0.1:8080", "127.0.0.1", "127.0.0.1", true, true),
        ("report; a.test", "api.test", "93.184.216.34", true, true),
    ] {
        let endpoint = Endpoint::new(host, 8080).unwrap();
        let route = match parse(rules).answer_connect(endpoint).unwrap() {
            Answer::Checked(checked) => checked,
            Answer::Ask(asked) => asked.grant(),
        };
        let address: std::net::IpAddr = address.parse().unwrap();
        let permitted = (route.permits(address), route.permits_own(address));
        assert_eq!(permitted, (elsewhere, own), "{rules} {host} {address}");
        let addresses = route.addresses();
        let permitted = (addresses.permits(address), addresses.permits_own(address));
        assert_eq!(permitted, (elsewhere, own), "{rules} {host} {address}");
    }
}

#[test]
fn a_denial_for_an_address_of_this_machine_says_which_rule_to_add() {
    let address = "93.184.216.34".parse().unwrap();
    let route = |rules, host| {
        let policy = parse(rules);
        policy
            .check_connect(Endpoint::new(host, 443).unwrap())
            .unwrap()
    };
    let literal = route("any", "93.184.216.34");
    let denial = literal.addresses().denial(Some(address));
    assert_eq!(
        denial.message,
        "sandbox-net denied 93.184.216.34:443: the address belongs to the machine that sandbox-net runs on \
         (reason address, rule any); to allow it, add the rule 'https://93.184.216.34'"
    );
    assert_eq!(literal.check_own_address(address), Err(denial));
    let name = route("https://a.test", "a.test");
    let denial = name.addresses().denial(Some(address));
    assert!(
        denial.message.contains("'https://a.test to ADDRESS'"),
        "{}",
        denial.message
    );
    assert!(!denial.message.contains("93.184"), "{}", denial.message);
}

#[test]
fn several_authors_open_only_the_addresses_that_all_of_them_open() {
    let operator = parse("*.a.test to 10.0.0.0/8,public");
    let client = parse("b.a.test to 10.0.0.1,10.0.0.2; !10.0.0.2");
    let both = operator.intersect(&client);
    let route = both.check_connect(Endpoint::new("b.a.test", 443).unwrap());
    let route = route.unwrap();
    for (address, permitted) in [("10.0.0.1", true), ("10.0.0.2", false), ("8.8.8.8", false)] {
        assert_eq!(
            route.permits(address.parse().unwrap()),
            permitted,
            "{address}"
        );
    }
    let reported = parse("report").intersect(&parse("a.test"));
    let route = reported.check_connect(Endpoint::new("a.test", 443).unwrap());
    assert_eq!(
        route.unwrap().reported().unwrap().reason,
        DenyReason::NoRule
    );
}

#[test]
fn a_denial_for_addresses_names_none_of_them() {
    let policy = policy(&["api.test:8080", "127.0.0.1:9"]);
    let endpoint = Endpoint::new("api.test", 8080).unwrap();
    let denial = policy.check_connect(endpoint).unwrap().address_denial();
    assert_eq!(
        denial.message,
        "sandbox-net denied api.test:8080: its rule does not allow any of its addresses \
         (reason address, rule api.test:8080); to allow it, add the rule 'api.test:8080 to \
         ADDRESS' with the address to connect to"
    );
}

#[test]
fn a_change_after_the_decision_keeps_what_was_decided_on() {
    let policy = policy(&["https://api.test"]);
    let origin = origin(Scheme::Https, "api.test", 443);
    let line = policy
        .check_request(&origin, b"GET", b"/x?key=1", &[])
        .unwrap();
    type Change = fn(&mut Vec<u8>, &mut Vec<(Vec<u8>, Vec<u8>)>);
    let cases: [(Change, Option<DenyReason>); 6] = [
        (|path, _| *path = b"/x?key=2".to_vec(), None),
        (
            |_, fields| fields.push((b"A".to_vec(), b"b".to_vec())),
            None,
        ),
        (
            |path, _| *path = b"/y?key=1".to_vec(),
            Some(DenyReason::Malformed),
        ),
        (
            |path, _| path.extend(b" HTTP/1.1\r\n"),
            Some(DenyReason::Malformed),
        ),
        (
            |_, fields| fields.push((b"Upgrade".to_vec(), b"b".to_vec())),
            Some(DenyReason::Field),
        ),
        (
            |_, fields| fields.push((b"Host".to_vec(), b"api.test".to_vec())),
            Some(DenyReason::HostMismatch),
        ),
    ];
    for (number, (change, denied)) in cases.into_iter().enumerate() {
        let mut changed = line.clone();
        let result = changed.amend(change);
        assert_eq!(result.err().map(|denial| denial.reason), denied, "{number}");
        assert_eq!(changed == line, denied.is_some(), "{number}");
    }
}

#[test]
fn what_is_asked_about_is_checked_once_it_was_granted() {
    let policy = policy(&["?a.test"]);
    let endpoint = Endpoint::new("a.test", 443).unwrap();
    let denial = policy.check_connect(endpoint.clone()).unwrap_err();
    assert_eq!((denial.reason, &*denial.rule), (DenyReason::Hook, "a.test"));
    let Answer::Ask(asked) = policy.answer_connect(endpoint.clone()).unwrap() else {
        panic!("it was not asked about");
    };
    let refused = asked.hook_denial("not on\nSundays");
    assert!(
        refused
            .message
            .contains("the hook refused: not on Sundays (reason hook")
    );
    assert_eq!(*asked.grant(), endpoint);
}

#[test]
fn what_was_checked_carries_the_rule_and_goes_without_the_guests_host_field() {
    let policy = policy(&["*.api.test"]);
    let origin = origin(Scheme::Https, "a.api.test", 443);
    let route = policy.check_connect(origin.endpoint.clone()).unwrap();
    assert_eq!((route.rule(), &*route), ("*.api.test", &origin.endpoint));
    let tls = policy
        .check_tls(
            &origin.endpoint,
            Some("a.api.test"),
            TlsOverrides::default(),
        )
        .unwrap();
    assert_eq!(tls.into_inner(), origin);
    let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let fields = [
        field("B", "1"),
        field("hOST", "a.api.test"),
        field("a", "2"),
        field("B", "3"),
    ];
    let line = policy
        .check_request(&origin, b"GET", b"/x?y", &fields)
        .unwrap();
    assert_eq!(line.rule(), "*.api.test");
    assert_eq!((&*line.method, &*line.path), (&b"GET"[..], &b"/x?y"[..]));
    assert_eq!(
        line.fields,
        [field("B", "1"), field("a", "2"), field("B", "3")]
    );
    assert_eq!(line.origin, origin);
}
