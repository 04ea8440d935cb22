//! What goes wrong at the real broker is the exception that Python itself would raise, or the policy's own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use sandbox_net_broker::{Broker, BrokerBuilder, RunningBroker};
use serde_json::{Value, json};

use crate::origin::{Origin, bare, file, patch, run, variables};

type Ends = BTreeMap<String, Value>;

async fn ends(url: &str, method: &str, how: &str, more: Vec<(&'static str, String)>) -> Ends {
    let mut command = bare("python3".as_ref());
    command
        .arg(file("faults.py"))
        .args([url, method, how])
        .envs(more);
    let (ok, out, err) = run(command).await;
    assert!(ok, "{err}");
    serde_json::from_str(&out).unwrap()
}

struct Setting {
    origin: Origin,
    broker: RunningBroker,
    ca: PathBuf,
}

impl Setting {
    /// On TCP, or on a Unix socket.
    async fn with(
        by_path: bool,
        more: impl FnOnce(&Origin, BrokerBuilder) -> BrokerBuilder,
    ) -> Setting {
        let origin = Origin::start("/nonexistent".as_ref());
        let settings = match by_path {
            true => Broker::builder().socket(origin.directory.path().join("own/broker.sock")),
            false => Broker::builder().listen("127.0.0.1:0".parse().unwrap()),
        };
        let own = origin.directory.path().join("own");
        std::fs::create_dir(&own).unwrap();
        std::fs::set_permissions(&own, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .unwrap();
        let settings = more(&origin, settings);
        let (broker, ca) = origin.start_broker(settings).await;
        Setting { origin, broker, ca }
    }

    async fn routed(&self, url: &str, method: &str) -> Ends {
        let mut more = variables(&self.broker, &self.ca);
        more.push(("PYTHONPATH", patch().display().to_string()));
        more.push(("PYTHONDONTWRITEBYTECODE", "1".to_owned()));
        ends(url, method, "routed", more).await
    }

    fn urls(&self, host: &str, path: &str) -> [String; 2] {
        let origin = &self.origin;
        [("http", origin.http), ("https", origin.https)]
            .map(|(scheme, port)| format!("{scheme}://{host}:{port}{path}"))
    }
}

fn known(origin: &Origin, settings: BrokerBuilder, names: &[&str]) -> BrokerBuilder {
    let settings = settings
        .dns_servers([origin.name_server()])
        .trust_ca_pem(std::fs::read(&origin.ca).unwrap());
    origin
        .rules(names)
        .into_iter()
        .fold(settings, BrokerBuilder::allow)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_request_gets_its_answer() {
    for by_path in [false, true] {
        let setting = Setting::with(by_path, |origin, settings| {
            known(origin, settings, &["good.test"])
        });
        let setting = setting.await;
        for url in setting.urls("good.test", "/echo") {
            for (name, end) in setting.routed(&url, "GET").await {
                assert_eq!(end, json!([200]), "{name} {url} {by_path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_python_s_own_error() {
    let setting = Setting::with(false, |origin, settings| {
        known(origin, settings, &["wrong.test"])
    })
    .await;
    let [_, url] = setting.urls("wrong.test", "/echo");
    let trusted = vec![("SSL_CERT_FILE", setting.origin.ca.display().to_string())];
    let direct = ends(&url, "GET", "direct", trusted).await;
    let routed = setting.routed(&url, "GET").await;
    assert!(
        direct["socket"][1]
            .as_str()
            .unwrap()
            .contains("Hostname mismatch"),
        "{direct:?}"
    );
    assert_eq!(routed, direct);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_unknown_issuer_is_python_s_own_error() {
    for by_path in [false, true] {
        let setting = Setting::with(by_path, |origin, settings| {
            let settings = settings.dns_servers([origin.name_server()]);
            origin
                .rules(&["good.test"])
                .into_iter()
                .fold(settings, BrokerBuilder::allow)
        });
        let setting = setting.await;
        let [_, url] = setting.urls("good.test", "/echo");
        let direct = ends(&url, "GET", "direct", Vec::new()).await;
        let routed = setting.routed(&url, "GET").await;
        let text = direct["socket"][1].as_str().unwrap();
        assert!(
            text.contains("unable to get local issuer certificate"),
            "{direct:?}"
        );
        assert_eq!(routed, direct, "{by_path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_request_on_an_allowed_host_is_a_permission_error() {
    for by_path in [false, true] {
        let setting = Setting::with(by_path, |origin, settings| {
            let (http, https) = (origin.http, origin.https);
            known(origin, settings, &["good.test"])
                .deny(format!("http://good.test:{http}/secret/**"))
                .deny(format!("https://good.test:{https}/secret/**"))
        });
        let setting = setting.await;
        for url in setting.urls("good.test", "/secret/x") {
            for (name, end) in setting.routed(&url, "GET").await {
                assert_eq!(end[0], "PermissionError", "{name} {url} {by_path}: {end}");
                assert!(
                    end[1].as_str().unwrap().contains("good.test"),
                    "{name}: {end}"
                );
                assert!(!end[2][0].is_null(), "{name}: {end}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_budget_is_told_with_its_name() {
    for by_path in [false, true] {
        let setting = Setting::with(by_path, |origin, settings| {
            let rules = origin.rules(&["good.test"]).join("\", \"");
            let text =
                format!("version = 1\nallow = [\"{rules}\"]\n[budgets]\nrequests = 1\n[end]\n");
            settings
                .policy(text.parse().unwrap())
                .dns_servers([origin.name_server()])
                .trust_ca_pem(std::fs::read(&origin.ca).unwrap())
        });
        let setting = setting.await;
        let [http, https] = setting.urls("good.test", "/echo");
        let first = setting.routed(&http, "GET").await;
        assert_eq!(
            first.values().filter(|end| *end == &json!([200])).count(),
            1,
            "{first:?}"
        );
        for (name, end) in setting.routed(&https, "GET").await {
            assert_eq!(end[0], "OSError", "{name} {by_path}: {end}");
            assert_eq!(end[2][1], "requests", "{name} {by_path}: {end}");
            let text = end[1].as_str().unwrap();
            assert!(text.contains("The budget requests = 1 is used up"), "{end}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_ends_in_a_request_is_a_reset_that_names_it() {
    for by_path in [false, true] {
        let setting = Setting::with(by_path, |origin, settings| {
            known(origin, settings, &["good.test"])
        });
        let Setting { origin, broker, ca } = setting.await;
        let url = format!("http://good.test:{}/hang", origin.http);
        let mut more = variables(&broker, &ca);
        let place = match by_path {
            true => "broker.sock".to_owned(),
            false => format!("127.0.0.1:{}", broker.addresses()[0].port()),
        };
        more.push(("PYTHONPATH", patch().display().to_string()));
        let running = tokio::spawn(async move { ends(&url, "GET", "routed", more).await });
        tokio::time::sleep(Duration::from_secs(2)).await;
        broker.shutdown().await;
        for (name, end) in running.await.unwrap() {
            let text = end[1].as_str().unwrap();
            assert!(text.contains(&place), "{name} {by_path}: {end}");
            let kind = end[0].as_str().unwrap();
            assert!(
                ["ConnectionResetError", "ConnectionRefusedError"].contains(&kind),
                "{name}: {end}"
            );
        }
    }
}
