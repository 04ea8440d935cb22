//! Finds out which signals the process was started to ignore.

/// Whether the process was started with the signal ignored, as under `nohup`; then it stays
/// ignored.
pub(crate) fn is_ignored(kind: tokio::signal::unix::SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_signals(&status) >> (kind.as_raw_value() - 1) & 1 == 1
}

/// The mask in the kernel's description of a process; 0 if it has none.
fn ignored_signals(status: &str) -> u64 {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .map(|mask| u64::from_str_radix(mask.trim(), 16));
    mask.and_then(Result::ok).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ignores_hangups_is_told_from_one_that_does_not() {
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert_eq!(ignored_signals(status), 0x1001);
        assert_eq!(ignored_signals("Name:\tx\n"), 0);
        assert_eq!(ignored_signals("SigIgn:\tzz\n"), 0);
    }
}
