//! Certificates with every fault that OpenSSL distinguishes: the sandbox reports the same.

use rcgen::{
    BasicConstraints, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose,
    NameConstraints,
};
use rustls::pki_types::CertificateDer;
use sandbox_net::Sandbox;
use sandbox_net_tests::{Alpn, HttpServer, Leaf, Native, run, years};
use serde_json::{Value, json};

use crate::chains::{
    Change, extension, forged, intermediate, leaf, oid, root, self_signed, version_1,
    without_constraints,
};

const STRICT: &[&str] = &["VERIFY_X509_STRICT"];
const BOTH: &[&str] = &["VERIFY_X509_STRICT", "VERIFY_X509_PARTIAL_CHAIN"];
const PARTIAL: &[&str] = &["VERIFY_X509_PARTIAL_CHAIN"];
const USUAL: Change = |_| {};

pub(crate) type Der = CertificateDer<'static>;

/// What a server sends, and what the program trusts.
struct Case {
    name: String,
    trusted: Vec<Der>,
    shown: Vec<Der>,
    key: KeyPair,
    flags: &'static [&'static str],
    host: &'static str,
}

/// The cases so far.
#[derive(Default)]
pub(crate) struct Table(Vec<Case>);

impl Table {
    /// Adds a case: a server sends `leaf` and `others` to a program that trusts `trusted`.
    pub(crate) fn add(
        &mut self,
        name: &str,
        trusted: &[&Der],
        (leaf, key): (Der, KeyPair),
        others: &[&Der],
        flags: &'static [&'static str],
    ) {
        let shown = [&leaf].into_iter().chain(others.iter().copied());
        self.0.push(Case {
            name: name.to_owned(),
            trusted: trusted.iter().map(|&der| der.clone()).collect(),
            shown: shown.cloned().collect(),
            key,
            flags,
            host: "localhost",
        });
    }

    /// A server's certificate that the root signs.
    fn leaf(&mut self, name: &str, flags: &'static [&'static str], change: Change) {
        let root = root(USUAL);
        self.add(name, &[root.der()], leaf(&root, change), &[], flags);
    }

    /// One that an authority below the root signs.
    fn below(&mut self, name: &str, flags: &'static [&'static str], change: Change) {
        let root = root(USUAL);
        let middle = intermediate("the intermediate", &root, change);
        let leaf = leaf(&middle, USUAL);
        self.add(name, &[root.der()], leaf, &[middle.der()], flags);
    }

    /// One that a root with this change signs.
    fn under(&mut self, name: &str, flags: &'static [&'static str], change: Change) {
        let root = root(change);
        self.add(name, &[root.der()], leaf(&root, USUAL), &[], flags);
    }
}

/// The library's default constraints of an authority, as explicit extensions.
fn with_constraints(params: &mut rcgen::CertificateParams, critical: bool) {
    params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(b"abcd".to_vec());
    without_constraints(params);
    params.custom_extensions = vec![
        extension(oid::SUBJECT_KEY, false, b"\x04\x04abcd"),
        extension(oid::BASIC_CONSTRAINTS, critical, b"\x30\x03\x01\x01\xff"),
    ];
}

fn names(params: &mut rcgen::CertificateParams, permitted: &[&str], excluded: &[&str]) {
    let trees = |names: &[&str]| {
        let tree = |name: &&str| GeneralSubtree::DnsName((*name).to_owned());
        names.iter().map(tree).collect()
    };
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: trees(permitted),
        excluded_subtrees: trees(excluded),
    });
}

