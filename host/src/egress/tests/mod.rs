//! Tests of the module against real servers on the loopback interface.

mod http1;
mod support;
