//! A process that prints line by line while it runs.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use super::TIME_MAX;

/// A running process whose lines are read as they come. Dropping it kills it.
pub struct Follow {
    child: Child,
    lines: Receiver<String>,
    _stdin: Option<ChildStdin>,
}

impl Follow {
    /// Starts a command whose standard output is a pipe.
    #[track_caller]
    #[must_use]
    pub(super) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines() {
                // Once nobody listens, nothing is to be told.
                if sender.send(line.expect("output is UTF-8")).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, _stdin: stdin }
    }

    /// The next line; `None` once its output has ended.
    ///
    /// # Panics
    /// If nothing comes in time.
    #[track_caller]
    #[must_use]
    pub fn next_line(&self) -> Option<String> {
        match self.lines.recv_timeout(TIME_MAX) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line within {TIME_MAX:?}"),
        }
    }

    /// A line, if there is one already.
    #[must_use]
    pub fn line_now(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// All lines up to the end of its output.
    #[track_caller]
    #[must_use]
    pub fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next_line()).collect()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}")).arg(self.pid().to_string());
        let status = kill.status().expect("`kill` runs");
        assert!(status.success(), "SIG{name} cannot be sent");
    }

    /// Waits for its end and gives the exit code.
    ///
    /// # Panics
    /// If it does not end in time or ends by a signal.
    #[track_caller]
    #[must_use]
    pub fn wait(mut self) -> i32 {
        let deadline = Instant::now() + TIME_MAX;
        loop {
            if let Some(status) = self.child.try_wait().expect("its state is known") {
                return status.code().unwrap_or_else(|| panic!("ended by a signal: {status}"));
            }
            assert!(Instant::now() < deadline, "not at its end within {TIME_MAX:?}");
            thread::sleep(super::LOOK_EVERY);
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
