//! Which checks of a certificate chain a program asks for.

/// Checks of certificates that a program asks for, or leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// All of what RFC 5280 asks for is checked, such as key identifiers. The host's own roots are
    /// taken as they are, unless the program gave them, too.
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
