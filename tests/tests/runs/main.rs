//! A run is a value: it is watched, fed, limited, ended and waited for, each apart from the others.

mod automatic;
mod blocking;
mod clients_ahead;
mod endings;
mod ends;
mod fresh;
mod limits;
mod live;
mod many;
mod pool;
mod snapshots;
mod streams;
mod totals;
mod unfit;
mod untouched;

use sandbox_net::{Sandbox, SandboxBuilder};

/// Far from every limit here.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A sandbox with an engine of its own module.
async fn built(builder: SandboxBuilder) -> Sandbox {
    builder.build().await.expect("a sandbox")
}

/// What comes of `work`, which must not take long.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("an end in time")
}
