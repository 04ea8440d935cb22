//! What the host holds for a guest is counted and bounded.
