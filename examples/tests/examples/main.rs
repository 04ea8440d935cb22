//! Starts each example and talks to it.

mod ask_person;
mod http;
mod own_linker;
mod public_interface;
mod serve_load;
mod server;
mod service;
mod shell;
mod talk;
mod telemetry;
mod tenants;
