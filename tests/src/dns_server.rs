//! A DNS server over UDP with a script for each name, which counts the queries.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::sync::watch;

use crate::background::Background;
use crate::http_server::loopback;

/// What the server answers for a name.
#[derive(Clone, Debug)]
pub enum DnsAnswer {
    /// The addresses of the name, each under the queried record type.
    Addresses(Vec<IpAddr>),
    /// `CNAME`: another name, followed by that name's own script (addresses or aliases).
    Alias(String),
    /// For each record type separately: the first answer to the first query, the second to the
    /// second, and the last one from then on.
    InTurn(Vec<DnsAnswer>),
    /// `SERVFAIL`.
    ServerFailure,
    /// `REFUSED`.
    Refused,
    /// No answer at all.
    Silence,
}

impl DnsAnswer {
    /// The answer to query number `asked`, from 1, of its name and type.
    fn turn(&self, asked: usize) -> Option<&Self> {
        match self {
            Self::InTurn(answers) => {
                let last = answers.len().checked_sub(1)?;
                answers[asked.saturating_sub(1).min(last)].turn(asked)
            }
            other => Some(other),
        }
    }
}

impl<const N: usize> From<[IpAddr; N]> for DnsAnswer {
    fn from(addresses: [IpAddr; N]) -> Self {
        Self::Addresses(addresses.to_vec())
    }
}

/// A query as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsQuestion {
    /// The name in lower case, without the final dot.
    pub name: String,
    /// The record type, such as `A`.
    pub record_type: String,
}

type Script = HashMap<String, DnsAnswer>;

/// A running server. It stops when it is dropped. Names without a script do not exist.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    questions: Arc<watch::Sender<Vec<DnsQuestion>>>,
    script: Arc<watch::Sender<Script>>,
    _answering: Background,
}

impl DnsServer {
    /// Starts a server on 127.0.0.1, at a port that is free.
    ///
    /// # Panics
    ///
    /// When loopback gives no port.
    pub async fn start() -> Self {
        Self::at(loopback(0)).await
    }

    /// Starts a server at this address.
    ///
    /// # Panics
    ///
    /// When the address cannot be bound.
    pub async fn at(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(address).await.expect("the address");
        let address = socket.local_addr().expect("a bound address");
        let questions = Arc::new(watch::Sender::new(Vec::new()));
        let script = Arc::new(watch::Sender::new(Script::new()));
        let task = respond(socket, Arc::clone(&questions), Arc::clone(&script));
        Self {
            address,
            questions,
            script,
            _answering: Background::spawn(task),
        }
    }

    /// Where the server listens, for `dns_servers`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers queries for `name` with `answer` from now on. Answers must not be cached.
    pub fn set(&self, name: &str, answer: impl Into<DnsAnswer>) {
        self.script.send_modify(|script| {
            script.insert(name.to_ascii_lowercase(), answer.into());
        });
    }

    /// Forgets the queries so far: answers in turn begin anew.
    pub fn forget(&self) {
        self.questions.send_modify(Vec::clear);
    }

    /// Every query so far. It sends one itself, which does not count, and whose answer shows that
    /// all earlier ones were counted: datagrams on loopback stay in order.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub async fn questions(&self) -> Vec<DnsQuestion> {
        let socket = UdpSocket::bind(loopback(0)).await.expect("a loopback port");
        let mut message = Message::query();
        message.add_query(Query::query(MARKER.parse().expect("a name"), RecordType::A));
        let bytes = message.to_vec().expect("a question");
        socket
            .send_to(&bytes, self.address)
            .await
            .expect("a send on loopback");
        socket
            .recv_from(&mut [0; 512])
            .await
            .expect("an answer on loopback");
        self.questions.borrow().clone()
    }
}

/// The name of the server's own query.
const MARKER: &str = "marker.invalid.";

async fn respond(
    socket: UdpSocket,
    questions: Arc<watch::Sender<Vec<DnsQuestion>>>,
    script: Arc<watch::Sender<Script>>,
) {
    let mut buffer = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        // What is not a query gets no answer, as from any DNS server.
        let Ok(request) = Message::from_vec(&buffer[..length]) else {
            continue;
        };
        let Some(query) = request.queries.first().cloned() else {
            continue;
        };
        let name = query.name().to_ascii().to_ascii_lowercase();
        if name != MARKER {
            questions.send_modify(|seen| seen.push(question(&query)));
        }
        let answer = look_up(&script.borrow(), &questions.borrow(), &query);
        if let Some(bytes) = response(&request, query, answer) {
            let _ = socket.send_to(&bytes, peer).await;
        }
    }
}

fn question(query: &Query) -> DnsQuestion {
    let name = query.name().to_ascii().to_ascii_lowercase();
    DnsQuestion {
        name: name.trim_end_matches('.').to_owned(),
        record_type: query.query_type().to_string(),
    }
}

/// The script's reaction to one query.
enum Answer {
    Records(Vec<Record>),
    Code(ResponseCode),
    Silence,
}

/// Looks `query`, the last one of `asked`, up in the script, through aliases.
fn look_up(script: &Script, asked: &[DnsQuestion], query: &Query) -> Answer {
    let own = question(query);
    let before = asked.iter().filter(|other| **other == own).count();
    let mut records = Vec::new();
    let mut name = own.name;
    // A longer chain is a loop, which is answered up to here.
    for _ in 0..=script.len() {
        match script.get(&name).and_then(|answer| answer.turn(before)) {
            None if records.is_empty() => return Answer::Code(ResponseCode::NXDomain),
            None => return Answer::Records(records),
            Some(DnsAnswer::ServerFailure) => return Answer::Code(ResponseCode::ServFail),
            Some(DnsAnswer::Refused) => return Answer::Code(ResponseCode::Refused),
            Some(DnsAnswer::Silence | DnsAnswer::InTurn(_)) => return Answer::Silence,
            Some(DnsAnswer::Alias(to)) => {
                records.push(record(&name, RData::CNAME(CNAME(absolute(to)))));
                name.clone_from(to);
            }
            Some(DnsAnswer::Addresses(addresses)) => {
                let fitting = addresses.iter().filter_map(|address| match address {
                    IpAddr::V4(v4) if query.query_type() == RecordType::A => Some(RData::A(A(*v4))),
                    IpAddr::V6(v6) if query.query_type() == RecordType::AAAA => {
                        Some(RData::AAAA(AAAA(*v6)))
                    }
                    _ => None,
                });
                records.extend(fitting.map(|data| record(&name, data)));
                return Answer::Records(records);
            }
        }
    }
    Answer::Records(records)
}

fn absolute(name: &str) -> Name {
    Name::from_ascii(format!("{name}.")).expect("a name in a script")
}

fn record(name: &str, data: RData) -> Record {
    Record::from_rdata(absolute(name), 0, data)
}

/// The response to `query` (RFC 1035 section 4.1); `None` if the script says to stay silent.
fn response(request: &Message, query: Query, answer: Answer) -> Option<Vec<u8>> {
    let mut message = Message::response(request.metadata.id, request.metadata.op_code);
    message.metadata.recursion_desired = request.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    match answer {
        Answer::Silence => return None,
        Answer::Code(code) => message.metadata.response_code = code,
        Answer::Records(records) => {
            for record in records {
                message.add_answer(record);
            }
        }
    }
    message.add_query(query);
    message.to_vec().ok()
}
