//! Finds out which addresses are this machine's own: a connection to one never leaves it, whatever
//! network the address is from.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use sandbox_net_policy::{Addresses, Checked, CheckedName, Denial};

/// The most addresses of one name that a program is told.
const MAX_TOLD: usize = 64;

/// Tells which addresses are this machine's own.
#[derive(Clone)]
pub struct Machine(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl Machine {
    /// The machine that this runs on. It is queried for every address, so that interfaces may come
    /// and go.
    pub fn real() -> Self {
        Self::new(|address| leads_here(address).unwrap_or(true))
    }

    /// A machine whose own addresses are those for which `is_own` is true.
    pub fn new(is_own: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_own))
    }

    /// Whether the address may be dialled from here.
    pub fn permits(&self, addresses: &Addresses, address: IpAddr) -> bool {
        // Query the machine only if it makes a difference.
        addresses.permits_own(address) || (addresses.permits(address) && !self.is_own(address))
    }

    /// The addresses of a name that the program may be told, each once.
    pub(crate) fn told(&self, name: &CheckedName, found: &[IpAddr]) -> Vec<IpAddr> {
        let mut told = Vec::new();
        for address in found {
            if told.len() == MAX_TOLD {
                break;
            }
            if !told.contains(address) && name.tells(*address) && !self.is_own(*address) {
                told.push(*address);
            }
        }
        told
    }

    /// The denial for an address that may be dialled only because the policy's mode is `report`.
    ///
    /// # Errors
    ///
    /// The [`Denial`].
    pub fn check<T>(&self, checked: &Checked<T>, address: IpAddr) -> Result<(), Denial> {
        checked.check_address(address)?;
        match checked.check_own_address(address) {
            Err(denial) if self.is_own(address) => Err(denial),
            _ => Ok(()),
        }
    }

    /// Whether a connection to the address would end at this machine.
    pub(crate) fn is_own(&self, address: IpAddr) -> bool {
        (self.0)(address.to_canonical())
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Machine")
    }
}

/// Whether the system would deliver to itself what is sent to the address: it would then send it
/// from that address, or from loopback. A datagram socket reports this without sending anything,
/// and also knows local routes that belong to no interface.
///
/// # Errors
///
/// Whatever kept the system from answering. An address without any route is not an address of this
/// machine.
fn leads_here(address: IpAddr) -> io::Result<bool> {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(SocketAddr::new(address, DISCARD))?;
        socket.local_addr()
    });
    match source {
        Ok(source) => {
            let source = source.ip().to_canonical();
            Ok(source == address || source.is_loopback())
        }
        Err(error) if is_no_way(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The port of a service that ignores what it receives (RFC 863); nothing is sent to it.
const DISCARD: u16 = 9;

/// Whether the address, or its family, cannot be reached from here.
fn is_no_way(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::Unsupported
    ) || cfg!(target_os = "linux") && error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// This address family is not supported here.
const EAFNOSUPPORT: i32 = 97;

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox_net_policy::{Endpoint, Host, Lookup, Policy};

    #[test]
    fn the_machine_knows_its_own_addresses_from_those_of_others() {
        let machine = Machine::real();
        for own in ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1"] {
            assert!(machine.is_own(own.parse().unwrap()), "{own}");
        }
        for other in ["192.0.2.77", "198.51.100.1", "2001:db8::1"] {
            assert!(!machine.is_own(other.parse().unwrap()), "{other}");
        }
    }

    /// The machine's outside address, if it has one.
    #[test]
    fn the_machine_knows_the_address_that_it_sends_from() {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        if socket.connect("198.51.100.1:9").is_ok() {
            let own = socket.local_addr().unwrap().ip();
            assert!(Machine::real().is_own(own), "{own}");
        }
    }

    #[test]
    fn an_own_address_is_permitted_only_where_a_rule_names_it() {
        let address: IpAddr = "93.184.216.34".parse().unwrap();
        for (rule, host, is_named) in [
            ("a.test", "a.test", false),
            ("any", "a.test", false),
            ("any", "93.184.216.34", false),
            ("a.test to 93.184.216.34", "a.test", true),
            ("93.184.216.34", "93.184.216.34", true),
        ] {
            let policy = Policy::allow([rule.parse().unwrap()]);
            let checked = policy.check_connect(Endpoint::new(host, 80).unwrap());
            let checked = checked.unwrap();
            for (is_own, permitted) in [(true, is_named), (false, true)] {
                let machine = Machine::new(move |asked| is_own && asked == address);
                for dialled in [address, "::ffff:93.184.216.34".parse().unwrap()] {
                    let is_permitted = machine.permits(&checked.addresses(), dialled);
                    assert_eq!(is_permitted, permitted, "{rule} {host} {dialled} {is_own}");
                }
                assert_eq!(machine.check(&checked, address).is_ok(), permitted);
            }
        }
    }

    #[test]
    fn told_are_so_many_addresses_of_other_machines_each_once() {
        let policy = Policy::allow(["a.test".parse().unwrap()]);
        let Ok(Lookup::Name(name)) = policy.answer_lookup(Host::parse("a.test").unwrap()) else {
            panic!("it may be asked about");
        };
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let own = ip("93.184.216.34");
        let machine = Machine::new(move |address| address == own);
        let found = [
            "93.184.216.35",
            "93.184.216.34",
            "10.0.0.1",
            "2606:2800:220:1::1",
        ]
        .map(ip);
        let found = [found, found].concat();
        let expected = ["93.184.216.35", "2606:2800:220:1::1"].map(ip);
        assert_eq!(machine.told(&name, &found), expected);
        let many: Vec<IpAddr> = (0..200).map(|last| [93, 184, 217, last].into()).collect();
        assert_eq!(machine.told(&name, &many), many[..MAX_TOLD]);
    }
}
