//! A DNS server over UDP with a script for each name, which counts the questions.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::sync::watch;

use crate::background::Background;
use crate::http_server::loopback;

/// What the server answers for a name.
#[derive(Clone, Debug)]
pub enum DnsAnswer {
    /// The addresses of the name, each under the record type that is asked for.
    Addresses(Vec<IpAddr>),
    /// `SERVFAIL`.
    ServerFailure,
    /// `REFUSED`.
    Refused,
    /// No answer at all.
    Silence,
}

impl<const N: usize> From<[IpAddr; N]> for DnsAnswer {
    fn from(addresses: [IpAddr; N]) -> Self {
        Self::Addresses(addresses.to_vec())
    }
}

/// A question as it was asked.
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
        let socket = UdpSocket::bind(loopback(0)).await.expect("a loopback port");
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

    /// Answers questions about `name` with `answer` from now on. Answers may not be cached.
    pub fn set(&self, name: &str, answer: impl Into<DnsAnswer>) {
        self.script.send_modify(|script| {
            script.insert(name.to_ascii_lowercase(), answer.into());
        });
    }

    /// Every question so far. It asks one itself, which does not count, and whose answer shows
    /// that all earlier ones were counted: datagrams on loopback stay in order.
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

/// The name of the server's own question.
const MARKER: &str = "marker.invalid.";

async fn respond(
    socket: UdpSocket,
    questions: Arc<watch::Sender<Vec<DnsQuestion>>>,
    script: Arc<watch::Sender<Script>>,
) {
    let mut buffer = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        // What is no question gets no answer, as with any DNS server.
        let Ok(request) = Message::from_vec(&buffer[..length]) else {
            continue;
        };
        let Some(query) = request.queries.first().cloned() else {
            continue;
        };
        let name = query.name().to_ascii().to_ascii_lowercase();
        if name != MARKER {
            let record_type = query.query_type().to_string();
            let name = name.trim_end_matches('.').to_owned();
            questions.send_modify(|seen| seen.push(DnsQuestion { name, record_type }));
        }
        let answer = script.borrow().get(name.trim_end_matches('.')).cloned();
        if let Some(bytes) = response(&request, query, answer) {
            let _ = socket.send_to(&bytes, peer).await;
        }
    }
}

/// The response to `query` (RFC 1035 section 4.1); `None` where the script says to keep silent.
fn response(request: &Message, query: Query, answer: Option<DnsAnswer>) -> Option<Vec<u8>> {
    let mut message = Message::response(request.metadata.id, request.metadata.op_code);
    message.metadata.recursion_desired = request.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    match answer {
        None => message.metadata.response_code = ResponseCode::NXDomain,
        Some(DnsAnswer::Silence) => return None,
        Some(DnsAnswer::ServerFailure) => {
            message.metadata.response_code = ResponseCode::ServFail;
        }
        Some(DnsAnswer::Refused) => message.metadata.response_code = ResponseCode::Refused,
        Some(DnsAnswer::Addresses(addresses)) => {
            for address in addresses {
                let data = match (query.query_type(), address) {
                    (RecordType::A, IpAddr::V4(address)) => RData::A(A(address)),
                    (RecordType::AAAA, IpAddr::V6(address)) => RData::AAAA(AAAA(address)),
                    _ => continue,
                };
                message.add_answer(Record::from_rdata(query.name().clone(), 0, data));
            }
        }
    }
    message.add_query(query);
    message.to_vec().ok()
}
