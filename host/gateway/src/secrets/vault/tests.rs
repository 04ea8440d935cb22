//! What of a request gets values, and what is refused.

use super::*;
use sandbox_net_policy::{DenyReason, Document, Endpoint, Policy, Scheme};

const VALUE: &str = "real-value-1234";

fn vault(keys: &str) -> (Vault, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), VALUE).unwrap();
    let text = format!(
        "version = 1\n[[secret]]\nname = 'key'\n{keys}\nsource.file = '{}'\n[end]",
        file.path().display(),
    );
    let document = Document::parse(&text).unwrap();
    (Vault::open(&document.secrets).unwrap(), file)
}

fn request(
    method: &str,
    scheme: Scheme,
    path: &str,
    fields: &[(&str, String)],
) -> Checked<RequestLine> {
    let port = scheme.default_port();
    let origin = Origin {
        scheme,
        endpoint: Endpoint::new("api.test", port).unwrap(),
    };
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect();
    Policy::allow(["api.test".parse().unwrap()])
        .check_request(&origin, method.as_bytes(), path.as_bytes(), &fields)
        .unwrap()
}

/// Fills a request that goes to whom the host has verified.
async fn fill(vault: &Vault, line: &mut Checked<RequestLine>) -> Result<Carried, Denial> {
    let filled = vault.fill(line, true, &HostMemory::default()).await;
    filled.map_err(|error| match error {
        EgressError::Denied(denial) => denial,
        other => panic!("not denied: {other}"),
    })
}

fn text(request: &Checked<RequestLine>) -> String {
    let fields = request.fields.iter();
    let fields = fields
        .map(|(n, v)| [n.escape_ascii().to_string(), v.escape_ascii().to_string()].join(": "));
    fields.collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn a_value_goes_into_the_requests_of_its_own_rule_and_over_tls_only() {
    let (vault, _file) = vault("rule = 'POST api.test/v1/**'\nenv = 'API_KEY'");
    let (variable, placeholder) = vault.variables().next().unwrap();
    assert_eq!(variable, "API_KEY");
    let bearer = format!("Bearer {placeholder}");
    for (method, scheme, path, field, expected) in [
        (
            "POST",
            Scheme::Https,
            "/v1/x",
            "Authorization",
            Ok("Authorization: Bearer real-value-1234, Accept-Encoding: identity"),
        ),
        (
            "GET",
            Scheme::Https,
            "/v1/x",
            "Authorization",
            Err(DenyReason::Secret),
        ),
        (
            "POST",
            Scheme::Https,
            "/v2/x",
            "Authorization",
            Err(DenyReason::Secret),
        ),
        (
            "POST",
            Scheme::Https,
            "/v1/../v2",
            "Authorization",
            Err(DenyReason::Secret),
        ),
        (
            "POST",
            Scheme::Http,
            "/v1/x",
            "Authorization",
            Err(DenyReason::Secret),
        ),
    ] {
        let mut line = request(method, scheme, path, &[(field, bearer.clone())]);
        let filled = fill(&vault, &mut line).await;
        let filled = filled.map_err(|denial| denial.reason);
        assert_eq!(
            filled.map(|_| text(&line)),
            expected.map(str::to_owned),
            "{method} {path}"
        );
    }
    // In any other place a placeholder is ordinary text.
    let mut line = request(
        "GET",
        Scheme::Https,
        "/",
        &[("X-Other", placeholder.to_owned())],
    );
    assert_eq!(fill(&vault, &mut line).await, Ok(Carried::default()));
    assert!(text(&line).contains(placeholder) && !format!("{line:?}").contains("real-value"));
}

#[tokio::test]
async fn a_response_that_may_have_a_secret_in_it_is_asked_for_whole_and_without_coding() {
    let (vault, _file) = vault("rule = 'api.test'");
    let fields = [("accept-encoding", "gzip, br".to_owned())];
    let mut line = request("GET", Scheme::Https, "/", &fields);
    assert_eq!(fill(&vault, &mut line).await, Ok(Carried::default()));
    assert_eq!(text(&line), "accept-encoding: identity");
    let mut line = request(
        "GET",
        Scheme::Https,
        "/",
        &[("Range", "bytes=0-3".to_owned())],
    );
    let denial = fill(&vault, &mut line).await.unwrap_err();
    assert_eq!(denial.reason, DenyReason::Secret);
    assert!(fill(&Vault::default(), &mut line).await.is_ok());
}