fn leaves(table: &mut Table) {
    for flags in [&[][..], STRICT, BOTH] {
        table.leaf(&format!("a right one {flags:?}"), flags, USUAL);
    }
    table.leaf("expired", &[], |params| years(params, 2010, 2011));
    table.leaf("not yet valid", &[], |params| years(params, 2110, 2120));
    table.leaf("another name", &[], |params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("other.test".try_into().unwrap())];
    });
    table.leaf("another name, and expired", &[], |params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("other.test".try_into().unwrap())];
        years(params, 2010, 2011);
    });
    table.leaf("no name", &[], |params| params.subject_alt_names.clear());
    table.leaf("for clients only", &[], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    table.leaf("no extended usage", STRICT, |params| {
        params.extended_key_usages.clear()
    });
    table.leaf("a key for lists only", &[], |params| {
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
    });
    table.leaf("a key that signs certificates", STRICT, |params| {
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    });
    table.leaf("an unknown critical extension", &[], |params| {
        params.custom_extensions = vec![extension(oid::UNKNOWN, true, b"\x05\x00")];
    });
    table.leaf("an unknown extension", STRICT, |params| {
        params.custom_extensions = vec![extension(oid::UNKNOWN, false, b"\x05\x00")];
    });
    table.leaf("a proxy certificate", &[], |params| {
        let content = b"\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x15\x01";
        params.custom_extensions = vec![extension(oid::PROXY, true, content)];
    });
    table.leaf("a proxy certificate without names", &[], |params| {
        let content = b"\x30\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x15\x01";
        params.custom_extensions = vec![extension(oid::PROXY, true, content)];
        params.subject_alt_names.clear();
    });
    table.leaf("no authority key identifier", &[], |params| {
        params.use_authority_key_identifier_extension = false;
    });
    table.leaf("no authority key identifier, strictly", STRICT, |params| {
        params.use_authority_key_identifier_extension = false;
    });
    table.leaf(
        "no authority key identifier, and expired",
        STRICT,
        |params| {
            params.use_authority_key_identifier_extension = false;
            years(params, 2010, 2011);
        },
    );
    table.leaf("a critical subject key identifier", STRICT, |params| {
        params.custom_extensions = vec![extension(oid::SUBJECT_KEY, true, b"\x04\x04abcd")];
    });
    table.leaf("no subject", STRICT, |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
    });
    table.leaf(
        "an authority key identifier without a key",
        STRICT,
        |params| {
            params.use_authority_key_identifier_extension = false;
            params.custom_extensions = vec![extension(oid::AUTHORITY_KEY, false, b"\x30\x00")];
        },
    );
    table.leaf("a critical authority key identifier", STRICT, |params| {
        params.use_authority_key_identifier_extension = false;
        params.custom_extensions = vec![extension(oid::AUTHORITY_KEY, true, b"\x30\x00")];
    });
    let root = root(USUAL);
    let (right, key) = leaf(&root, USUAL);
    table.add(
        "a wrong signature",
        &[root.der()],
        (forged(&right), key),
        &[],
        &[],
    );
    let (right, key) = leaf(&root, USUAL);
    let old = version_1(&right, &root);
    table.add("version 1", &[root.der()], (old, key), &[], &[]);
    table.add(
        "another address",
        &[root.der()],
        leaf(&root, |params| params.subject_alt_names.truncate(1)),
        &[],
        &[],
    );
    if let Some(case) = table.0.last_mut() {
        case.host = "127.0.0.1";
    }
}

