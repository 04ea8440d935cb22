//! What this process has of the machine's memory.

/// Bytes of memory that no other process has.
///
/// # Panics
///
/// On other systems than Linux.
pub fn private_memory() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("the memory's sizes");
    let lines = rollup.lines().filter(|line| line.starts_with("Private_"));
    let kib = lines.map(|line| {
        let number = line.split_whitespace().nth(1).expect("a number");
        number.parse::<u64>().expect("a number")
    });
    kib.sum::<u64>() << 10
}
