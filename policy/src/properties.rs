//! Properties that hold for every input.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use crate::address::{AddressClass, classify};
use crate::checked::{Answer, Checked};
use crate::decide::{Decision, decide};
use crate::denial::DenyReason;
use crate::document::{Document, Mode};
use crate::host::Host;
use crate::layer::Layer;
use crate::operation::Operation;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::syntax;
use crate::target::{Endpoint, Origin, Scheme};
use crate::tls::{TlsGrants, TlsOverride, TlsOverrides};
use crate::tunnel_grant::TunnelGrant;

/// Hosts of few different labels, so that rules and targets often match.
fn host() -> impl Strategy<Value = String> {
    let label = prop::sample::select(vec!["a", "b", "ab", "test"]);
    let name = prop::collection::vec(label, 1..4).prop_map(|labels| labels.join("."));
    let fixed = prop::sample::select(vec!["localhost", "127.0.0.1", "10.0.0.1", "8.8.8.8"]);
    prop_oneof![4 => name, 1 => fixed.prop_map(str::to_owned)]
}

fn port() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![80, 443, 8080])
}

fn rule() -> impl Strategy<Value = Rule> {
    let scheme = prop::sample::select(vec!["", "http://", "https://"]);
    let star = prop::sample::select(vec!["", "*."]);
    let parts = (scheme, star, host(), prop::option::of(port()));
    parts.prop_filter_map("not a rule", |(scheme, star, host, port)| {
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        format!("{scheme}{star}{host}{port}").parse().ok()
    })
}

fn scheme() -> impl Strategy<Value = Scheme> {
    prop::sample::select(Scheme::ALL.to_vec())
}

fn address() -> impl Strategy<Value = IpAddr> {
    let fixed = ["127.0.0.1", "10.0.0.1", "8.8.8.8", "::1", "::ffff:10.0.0.1"];
    let fixed = prop::sample::select(fixed.map(|text| text.parse().unwrap()).to_vec());
    prop_oneof![
        fixed,
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
    ]
}

fn method() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["GET", "POST", "DELETE"])
}

fn path() -> impl Strategy<Value = String> {
    let parts = [
        "/", "a", "b", "..", "%2e", "%2F", ";x", "?", "%25", "//", "\\",
    ];
    let parts = prop::sample::select(parts.to_vec());
    prop::collection::vec(parts, 0..6).prop_map(|parts| format!("/{}", parts.concat()))
}

/// A rule, sometimes with methods, path and addresses.
fn full_rule() -> impl Strategy<Value = String> {
    let methods = prop::sample::select(vec!["", "", "GET ", "GET,POST "]);
    let path = prop::sample::select(vec!["", "", "/a/**", "/a", "/*/b", "/**"]);
    let hosts = prop::sample::select(vec!["any", "10.0.0.0/8", "*.test", "8.8.0.0/16"]);
    let host = prop_oneof![3 => host(), 1 => hosts.prop_map(str::to_owned)];
    let ports = prop::sample::select(vec!["", ":80", ":443", ":8080", ":80-443", ":1-65535"]);
    let to = prop::sample::select(vec!["", "", " to 10.0.0.1", " to 127.0.0.1", " to public"]);
    (methods, host, ports, path, to)
        .prop_map(|(m, h, ports, path, to)| format!("{m}{h}{ports}{path}{to}"))
}

fn policy() -> impl Strategy<Value = Policy> {
    let allow = prop::collection::vec(full_rule(), 0..5);
    let deny = prop::collection::vec(full_rule(), 0..3);
    let names = prop::sample::select(vec!["x-host", "x-original-url", "x-host,x-original-url"]);
    let field = (names, full_rule()).prop_map(|(names, rule)| format!("{names} {rule}"));
    let fields = prop::collection::vec(field, 0..2);
    (allow, deny, fields).prop_map(|(allow, deny, fields)| {
        let document = Document {
            allow: allow.iter().filter_map(|rule| rule.parse().ok()).collect(),
            deny: deny
                .iter()
                .filter_map(|rule| Rule::parse_deny(rule).ok())
                .collect(),
            fields: fields
                .iter()
                .filter_map(|grant| grant.parse().ok())
                .collect(),
            ..Document::default()
        };
        document.into()
    })
}

/// A tunnel, sometimes with addresses.
fn tunnel() -> impl Strategy<Value = TunnelGrant> {
    let to = prop::sample::select(vec!["", "", " to 10.0.0.1", " to public,127.0.0.1"]);
    (host(), port(), to).prop_filter_map("not a tunnel", |(host, port, to)| {
        format!("{host}:{port}{to}").parse().ok()
    })
}

