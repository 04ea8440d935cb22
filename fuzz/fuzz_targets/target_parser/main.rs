//! Arbitrary requests under fixed policies.
//!
//! The input is text with `|` between its parts: method, host, port, path, address, and then the
//! names and values of fields. Any of them may be missing, or not be text.

#![no_main]

mod hosts;
mod paths;
mod policies;

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use sandbox_net_policy::{
    Answer, Checked, Decision, Denial, Endpoint, Operation, Origin, Policy, RequestLine, Scheme,
    TlsOverride, TlsOverrides, decide, syntax,
};

use crate::policies::{PAIRS, POLICIES};

/// The guest's request.
struct Input {
    origin: Origin,
    method: Vec<u8>,
    path: Vec<u8>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    address: Option<IpAddr>,
}

fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|b| *b == b'|');
    let mut next = || parts.next().unwrap_or_default();
    let (method, host, port, path) = (next(), next(), next(), next());
    let address = std::str::from_utf8(next()).unwrap_or_default();
    let rest: Vec<_> = parts.map(<[u8]>::to_vec).collect();
    let (pairs, _) = rest.as_chunks::<2>();
    let host = String::from_utf8_lossy(host);
    hosts::check_canonical(&host);
    let port = str::from_utf8(port).ok().and_then(|text| text.parse().ok());
    let Ok(endpoint) = Endpoint::new(&host, port.unwrap_or(443)) else {
        return;
    };
    for scheme in Scheme::ALL {
        let endpoint = endpoint.clone();
        let input = Input {
            origin: Origin { scheme, endpoint },
            method: method.to_vec(),
            path: path.to_vec(),
            fields: pairs.iter().cloned().map(|[n, v]| (n, v)).collect(),
            address: address.parse().ok(),
        };
        check(&input);
    }
});

type Answered<T> = Result<Answer<T>, Denial>;

fn check(input: &Input) {
    let answers = POLICIES.each_ref().map(|policy| answer(input, policy));
    for (policy, answer) in POLICIES.iter().zip(&answers) {
        check_answer(input, policy, answer);
    }
    for (a, b, both) in &*PAIRS {
        let each = [&answers[*a], &answers[*b]];
        check_stricter(input, each, &answer(input, both));
        let endpoint = &input.origin.endpoint;
        let connect = |policy: &Policy| severity(&policy.answer_connect(endpoint.clone()));
        let strictest = connect(&POLICIES[*a]).max(connect(&POLICIES[*b]));
        assert!(connect(both) >= strictest);
    }
    let Ok(answer) = &answers[0] else {
        return;
    };
    paths::check(&input.origin, &input.path, answer.rule());
    for address in hosts::addresses(input.address) {
        if answer.addresses().permits(address) {
            hosts::check_permitted(&input.origin.endpoint, address);
        }
    }
}

fn answer(input: &Input, policy: &Policy) -> Answered<RequestLine> {
    let Input {
        origin,
        method,
        path,
        fields,
        ..
    } = input;
    policy.answer_request(origin, method, path, fields)
}

/// The strictness of an answer.
fn severity<T>(answer: &Answered<T>) -> u8 {
    match answer {
        Ok(Answer::Checked(checked)) => u8::from(checked.reported().is_some()),
        Ok(Answer::Ask(_)) => 2,
        Err(_) => 3,
    }
}

/// Checks that decision and answer agree, that a denial is one line, and that what passes is HTTP.
fn check_answer(input: &Input, policy: &Policy, answer: &Answered<RequestLine>) {
    let request = Operation::Request {
        origin: &input.origin,
        method: &input.method,
        path: &input.path,
        fields: &input.fields,
    };
    match (decide(&request, policy), answer) {
        (Decision::Allow { rule }, Ok(Answer::Checked(checked))) => {
            assert_eq!((checked.rule(), checked.reported()), (&*rule, None));
        }
        (Decision::Report(denial), Ok(Answer::Checked(checked))) => {
            assert_eq!(checked.reported(), Some(&denial));
            check_message(&denial);
        }
        (Decision::Ask { rule, denial }, Ok(Answer::Ask(asked))) => {
            assert_eq!(asked.rule(), rule);
            assert_eq!(asked.clone().refuse(), denial);
            check_message(&denial);
        }
        (Decision::Deny(denial), Err(other)) => {
            assert_eq!(denial, *other);
            check_message(&denial);
        }
        (decision, answer) => panic!("{decision:?} but {answer:?}"),
    }
    let Ok(answer) = answer else {
        return;
    };
    let line = granted(answer);
    check_line(&line, input);
    check_connection(input, policy, &line);
}

