//! Asks the kernel for its version of Landlock.
#![allow(unsafe_code)]

/// The version of Landlock's interface; 0 if the kernel has none or it is switched off.
pub(in crate::confine) fn landlock_version() -> u32 {
    const CREATE_RULESET_VERSION: libc::c_ulong = 1;
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the kernel reads no memory: it takes a null pointer and a size of 0.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            nothing,
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    u32::try_from(version).unwrap_or(0)
}
