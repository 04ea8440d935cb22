//! The servers of one run of a row.

use std::net::{IpAddr, SocketAddr};

use sandbox_net::policy::{Document, Mode, Rule};
use sandbox_net_tests::{
    Alpn, DnsAnswer, DnsServer, Forbidden, HttpServer, RawServer, TestCa, Validity,
};

use crate::row::{Name, Trace};

/// The names in the certificate of the TLS servers.
const SECURE_NAMES: [&str; 4] = ["localhost", "127.0.0.1", "one.test", "two.test"];

/// One of each server. All listen on loopback.
pub struct World {
    /// The good server: every row allows it.
    pub good: HttpServer,
    /// The raw server, which shows the bytes of heads.
    pub raw: RawServer,
    /// HTTPS with HTTP/1.1.
    pub tls: HttpServer,
    /// HTTPS with HTTP/2.
    pub h2: HttpServer,
    /// At `127.0.0.1`, `127.0.0.2` and `::1`, on one port.
    forbidden: Vec<Forbidden>,
    /// At `127.0.0.2`, on the good server's port.
    neighbour: Forbidden,
    /// Names.
    pub dns: DnsServer,
    /// The authority of the TLS servers.
    pub ca: TestCa,
}

impl World {
    /// Starts the servers, with these names.
    pub async fn start(names: &[Name]) -> Self {
        let ca = TestCa::new("egress tests");
        let leaf = ca.leaf(&SECURE_NAMES, Validity::Current);
        let (good, neighbour) = good_and_neighbour().await;
        let world = Self {
            neighbour,
            good,
            raw: RawServer::start().await,
            tls: HttpServer::tls(&leaf, Alpn::Http1).await,
            h2: HttpServer::tls(&leaf, Alpn::Http2).await,
            forbidden: forbidden().await,
            dns: DnsServer::start().await,
            ca,
        };
        for (name, answers) in names {
            let answers = answers.iter().map(|answer| parse_answer(answer)).collect();
            world.dns.set(name, DnsAnswer::InTurn(answers));
        }
        world
    }

    /// Replaces the placeholders: `{good}`, `{raw}`, `{tls}`, `{h2}` and `{dns}` are authorities of
    /// servers, and with `_port` their ports; `{port}` is the forbidden servers' port.
    pub fn fill(&self, text: &str) -> String {
        let mut filled = text.replace("{port}", &self.port().to_string());
        for (name, address) in [
            ("good", self.good.address()),
            ("raw", self.raw.address()),
            ("tls", self.tls.address()),
            ("h2", self.h2.address()),
            ("dns", self.dns.address()),
        ] {
            filled = filled
                .replace(&format!("{{{name}}}"), &address.to_string())
                .replace(&format!("{{{name}_port}}"), &address.port().to_string());
        }
        filled
    }

    fn port(&self) -> u16 {
        self.forbidden[0].address().port()
    }

    /// How often the trace was left.
    pub async fn count(&self, trace: Trace) -> usize {
        match trace {
            Trace::Connection => {
                let mut count = 0;
                for server in self.forbidden.iter().chain([&self.neighbour]) {
                    count += server.connections().await;
                }
                count
            }
            Trace::Head(text) => {
                let text = self.fill(text);
                let latin = |head: Vec<u8>| head.into_iter().map(char::from).collect::<String>();
                let heads = self.raw.heads().into_iter().map(latin);
                heads.filter(|head| head.contains(&text)).count()
            }
            Trace::Request(target) => self.good.requests_for(target).len(),
            Trace::Secure(target) => {
                self.tls.requests_for(target).len() + self.h2.requests_for(target).len()
            }
            Trace::Question(end) => {
                let questions = self.dns.questions().await;
                let meant = questions.iter().filter(|asked| asked.name.ends_with(end));
                meant.count()
            }
        }
    }

    /// What the servers received, for messages.
    pub async fn describe(&self) -> String {
        let heads = self.raw.heads();
        let heads = heads.iter().map(|head| head.escape_ascii().to_string());
        let requests = [&self.good, &self.tls, &self.h2].map(|server| {
            let requests = server.requests().into_iter();
            let requests = requests.map(|one| format!("{} {}", one.method, one.target));
            requests.collect::<Vec<_>>()
        });
        format!(
            "forbidden connections: {}\nrequests to good, tls, h2: {requests:?}\nraw heads: {:?}\n\
             questions: {:?}",
            self.count(Trace::Connection).await,
            heads.collect::<Vec<_>>(),
            self.dns.questions().await,
        )
    }
}

/// Makes three listeners on one port; only trying shows which ports are free.
async fn forbidden() -> Vec<Forbidden> {
    for _ in 0..100 {
        let first = Forbidden::start().await;
        let port = first.address().port();
        if let (Ok(second), Ok(third)) = (at("127.0.0.2", port).await, at("::1", port).await) {
            return vec![first, second, third];
        }
    }
    panic!("no port is free on all loopback addresses");
}

async fn good_and_neighbour() -> (HttpServer, Forbidden) {
    for _ in 0..100 {
        let good = HttpServer::plain().await;
        if let Ok(neighbour) = at("127.0.0.2", good.address().port()).await {
            return (good, neighbour);
        }
    }
    panic!("no port is free on both loopback addresses");
}

async fn at(address: &str, port: u16) -> std::io::Result<Forbidden> {
    let address: IpAddr = address.parse().expect("an address");
    Forbidden::at(SocketAddr::new(address, port)).await
}

fn parse_answer(text: &str) -> DnsAnswer {
    if let Some(name) = text.strip_prefix("alias ") {
        return DnsAnswer::Alias(name.to_owned());
    }
    let addresses = text.split_whitespace();
    DnsAnswer::Addresses(addresses.map(|a| a.parse().expect("an address")).collect())
}

/// A policy of these rules: `!` precedes those that deny, `?` those that ask, and `report` or `ask`
/// is a mode.
pub fn document(rules: impl IntoIterator<Item = String>) -> Document {
    let mut document = Document::default();
    for rule in rules {
        match rule.as_str() {
            "report" => document.mode = Mode::Report,
            "ask" => document.mode = Mode::Ask,
            text if text.starts_with('!') => {
                document
                    .deny
                    .push(Rule::parse_deny(&text[1..]).expect("a rule"));
            }
            text if text.starts_with('?') => document.ask.push(text[1..].parse().expect("a rule")),
            text => document.allow.push(text.parse().expect("a rule")),
        }
    }
    document
}
