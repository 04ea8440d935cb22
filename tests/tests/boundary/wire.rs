//! Budgets count what crosses the wire.
