//! Sends one request under a policy, without a sandbox and without WebAssembly.
//!
//! ```sh
//! cargo run -p sandbox-net-gateway --example fetch -- 'GET https://pypi.org/simple/**' https://pypi.org/simple/six/
//! ```

use std::error::Error;

use http_body_util::{BodyExt, Empty};
use sandbox_net_egress::{BodyKind, EgressConfig, EgressError, Roots, TlsConfig};
use sandbox_net_gateway::{AuditLog, Gateway, Request, RequestHead};
use sandbox_net_policy::{Endpoint, Origin, Policy, Scheme};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(rule), Some(url)) = (arguments.next(), arguments.next()) else {
        return Err("give a rule and a URL".into());
    };
    let audit = AuditLog::new();
    let config = EgressConfig::new(TlsConfig::new(Roots::Platform, [])?);
    let gateway = Gateway::new(Policy::allow([rule.parse()?]), config, audit.clone());

    match gateway.fetch(get(&url)?, nothing()).await {
        Ok(answer) => {
            let status = answer.head.map(|head| head.status);
            let body = answer.body.collect().await?.to_bytes();
            println!("{status:?}, {} bytes", body.len());
        }
        Err(EgressError::Denied(denial)) => println!("denied: {}", denial.message),
        Err(error) => println!("failed: {error}"),
    }
    for decision in audit.decisions() {
        println!(
            "{:?} {} {:?}",
            decision.stage, decision.target, decision.verdict
        );
    }
    Ok(())
}

fn nothing() -> sandbox_net_gateway::Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A GET of this URL.
fn get(url: &str) -> Result<Request, Box<dyn Error>> {
    let url: http::Uri = url.parse()?;
    let scheme = match url.scheme_str() {
        Some("https") => Scheme::Https,
        Some("http") => Scheme::Http,
        _ => return Err("the URL needs http:// or https://".into()),
    };
    let host = url.host().ok_or("the URL needs a host")?;
    let endpoint = Endpoint::new(host, url.port_u16().unwrap_or(scheme.default_port()))?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let head = RequestHead {
        method: b"GET".to_vec(),
        path: path.into(),
        fields: vec![(b"User-Agent".to_vec(), b"sandbox-net".to_vec())],
    };
    let origin = Origin { scheme, endpoint };
    Ok(Request::new(origin, head, BodyKind::None))
}
