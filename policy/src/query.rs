//! The parts of a request that rules are compared with.

use std::fmt;

use crate::path::Readings;
use crate::target::{Endpoint, Scheme};

/// The request that a rule is compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) endpoint: &'a Endpoint,
    /// Method and path; `None` while a connection is made.
    pub(crate) head: Option<Head<'a>>,
}

/// The parts of a request head that rules look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) readings: &'a Readings,
    /// The path as written, including the query.
    pub(crate) path: &'a [u8],
}

/// The first part of a rule that does not match a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The host differs.
    Host,
    /// The scheme differs.
    Scheme,
    /// The port differs.
    Port,
    /// The method differs.
    Method,
    /// The path differs.
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
