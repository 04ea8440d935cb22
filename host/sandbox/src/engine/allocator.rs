//! Sets the process's allocator right for many programs.

/// Keeps glibc's allocator from holding on to the memory of programs that have ended. For servers: call it
/// first in `main`. Elsewhere than on Linux with glibc it does nothing.
///
/// Besides its own memory each running program has two large blocks of the host's allocator, 1.9 MiB together,
/// of which it uses little. At first the allocator maps each from the system, so that what is not used costs
/// nothing. But when the first one is freed it changes its mind, and takes them from memory that it keeps: that
/// has to be cleared each time, and stays with the process. This keeps it mapping blocks from 256 KiB on, also
/// those of the rest of the process. The variable `MALLOC_MMAP_THRESHOLD_=262144` does the same.
///
/// ```
/// sandbox_net::set_up_allocator();
/// let runtime = tokio::runtime::Runtime::new();
/// // Serve on it.
/// # drop(runtime);
/// ```
pub fn set_up_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    set_threshold();
}

/// From how many bytes on a block is mapped.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const THRESHOLD: i32 = 256 << 10;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "a call of the C library; see SAFETY")]
fn set_threshold() {
    // SAFETY: it takes two numbers, and may be called at any time, on any thread.
    let done = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD) };
    if done == 0 {
        tracing::warn!("the allocator keeps its own threshold for large blocks");
    }
}