/// A policy with tunnels, in any mode.
fn tunnelling() -> impl Strategy<Value = Policy> {
    let tunnels = prop::collection::vec(tunnel(), 0..4);
    let mode = prop::sample::select(Mode::ALL.to_vec());
    let ask = prop::collection::vec(full_rule(), 0..2);
    (policy(), tunnels, mode, ask).prop_map(|(policy, tunnel, mode, ask)| {
        let [layer] = &*policy.layers else {
            unreachable!()
        };
        let ask = ask.iter().filter_map(|rule| rule.parse().ok()).collect();
        Policy::of_layer(Layer {
            tunnel,
            mode,
            ask,
            ..layer.clone()
        })
    })
}

fn tls_request() -> impl Strategy<Value = TlsOverrides> {
    let some = prop::sample::subsequence(TlsOverride::ALL.to_vec(), 0..=4);
    some.prop_map(|settings| settings.into_iter().collect())
}

fn tls_grants() -> impl Strategy<Value = Vec<TlsGrants>> {
    let some = prop::sample::subsequence(TlsOverride::ALL.to_vec(), 1..=4);
    let one = (some, rule()).prop_filter_map("plain HTTP", |(settings, rule)| {
        let names: Vec<_> = settings.iter().map(|setting| setting.as_str()).collect();
        format!("{} {rule}", names.join(",")).parse().ok()
    });
    prop::collection::vec(one, 0..4)
}

/// A policy that allows everything, with these grants.
fn granting(tls: Vec<TlsGrants>) -> Policy {
    let allow = [
        "any:1-65535",
        "localhost:1-65535",
        "10.0.0.0/8:1-65535",
        "127.0.0.1:1-65535",
    ];
    let document = Document {
        allow: allow.map(|rule| rule.parse().unwrap()).to_vec(),
        tls,
        ..Document::default()
    };
    document.into()
}

/// A second implementation of rules, on their text alone, for the rules that `rule` makes.
fn text_allows(rule: &str, scheme: Scheme, host: &str, port: u16) -> bool {
    let (rule_scheme, rest) = rule.split_once("://").unwrap_or((scheme.as_str(), rule));
    let default_port = if scheme == Scheme::Http { "80" } else { "443" };
    let (rule_host, rule_port) = rest.split_once(':').unwrap_or((rest, default_port));
    let same_host = match rule_host.strip_prefix('*') {
        Some(dot_domain) => host.ends_with(dot_domain),
        None => host == rule_host,
    };
    rule_scheme == scheme.as_str() && rule_port == port.to_string() && same_host
}

