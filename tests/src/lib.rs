//! Real servers on loopback, and the way to run this folder's Python programs against them in the
//! sandbox and in the machine's own Python.
#![deny(missing_docs)]
#![allow(missing_debug_implementations, reason = "nobody prints a server")]

mod api_server;
mod background;
mod ca;
mod content;
mod dns_server;
mod environment;
mod fault_answers;
mod fault_server;
mod forbidden;
mod forged_image;
mod harness;
mod http_bodies;
mod http_documents;
mod http_routes;
mod http_server;
mod javascript_guest;
mod journal;
mod native;
mod odd_answers;
mod odd_server;
mod other_hosts;
mod places;
mod process_memory;
mod raw_behaviours;
mod raw_server;
mod report;
mod s3_server;
mod scripted_server;
mod sigv4;
mod skip;
mod stream_routes;
mod streams;
mod trials;
mod wheel;

pub use api_server::{Api, ApiAnswer, ApiRequest, ApiServer};
pub use ca::{LOOPBACK_NAMES, Leaf, TestCa, Validity, authority_params, server_params, years};
pub use content::{pattern, pattern_pieces, pattern_sha256, sha256};
pub use dns_server::{DnsAnswer, DnsQuestion, DnsServer};
pub use environment::{LIBRARIES, LIMIT, native_python, native_python_with, run_natively};
pub use fault_server::FaultServer;
pub use forbidden::Forbidden;
pub use forged_image::ForgedImage;
pub use harness::{Servers, run, run_to_end};
pub use http_routes::{COUNT_ANSWER_LENGTH, CREDENTIALS, CSV};
pub use http_server::{Alpn, HttpServer, loopback};
pub use javascript_guest::javascript_guest;
pub use journal::{BodyRecord, RequestRecord};
pub use native::Native;
pub use odd_answers::{ODD_ANSWERS, OddAnswer};
pub use odd_server::OddServer;
pub use other_hosts::{Node, componentize_js, node, wasmtime, wasmtime_py, wasmtime_py_for_hosts};
pub use places::{Ended, Place, Program};
pub use process_memory::private_memory;
pub use raw_behaviours::{BEHAVIOURS, Behaviour, End, Piece};
pub use raw_server::RawServer;
pub use report::{Report, outcome};
pub use s3_server::S3Server;
pub use scripted_server::{Script, ScriptedServer};
pub use skip::{skip, skip_always};
pub use streams::StreamRecord;
pub use trials::{Check, Trials, block_on};
pub use wheel::wheel;

/// The examples of the documentation compile.
#[cfg(doctest)]
mod documentation {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/embedding.md")]
    struct Embedding;
    #[doc = include_str!("../../docs/snapshots.md")]
    struct Snapshots;
}
