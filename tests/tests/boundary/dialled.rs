//! Only absolute names are asked for, and the machine's own addresses count as loopback.
