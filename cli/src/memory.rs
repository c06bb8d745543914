//! What is in this process's memory stays there: keys, passphrases, what people write.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Forbids core dumps, for which the system would write the memory to a file when the program
/// fails. On Linux the memory is closed to other programs of the same user as well, debuggers
/// among them; root may still look. A system that refuses changes nothing for the program.
pub(crate) fn keep_private() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
