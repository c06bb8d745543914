//! CPU time and memory of processes.

/// Seconds of user and system time of this process so far, all threads, in steps of 10 ms.
pub(crate) fn seconds() -> f64 {
    seconds_of("self")
}

/// The same of another process.
pub(crate) fn seconds_of(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The command's name, in brackets, may hold spaces; fields 14 and 15 of the whole follow.
    let after = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = after.split(' ').skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
    // USER_HZ is 100 on every Linux that Rust supports.
    ticks as f64 / 100.0
}

/// Resident memory of another process, in MB.
pub(crate) fn resident_mb(process: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kb.unwrap_or(f64::NAN) / 1024.0
}
