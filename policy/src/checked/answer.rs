//! What the policy says of a request that it does not deny: that it may go on, or that somebody has to
//! grant it first.

use super::{Addresses, Checked};
use crate::denial::Denial;

/// What the policy says of a request that it does not deny.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// It may go on.
    Checked(Checked<T>),
    /// It may go on if somebody grants it.
    Ask(Asked<T>),
}

/// A value that a rule, or the policy's mode, wants to be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<T> {
    pub(super) checked: Checked<T>,
    pub(super) denial: Denial,
}

impl<T> Asked<T> {
    /// The name of the rule that asks.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.checked.rule
    }

    /// What is asked about.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.checked.value
    }

    /// Somebody who may has granted it.
    #[must_use]
    pub fn grant(self) -> Checked<T> {
        self.checked
    }

    /// Nobody has.
    #[must_use]
    pub fn refuse(self) -> Denial {
        self.denial
    }

    /// The hook refused, in its own words.
    #[must_use]
    pub fn hook_denial(&self, why: &str) -> Denial {
        self.checked.target().hook_refused(&self.checked.rule, why)
    }
}

impl<T> Answer<T> {
    /// What it is about. The value alone is no permission: what has yet to be granted is not
    /// [`Checked`].
    #[must_use]
    pub fn value(&self) -> &T {
        &self.judged().value
    }

    /// The name of the rule that allows it, or that asks.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.judged().rule
    }

    /// As [`Checked::reported`].
    #[must_use]
    pub fn reported(&self) -> Option<&Denial> {
        self.judged().reported()
    }

    /// The address filter.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.judged().addresses()
    }

    /// As [`Checked::audit_denial`].
    #[must_use]
    pub fn audit_denial(&self) -> Denial {
        self.judged().audit_denial()
    }

    /// The denial by an embedder's hook, in its own words.
    #[must_use]
    pub fn hook_denial(&self, why: &str) -> Denial {
        match self {
            Self::Checked(checked) => checked.hook_denial(why),
            Self::Ask(asked) => asked.hook_denial(why),
        }
    }

    /// Never public: what can be cloned out of it would be a permission.
    fn judged(&self) -> &Checked<T> {
        match self {
            Self::Checked(checked) => checked,
            Self::Ask(asked) => &asked.checked,
        }
    }

    /// The answer where there is nobody to ask.
    ///
    /// # Errors
    ///
    /// The [`Denial`] of what somebody would have to grant.
    pub fn without_asking(self) -> Result<Checked<T>, Denial> {
        match self {
            Self::Checked(checked) => Ok(checked),
            Self::Ask(asked) => Err(asked.refuse()),
        }
    }
}
