//! A policy that means more than its author can want is warned about.
