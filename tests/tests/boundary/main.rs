//! The boundary around the policy: what a guest, a server or a file can cost the host is bounded, and
//! every accepted setting is enforced. Each test has a control: honest use that keeps working.

mod busy_cache;
mod cache;
mod dialled;
mod engine_settings;
mod escapes;
mod exposed;
mod lookups;
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
