//! A server that nobody may reach: it only counts connections.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::background::Background;
use crate::http_server::loopback;

/// A listener that counts connections and closes them at once. It stops when it is dropped.
#[derive(Debug)]
pub struct Forbidden {
    address: SocketAddr,
    peers: Arc<watch::Sender<Vec<SocketAddr>>>,
    _accepting: Background,
}

impl Forbidden {
    /// Listens on 127.0.0.1, at a port that is free.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn start() -> Self {
        Self::at(loopback(0)).await.expect("a loopback port")
    }

    /// Listens at `address`.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn at(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let peers = Arc::new(watch::Sender::new(Vec::new()));
        let shared = Arc::clone(&peers);
        let accepting = Background::spawn(async move {
            while let Ok((_, peer)) = listener.accept().await {
                shared.send_modify(|peers| peers.push(peer));
            }
        });
        Ok(Self {
            address,
            peers,
            _accepting: accepting,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, such as `http://127.0.0.1:8080`.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were made before this call. It makes one itself, which does not count,
    /// and waits for it: connections are accepted in order, so it misses none that the kernel had
    /// completed but the listener had not seen.
    ///
    /// # Panics
    ///
    /// When the listener is gone.
    pub async fn connections(&self) -> usize {
        let own = TcpStream::connect(self.address)
            .await
            .expect("a connection on loopback");
        let own = own.local_addr().expect("a bound address");
        let mut seen = self.peers.subscribe();
        let peers = seen
            .wait_for(|peers| peers.contains(&own))
            .await
            .expect("a running listener");
        let count = peers.iter().position(|&peer| peer == own).unwrap_or(0);
        drop(peers);
        self.peers
            .send_modify(|peers| peers.retain(|&peer| peer != own));
        count
    }
}
