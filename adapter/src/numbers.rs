//! The numbers of the control channel. Generated from `frames.toml`: do not edit, run
//! `cargo run -p xtask -- frames`.
pub(crate) const VERSION: u8 = 1;
pub(crate) const HEADER: usize = 16;
pub(crate) const MOST_PAYLOAD: usize = 1048576;
pub(crate) const MOST_READ: u32 = 131072;
pub(crate) const END: u32 = 1;
pub(crate) const LAST: u32 = 2;
pub(crate) const CLOSED: u32 = 4;
pub(crate) const WHOLE: u32 = 256;
pub(crate) const BODIES: u32 = 2147483648;
pub(crate) const MOST_ENTRIES: usize = 4096;

pub(crate) mod command {
    pub(crate) const CONNECT: u8 = 1;
    pub(crate) const STATUS: u8 = 2;
    pub(crate) const START_TLS: u8 = 3;
    pub(crate) const TLS_INFO: u8 = 4;
    pub(crate) const REQUEST: u8 = 5;
    pub(crate) const WRITE: u8 = 6;
    pub(crate) const FINISH: u8 = 7;
    pub(crate) const HEAD: u8 = 8;
    pub(crate) const READ: u8 = 9;
    pub(crate) const POLL: u8 = 10;
    pub(crate) const CLOSE: u8 = 11;
    pub(crate) const RESOLVE: u8 = 12;
}

pub(crate) mod status {
    pub(crate) const OK: u8 = 0;
    pub(crate) const PENDING: u8 = 1;
    pub(crate) const ERROR: u8 = 2;
}

pub(crate) mod interest {
    pub(crate) const PHASE: u8 = 1;
    pub(crate) const BODY: u8 = 2;
    pub(crate) const WRITABLE: u8 = 4;
}

pub(crate) mod fault {
    pub(crate) const FRAME: u8 = 128;
    pub(crate) const VERSION: u8 = 129;
    pub(crate) const COMMAND: u8 = 130;
    pub(crate) const HANDLE: u8 = 131;
    pub(crate) const HANDLES: u8 = 132;
    pub(crate) const SIZE: u8 = 133;
    pub(crate) const MEMORY: u8 = 134;
}