/// What is sent if everything that is asked about is granted.
fn granted<T: Clone>(answer: &Answer<T>) -> Checked<T> {
    match answer.clone() {
        Answer::Checked(checked) => checked,
        Answer::Ask(asked) => asked.grant(),
    }
}

fn check_message(denial: &Denial) {
    assert!(!denial.message.contains(char::is_control), "{denial:?}");
}

/// Checks that the wire gets one request, for the origin that was decided on.
fn check_line(line: &Checked<RequestLine>, input: &Input) {
    assert_eq!(
        syntax::check_head(&line.method, &line.path, &line.fields),
        Ok(())
    );
    assert_eq!((&line.method, &line.path), (&input.method, &input.path));
    assert_eq!(line.origin, input.origin);
    let names_and_values = line.fields.iter().flat_map(|(name, value)| [name, value]);
    let pieces = names_and_values.chain([&line.method, &line.path]);
    for piece in pieces {
        assert!(!piece.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)));
    }
    assert!(!line.method.contains(&b' ') && !line.path.contains(&b' '));
    let is_own = |name: &[u8]| {
        let own = ["host", "connection", "content-length", "transfer-encoding"];
        own.iter().any(|f| name.eq_ignore_ascii_case(f.as_bytes()))
    };
    assert!(!line.fields.iter().any(|(name, _)| is_own(name)));
    let mut given = input.fields.iter().filter(|(name, _)| is_own(name));
    assert!(given.all(|(_, value)| hosts::names(&input.origin, value)));
    let is_tunnel = |name: &str| line.method.eq_ignore_ascii_case(name.as_bytes());
    assert!(!is_tunnel("CONNECT") && !is_tunnel("TRACE"));
    // The host may put secrets in, but not move the request.
    let mut amended = line.clone();
    let moved = amended.amend(|path, fields| {
        *path = [b"/moved", &path[1..]].concat();
        fields.clone_from(&input.fields);
    });
    assert!(moved.is_err() && amended == *line);
}

/// Whoever may send a request may connect, and to no address more than for the connection; TLS is
/// verified, for the host's own name.
fn check_connection(input: &Input, policy: &Policy, line: &Checked<RequestLine>) {
    let endpoint = &input.origin.endpoint;
    let route = policy.answer_connect(endpoint.clone());
    let route = route.expect("a request on a connection that was allowed");
    for address in hosts::addresses(input.address) {
        assert!(!line.permits(address) || route.addresses().permits(address));
    }
    let host = endpoint.host.to_string();
    for setting in TlsOverride::ALL {
        let ungranted = [setting].into_iter().collect();
        let answer = policy.answer_tls(endpoint, Some(&host), ungranted);
        let is_refused = answer.map_or(true, |answer| answer.reported().is_some());
        assert!(is_refused, "{setting} passes");
    }
    let other = format!("x{host}");
    let plain = TlsOverrides::default();
    assert!(policy.answer_tls(endpoint, Some(&other), plain).is_err());
    let tls = policy.answer_tls(endpoint, Some(&host), plain);
    if input.origin.scheme == Scheme::Https {
        let tls = tls.expect("https that was allowed");
        for address in hosts::addresses(input.address) {
            assert!(!line.permits(address) || tls.addresses().permits(address));
        }
    }
}

/// Checks that two policies together are as strict as the stricter one.
fn check_stricter(
    input: &Input,
    [a, b]: [&Answered<RequestLine>; 2],
    together: &Answered<RequestLine>,
) {
    assert_eq!(severity(together), severity(a).max(severity(b)));
    let permits = |answer: &Answered<RequestLine>, address| {
        let addresses = answer.as_ref().map(Answer::addresses);
        addresses.is_ok_and(|addresses| addresses.permits(address))
    };
    for address in hosts::addresses(input.address) {
        let expected = permits(a, address) && permits(b, address);
        assert_eq!(permits(together, address), expected, "{address}");
    }
}
