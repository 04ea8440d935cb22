//! Keeps TLS sessions that can be resumed.
//!
//! The server chooses the size of a session: up to 64 KiB for a ticket, and as much for its
//! certificates. So large ones are not kept, and the sandbox's memory pays for those that are.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{Mutex, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

use crate::account::{HostMemory, Reservation};

/// The largest session that is kept, with its ticket and its certificates.
const LARGEST: usize = 16 << 10;

/// How many sessions of TLS 1.3 are kept for one server: each can be resumed once.
const MOST_FOR_SERVER: usize = 4;

/// What a session takes besides its ticket and its certificates, including its part of what is
/// known of its server.
const SESSION: usize = 1 << 10;

/// A session is kept only if it is at most this part of the free memory: it only saves time.
const PART: usize = 8;

/// The sessions of one configuration.
pub(crate) struct Tickets {
    memory: HostMemory,
    most_servers: usize,
    /// The last one added is at the end.
    servers: Mutex<VecDeque<(ServerName<'static>, Server)>>,
}

#[derive(Default)]
struct Server {
    hint: Option<NamedGroup>,
    tls12: Option<(Tls12ClientSessionValue, Reservation)>,
    tls13: VecDeque<(Tls13ClientSessionValue, Reservation)>,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl Tickets {
    pub(crate) fn new(memory: HostMemory, most_servers: usize) -> Self {
        Self {
            memory,
            most_servers,
            servers: Mutex::default(),
        }
    }

    /// Works on what is known of a server, if anything.
    fn find<T>(
        &self,
        name: &ServerName<'_>,
        work: impl FnOnce(&mut Server) -> Option<T>,
    ) -> Option<T> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let found = servers.iter_mut().find(|(known, _)| known == name)?;
        work(&mut found.1)
    }

    /// Works on what is known of a server, dropping the oldest one if necessary.
    fn edit(&self, name: ServerName<'static>, work: impl FnOnce(&mut Server)) {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, server)) = servers.iter_mut().find(|(known, _)| *known == name) {
            return work(server);
        }
        if servers.len() >= self.most_servers {
            servers.pop_front();
        }
        let mut server = Server::default();
        work(&mut server);
        servers.push_back((name, server));
    }

    /// The memory for a session; `None` if it is not worth it.
    fn reserve(&self, session: &dyn fmt::Debug) -> Option<Reservation> {
        let cost = SESSION + size(session)?;
        if cost > self.memory.free() / PART {
            return None;
        }
        self.memory.reserve(cost).ok()
    }
}

/// The bytes of a session; `None` if it is too large. The library reveals them only as hexadecimal
/// text.
fn size(session: &dyn fmt::Debug) -> Option<usize> {
    struct Count(usize);
    impl Write for Count {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            match self.0 > 2 * LARGEST {
                true => Err(fmt::Error),
                false => Ok(()),
            }
        }
    }
    let mut count = Count(0);
    write!(count, "{session:?}").ok()?;
    Some(count.0.div_ceil(2))
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.edit(name, |server| server.hint = Some(group));
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.find(name, |server| server.hint)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        let kept = self.reserve(&value).map(|held| (value, held));
        self.edit(name, |server| server.tls12 = kept);
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.find(name, |server| Some(server.tls12.as_ref()?.0.clone()))
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.find(name, |server| server.tls12.take());
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        let Some(held) = self.reserve(&value) else {
            return;
        };
        self.edit(name, |server| {
            if server.tls13.len() >= MOST_FOR_SERVER {
                server.tls13.pop_front();
            }
            server.tls13.push_back((value, held));
        });
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let taken = self.find(name, |server| server.tls13.pop_back())?;
        Some(taken.0)
    }
}
