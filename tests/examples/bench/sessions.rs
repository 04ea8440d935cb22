//! Turns of a session that lives.

use std::time::Instant;

use anyhow::{Result, ensure};
use sandbox_net::{Engine, Sandbox, Session};
use tokio::sync::Mutex;

use super::interpreters::Peer;
use super::measure::{Row, Side, Unit, row};

/// How many turns make a sample.
const TURNS: u32 = 200;

pub(super) const TURN: &str = "session turn, x += 1";

/// Measures a turn.
pub(super) async fn turn(engine: &Engine, peer: Option<&Mutex<Peer>>, runs: usize) -> Result<Row> {
    let sandbox = Sandbox::builder().engine(engine.clone()).build().await?;
    let session = Mutex::new(sandbox.session().await?);
    session.lock().await.exec("x = 0").await?;
    let ours = || async {
        let mut session = session.lock().await;
        let start = Instant::now();
        for _ in 0..TURNS {
            exec(&mut session, "x += 1").await?;
        }
        Ok(start.elapsed().as_secs_f64() / f64::from(TURNS))
    };
    let mut sides = vec![Side::new("sandbox-net", ours)];
    if let Some(peer) = peer {
        sides.push(Side::new("eryx", async move || {
            peer.lock().await.measure("turn").await
        }));
    }
    row(TURN, Unit::Seconds, runs, sides).await
}

async fn exec(session: &mut Session, code: &str) -> Result<()> {
    let outcome = session.exec(code).await?;
    ensure!(
        outcome.is_done(),
        "the turn ended otherwise: {:?}",
        outcome.end
    );
    Ok(())
}
