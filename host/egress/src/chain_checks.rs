//! The checks of a certificate chain that a program requests.

/// Checks of certificates that a program requests or omits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// Checks everything that RFC 5280 requires, such as key identifiers. The host's own roots are
    /// exempt, unless the program gave them, too.
    pub strict: bool,
    /// A certificate among the program's roots is trusted even if it does not sign itself.
    pub partial_chain: bool,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            strict: false,
            partial_chain: true,
        }
    }
}
