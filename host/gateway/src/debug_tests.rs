//! What `Debug` shows of values that hold secrets.

use std::time::Duration;

use sandbox_net_egress::{EgressConfig, Roots, TlsConfig};
use sandbox_net_policy::Document;

use crate::audit::{AuditLog, AuditSettings};
use crate::gateway::Gateway;
use crate::hook::{DecisionHook, HookAnswer, HookError, HookRequest};
use crate::secrets::Vault;

struct Never;

impl DecisionHook for Never {
    async fn decide(&self, _: &HookRequest) -> Result<HookAnswer, HookError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_gateway_shows_names_of_secrets_and_none_of_their_values() {
    let value = "real-value-1234";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), value).unwrap();
    let text = format!(
        "version = 1\nallow = ['api.test']\n[[secret]]\nname = 'key-of-api'\nrule = 'api.test'\n\
         source.file = '{}'\n[end]",
        file.path().display(),
    );
    let document = Document::parse(&text).unwrap();
    let vault = Vault::open(&document.secrets).unwrap();
    let audit = AuditLog::with(AuditSettings {
        sandbox: "agent".to_owned(),
        ..AuditSettings::default()
    });
    let builder = Gateway::builder()
        .hook(std::sync::Arc::new(Never), Duration::from_secs(7))
        .secrets(vault.clone())
        .audit(audit);
    let config = EgressConfig::new(TlsConfig::new(Roots::Bundled, []).unwrap());
    let shown = [format!("{vault:?}"), format!("{builder:#?}")];
    for text in &shown {
        assert!(text.contains("key-of-api"), "{text}");
    }
    let gateway = builder.build(document.into(), config);
    let gateway = format!("{gateway:?}");
    assert!(gateway.contains("agent"), "{gateway}");
    for text in shown.iter().chain([&gateway]) {
        assert!(!text.contains(value), "{text}");
    }
}
