//! CPU time of this process, all threads.

/// Seconds of user and system time so far, in steps of 10 ms.
pub(crate) fn seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The command's name, in brackets, may hold spaces; fields 14 and 15 of the whole follow.
    let after = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = after.split(' ').skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
    // USER_HZ is 100 on every Linux that Rust supports.
    ticks as f64 / 100.0
}
