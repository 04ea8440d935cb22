//! Replaces the generated bindings of the adapter's sources, under the names of the interfaces.

pub(crate) use crate::types;

pub(crate) mod client {
    pub(crate) use crate::client::{
        Connection, Exchange, Lookup, close, connect, request, resolve,
    };
}

pub(crate) mod monotonic_clock {
    pub(crate) use crate::streams::subscribe_duration;
}

pub(crate) mod error {
    pub(crate) use crate::streams::Error;
}

pub(crate) mod poll {
    pub(crate) use crate::streams::{Pollable, poll};
}

pub(crate) mod streams {
    pub(crate) use crate::streams::{InputStream, OutputStream, StreamError};
}
