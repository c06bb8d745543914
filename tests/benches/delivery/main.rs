//! Delivery through a room against bare gossipsub, in one run: CPU per delivery, messages per
//! second, loss, and the time from sending to showing.
//!
//! `cargo bench -p conclave-tests --bench delivery -- [NODES] [MESSAGES]`. All nodes of a
//! system run in this process, over TCP on loopback, so its CPU time is that of the system.
//! Compare the ratios: absolute figures depend on the machine and on what else it does.

mod bare;
mod cpu;
mod ours;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of a message's text.
const TEXT_BYTES: usize = 256;
/// Messages per second while times are taken, and for how long.
const PACED_PER_SECOND: u64 = 100;
const PACED_SECONDS: u64 = 10;
/// How long after the last message was sent the rest may arrive.
const PATIENCE: Duration = Duration::from_secs(60);

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
            self.expected - self.delivered,
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
    let numbers: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let nodes = numbers.first().map_or(8, |n| usize::try_from(*n).unwrap_or(8));
    let messages = numbers.get(1).copied().unwrap_or(3000);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!("{nodes} nodes, {messages} messages of {TEXT_BYTES} bytes, one sender; then");
    println!("{PACED_PER_SECOND} messages/s for {PACED_SECONDS} s for the times.\n");
    println!("| system | CPU per delivery | messages/s | lost | p50 | p99 | lost when paced |");
    println!("|---|---|---|---|---|---|---|");
    let signed = runtime.block_on(bare::run(nodes, messages, true));
    signed.print();
    let anonymous = runtime.block_on(bare::run(nodes, messages, false));
    anonymous.print();
    let ours = runtime.block_on(ours::run(nodes, messages));
    ours.print();
    println!();
    println!("Conclave against bare signed gossipsub:");
    println!("  deliveries per CPU second  {:.2} ×", signed.cpu_us() / ours.cpu_us());
    println!("  messages per second        {:.2} ×", ours.per_second() / signed.per_second());
    println!(
        "  p50                        {:.2} ×",
        ours.percentile_ms(50) / signed.percentile_ms(50)
    );
    println!(
        "  p99                        {:.2} ×",
        ours.percentile_ms(99) / signed.percentile_ms(99)
    );
}
