//! Keys and signatures that OpenSSL considers too weak: the sandbox refuses the same, with its texts.
//!
//! The library that makes the other chains does not support such keys and digests, so `openssl` does.

use std::path::Path;
use std::process::Command;

use rcgen::KeyPair;

use crate::certificates::{Der, Table, compare};

const STRONG: &str = "rsa:2048";
const WEAK: &str = "rsa:1024";
const CURVE: &str = "ec:prime256v1";

const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
const SERVER: &str = "subjectAltName=DNS:localhost\nkeyUsage=critical,digitalSignature\n";

/// A folder with keys and certificates, each under its name.
struct Maker(tempfile::TempDir);

impl Maker {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn openssl(&self, arguments: &[&str]) {
        let mut command = Command::new("openssl");
        let made = command.current_dir(self.0.path()).args(arguments).output();
        let made = made.expect("the command openssl, which the tests need");
        let told = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "openssl {arguments:?}\n{told}");
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(Path::new(name))
    }

    fn key(&self, name: &str, kind: &str) {
        let (algorithm, kind) = kind.split_once(':').expect("an algorithm and its kind");
        let option = match algorithm {
            "rsa" => format!("rsa_keygen_bits:{kind}"),
            _ => format!("ec_paramgen_curve:{kind}"),
        };
        let out = format!("{name}.key");
        self.openssl(&[
            "genpkey",
            "-algorithm",
            algorithm,
            "-pkeyopt",
            &option,
            "-out",
            &out,
        ]);
    }

    /// Signs the request of `name`; without an issuer it signs itself.
    fn sign(&self, name: &str, issuer: Option<&str>, digest: &str, extensions: &str) -> Der {
        let file = |end: &str| format!("{name}.{end}");
        let subject = format!("/CN={name}");
        let (key, request, text) = (file("key"), file("csr"), file("ext"));
        std::fs::write(self.path(&text), extensions).expect("the extensions");
        self.openssl(&[
            "req", "-new", "-key", &key, "-subj", &subject, "-out", &request,
        ]);
        let (pem, der, serial) = (file("pem"), file("der"), file("srl"));
        let mut signing = vec!["x509", "-req", "-in", &request, "-days", "36500"];
        signing.extend([digest, "-extfile", &text, "-out", &pem]);
        let by = issuer.map(|issuer| [format!("{issuer}.pem"), format!("{issuer}.key")]);
        match &by {
            Some([pem, key]) => signing.extend([
                "-CA",
                pem,
                "-CAkey",
                key,
                "-CAcreateserial",
                "-CAserial",
                &serial,
            ]),
            None => signing.extend(["-signkey", &key]),
        }
        self.openssl(&signing);
        self.openssl(&["x509", "-in", &pem, "-outform", "DER", "-out", &der]);
        std::fs::read(self.path(&der))
            .expect("a certificate")
            .into()
    }

    fn authority(&self, name: &str, kind: &str, issuer: Option<&str>, digest: &str) -> Der {
        self.key(name, kind);
        self.sign(name, issuer, digest, AUTHORITY)
    }

    /// A server's certificate with a key that the server can use.
    fn leaf(&self, issuer: &str, digest: &str) -> (Der, KeyPair) {
        let key = KeyPair::generate().expect("a key pair");
        std::fs::write(self.path("server.key"), key.serialize_pem()).expect("the key");
        (self.sign("server", Some(issuer), digest, SERVER), key)
    }

    /// A server's certificate with a key that the server cannot use, because its library refuses it.
    /// A client checks the certificate first.
    fn weak_leaf(&self, issuer: &str, kind: &str) -> (Der, KeyPair) {
        self.key("server", kind);
        let der = self.sign("server", Some(issuer), "-sha256", SERVER);
        (der, KeyPair::generate().expect("a key pair"))
    }
}

fn weak(table: &mut Table) {
    let made = Maker::new();
    let root = made.authority("root", STRONG, None, "-sha256");
    let trusted = [&root];
    for kind in [WEAK, "rsa:1536", "ec:prime192v1"] {
        let name = format!("a server's key {kind}");
        table.add(&name, &trusted, made.weak_leaf("root", kind), &[], &[]);
    }
    for digest in ["-sha256", "-sha384", "-sha1", "-md5"] {
        let name = format!("a server's certificate signed with {digest}");
        table.add(&name, &trusted, made.leaf("root", digest), &[], &[]);
    }
    for (kind, digest) in [
        (STRONG, "-sha256"),
        (CURVE, "-sha256"),
        (WEAK, "-sha256"),
        ("ec:prime192v1", "-sha256"),
        (STRONG, "-sha1"),
        (CURVE, "-sha1"),
        (WEAK, "-sha1"),
    ] {
        let name = format!("an intermediate's key {kind} signed with {digest}");
        let middle = made.authority("middle", kind, Some("root"), digest);
        table.add(
            &name,
            &trusted,
            made.leaf("middle", "-sha256"),
            &[&middle],
            &[],
        );
    }
    for (kind, digest) in [(STRONG, "-sha1"), (WEAK, "-sha256"), (WEAK, "-sha1")] {
        let name = format!("a root's key {kind} signed with {digest}");
        let root = made.authority("another root", kind, None, digest);
        table.add(
            &name,
            &[&root],
            made.leaf("another root", "-sha256"),
            &[],
            &[],
        );
    }
    let stranger = made.authority("stranger", WEAK, None, "-sha1");
    let shown = made.leaf("stranger", "-sha1");
    table.add(
        "a weak root that is not trusted",
        &trusted,
        shown,
        &[&stranger],
        &[],
    );
}

#[tokio::test]
async fn keys_and_signatures_that_are_too_weak_are_refused_with_openssls_text() {
    compare(weak, 11).await;
}
