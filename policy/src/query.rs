//! What rules are asked about.

use std::fmt;

use crate::path::Readings;
use crate::target::{Endpoint, Scheme};

/// What a rule is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) endpoint: &'a Endpoint,
    /// Method and path; none while a connection is made.
    pub(crate) head: Option<Head<'a>>,
}

/// The parts of a request head that rules look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) readings: &'a Readings,
    /// The path as it was written, query included.
    pub(crate) path: &'a [u8],
}

/// The first part of a rule that does not fit a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// Another host.
    Host,
    /// Another scheme.
    Scheme,
    /// Another port.
    Port,
    /// Another method.
    Method,
    /// Another path.
    Path,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "another host",
            Self::Scheme => "another scheme",
            Self::Port => "another port",
            Self::Method => "another method",
            Self::Path => "another path",
        })
    }
}
