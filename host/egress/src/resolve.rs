//! Resolves names: the trait, and the system's resolver.

use std::net::IpAddr;
use std::sync::Arc;

use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType};
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, oneshot};

use crate::error::DnsFailure;
use crate::hosts;

/// Turns names into addresses. It is called only for names that the policy allowed, and the policy
/// filters every answer again before it is dialled.
pub trait Resolve: Send + Sync {
    /// The addresses of `name`, which is an ASCII host name in lower case and without a final dot.
    /// Dropping the future cancels the lookup.
    ///
    /// # Errors
    ///
    /// A [`DnsFailure`]; an empty answer also means [`DnsFailure::NotFound`].
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>>;

    /// How many queries one name needs at least, to count their cost: by default two, one for each
    /// address family.
    fn questions(&self) -> usize {
        2
    }
}

/// How many concurrent lookups the system's resolver gets.
const MAX_LOOKUPS: usize = 256;

/// The operating system's resolver (`getaddrinfo`), with its hosts file and name service switch.
/// Names are looked up unchanged: no search list completes them, and none is tried after a name
/// that does not exist.
///
/// `getaddrinfo` blocks and cannot be interrupted, so each lookup gets a thread of its own: at
/// shutdown a runtime would wait for a thread of its blocking pool.
#[derive(Debug, Clone)]
pub struct SystemResolver {
    slots: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(MAX_LOOKUPS)),
        }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsFailure>> {
        Box::pin(async move {
            let slot = Arc::clone(&self.slots).acquire_owned().await;
            let (tx, rx) = oneshot::channel();
            let name = name.to_owned();
            std::thread::Builder::new()
                .name("sandbox-net-dns".into())
                .spawn(move || {
                    let _slot = slot;
                    // Nobody listens if the caller gave up.
                    let _ = tx.send(look_up(&name));
                })
                .map_err(|_| DnsFailure::Temporary)?;
            rx.await.unwrap_or(Err(DnsFailure::Failed))
        })
    }
}

/// The addresses in the hosts file, and otherwise the system's result for the absolute name.
///
/// The C library does not find an absolute name in that file itself, and it completes a nonexistent
/// name without the final dot by the search list.
fn look_up(name: &str) -> Result<Vec<IpAddr>, DnsFailure> {
    match hosts::find(name) {
        found if found.is_empty() => getaddrinfo(&absolute(name)),
        found => Ok(found),
    }
}

/// The name with its final dot.
fn absolute(name: &str) -> String {
    format!("{name}.")
}

fn getaddrinfo(name: &str) -> Result<Vec<IpAddr>, DnsFailure> {
    // Ask for one socket type, or every address comes once for each.
    let hints = AddrInfoHints {
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    let answers =
        dns_lookup::getaddrinfo(Some(name), None, Some(hints)).map_err(|e| match e.kind() {
            LookupErrorKind::NoName | LookupErrorKind::NoData => DnsFailure::NotFound,
            LookupErrorKind::Again | LookupErrorKind::Memory | LookupErrorKind::System => {
                DnsFailure::Temporary
            }
            _ => DnsFailure::Failed,
        })?;
    Ok(answers
        .filter_map(Result::ok)
        .map(|info| info.sockaddr.ip())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_asked_for_absolute_names() {
        for (name, asked) in [
            ("a.test", "a.test."),
            ("mybox", "mybox."),
            ("nothere.example.com", "nothere.example.com."),
        ] {
            assert_eq!(absolute(name), asked);
        }
    }

    #[test]
    fn a_name_of_the_hosts_file_is_found_though_the_system_is_asked_for_absolute_names() {
        // Every machine has this address there.
        let found = look_up("localhost").unwrap();
        assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
        assert!(!found.is_empty());
    }
}
