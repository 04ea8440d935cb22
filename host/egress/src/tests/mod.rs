//! Tests of the module against real servers on the loopback interface.

mod agreement;
mod expect;
mod faults;
mod http1;
mod http2;
mod http2_faults;
mod lookups;
mod names;
mod properties;
mod reuse;
mod secure;
mod tls_memory;
mod tls_profile;
mod tls_profiles_kept_apart;
mod trailers;
mod unframed;
mod uploads;
mod wire;
