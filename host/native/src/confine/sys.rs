//! System calls that no safe wrapper offers. Only these modules hold `unsafe`.

pub(super) mod descriptors;
pub(super) mod fork;
pub(super) mod landlock_version;
pub(super) mod loopback;
pub(super) mod mount_attributes;
pub(super) mod notification;
pub(super) mod raw_connect;
pub(super) mod signals;
pub(super) mod unshare;
