//! Composes components, once for each version of what goes into them.

use std::path::{Path, PathBuf};

use sandbox_net::python::progress::Silent;
use sandbox_net::python::{Cache, Entry};
use sandbox_net::{Capability, Engine, Snapshot};
use sandbox_net_compose::{Decider, ExitCode, on_wasi_http};
use sandbox_net_tests::{LIMIT, sha256};

/// The kind of the cache entries that hold the components, and what hosts made of them.
const KIND: &str = "test-composed";

/// A composed component, and what it needs.
pub(crate) struct Composed {
    /// Where the cache has it; what a host makes of it goes beside it.
    pub(crate) directory: PathBuf,
    /// The host's directory for each of the guest's.
    pub(crate) mounts: Vec<(PathBuf, String)>,
}

impl Composed {
    /// The interpreter alone, with this policy.
    pub(crate) async fn plain(policy: &str) -> Self {
        let engine = engine().await;
        let component = component(&engine).await;
        Self::of(&engine, None, &component, Decider::Policies(&[policy]))
    }

    /// The interpreter alone, whose policy is the host's.
    pub(crate) async fn of_the_host() -> Self {
        let engine = engine().await;
        let component = component(&engine).await;
        Self::of(&engine, None, &component, Decider::Host)
    }

    /// An interpreter with requests and httpx imported, with this policy.
    pub(crate) async fn with_libraries(policy: &str) -> Self {
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

    /// An interpreter that has the standard library and requests in its memory, with this policy.
    pub(crate) async fn embedded(policy: &str) -> Self {
        let engine = engine().await;
        let plain = component(&engine).await;
        let decider = Decider::Policies(&[policy]);
        let known = on_wasi_http(&plain, decider, ExitCode::Kept).expect("a composition");
        let entry = entry(&format!("embedded {}", sha256(&known)));
        let directory = match entry.get() {
            Some(directory) => directory,
            None => {
                let snapshot = Snapshot::builder().engine(engine).with_package("requests");
                let snapshot = snapshot.time_limit(LIMIT);
                let snapshot = snapshot.import("requests").import("sandbox_net.embedded");
                let snapshot = snapshot.build().await.expect("a snapshot");
                let component = snapshot.component().await.expect("a component");
                let composed = on_wasi_http(&component, decider, ExitCode::Kept);
                keep(&entry, &composed.expect("a composition"))
            }
        };
        Self {
            directory,
            mounts: Vec::new(),
        }
    }

    fn of(
        engine: &Engine,
        snapshot: Option<&Snapshot>,
        component: &[u8],
        decider: Decider<'_>,
    ) -> Self {
        let composed = on_wasi_http(component, decider, ExitCode::Kept).expect("a composition");
        let directory = keep(&entry(&sha256(&composed)), &composed);
        let (library, guest) = engine.library();
        let packages = snapshot.and_then(Snapshot::packages_dir);
        let mounts = [Some((library, guest)), packages].into_iter().flatten();
        Self {
            directory,
            mounts: mounts
                .map(|(host, guest)| (host.to_path_buf(), guest.to_owned()))
                .collect(),
        }
    }

    /// The component.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join("app.wasm")
    }
}

/// Older ones than the last few are of other versions, and large.
const KEPT: usize = 6;

fn entry(key: &str) -> Entry {
    let cache = Cache::open(None).expect("a cache");
    cache.keep_newest(KIND, KEPT);
    let entry = cache.entry(KIND, &sha256(key.as_bytes()));
    entry.expect("an entry")
}

/// Puts a component into the cache, if it is not there.
fn keep(entry: &Entry, component: &[u8]) -> PathBuf {
    let write = |directory: &Path| -> Result<(), Box<dyn std::error::Error>> {
        Ok(std::fs::write(directory.join("app.wasm"), component)?)
    };
    entry.get_or_make(&Silent, write).expect("a directory")
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
