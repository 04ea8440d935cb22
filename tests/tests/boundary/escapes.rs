//! A secret is masked in every spelling that a server gives it back in, and masking tells nothing.
