//! Makes TCP connections: resolves the endpoint, filters by the policy, and dials the rest.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

use crate::dial_scope::DialScope;
use crate::error::{DnsFailure, EgressError, Phase};
use crate::limit::Limit;
use crate::resolve::Resolve;
use crate::spans;
use crate::wire::{Metered, Wire};
use sandbox_net_policy::Host;

/// How long one address may keep the next one waiting (RFC 8305 section 8).
const STAGGER: Duration = Duration::from_millis(250);

/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// What queries and dials need: the resolver, and the counter.
#[derive(Clone, Copy)]
pub(crate) struct Dialer<'a> {
    pub(crate) resolver: &'a dyn Resolve,
    pub(crate) wire: &'a Arc<dyn Wire>,
}

/// Connects to the first address of the endpoint that answers. Only permitted addresses are ever
/// dialled. `phase` always says what is going on.
///
/// # Errors
///
/// DNS failures; a limit; an address denial if no address is permitted; otherwise the failure of
/// the address that came closest.
pub(crate) async fn dial(
    reach: &DialScope,
    dialer: Dialer<'_>,
    phase: &mut Phase,
) -> Result<(Metered, SocketAddr), EgressError> {
    *phase = Phase::Resolve;
    let found = match (reach.pinned(), reach.take_found()) {
        (Some(address), _) => vec![address],
        (None, Some(found)) => found,
        (None, None) => addresses(&reach.endpoint().host, dialer).await?,
    };
    let first = found.first().copied();
    let port = reach.port();
    let is_permitted = |ip: &IpAddr| reach.permits(SocketAddr::new(*ip, port));
    let permitted: Vec<IpAddr> = found.into_iter().filter(is_permitted).collect();
    if permitted.is_empty() {
        return Err(EgressError::Denied(reach.denial(first)));
    }
    *phase = Phase::Connect;
    let targets = interleave(permitted)
        .into_iter()
        .map(|ip| SocketAddr::new(ip, port));
    let (tcp, peer) = race(targets.take(MAX_ADDRESSES), &**dialer.wire).await?;
    Ok((Metered::new(tcp, Arc::clone(dialer.wire)), peer))
}

/// The addresses of a host. Literals and `localhost` need no name server (RFC 6761 section 6.3).
async fn addresses(host: &Host, dialer: Dialer<'_>) -> Result<Vec<IpAddr>, EgressError> {
    if let Host::Ip(ip) = host {
        return Ok(vec![*ip]);
    }
    if host.is_localhost() {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    ask(&host.to_string(), dialer).await
}

/// Queries the name servers for the addresses of a name; the result has at least one.
///
/// A resolver's traffic is not visible here, so the least size of its queries and their answers is
/// counted (RFC 1035 section 4).
///
/// # Errors
///
/// A [`DnsFailure`]; a limit, and then no query was sent.
pub(crate) async fn ask(name: &str, dialer: Dialer<'_>) -> Result<Vec<IpAddr>, EgressError> {
    let Dialer { resolver, wire } = dialer;
    let questions = resolver.questions() * (name.len() + QUESTION);
    wire.room().map_err(EgressError::Limit)?;
    wire.ask().map_err(EgressError::Limit)?;
    wire.write(questions).map_err(EgressError::Limit)?;
    spans::within(spans::dns(name), asked(name, dialer, questions)).await
}

/// Sends what was counted.
async fn asked(
    name: &str,
    Dialer { resolver, wire }: Dialer<'_>,
    questions: usize,
) -> Result<Vec<IpAddr>, EgressError> {
    let found = resolver.resolve(name).await;
    let records = |found: &Vec<IpAddr>| found.iter().map(record).sum::<usize>();
    let answers = questions + found.as_ref().map_or(0, records);
    wire.read(answers).map_err(EgressError::Limit)?;
    match found? {
        none if none.is_empty() => Err(DnsFailure::NotFound.into()),
        found => Ok(found),
    }
}

/// What a query has besides its name: the header, a length and a root, type and class.
const QUESTION: usize = 12 + 2 + 4;

/// The size of an address in an answer, with its name compressed.
fn record(address: &IpAddr) -> usize {
    match address {
        IpAddr::V4(_) => 16,
        IpAddr::V6(_) => 28,
    }
}

/// Alternates the two families, beginning with the resolver's first choice, without duplicates.
fn interleave(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_is_v4 = addresses.first().is_some_and(IpAddr::is_ipv4);
    let (first, second): (Vec<IpAddr>, Vec<IpAddr>) = addresses
        .into_iter()
        .partition(|ip| ip.is_ipv4() == first_is_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered: Vec<IpAddr> = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return ordered;
        }
        for ip in pair.into_iter().flatten() {
            if !ordered.contains(&ip) {
                ordered.push(ip);
            }
        }
    }
}

