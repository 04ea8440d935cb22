//! The policy's answer to a request that it does not deny: it is allowed, or somebody has to grant it
//! first.

use super::{Addresses, Checked};
use crate::denial::Denial;

/// The policy's answer to a request that it does not deny.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// The request is allowed.
    Checked(Checked<T>),
    /// The request is allowed if somebody grants it.
    Ask(Asked<T>),
}

/// A value that a rule, or the policy's mode, asks about.
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

    /// Grants it, on behalf of somebody who may.
    #[must_use]
    pub fn grant(self) -> Checked<T> {
        self.checked
    }

    /// Refuses it, because nobody granted it.
    #[must_use]
    pub fn refuse(self) -> Denial {
        self.denial
    }

    /// The denial by the hook, with its reason.
    #[must_use]
    pub fn hook_denial(&self, why: &str) -> Denial {
        self.checked.target().hook_refused(&self.checked.rule, why)
    }
}

impl<T> Answer<T> {
    /// The value itself. It is not a permission: what has yet to be granted is not [`Checked`].
    #[must_use]
    pub fn value(&self) -> &T {
        &self.judged().value
    }

    /// The name of the rule that allows it, or that asks.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.judged().rule
    }

    /// See [`Checked::reported`].
    #[must_use]
    pub fn reported(&self) -> Option<&Denial> {
        self.judged().reported()
    }

    /// The address filter.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.judged().addresses()
    }

    /// See [`Checked::audit_denial`].
    #[must_use]
    pub fn audit_denial(&self) -> Denial {
        self.judged().audit_denial()
    }

    /// The denial by an embedder's hook, with its reason.
    #[must_use]
    pub fn hook_denial(&self, why: &str) -> Denial {
        match self {
            Self::Checked(checked) => checked.hook_denial(why),
            Self::Ask(asked) => asked.hook_denial(why),
        }
    }

    /// Never make this public: a clone of the result would be a permission.
    fn judged(&self) -> &Checked<T> {
        match self {
            Self::Checked(checked) => checked,
            Self::Ask(asked) => &asked.checked,
        }
    }

    /// The answer without a hook to ask.
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
