//! Computers on one switch: each a network namespace with one cable to a bridge, which has a
//! namespace of its own, so that nothing is changed in this machine's own network.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A switch and its computers. Dropping it removes them, also after a failure.
pub(crate) struct Lan {
    prefix: String,
    names: RefCell<Vec<String>>,
}

impl Lan {
    /// Makes the switch.
    ///
    /// # Panics
    /// If this machine does not allow it: a test that was asked for must not pass unseen.
    #[track_caller]
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("conclave-{}-{number}-", std::process::id());
        let lan = Self { prefix, names: RefCell::default() };
        lan.namespace("switch");
        // Without an IGMP querier a bridge that snoops may keep multicast from everyone.
        let bridge = ["link", "add", "lan0", "type", "bridge", "mcast_snooping", "0"];
        lan.ip_in("switch", &bridge);
        lan.ip_in("switch", &["link", "set", "lan0", "up"]);
        lan
    }

    /// Makes a computer and gives what starts a program on it.
    #[track_caller]
    pub(crate) fn computer(&self, name: &str) -> [String; 4] {
        self.namespace(name);
        let (here, switch) = (self.full(name), self.full("switch"));
        // Names of links hold 15 characters at most.
        let port = port(name);
        let cable = ["link", "add", "eth0", "netns", &here, "type", "veth"];
        ip(&[&cable[..], &["peer", "name", &port, "netns", &switch]].concat());
        self.ip_in("switch", &["link", "set", &port, "master", "lan0", "up"]);
        let address = format!("10.213.7.{}/24", self.names.borrow().len());
        self.ip_in(name, &["address", "add", &address, "dev", "eth0"]);
        self.ip_in(name, &["link", "set", "eth0", "up"]);
        self.ip_in(name, &["link", "set", "lo", "up"]);
        ["ip".to_owned(), "netns".to_owned(), "exec".to_owned(), here]
    }

    /// Pulls the cable of a computer out of the switch.
    #[track_caller]
    pub(crate) fn unplug(&self, name: &str) {
        self.ip_in("switch", &["link", "set", &port(name), "nomaster"]);
    }

    /// Puts it back.
    #[track_caller]
    pub(crate) fn plug(&self, name: &str) {
        self.ip_in("switch", &["link", "set", &port(name), "master", "lan0"]);
    }

    /// Puts a switch that obeys orders in place of the bridge; all computers are there already.
    #[track_caller]
    pub(crate) fn rough(&self) -> Rough {
        let names = self.names.borrow();
        let names = names.iter().filter_map(|name| name.strip_prefix(&self.prefix));
        let ports: Vec<String> = names.filter(|name| *name != "switch").map(port).collect();
        for port in &ports {
            self.ip_in("switch", &["link", "set", port, "nomaster"]);
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/namespaces/switch.py");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.full("switch"), "python3"]).arg(script).args(ports);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`ip` and `python3` run");
        let answers = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut rough = Rough { process, answers };
        rough.answer("start");
        rough
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    #[track_caller]
    fn namespace(&self, name: &str) {
        ip(&["netns", "add", &self.full(name)]);
        self.names.borrow_mut().push(self.full(name));
    }

    #[track_caller]
    fn ip_in(&self, name: &str, args: &[&str]) {
        ip(&[&["-n", &self.full(name)][..], args].concat());
    }
}

/// The switch of `switch.py`; it ends when this is dropped.
pub(crate) struct Rough {
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Rough {
    /// Share of frames lost, delay, shares reordered and doubled; shares in percent.
    #[track_caller]
    pub(crate) fn disturb(&mut self, loss: u32, delay_ms: u32, reorder: u32, duplicate: u32) {
        self.order(&format!("rough {loss} {delay_ms} {reorder} {duplicate}"));
    }

    /// `mute`, `deaf` or `apart` for these computers, and no longer for others.
    #[track_caller]
    pub(crate) fn cut(&mut self, how: &str, computers: &[&str]) {
        let ports: Vec<String> = computers.iter().map(|name| port(name)).collect();
        self.order(&format!("{how} {}", ports.join(" ")));
    }

    /// From now on all is well; gives how many frames were lost until now.
    #[track_caller]
    pub(crate) fn heal(&mut self) -> u64 {
        self.order("well")
    }

    /// Writes all frames that come from now on to a file, see `switch.py`.
    #[track_caller]
    pub(crate) fn record(&mut self, file: &Path) {
        self.order(&format!("record {}", file.display()));
    }

    #[track_caller]
    fn order(&mut self, line: &str) -> u64 {
        let orders = self.process.stdin.as_mut().expect("a pipe");
        writeln!(orders, "{line}").expect("the switch runs");
        self.answer(line)
    }

    #[track_caller]
    fn answer(&mut self, order: &str) -> u64 {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the switch answers");
        answer.trim().parse().unwrap_or_else(|_| panic!("{order}: {answer}"))
    }
}

impl Drop for Rough {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn port(name: &str) -> String {
    format!("port-{name}")
}

#[track_caller]
fn ip(args: &[&str]) {
    let why = "these tests need root, `ip` (iproute2), veth and bridges";
    let output = Command::new("ip").args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{why}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{why}: ip {}: {said}", args.join(" "));
}

impl Drop for Lan {
    fn drop(&mut self) {
        for name in self.names.borrow().iter() {
            let removed = Command::new("ip").args(["netns", "del", name]).status();
            if !removed.is_ok_and(|status| status.success()) {
                eprintln!("the network namespace {name} could not be removed");
            }
        }
    }
}
