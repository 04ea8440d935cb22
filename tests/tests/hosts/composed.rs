//! Composes components, once for each version of what goes into them.

use std::path::PathBuf;

use sandbox_net::python::Cache;
use sandbox_net::python::progress::Silent;
use sandbox_net::{Capability, Engine, Snapshot};
use sandbox_net_compose::{Decider, ExitCode, on_wasi_http};
use sandbox_net_tests::sha256;

/// The kind of the cache entries that hold the components, and what hosts made of them.
const KIND: &str = "test-composed";

/// A composed component, and what it needs.
pub struct Composed {
    /// Where the cache has it; what a host makes of it goes beside it.
    pub directory: PathBuf,
    /// The host's directory for each of the guest's.
    pub mounts: Vec<(PathBuf, String)>,
}

impl Composed {
    /// The interpreter alone, with this policy.
    pub async fn plain(policy: &str) -> Self {
        let engine = engine().await;
        let component = component(&engine).await;
        Self::of(&engine, None, &component, Decider::Policies(&[policy]))
    }

    /// The interpreter alone, whose policy is the host's.
    pub async fn of_the_host() -> Self {
        let engine = engine().await;
        let component = component(&engine).await;
        Self::of(&engine, None, &component, Decider::Host)
    }

    /// An interpreter with requests and httpx imported, with this policy.
    pub async fn with_libraries(policy: &str) -> Self {
        let engine = engine().await;
        let snapshot = Snapshot::builder()
            .engine(engine.clone())
            .with_package("requests")
            .with_package("httpx")
            .build()
            .await
            .expect("a snapshot");
        let component = component(&engine).await;
        Self::of(
            &engine,
            Some(&snapshot),
            &component,
            Decider::Policies(&[policy]),
        )
    }

    fn of(
        engine: &Engine,
        snapshot: Option<&Snapshot>,
        component: &[u8],
        decider: Decider<'_>,
    ) -> Self {
        let composed = on_wasi_http(component, decider, ExitCode::Kept).expect("a composition");
        let entry = Cache::open(None).and_then(|cache| cache.entry(KIND, &sha256(&composed)));
        let directory = entry.expect("an entry").get_or_make(&Silent, |directory| {
            std::fs::write(directory.join("app.wasm"), &composed)
        });
        let (library, guest) = engine.library();
        let packages = snapshot.and_then(Snapshot::packages_dir);
        let mounts = [Some((library, guest)), packages].into_iter().flatten();
        Self {
            directory: directory.expect("a directory"),
            mounts: mounts
                .map(|(host, guest)| (host.to_path_buf(), guest.to_owned()))
                .collect(),
        }
    }

    /// The component.
    pub fn file(&self) -> PathBuf {
        self.directory.join("app.wasm")
    }
}

async fn engine() -> Engine {
    Engine::shared().await.expect("the default distribution")
}

async fn component(engine: &Engine) -> Vec<u8> {
    let file = engine
        .component(Capability::Network)
        .await
        .expect("a component");
    std::fs::read(file).expect("a component")
}
