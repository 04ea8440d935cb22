//! The broker of sandbox-net: native programs reach the network through it, under a policy.
