//! One process per node: this program starts itself once for each.
//!
//! A child is told what to do by its arguments and by lines on its standard input, and says how
//! far it is by lines on its standard output.

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command as Process, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use conclave_node::node::{found, request_join};
use conclave_protocol::engine::Event;
use tempfile::TempDir;
use tokio::sync::broadcast::error::RecvError;

use crate::{PATIENCE, cpu, now_ns, ours};

/// The argument by which a child knows that it is one.
pub(crate) const CHILD: &str = "child";

struct Running {
    process: Child,
    orders: ChildStdin,
    /// What it has said.
    lines: mpsc::Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already: that is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut process = Process::new(program)
            .arg(CHILD)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let orders = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let (say, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        Self { process, orders, lines }
    }

    fn pid(&self) -> String {
        self.process.id().to_string()
    }

    /// Waits until it says a word; gives what follows.
    fn hear(&self, word: &str, patience: Duration) -> Option<String> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).ok()?;
            if let Some(rest) = line.strip_prefix(word) {
                return Some(rest.trim().to_owned());
            }
        }
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.orders, "{word}").expect("it listens");
    }
}

/// A company of processes, all present in the room; the first is the sender.
struct Company {
    children: Vec<Running>,
    _homes: Vec<TempDir>,
}

fn start(nodes: usize, messages: u64) -> Company {
    let homes: Vec<TempDir> = (0..nodes).map(|_| TempDir::new().expect("a folder")).collect();
    let path = |n: usize| homes[n].path().join("home").to_string_lossy().into_owned();
    let (count, messages) = (nodes.to_string(), messages.to_string());
    let sender = Running::start(&["sender", &path(0), &count, &messages]);
    let address = sender.hear("address", PATIENCE).expect("the sender listens");
    let mut children = vec![sender];
    for n in 1..nodes {
        let number = n.to_string();
        let arguments = ["receiver", &path(n), &count, &messages, &number, &address];
        children.push(Running::start(&arguments));
        children[0].hear("approved", PATIENCE).expect("it is let in");
    }
    for child in &children {
        child.hear("together", PATIENCE).expect("the company comes together");
    }
    Company { children, _homes: homes }
}

/// Messages per second from one sender to all others, and what is lost.
pub(crate) fn throughput(nodes: usize, messages: u64) {
    let mut company = start(nodes, messages);
    let pids: Vec<String> = company.children.iter().map(Running::pid).collect();
    let seconds = || pids.iter().map(|pid| cpu::seconds_of(pid)).sum::<f64>();
    let (cpu_before, started) = (seconds(), now_ns());
    company.children[0].tell("go");
    let (mut delivered, mut last) = (0, started);
    for child in &company.children[1..] {
        let Some(report) = child.hear("received", PATIENCE) else { continue };
        let mut numbers = report.split(' ').filter_map(|n| n.parse::<u128>().ok());
        delivered += numbers.next().unwrap_or_default();
        last = last.max(numbers.next().unwrap_or_default());
    }
    let cpu_seconds = seconds() - cpu_before;
    let expected = u128::from(messages) * (nodes as u128 - 1);
    let memory = pids.iter().map(|pid| cpu::resident_mb(pid)).fold(0.0, f64::max);
    println!(
        "| {nodes} | {:.0} | {} of {expected} | {:.0} µs | {memory:.0} MB |",
        messages as f64 * 1e9 / (last - started).max(1) as f64,
        expected - delivered,
        cpu_seconds * 1e6 / delivered.max(1) as f64,
    );
}

/// CPU and memory of nodes that do nothing.
pub(crate) fn idle(nodes: usize, rest: Duration) {
    let company = start(nodes, 1);
    // What the company did to come together is over by then.
    std::thread::sleep(Duration::from_secs(10));
    let pids: Vec<String> = company.children.iter().map(Running::pid).collect();
    let seconds = || pids.iter().map(|pid| cpu::seconds_of(pid)).sum::<f64>();
    let before = seconds();
    std::thread::sleep(rest);
    let each = (seconds() - before) / (nodes as f64 * rest.as_secs_f64());
    let memory: f64 = pids.iter().map(|pid| cpu::resident_mb(pid)).sum();
    println!("| {nodes} | {:.2} ms/s | {:.1} MB |", each * 1e3, memory / nodes as f64);
}

/// What a child does.
pub(crate) async fn child(arguments: &[String]) {
    let text = |n: usize| arguments.get(n).cloned().unwrap_or_default();
    let number = |n: usize| text(n).parse::<u64>().expect("a number");
    let (home, count, messages) = (PathBuf::from(text(1)), number(2) as usize, number(3));
    match text(0).as_str() {
        "sender" => sender(&home, count, messages).await,
        _ => receiver(&home, count, messages, number(4), text(5)).await,
    }
}

/// Tells the parent, at once.
fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().expect("the parent listens");
}

async fn sender(home: &Path, count: usize, messages: u64) {
    found(home, "Bench", "agent 0", None, None).expect("founds");
    let node = ours::up(home.to_owned(), Vec::new()).await;
    let handle = node.handle();
    say(&format!("address {}", handle.net().listen.first().expect("listens")));
    for _ in 1..count {
        ours::approve_one(&handle).await;
        say("approved");
    }
    ours::make_room(&handle).await;
    ours::wait_for_all(&handle, count).await;
    say("together");
    if wait_for_order().await {
        ours::send_many(&handle, messages).await;
        wait_for_order().await;
    }
    node.stop().await;
}

async fn receiver(home: &Path, count: usize, messages: u64, number: u64, address: String) {
    request_join(home, &format!("agent {number}"), None, &[address], None).expect("asks to join");
    let node = ours::up(home.to_owned(), Vec::new()).await;
    let handle = node.handle();
    let mut events = handle.events();
    let counting = tokio::spawn(async move {
        let mut received = 0;
        loop {
            match events.recv().await {
                Ok(Event::Message(..)) => received += 1,
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => say(&format!("the reader missed {missed}")),
                Err(RecvError::Closed) => return,
            }
            if received == messages {
                return say(&format!("received {received} {}", now_ns()));
            }
        }
    });
    ours::wait_for_all(&handle, count).await;
    say("together");
    wait_for_order().await;
    counting.abort();
    node.stop().await;
}

/// The next line from the parent; false when it is gone.
async fn wait_for_order() -> bool {
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).is_ok_and(|bytes| bytes > 0)
    });
    line.await.unwrap_or(false)
}