fn authorities(table: &mut Table) {
    table.below("an intermediate", STRICT, USUAL);
    table.below("an expired intermediate", &[], |params| {
        years(params, 2010, 2011)
    });
    table.below("no constraints", &[], |params| {
        without_constraints(params);
        params.key_usages.clear();
    });
    table.below("no constraints, but the usage", &[], without_constraints);
    table.below("constraints of no authority", &[], |params| {
        params.is_ca = IsCa::ExplicitNoCa;
    });
    table.below("another usage", &[], |params| {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    });
    table.below("no usage", &[], |params| params.key_usages.clear());
    table.below("no usage, strictly", STRICT, |params| {
        params.key_usages.clear()
    });
    table.below("another key identifier", &[], |params| {
        with_constraints(params, true);
        params.key_identifier_method = rcgen::KeyIdMethod::Sha256;
    });
    table.below("constraints that are not critical", &[], |params| {
        with_constraints(params, false)
    });
    table.below(
        "constraints that are not critical, strictly",
        STRICT,
        |params| {
            with_constraints(params, false);
        },
    );
    table.below("no subject key identifier, strictly", STRICT, |params| {
        with_constraints(params, true);
        params.custom_extensions.remove(0);
    });
    table.below("for clients only, above", &[], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    table.below("an unknown critical extension, above", &[], |params| {
        params.custom_extensions = vec![extension(oid::UNKNOWN, true, b"\x05\x00")];
    });
    table.below("another permitted name", &[], |params| {
        names(params, &["example.com"], &[])
    });
    table.below("a permitted name", &[], |params| {
        names(params, &["localhost"], &[])
    });
    table.below("an excluded name", &[], |params| {
        names(params, &[], &["localhost"])
    });
    table.below("another permitted name, and expired", &[], |params| {
        names(params, &["example.com"], &[]);
        years(params, 2010, 2011);
    });
    table.below("no authority key identifier, above", STRICT, |params| {
        params.use_authority_key_identifier_extension = false;
    });
    table.under("an expired root", &[], |params| years(params, 2010, 2011));
    table.under("a root without usage", STRICT, |params| {
        params.key_usages.clear()
    });
    table.under(
        "a root whose constraints are not critical",
        STRICT,
        |params| {
            with_constraints(params, false);
        },
    );
    table.under(
        "a root without authority key identifier",
        STRICT,
        |params| {
            params.use_authority_key_identifier_extension = false;
        },
    );
}

fn chains(table: &mut Table) {
    let (known, stranger) = (
        root(USUAL),
        root(|params| {
            params
                .distinguished_name
                .push(rcgen::DnType::OrganizationName, "a stranger");
        }),
    );
    let trusted = [known.der()];
    table.add(
        "an unknown root",
        &trusted,
        leaf(&stranger, USUAL),
        &[],
        &[],
    );
    table.add(
        "an unknown root, shown",
        &trusted,
        leaf(&stranger, USUAL),
        &[stranger.der()],
        &[],
    );
    table.add(
        "a root, shown",
        &trusted,
        leaf(&known, USUAL),
        &[known.der()],
        BOTH,
    );
    table.add("self-signed", &trusted, self_signed(USUAL), &[], &[]);
    table.add(
        "self-signed and expired",
        &trusted,
        self_signed(|p| years(p, 2010, 2011)),
        &[],
        &[],
    );
    let (own, key) = self_signed(USUAL);
    table.add(
        "self-signed and trusted",
        &[&own],
        (own.clone(), key),
        &[],
        BOTH,
    );
    let (own, key) = self_signed(|params| years(params, 2010, 2011));
    table.add(
        "self-signed, trusted and expired",
        &[&own],
        (own.clone(), key),
        &[],
        &[],
    );

    let middle = intermediate("the intermediate", &known, USUAL);
    table.add(
        "a missing intermediate",
        &trusted,
        leaf(&middle, USUAL),
        &[],
        &[],
    );
    for flags in [&[][..], PARTIAL, BOTH] {
        let name = format!("an intermediate that is trusted {flags:?}");
        table.add(&name, &[middle.der()], leaf(&middle, USUAL), &[], flags);
        let (server, key) = leaf(&middle, USUAL);
        let name = format!("a server that is trusted {flags:?}");
        table.add(&name, &[&server], (server.clone(), key), &[], flags);
    }
    let (server, key) = leaf(&middle, |params| years(params, 2010, 2011));
    table.add(
        "a trusted server, expired",
        &[&server],
        (server.clone(), key),
        &[],
        PARTIAL,
    );
    let both = [known.der(), middle.der()];
    table.add(
        "a trusted intermediate with its root",
        &both,
        leaf(&middle, USUAL),
        &[],
        STRICT,
    );

    let short = intermediate("a short one", &known, |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let below = intermediate("one below", &short, USUAL);
    let shown = [below.der(), short.der()];
    table.add(
        "a path that is too long",
        &trusted,
        leaf(&below, USUAL),
        &shown,
        &[],
    );
    table.add(
        "a path that is not",
        &trusted,
        leaf(&short, USUAL),
        &[short.der()],
        STRICT,
    );
    let bad = forged(middle.der());
    table.add(
        "a wrong signature above",
        &trusted,
        leaf(&middle, USUAL),
        &[&bad],
        &[],
    );
}

fn hex(ders: &[Der]) -> String {
    ders.iter()
        .flat_map(|der| der.iter())
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What a program sees of a case: the result, or the exception without the line number of CPython's
/// own source.
fn seen(line: &Value) -> Value {
    let error = &line["errors"][0];
    let text = error["text"].as_str().unwrap_or_default();
    let text = text.split(" (_ssl.c:").next();
    json!([
        line["result"],
        error["type"],
        error["verify_code"],
        error["verify_message"],
        text
    ])
}

#[tokio::test]
async fn a_servers_certificate_is_refused_for_what_openssl_refuses_it_for() {
    compare(leaves, 14).await;
}

#[tokio::test]
async fn authorities_are_refused_for_what_openssl_refuses_them_for() {
    compare(authorities, 14).await;
}

#[tokio::test]
async fn chains_end_where_they_end_for_openssl() {
    compare(chains, 10).await;
}

/// Runs the cases natively and inside. Checks that both see the same, and that a refused server gets
/// no request. At least `least` of them are refused.
pub(crate) async fn compare(fill: fn(&mut Table), least: usize) {
    let mut table = Table::default();
    fill(&mut table);
    let (mut arguments, mut servers, mut sandbox) = (Vec::new(), Vec::new(), Sandbox::builder());
    for case in &table.0 {
        let leaf = Leaf::with_chain(case.shown.clone(), &case.key);
        let server = HttpServer::tls(&leaf, Alpn::Http1).await;
        let origin = server.origin_as(case.host);
        let port: u16 = origin.rsplit(':').next().unwrap().parse().unwrap();
        let argument = json!({"case": case.name, "host": case.host, "port": port,
            "trusted": hex(&case.trusted), "flags": case.flags})
        .to_string();
        sandbox = sandbox
            .allow(origin.as_str())
            .tls_grant(format!("own_roots {origin}"))
            .arg(argument.as_str());
        arguments.push(argument);
        servers.push(server);
    }
    let outside = Native::new("certificates.py", &arguments).run().await;
    let before: Vec<usize> = servers
        .iter()
        .map(|server| server.requests().len())
        .collect();
    let sandbox = sandbox.build().await.expect("a sandbox");
    let (inside, _) = run(&sandbox, "certificates.py").await;

    let (mut wrong, mut refused) = (Vec::new(), 0);
    for ((case, server), before) in table.0.iter().zip(&servers).zip(before) {
        let (ours, theirs) = (inside.case(&case.name), outside.case(&case.name));
        let accepted = theirs.get("result").is_some();
        refused += usize::from(!accepted);
        let requests = server.requests().len() - before;
        if seen(ours) != seen(theirs) || before != usize::from(accepted) || requests != before {
            wrong.push(format!(
                "{}\n  sandbox {}\n  native  {}",
                case.name,
                seen(ours),
                seen(theirs)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused >= least, "{refused} refused of {}", table.0.len());
}
