//! The arguments: where the servers are, and what is known of the host.

use std::cell::Cell;
use std::collections::BTreeMap;

/// A host and a port.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The servers, by the names that `server.py` gives them.
pub(crate) struct Servers {
    values: BTreeMap<String, String>,
    only: Vec<String>,
    without: Vec<String>,
    keys: Cell<u32>,
}

impl Servers {
    /// Reads arguments such as `http=127.0.0.1:8080`; `only=TEXT` picks the behaviours with that text in
    /// their names, and `without=TEXT` leaves those out.
    pub(crate) fn read(arguments: &[String]) -> Result<Self, String> {
        let (mut values, mut only, mut without) = (BTreeMap::new(), Vec::new(), Vec::new());
        for argument in arguments {
            match argument.split_once('=') {
                Some(("only", text)) => only.push(text.to_owned()),
                Some(("without", text)) => without.push(text.to_owned()),
                Some((name, value)) => {
                    values.insert(name.to_owned(), value.to_owned());
                }
                None => return Err(format!("'{argument}' is no NAME=VALUE")),
            }
        }
        let keys = Cell::new(0);
        let servers = Self {
            values,
            only,
            without,
            keys,
        };
        if !servers.has("http") {
            return Err("'http' is missing: give the lines that server.py prints".into());
        }
        for name in servers.values.keys().filter(|name| !is_plain(name)) {
            let place = servers.find(name);
            place.ok_or_else(|| format!("'{name}' is no HOST:PORT"))?;
        }
        Ok(servers)
    }

    pub(crate) fn runs(&self, behaviour: &str) -> bool {
        let has = |text: &String| behaviour.contains(text.as_str());
        let is_chosen = self.only.is_empty() || self.only.iter().any(has);
        is_chosen && !self.without.iter().any(has)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A server. Behaviours name those that they need.
    pub(crate) fn at(&self, name: &str) -> Place {
        self.find(name).unwrap_or(Place {
            host: String::new(),
            port: 0,
        })
    }

    /// A number that is known of the host.
    pub(crate) fn number(&self, name: &str) -> usize {
        self.values
            .get(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or(0)
    }

    /// More bytes than any host and its system should take in for a side that does not read.
    pub(crate) fn flood(&self) -> usize {
        match self.number("flood") {
            0 => 64 << 20,
            mebibytes => mebibytes << 20,
        }
    }

    /// A key that no other behaviour has.
    pub(crate) fn key(&self) -> String {
        self.keys.set(self.keys.get() + 1);
        format!("k{}", self.keys.get())
    }

    fn find(&self, name: &str) -> Option<Place> {
        let (host, port) = self.values.get(name)?.rsplit_once(':')?;
        Some(Place {
            host: host.to_owned(),
            port: port.parse().ok()?,
        })
    }
}

/// Arguments that are no servers.
fn is_plain(name: &str) -> bool {
    matches!(name, "connections" | "deadlines" | "flood")
}
