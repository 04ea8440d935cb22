//! The boundary around the policy: what a guest, a server or a file can cost the host is bounded, and
//! every accepted setting binds. Each test has its control: the honest use that goes on working.

mod cache;
mod dialled;
mod engine_settings;
mod escapes;
mod exposed;
mod memory;
mod mounts;
mod overrides;
mod person;
mod records;
mod runtimes;
mod settings;
mod settings_in_force;
mod sharing;
mod trees;
mod warnings;
mod wire;
mod work;
