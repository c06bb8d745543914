//! Delivery through a room against bare gossipsub, in one run: CPU per delivery, messages per
//! second, loss, and the time from sending to showing.
//!
//! `cargo bench -p conclave-tests --bench delivery -- WHAT`, where WHAT is
//!
//! - `[NODES] [MESSAGES]`: all systems, the baselines included, in one run;
//! - `all`: that with 2, 8 and 32 nodes;
//! - `ours [NODES] [MESSAGES]`: without the baselines, for a profiler;
//! - `growth`: CPU per delivery with 8 and with 64 nodes;
//! - `processes [NODES] [MESSAGES]`: messages per second with a process for each node;
//! - `idle [NODES] [SECONDS]`: CPU and memory of nodes that do nothing.
//!
//! But for the last two all nodes of a system run in this process, over TCP on loopback, so its
//! CPU time is that of the system. Compare the ratios: absolute figures depend on the machine and
//! on what else it does.

mod bare;
mod cpu;
mod ours;
mod processes;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;

use self::bare::Kind;

/// Bytes of a message's text.
const TEXT_BYTES: usize = 256;
/// Messages per second while times are taken, and for how long.
const PACED_PER_SECOND: u64 = 100;
const PACED_SECONDS: u64 = 10;
/// How long after the last message was sent the rest may arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// What every system is to do.
struct Plan {
    nodes: usize,
    messages: u64,
    paced_seconds: u64,
}

/// What a system did in one run.
struct Figures {
    name: &'static str,
    sent: u64,
    expected: u64,
    delivered: u64,
    seconds: f64,
    cpu_seconds: f64,
    /// From sending to showing at a receiver, in ms, ascending.
    latencies_ms: Vec<f64>,
    paced_lost: u64,
}

impl Figures {
    fn cpu_us(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.delivered.max(1) as f64
    }

    fn lost(&self) -> u64 {
        self.expected - self.delivered
    }

    fn per_second(&self) -> f64 {
        self.sent as f64 * (self.delivered as f64 / self.expected.max(1) as f64) / self.seconds
    }

    fn percentile_ms(&self, percent: usize) -> f64 {
        let last = self.latencies_ms.len().saturating_sub(1);
        let at = (self.latencies_ms.len() * percent / 100).min(last);
        self.latencies_ms.get(at).copied().unwrap_or(f64::NAN)
    }

    fn print(&self) {
        println!(
            "| {} | {:.0} µs | {:.0} | {} of {} | {:.2} ms | {:.2} ms | {} |",
            self.name,
            self.cpu_us(),
            self.per_second(),
            self.lost(),
            self.expected,
            self.percentile_ms(50),
            self.percentile_ms(99),
            self.paced_lost,
        );
    }
}

/// A text of [`TEXT_BYTES`] that carries its number and the time of sending.
fn text(number: u64) -> String {
    let mut text = format!("{number} {} ", now_ns());
    while text.len() < TEXT_BYTES {
        text.push('x');
    }
    text
}

/// Milliseconds since a text was sent.
fn age_ms(text: &str) -> Option<f64> {
    let sent: u128 = text.split(' ').nth(1)?.parse().ok()?;
    Some(now_ns().saturating_sub(sent) as f64 / 1e6)
}

fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let numbers: Vec<u64> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    let number = |n: usize, default: u64| numbers.get(n).copied().unwrap_or(default);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match arguments.first().map_or("", String::as_str) {
        processes::CHILD => runtime.block_on(processes::child(&arguments[1..])),
        "all" => {
            for (nodes, messages) in [(2, 10_000), (8, 3000), (32, 500)] {
                compare(&runtime, &Plan { nodes, messages, paced_seconds: PACED_SECONDS });
            }
        }
        "ours" => {
            let nodes = number(0, 8) as usize;
            let plan = Plan { nodes, messages: number(1, 3000), paced_seconds: PACED_SECONDS };
            print_head(&plan);
            runtime.block_on(ours::run(&plan)).print();
        }
        "growth" => grow(&runtime),
        "processes" => {
            let given = (number(0, 0) as usize, number(1, 3000));
            let usual = [(2, 20_000), (8, 6000), (32, 1000)];
            println!("| processes | messages/s | lost | CPU per delivery | memory, largest |");
            println!("|---|---|---|---|---|");
            for (nodes, messages) in if given.0 > 1 { vec![given] } else { usual.to_vec() } {
                processes::throughput(nodes, messages);
            }
        }
        "idle" => {
            println!("| processes | CPU of each | memory of each |");
            println!("|---|---|---|");
            processes::idle(number(0, 8) as usize, Duration::from_secs(number(1, 30)));
        }
        _ => {
            let nodes = number(0, 8) as usize;
            let plan = Plan { nodes, messages: number(1, 3000), paced_seconds: PACED_SECONDS };
            compare(&runtime, &plan);
        }
    }
}

fn print_head(plan: &Plan) {
    let Plan { nodes, messages, paced_seconds } = plan;
    println!("{nodes} nodes, {messages} messages of {TEXT_BYTES} bytes, one sender; then");
    println!("{PACED_PER_SECOND} messages/s for {paced_seconds} s for the times.\n");
    println!("| system | CPU per delivery | messages/s | lost | p50 | p99 | lost when paced |");
    println!("|---|---|---|---|---|---|---|");
}

/// All systems, one after the other, and how ours compares.
fn compare(runtime: &Runtime, plan: &Plan) {
    print_head(plan);
    let signed = runtime.block_on(bare::run(Kind::Signed, plan));
    signed.print();
    for mesh in [6, 3] {
        runtime.block_on(bare::run(Kind::Anonymous(mesh), plan)).print();
    }
    let ours = runtime.block_on(ours::run(plan));
    ours.print();
    let times = |percent| ours.percentile_ms(percent) / signed.percentile_ms(percent);
    println!("\nConclave against bare signed gossipsub, {} nodes:", plan.nodes);
    println!("  deliveries per CPU second  {:.2} ×", signed.cpu_us() / ours.cpu_us());
    println!("  messages per second        {:.2} ×", ours.per_second() / signed.per_second());
    println!("  p50                        {:.2} ×", times(50));
    println!("  p99                        {:.2} ×\n", times(99));
}

/// Whether a delivery costs more in a larger company.
fn grow(runtime: &Runtime) {
    let plan = |nodes, messages| Plan { nodes, messages, paced_seconds: 0 };
    let few = runtime.block_on(ours::run(&plan(8, 3000)));
    let many = runtime.block_on(ours::run(&plan(64, 300)));
    println!("CPU per delivery, 8 nodes:  {:.0} µs, lost {}", few.cpu_us(), few.lost());
    println!("CPU per delivery, 64 nodes: {:.0} µs, lost {}", many.cpu_us(), many.lost());
    println!("ratio {:.2} ×", many.cpu_us() / few.cpu_us());
}
