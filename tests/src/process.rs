//! Real nodes: the binary itself, in homes of their own, driven through its command line.
//!
//! Nothing here knows what is inside the binary. A [`Lab`] holds the homes and removes them at
//! the end; a [`Node`] is one home, with its process while it is up. Nothing sleeps for a
//! guessed time: [`wait_until`] looks until it sees what it waits for, with a limit that only
//! a broken node reaches.

mod company;
mod crowd;
mod follow;
mod homes;
pub mod http;
mod look;
mod ran;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub use self::company::{Company, admit, ask_to_join, same_code};
pub use self::crowd::{Acknowledged, all_have, burst, crowd, digest, write_until};
pub use self::follow::Follow;
pub use self::look::text;
pub use self::ran::{Ran, run};

/// How long anything may take; a busy machine is slow.
pub const TIME_MAX: Duration = Duration::from_secs(60);
/// How often conditions are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Every interface of the tests is loopback.
const LISTEN: [&str; 3] = ["--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"];

/// Looks until `look` gives something; `what` names it should it never come.
#[track_caller]
pub fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIME_MAX;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {TIME_MAX:?}: {what}");
        thread::sleep(LOOK_EVERY);
    }
}

/// A folder for homes, removed with the last of its nodes.
#[derive(Clone)]
pub struct Lab {
    binary: PathBuf,
    dir: Arc<TempDir>,
}

impl Lab {
    /// For nodes of this binary.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let dir = TempDir::with_prefix("conclave-test-").expect("a folder for homes");
        Self { binary: binary.into(), dir: Arc::new(dir) }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A home that does not exist yet.
    #[must_use]
    pub fn node(&self, name: &str) -> Node {
        self.node_behind(name, &[])
    }

    /// A home whose programs are all started by `launcher`: a program and its arguments to
    /// which a command is appended.
    #[must_use]
    pub fn node_behind(&self, name: &str, launcher: &[&str]) -> Node {
        Node {
            lab: self.clone(),
            name: name.to_owned(),
            home: self.path().join(name),
            launcher: launcher.iter().map(Into::into).collect(),
            listen: LISTEN.map(str::to_owned).to_vec(),
            keeps_port: false,
            up: None,
        }
    }

    /// A home in another folder.
    #[must_use]
    pub fn node_in(&self, folder: &Path, name: &str) -> Node {
        let mut node = self.node(name);
        node.home = folder.join(name);
        node
    }

    /// The binary with these arguments, in a clean environment.
    #[must_use]
    pub fn command<S: AsRef<OsStr>>(&self, launcher: &[OsString], args: &[S]) -> Command {
        let mut command = match launcher {
            [] => Command::new(&self.binary),
            [program, rest @ ..] => {
                let mut command = Command::new(program);
                command.args(rest).arg(&self.binary);
                command
            }
        };
        command.args(args);
        // Neither the user's own node nor the user's settings are touched.
        for name in ["CONCLAVE_HOME", "CONCLAVE_LOG", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env_remove(name);
        }
        for name in ["HOME", "TMPDIR"] {
            command.env(name, self.path());
        }
        command
    }
}

/// One home and, while it is up, its process.
pub struct Node {
    lab: Lab,
    name: String,
    home: PathBuf,
    launcher: Vec<OsString>,
    listen: Vec<String>,
    keeps_port: bool,
    up: Option<Up>,
}

struct Up {
    process: Follow,
    ready: Value,
}

impl Node {
    /// Its agent's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Replaces how it listens and finds others, which is loopback and by address only.
    pub fn set_listen(&mut self, args: &[&str]) {
        self.listen = args.iter().map(|arg| (*arg).to_owned()).collect();
    }

    /// Replaces what its programs are started by.
    pub fn set_launcher(&mut self, launcher: &[&str]) {
        self.launcher = launcher.iter().map(Into::into).collect();
    }

    /// From its next start on it listens where it does now.
    #[track_caller]
    pub fn keep_port(&mut self) {
        let listen = format!("/ip4/127.0.0.1/tcp/{}", self.port());
        self.set_listen(&["--no-mdns", "--listen", &listen]);
        self.keeps_port = true;
    }

