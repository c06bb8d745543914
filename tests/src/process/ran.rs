//! A command that was run to its end.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use super::TIME_MAX;

/// What a command left.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

/// Runs a command to its end, with this standard input.
///
/// # Panics
/// If it does not end in time, ends by a signal, prints what is not UTF-8, or panics.
#[track_caller]
#[must_use]
pub fn run(mut command: Command, input: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let stdout = read_all(child.stdout.take().expect("a pipe"));
    let stderr = read_all(child.stderr.take().expect("a pipe"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // It may end before it has read everything: that is its right.
    thread::spawn(move || drop(stdin.write_all(&input)));
    let deadline = Instant::now() + TIME_MAX;
    let mut collect = |from: Receiver<Vec<u8>>| {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(bytes) = from.recv_timeout(left) else {
            child.kill().expect("it can be ended");
            panic!("not at its end within {TIME_MAX:?}: {command:?}");
        };
        String::from_utf8(bytes).expect("output is UTF-8")
    };
    let (stdout, stderr) = (collect(stdout), collect(stderr));
    let status = child.wait().expect("it ends");
    let code = status.code().unwrap_or_else(|| panic!("{status}: {command:?}: {stderr}"));
    for output in [&stdout, &stderr] {
        assert!(!output.contains("panicked"), "{command:?}: {output}");
    }
    Ran { code, stdout, stderr }
}

fn read_all(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe can be read");
        // Nobody waits any more if the time was over.
        let _ = sender.send(bytes);
    });
    receiver
}

impl Ran {
    /// The one JSON document on standard output.
    #[track_caller]
    #[must_use]
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON documents on standard output, one a line.
    #[track_caller]
    #[must_use]
    pub fn documents(&self) -> Vec<Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        self.stdout.lines().map(parse).collect()
    }

    /// Checks a failure with `--json`: the code, one line on standard error with kind, message
    /// and hint, and nothing on standard output.
    #[track_caller]
    pub fn assert_problem(&self, code: i32, kind: &str) {
        assert_eq!(self.stdout, "", "nothing is printed beside an error: {self:?}");
        self.assert_problem_after_output(code, kind);
    }

    /// The same for a command that had printed something before it failed.
    #[track_caller]
    pub fn assert_problem_after_output(&self, code: i32, kind: &str) {
        assert_eq!(self.code, code, "{self:?}");
        let line = self.stderr.strip_suffix('\n').unwrap_or_else(|| panic!("a line: {self:?}"));
        assert!(!line.contains('\n'), "one line: {self:?}");
        let document: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let error = document["error"].as_object().unwrap_or_else(|| panic!("an error: {self:?}"));
        assert_eq!(error["kind"], kind, "{self:?}");
        for field in ["message", "hint"] {
            let words = error[field].as_str().unwrap_or_default();
            assert!(!words.is_empty() && !words.contains('\n'), "{field}: {self:?}");
        }
    }

    /// Checks a failure as people see it: the code, one line of what, one of what to do next.
    #[track_caller]
    pub fn assert_told(&self, code: i32) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "nothing is printed beside an error: {self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        let [what, hint] = lines.as_slice() else { panic!("two lines: {self:?}") };
        assert!(what.strip_prefix("error: ").is_some_and(|rest| !rest.is_empty()), "{self:?}");
        assert!(hint.strip_prefix("hint: ").is_some_and(|rest| !rest.is_empty()), "{self:?}");
    }
}