/// What the policy allows, or may allow if somebody grants it.
fn granted<T>(answer: Answer<T>) -> Checked<T> {
    match answer {
        Answer::Checked(checked) => checked,
        Answer::Ask(asked) => asked.grant(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_is_allowed_exactly_if_the_text_of_some_rule_allows_it(
        rules in prop::collection::vec(rule(), 0..6),
        scheme in scheme(),
        host in host(),
        port in port(),
    ) {
        let policy = Policy::allow(rules.clone());
        let origin = Origin { scheme, endpoint: Endpoint::new(&host, port).unwrap() };
        let matching = |scheme| {
            rules.iter().map(Rule::as_str).find(|rule| text_allows(rule, scheme, &host, port))
        };
        let (method, path, fields) = (b"GET", b"/", &[]);
        let exchange = Operation::Request { origin: &origin, method, path, fields };
        match decide(&exchange, &policy) {
            Decision::Allow { rule } => prop_assert_eq!(Some(rule.as_str()), matching(scheme)),
            Decision::Deny(denial) => {
                prop_assert_eq!(matching(scheme), None);
                prop_assert_eq!(denial.reason, DenyReason::NoRule);
                let suggested = denial.message.rsplit('\'').nth(1).unwrap().parse().unwrap();
                let widened = Policy::allow(rules.iter().cloned().chain([suggested]));
                let allowed = matches!(decide(&exchange, &widened), Decision::Allow { .. });
                prop_assert!(allowed);
            }
            other => prop_assert!(false, "{:?}", other),
        }
        let connect = decide(&Operation::Connect { endpoint: &origin.endpoint }, &policy);
        let any_scheme = Scheme::ALL.into_iter().any(|scheme| matching(scheme).is_some());
        prop_assert_eq!(matches!(connect, Decision::Allow { .. }), any_scheme);
    }

    #[test]
    fn a_permitted_address_is_public_or_opened_by_its_own_rule_or_loopback_for_localhost(
        policy in policy(),
        host in host(),
        port in port(),
        address in address(),
    ) {
        let endpoint = Endpoint::new(&host, port).unwrap();
        let Ok(route) = policy.check_connect(endpoint) else {
            return Ok(());
        };
        if route.permits(address) && classify(address) != AddressClass::Public {
            let canonical = address.to_canonical();
            let own = host.parse() == Ok(canonical);
            let local = host == "localhost" && canonical.is_loopback();
            let mut rules = policy.allow_rules();
            let named = rules.any(|rule| rule.as_str().ends_with(&format!(" to {canonical}")));
            prop_assert!(own || local || named, "{policy:?} {host}:{port} at {address}");
        }
    }

    #[test]
    fn more_knowledge_never_opens_more_addresses(
        policy in policy(),
        scheme in scheme(),
        host in host(),
        port in port(),
        method in method(),
        path in path(),
        address in address(),
    ) {
        let origin = Origin { scheme, endpoint: Endpoint::new(&host, port).unwrap() };
        let (method, path) = (method.as_bytes(), path.as_bytes());
        if let Ok(line) = policy.check_request(&origin, method, path, &[])
            && line.permits(address)
        {
            let route = policy.check_connect(origin.endpoint.clone());
            prop_assert!(route.is_ok_and(|route| route.permits(address)));
            if scheme == Scheme::Https {
                let tls = policy.check_tls(&origin.endpoint, None, TlsOverrides::default());
                prop_assert!(tls.is_ok_and(|tls| tls.permits(address)));
            }
        }
    }

    #[test]
    fn two_policies_together_never_allow_more_than_each_alone(
        a in policy(),
        b in policy(),
        scheme in scheme(),
        host in host(),
        port in port(),
        method in method(),
        path in path(),
        address in address(),
        field in prop::option::of(prop::sample::select(vec!["x-original-url", "X_Host", "accept"])),
    ) {
        let origin = Origin { scheme, endpoint: Endpoint::new(&host, port).unwrap() };
        let (method, path) = (method.as_bytes(), path.as_bytes());
        let fields: Vec<_> = field.iter().map(|name| (name.as_bytes().to_vec(), Vec::new())).collect();
        let lets = |policy: &Policy| {
            let line = policy.check_request(&origin, method, path, &fields);
            line.is_ok_and(|line| line.permits(address))
        };
        let both = a.intersect(&b);
        prop_assert_eq!(lets(&both), lets(&a) && lets(&b));
        prop_assert_eq!(lets(&b.intersect(&a)), lets(&both));
        // A policy that covers another allows whatever that one does.
        if a.covers(&b) && lets(&b) {
            prop_assert!(lets(&a), "{:?} does not cover {:?}", a, b);
        }
        prop_assert!(a.covers(&both) && b.covers(&both));
        prop_assert!(a.covers(&a));
    }

    #[test]
    fn a_narrowed_policy_allows_nothing_that_the_wide_one_or_its_own_rules_do_not(
        mut wide in policy(),
        mode in prop::sample::select(Mode::ALL.to_vec()),
        narrowing in prop::collection::vec(full_rule(), 0..4),
        scheme in scheme(),
        host in host(),
        port in port(),
        method in method(),
        path in path(),
        address in address(),
        tls in tls_request(),
        field in prop::option::of(prop::sample::select(vec!["x-original-url", "X_Host", "accept"])),
    ) {
        wide.layers = wide.layers.iter().cloned().map(|layer| Layer { mode, ..layer }).collect();
        let narrowing: Vec<_> = narrowing
            .into_iter()
            .filter(|rule| rule.parse::<Rule>().is_ok())
            .collect();
        let narrow = wide.narrow(&narrowing).unwrap();
        let own = Policy::allow(narrowing.iter().map(|rule| rule.parse().unwrap()));
        let origin = Origin { scheme, endpoint: Endpoint::new(&host, port).unwrap() };
        let (method, path) = (method.as_bytes(), path.as_bytes());
        let fields: Vec<_> = field.iter().map(|name| (name.as_bytes().to_vec(), Vec::new())).collect();
        // What is asked about may be allowed.
        let lets = |policy: &Policy, fields: &[(Vec<u8>, Vec<u8>)]| {
            let line = policy.answer_request(&origin, method, path, fields);
            line.is_ok_and(|line| granted(line).permits(address))
        };
        let is_let = lets(&narrow, &fields);
        prop_assert!(!is_let || lets(&wide, &fields) && lets(&own, &[]));
        // Only fields are narrowed by more than the rules: these may name a path.
        if fields.is_empty() {
            prop_assert_eq!(is_let, lets(&wide, &[]) && lets(&own, &[]));
        }
        let secured = |policy: &Policy| {
            let tls = policy.answer_tls(&origin.endpoint, None, tls);
            tls.is_ok_and(|tls| granted(tls).permits(address))
        };
        prop_assert!(!secured(&narrow) || secured(&wide));
        prop_assert!(narrow.covers(&narrow) && (mode != Mode::Enforce || wide.covers(&narrow)));
    }

    #[test]
    fn a_tls_setting_passes_exactly_if_the_text_of_some_grant_of_every_author_has_it(
        own in tls_grants(),
        others in tls_grants(),
        host in host(),
        port in port(),
        request in tls_request(),
    ) {
        use TlsOverride::{Unverified, UnverifiedName};
        let endpoint = Endpoint::new(&host, port).unwrap();
        let has = |grants: &[TlsGrants], settings: &[TlsOverride]| {
            let fits = |rule: &Rule| text_allows(rule.as_str(), Scheme::Https, &host, port);
            let of_host = grants.iter().filter(|one| one.hosts.iter().any(fits));
            of_host.flat_map(TlsGrants::settings).any(|one| settings.contains(&one))
        };
        let all = |grants: &[TlsGrants]| {
            request.settings().all(|setting| match setting {
                UnverifiedName => has(grants, &[UnverifiedName, Unverified]),
                other => has(grants, &[other]),
            })
        };
        let (a, b) = (granting(own.clone()), granting(others.clone()));
        let lets = |policy: &Policy| policy.check_tls(&endpoint, None, request);
        prop_assert_eq!(lets(&a).is_ok(), all(&own));
        prop_assert_eq!(lets(&a.intersect(&b)).is_ok(), all(&own) && all(&others));
        if let Err(denial) = lets(&a) {
            prop_assert_eq!(denial.reason, DenyReason::TlsOptions);
            // The rule that the denial proposes is enough.
            let proposed = denial.message.split('\'').nth(1).unwrap();
            let wider = own.iter().cloned().chain([proposed.parse().unwrap()]);
            prop_assert!(lets(&granting(wider.collect())).is_ok(), "{}", denial.message);
        }
        if a.covers(&b) {
            prop_assert!(lets(&a).is_ok() || lets(&b).is_err(), "{:?} and {:?}", own, others);
        }
        prop_assert_eq!(a.covers(&b), a.uncovered_tls(&b).is_empty());
        prop_assert!(a.covers(&a) && a.covers(&a.intersect(&b)));
        // None of these grants allows a connection.
        let nothing = Policy::from(Document { tls: own, ..Document::default() });
        prop_assert!(lets(&nothing).is_err() && nothing.denies_everything());
    }

    #[test]
    fn a_tunnel_passes_only_where_every_author_names_it_and_no_rule_denies_the_host(
        a in tunnelling(),
        b in tunnelling(),
        narrowing in prop::collection::vec(full_rule(), 0..4),
        host in host(),
        port in port(),
        address in address(),
    ) {
        let endpoint = Endpoint::new(&host, port).unwrap();
        let answer = |policy: &Policy| policy.answer_tunnel(endpoint.clone());
        let lets = |policy: &Policy| answer(policy).is_ok_and(|it| granted(it).permits(address));
        let both = a.intersect(&b);
        prop_assert_eq!(lets(&both), lets(&a) && lets(&b));
        prop_assert_eq!(both.names_tunnel(&endpoint), a.names_tunnel(&endpoint) && b.names_tunnel(&endpoint));
        // On text alone: the name and the port.
        let text = endpoint.to_string();
        let is_named = a.tunnel_grants().any(|grant| grant.as_str().split(' ').next() == Some(&text));
        prop_assert_eq!(a.names_tunnel(&endpoint), is_named);
        prop_assert!(is_named || answer(&a).is_err());
        if a.layers[0].mode == Mode::Enforce && let Ok(route) = answer(&a) {
            let route = granted(route);
            let scheme = Scheme::ALL.map(|scheme| Origin { scheme, endpoint: endpoint.clone() });
            for origin in scheme {
                let (_, decision) = a.explain(&origin, "GET", "/");
                let denied = matches!(decision, Decision::Deny(ref it) if it.reason == DenyReason::DenyRule);
                prop_assert!(!denied, "{:?} {}", a, origin);
            }
            if route.permits(address) && classify(address) != AddressClass::Public {
                let canonical = address.to_canonical();
                let own = host.parse() == Ok(canonical);
                let local = host == "localhost" && canonical.is_loopback();
                let mut grants = a.tunnel_grants().filter(|grant| grant.is_for(&endpoint));
                prop_assert!(own || local || grants.any(|it| it.as_str().contains(&canonical.to_string())));
            }
        }
        if a.covers(&b) && lets(&b) {
            prop_assert!(lets(&a), "{:?} does not cover {:?}", a, b);
        }
        prop_assert!(a.covers(&a) && a.uncovered_tunnels(&a).is_empty());
        prop_assert!(a.covers(&both) && b.covers(&both));
        let narrowing = narrowing.iter().filter(|rule| rule.parse::<Rule>().is_ok());
        prop_assert!(answer(&a.narrow(narrowing).unwrap()).is_err());
    }

    #[test]
    fn the_canonical_form_of_a_host_is_its_own_canonical_form(
        text in "[a-zA-Z0-9._:xn-]{1,20}|(xn--)?[a-z0-9üßé-]{1,12}\\.[a-z]{2}|\\PC{1,12}",
    ) {
        if let Ok(host) = Host::parse(&text) {
            let canonical = host.to_string();
            prop_assert!(canonical.is_ascii());
            prop_assert_eq!(Host::parse(&canonical), Ok(host));
        }
    }

    #[test]
    fn every_address_is_a_host_and_every_name_is_no_address(
        v4: u32, v6: u128, text in "[0-9a-fx.]{1,16}",
    ) {
        let addresses = [IpAddr::from(Ipv4Addr::from_bits(v4)), Ipv6Addr::from_bits(v6).into()];
        for address in addresses {
            prop_assert_eq!(Host::parse(&address.to_string()), Ok(Host::Ip(address)));
        }
        if let Ok(Host::Name(name)) = Host::parse(&text) {
            let last = name.rsplit('.').next().unwrap();
            prop_assert!(last.parse::<u128>().is_err(), "{name}");
        }
    }

    #[test]
    fn ipv4_mapped_addresses_are_classified_as_their_ipv4(v4: u32) {
        let v4 = Ipv4Addr::from_bits(v4);
        prop_assert_eq!(classify(v4.to_ipv6_mapped().into()), classify(v4.into()));
    }

    #[test]
    fn no_text_makes_the_parsers_panic_or_write_more_than_one_line(
        text in ".*|[\\[\\]:/@*.a0-9-]{0,24}|\\PC*",
    ) {
        if let Err(error) = Host::parse(&text) {
            prop_assert!(!error.to_string().contains(char::is_control), "{error}");
        }
        match text.parse::<Rule>() {
            Ok(rule) => prop_assert_eq!(&rule.to_string(), &text),
            Err(error) => prop_assert!(!error.to_string().contains(char::is_control), "{error}"),
        }
        match text.parse::<TunnelGrant>() {
            Ok(grant) => {
                prop_assert_eq!(grant.to_string(), text.as_str());
                prop_assert!(grant.endpoint().is_some_and(|it| grant.is_for(&it)));
            }
            Err(error) => prop_assert!(!error.to_string().contains(char::is_control), "{error}"),
        }
    }

    #[test]
    fn no_head_makes_the_decision_panic_and_what_passes_is_free_of_line_breaks(
        method: Vec<u8>, path: Vec<u8>, fields: Vec<(Vec<u8>, Vec<u8>)>, slash: bool,
    ) {
        let path = if slash { [b"/".to_vec(), path].concat() } else { path };
        let policy = Policy::allow(["a.test".parse().unwrap()]);
        let endpoint = Endpoint::new("a.test", 443).unwrap();
        let origin = Origin { scheme: Scheme::Https, endpoint };
        match policy.check_request(&origin, &method, &path, &fields) {
            Ok(line) => {
                prop_assert_eq!(syntax::check_head(&method, &path, &fields), Ok(()));
                let pieces = line.fields.iter().flat_map(|(name, value)| [name, value]);
                let mut bytes = pieces.chain([&line.method, &line.path]).flatten();
                prop_assert!(!bytes.any(|b| matches!(b, b'\r' | b'\n' | 0)));
            }
            Err(denial) => prop_assert!(!denial.message.contains(char::is_control)),
        }
    }
}
