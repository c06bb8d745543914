//! Catching up after a time off, starting with a long history, reading it.
//!
//! `cargo bench -p conclave-tests --bench catch_up -- WHAT`, where WHAT is
//!
//! - nothing: everything, as in the book: 10,000 and 100,000 messages missed, with one provider and
//!   with three; starts with an empty room and with a million messages;
//! - `missed MESSAGES [NODES]`: one node of a company comes back, for a profiler;
//! - `start MESSAGES`: starts with so many messages in the store.
//!
//! All nodes run in this process, over TCP on loopback; homes lie in the folder where the bench
//! runs, not on a RAM disk.

mod company;
#[path = "../delivery/cpu.rs"]
mod cpu;

use std::time::{Duration, Instant};

use conclave_node::handle::Handle;
use conclave_protocol::engine::{Command, Engine};
use conclave_protocol::id::MessageId;
use conclave_protocol::view::Page;
use tokio::runtime::Runtime;

use self::company::{Homes, ROOM, addresses, text, until, until_every, up, wait_for_all};

/// Messages of a page.
const PAGE: usize = 50;
const MILLION: u64 = 1_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let numbers: Vec<u64> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    let number = |n: usize, default: u64| numbers.get(n).copied().unwrap_or(default);
    let runtime = Runtime::new().expect("a runtime");
    println!("| what | figure | goal |\n|---|---|---|");
    match arguments.first().map_or("", String::as_str) {
        "missed" => {
            runtime.block_on(missed(number(0, 10_000), number(1, 2) as usize));
        }
        "start" => runtime.block_on(start(number(0, MILLION))),
        _ => {
            for (messages, nodes) in [(10_000, 2), (10_000, 4), (100_000, 2), (100_000, 4)] {
                runtime.block_on(missed(messages, nodes));
            }
            runtime.block_on(start(0));
            runtime.block_on(start(MILLION));
        }
    }
}

fn row(what: &str, figure: &str, goal: &str) {
    println!("| {what} | {figure} | {goal} |");
}

fn ms(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

/// The newest page, if it is here: the last message is the one of this number.
async fn newest_page(handle: &Handle, last: u64, size: usize) -> Option<Page> {
    let page = handle.query(|engine| engine.history(ROOM, PAGE, None)).await.ok()?.ok()?;
    let newest = page.messages.last()?;
    (page.messages.len() == size && newest.text == text(last)).then_some(page)
}

/// Waits until so many messages count; says when that was. To look takes a digest of all of them,
/// so many are looked at less often.
async fn all_there(handle: &Handle, messages: u64) -> Instant {
    let count = async || {
        let status = handle.query(Engine::status).await.ok()?;
        let count: u64 = status.rooms.iter().map(|room| room.messages).sum();
        (count == messages).then_some(())
    };
    until_every(Duration::from_millis(5 + messages / 2000), count).await.0
}

/// One node of a company was off while messages were written, and comes back. Those that it comes
/// back to have all of them.
async fn missed(messages: u64, nodes: usize) {
    let homes = Homes::found(nodes).await;
    homes.write(messages);
    let mut running = vec![up(homes.path(0), Vec::new()).await];
    for n in 1..nodes - 1 {
        let provider = up(homes.path(n), addresses(&running)).await;
        let handle = provider.handle();
        all_there(&handle, messages).await;
        running.push(provider);
    }
    for node in &running {
        wait_for_all(&node.handle(), running.len()).await;
    }
    let peers = addresses(&running);
    let (started, cpu_before) = (Instant::now(), cpu::seconds());
    let node = up(homes.path(nodes - 1), peers).await;
    let ready = started.elapsed();
    let handle = node.handle();
    let size = PAGE.min(messages as usize);
    let (page_at, page) = until(async || newest_page(&handle, messages, size).await).await;
    let all_at = all_there(&handle, messages).await;
    let cpu_seconds = cpu::seconds() - cpu_before;
    let title = |what: &str| format!("{messages} missed, {} providers: {what}", nodes - 1);
    row(&title("ready"), &ms(ready), "≤ 300 ms");
    let complete = if page.messages.iter().any(|m| m.incomplete) { "" } else { ", all complete" };
    let figure = format!("{}{complete}", ms(page_at - started));
    row(&title("newest 50 readable"), &figure, "≤ 300 ms");
    let goal = match messages {
        10_000 => "≤ 1.5 s",
        100_000 => "≤ 15 s",
        _ => "",
    };
    row(&title("all there"), &ms(all_at - started), goal);
    let each = cpu_seconds * 1e6 / messages.max(1) as f64;
    row(&title("CPU of all nodes, per message"), &format!("{each:.0} µs"), "");
    running.push(node);
    for node in running {
        node.stop().await;
    }
    let bytes = homes.store_bytes(homes.count() - 1) / messages.max(1);
    row(&title("its disk, per message"), &format!("{bytes} bytes"), "≤ 768 bytes");
}

/// A node starts on a store that holds so many messages, alone in its company.
async fn start(messages: u64) {
    let homes = Homes::found(1).await;
    let begun = Instant::now();
    let some = homes.write(messages);
    let wrote = begun.elapsed();
    let title = |what: &str| format!("{messages} stored: {what}");
    if messages > 0 {
        let each = wrote.as_secs_f64() * 1e6 / messages as f64;
        row(&title("writing one, without network"), &format!("{each:.0} µs"), "");
        let bytes = homes.store_bytes(0) / messages;
        row(&title("disk, per message"), &format!("{bytes} bytes"), "≤ 768 bytes");
    }
    let goal = if messages == 0 { "≤ 300 ms" } else { "≤ 1 s" };
    for run in ["first", "second"] {
        let before = cpu::resident_mb("self");
        let begun = Instant::now();
        let node = up(homes.path(0), Vec::new()).await;
        let ready = begun.elapsed();
        let handle = node.handle();
        let send = Command::Send { room: ROOM.to_owned(), text: text(messages + 1) };
        handle.command(send).await.expect("sends");
        row(&title(&format!("{run} start: ready")), &ms(ready), goal);
        row(&title(&format!("{run} start: a message sent is durable")), &ms(begun.elapsed()), goal);
        let after = cpu::resident_mb("self");
        let more = format!("{after:.0} MB, {:.0} more than before", after - before);
        row(&title(&format!("{run} start: memory of the process")), &more, "");
        if messages > 0 {
            pages(&handle, &title(run), &some).await;
        }
        node.stop().await;
    }
}

/// A page from the end, and pages from all over.
async fn pages(handle: &Handle, title: &str, some: &[MessageId]) {
    let begun = Instant::now();
    let page = handle.query(|engine| engine.history(ROOM, PAGE, None)).await.expect("runs");
    assert_eq!(page.expect("a page").messages.len(), PAGE);
    row(&format!("{title} start: newest 50"), &ms(begun.elapsed()), "≤ 10 ms");
    let mut times = Vec::new();
    for before in some.iter().skip(1).map(ToString::to_string) {
        let begun = Instant::now();
        let page = handle.query(move |e| e.history(ROOM, PAGE, Some(&before))).await;
        assert!(!page.expect("runs").expect("a page").messages.is_empty());
        times.push(begun.elapsed());
    }
    times.sort();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    let figure = format!("{}, slowest of {} {}", ms(median), times.len(), ms(slowest));
    row(&format!("{title} start: 50 from the middle"), &figure, "≤ 10 ms");
}
