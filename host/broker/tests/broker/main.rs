//! The broker with real servers behind it and real clients before it.

mod support;

mod api;
mod attacks;
mod bodies;
mod bounds;
mod callers;
mod changes;
mod clients;
mod connect;
mod forward;
mod http2;
mod load;
mod refused_requests;
mod tunnels;