    /// `conclave --home HOME` with these arguments.
    #[must_use]
    pub fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let home = [OsStr::new("--home"), self.home.as_os_str()];
        let args: Vec<&OsStr> = home.into_iter().chain(args.iter().map(AsRef::as_ref)).collect();
        self.lab.command(&self.launcher, &args)
    }

    /// Makes commands as [`Self::command`] does, whatever happens to this node meanwhile.
    pub fn maker(&self) -> impl Fn(&[&str]) -> Command + Send + use<> {
        let (lab, home, launcher) = (self.lab.clone(), self.home.clone(), self.launcher.clone());
        move |args| {
            let home = [OsStr::new("--home"), home.as_os_str()];
            let args: Vec<&OsStr> = home.into_iter().chain(args.iter().map(OsStr::new)).collect();
            lab.command(&launcher, &args)
        }
    }

    /// Runs a command as a person would and gives what it printed.
    #[track_caller]
    pub fn say<S: AsRef<OsStr>>(&self, args: &[S]) -> Ran {
        run(self.command(args), &[])
    }

    /// Runs a command with `--json`.
    #[track_caller]
    pub fn json<S: AsRef<OsStr>>(&self, args: &[S]) -> Ran {
        self.json_with_input(args, &[])
    }

    /// Runs a command with `--json` and standard input.
    #[track_caller]
    pub fn json_with_input<S: AsRef<OsStr>>(&self, args: &[S], input: &[u8]) -> Ran {
        // In front, so that it also counts where everything behind is text.
        let args: Vec<&OsStr> =
            [OsStr::new("--json")].into_iter().chain(args.iter().map(AsRef::as_ref)).collect();
        run(self.command(&args), input)
    }

    /// Runs a command that must succeed and gives its JSON document.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> Value {
        let ran = self.json(args);
        assert_eq!(ran.code, 0, "{}: {args:?}: {ran:?}", self.name);
        ran.document()
    }

    /// Runs a command that must fail with this code and kind.
    #[track_caller]
    pub fn fails(&self, args: &[&str], code: i32, kind: &str) {
        self.json(args).assert_problem(code, kind);
    }

    /// Starts `up` and waits until it is ready.
    #[track_caller]
    pub fn up(&mut self) {
        self.up_with(&[]);
    }

    /// Starts `up` with more arguments and waits until it is ready.
    #[track_caller]
    pub fn up_with(&mut self, args: &[&str]) {
        assert!(self.up.is_none(), "{} is up already", self.name);
        let listen = self.listen.iter().map(String::as_str);
        // Should the tests be killed, no node stays behind.
        let args: Vec<&str> =
            ["up", "--with-parent"].into_iter().chain(listen).chain(args.iter().copied()).collect();
        let (process, line) = wait_until("it is ready", || self.start(&args));
        let ready: Value = serde_json::from_str(&line).expect("the ready line is JSON");
        assert_eq!(ready["ready"], true, "{line}");
        self.up = Some(Up { process, ready });
    }

    /// Starts `up` and gives its first line; `None` if its port is not free yet.
    #[track_caller]
    fn start(&self, args: &[&str]) -> Option<(Follow, String)> {
        let process = self.follow(args);
        if let Some(line) = process.next_line() {
            return Some((process, line));
        }
        let (code, log) = (process.wait(), self.log());
        // A connection of another program may hold the port for a moment.
        let taken = log.lines().rev().take(2).any(|line| line.contains("Address already in use"));
        assert!(
            taken && self.keeps_port,
            "{} did not start but ended with {code}: {log}",
            self.name
        );
        None
    }

    /// Starts a command that prints line by line.
    #[track_caller]
    pub fn follow(&self, args: &[&str]) -> Follow {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(self.log_file());
        Follow::start(command)
    }

    /// Whether its process was started and not ended by the test.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.is_some()
    }

    /// What it said when it was ready.
    #[track_caller]
    #[must_use]
    pub fn ready(&self) -> &Value {
        &self.up.as_ref().expect("the node is up").ready
    }

    /// The first address it listens on.
    #[track_caller]
    #[must_use]
    pub fn address(&self) -> String {
        let address = self.ready()["listen"][0].as_str();
        address.expect("an address").to_owned()
    }

    /// The TCP port of that address.
    #[track_caller]
    #[must_use]
    pub fn port(&self) -> u16 {
        let address = self.address();
        let port = address.split('/').nth(4).and_then(|port| port.parse().ok());
        port.expect("a port in the address")
    }

    /// Its process.
    #[track_caller]
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.up.as_ref().expect("the node is up").process.pid()
    }

    /// SIGTERM; it must end with 0 and have said nothing after its first line.
    #[track_caller]
    pub fn stop(&mut self) {
        let up = self.up.take().expect("the node is up");
        up.process.signal("TERM");
        let rest = up.process.rest();
        let code = up.process.wait();
        assert_eq!((code, rest.len()), (0, 0), "{}: {rest:?}: {}", self.name, self.log());
    }

    /// Sends its process a signal by its name, such as `STOP`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        self.up.as_ref().expect("the node is up").process.signal(name);
    }

    /// SIGKILL.
    #[track_caller]
    pub fn kill_nine(&mut self) {
        // Dropping it is just that.
        drop(self.up.take().expect("the node is up"));
    }

    /// What its processes have written to standard error.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Leaves out of account what its processes have written there until now.
    #[track_caller]
    pub fn forget_log(&self) {
        assert!(!self.is_up(), "its process still writes");
        fs::write(self.log_path(), "").expect("the log can be emptied");
    }

    fn log_path(&self) -> PathBuf {
        self.lab.path().join(format!("{}.log", self.name))
    }

    fn log_file(&self) -> File {
        let mut options = OpenOptions::new();
        options.create(true).append(true).open(self.log_path()).expect("a log")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.up.take());
        let log = self.log();
        if thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(30)..].join("\n");
            eprintln!("--- the log of {} ends with:\n{last}", self.name);
        } else {
            assert!(!log.contains("panicked"), "{} panicked: {log}", self.name);
        }
    }
}
