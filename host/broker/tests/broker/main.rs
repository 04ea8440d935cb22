//! The broker with real servers behind it and real clients before it.

mod support;

mod api;
mod callers;
mod connect;
mod forward;
mod tunnels;