/// Dials the addresses in order, the next one when the last has failed or takes long. Each is
/// counted before it is dialled.
async fn race(
    mut targets: impl Iterator<Item = SocketAddr>,
    wire: &dyn Wire,
) -> Result<(TcpStream, SocketAddr), EgressError> {
    let mut attempts = FuturesUnordered::new();
    let mut next = targets.next();
    let mut failure = EgressError::Unreachable;
    loop {
        if let Some(target) = next.take() {
            attempts.push(async move { Ok((connect(target, wire).await?, target)) });
            next = targets.next();
        } else if attempts.is_empty() {
            return Err(failure);
        }
        tokio::select! {
            // Prefer a connection that is made already, however late this task runs: no second one is
            // needed.
            biased;
            Some(result) = attempts.next() => match result {
                Ok(connected) => return Ok(connected),
                Err(error) => failure = closer(failure, error),
            },
            () = tokio::time::sleep(STAGGER), if next.is_some() => {}
        }
    }
}

async fn connect(target: SocketAddr, wire: &dyn Wire) -> Result<TcpStream, EgressError> {
    wire.dial().map_err(EgressError::Limit)?;
    let connecting = async {
        let connected = TcpStream::connect(target).await;
        connected.map_err(|error| failure(&error))
    };
    let stream = spans::within(spans::dial(target), connecting).await?;
    // This only affects latency: a stream without it still works.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

fn failure(error: &io::Error) -> EgressError {
    // The process or the machine has no file descriptor left (ENFILE, EMFILE).
    if cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24)) {
        return EgressError::Limit(Limit::Connections);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => EgressError::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => EgressError::Reset,
        io::ErrorKind::TimedOut => EgressError::Timeout(Phase::Connect),
        _ => EgressError::Unreachable,
    }
}

/// The failure of two that says more: a limit before an answer, an answer before silence, and
/// silence before a missing route.
fn closer(a: EgressError, b: EgressError) -> EgressError {
    let rank = |error: &EgressError| match error {
        EgressError::Unreachable => 0,
        EgressError::Timeout(_) => 1,
        EgressError::Limit(_) => 3,
        _ => 2,
    };
    if rank(&b) > rank(&a) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_alternate_beginning_with_the_first_answers() {
        let mixed = ["::1", "::2", "::3", "192.0.2.1", "::1"].map(ip).to_vec();
        assert_eq!(
            interleave(mixed),
            ["::1", "192.0.2.1", "::2", "::3"].map(ip)
        );
        assert_eq!(interleave(vec![]), Vec::<IpAddr>::new());
    }

    #[test]
    fn the_failure_that_says_most_is_reported() {
        use EgressError::{Refused, Timeout, Unreachable};
        assert_eq!(closer(Unreachable, Refused), Refused);
        assert_eq!(closer(Refused, Unreachable), Refused);
        let limit = EgressError::Limit(Limit::ConnectionRate);
        assert_eq!(closer(Refused, limit.clone()), limit);
        assert_eq!(closer(limit.clone(), Refused), limit);
        assert_eq!(
            closer(Unreachable, Timeout(Phase::Connect)),
            Timeout(Phase::Connect)
        );
    }
}
