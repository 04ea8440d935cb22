//! No work of the host goes on beyond a run's limits.
