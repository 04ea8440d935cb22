//! Fields that override method, path or host do not bypass the rules for methods and paths.

use sandbox_net::{Sandbox, SandboxBuilder, Script};
use sandbox_net_tests::{Script as Answer, ScriptedServer};
use serde_json::{Value, json};

/// Sends one request for each list of fields, and prints the server's action or the refusal.
const PROGRAM: &str = r#"
import http.client, json, sys
host, port = sys.argv[1].removeprefix("http://").split(":")
results = []
for fields in json.loads(sys.argv[2]):
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    try:
        connection.request("GET", "/public/x", headers=dict(fields))
        results.append(connection.getresponse().read().decode())
    except OSError as error:
        results.append(f"{type(error).__name__}: {error}")
    connection.close()
print(json.dumps(results))
"#;

/// A server behind frameworks that honour such fields: it answers what it understood.
async fn server() -> ScriptedServer {
    ScriptedServer::plain(|head| {
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let mut taken = [words.next(), words.next()].map(|it| it.unwrap_or_default().to_owned());
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            match &*name.to_ascii_lowercase().replace('_', "-") {
                "x-http-method-override" | "x-method-override" | "x-http-method" => {
                    value.clone_into(&mut taken[0]);
                }
                "x-original-url" | "x-rewrite-url" | "x-forwarded-uri" => {
                    value.clone_into(&mut taken[1]);
                }
                _ => {}
            }
        }
        let body = taken.join(" ");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        Answer {
            pieces: vec![format!("{head}{body}").into_bytes()],
            close: false,
        }
    })
    .await
}

async fn results(builder: SandboxBuilder, server: &ScriptedServer, fields: &Value) -> Vec<String> {
    let arguments = [server.origin(), fields.to_string()];
    let builder = arguments.into_iter().fold(builder, SandboxBuilder::arg);
    let sandbox = builder.build().await.expect("a sandbox");
    let outcome = sandbox.run(Script::code(PROGRAM)).await.expect("a run");
    serde_json::from_slice(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", outcome.stderr_text()))
}

/// Attacks, and what the server understands in each.
const ATTACKS: [(&str, &str, &str); 8] = [
    ("X-Original-URL", "/admin", "GET /admin"),
    ("x-rewrite-url", "/admin", "GET /admin"),
    ("X_Original_Url", "/admin", "GET /admin"),
    ("X-Forwarded_Uri", "/admin", "GET /admin"),
    ("X-HTTP-Method-Override", "DELETE", "DELETE /public/x"),
    ("x_http_method_override", "DELETE", "DELETE /public/x"),
    ("X-Method-Override", "PUT", "PUT /public/x"),
    ("X-HTTP-Method", "MERGE", "MERGE /public/x"),
];

fn attacks() -> Value {
    ATTACKS
        .iter()
        .map(|(name, value, _)| json!([[name, value]]))
        .collect()
}

#[tokio::test]
async fn a_field_that_overrides_reaches_no_server_whose_rules_name_a_method_or_a_path() {
    let server = server().await;
    let origin = server.origin();
    for builder in [
        Sandbox::builder().allow(format!("{origin}/public/**")),
        Sandbox::builder().allow(format!("GET {origin}")),
        Sandbox::builder()
            .allow(&*origin)
            .deny(format!("{origin}/admin/**")),
    ] {
        for (result, (name, ..)) in results(builder, &server, &attacks())
            .await
            .iter()
            .zip(ATTACKS)
        {
            let known = name.to_ascii_lowercase().replace('_', "-");
            let grant = format!("--field '{known} {origin}'");
            assert!(result.starts_with("PermissionError: "), "{name}: {result}");
            assert!(
                result.contains("(reason field, ") && result.contains(&grant),
                "{result}"
            );
        }
    }
    assert_eq!(server.heads(), [""; 0]);
}

#[tokio::test]
async fn a_field_that_is_granted_or_that_no_rule_is_in_the_way_of_does_what_it_does_natively() {
    let server = server().await;
    let origin = server.origin();
    let names = "x-original-url,x-rewrite-url,x-forwarded-uri,x-http-method-override,\
                 x-method-override,x-http-method";
    for builder in [
        Sandbox::builder().allow(&*origin),
        Sandbox::builder()
            .allow(&*origin)
            .deny("GET other.example/admin/**"),
        Sandbox::builder()
            .allow(format!("GET {origin}/public/**"))
            .field_grant(format!("{names} {origin}")),
    ] {
        let expected = ATTACKS.map(|(_, _, taken)| taken);
        assert_eq!(results(builder, &server, &attacks()).await, expected);
    }
}

#[tokio::test]
async fn other_fields_pass_and_every_author_has_to_grant() {
    let server = server().await;
    let origin = server.origin();
    let builder = || Sandbox::builder().allow(format!("GET {origin}/public/**"));
    let honest = json!([[
        ["X-Forwarded-For", "192.0.2.1"],
        ["X-Request-Id", "1"],
        ["Referer", "/admin"]
    ]]);
    assert_eq!(
        results(builder(), &server, &honest).await,
        ["GET /public/x"]
    );
    let grant = format!("x-original-url {origin}");
    let narrowing = builder().effective_policy().expect("a policy");
    let both = builder().field_grant(&*grant).intersect(narrowing);
    let attack = json!([[["X-Original-URL", "/admin"]]]);
    let result = results(both, &server, &attack).await;
    assert!(result[0].starts_with("PermissionError: "), "{result:?}");
    let narrowing = builder()
        .field_grant(&*grant)
        .effective_policy()
        .expect("a policy");
    let both = builder().field_grant(&*grant).intersect(narrowing);
    assert_eq!(results(both, &server, &attack).await, ["GET /admin"]);
}
