//! What who listens on the network finds in all that passes there: no text, no name of a room, a
//! unit, an agent or the company; and that devices are there, which mDNS tells everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use conclave_tests::canary::{Scanner, canary};
use conclave_tests::process::{Lab, Node, run, text, wait_until};
use data_encoding::{BASE64, HEXLOWER, HEXUPPER};

use crate::lan::Lan;
use crate::{BINARY, admit};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// What passed, as somebody would read it who has listened from the beginning.
struct Capture {
    /// One frame after the other.
    raw: Vec<u8>,
    /// Both directions of each connection, in the order of their numbers: what a frame has
    /// cut in two is whole.
    streams: BTreeMap<Vec<u8>, BTreeMap<u32, Vec<u8>>>,
    datagrams: Vec<u8>,
}

impl Capture {
    fn read(file: &Path) -> Self {
        let bytes = fs::read(file).expect("a file of frames");
        let (mut streams, mut datagrams) = (BTreeMap::new(), Vec::new());
        let mut rest = &bytes[..];
        while let Some((length, more)) = rest.split_first_chunk::<4>() {
            let (frame, after) = more.split_at(u32::from_be_bytes(*length) as usize);
            rest = after;
            sort_in(frame, &mut streams, &mut datagrams);
        }
        Self { raw: bytes, streams, datagrams }
    }

    /// All of it, once as it came and once put together.
    fn pieces(&self) -> impl Iterator<Item = (&'static str, Vec<u8>)> + '_ {
        let streams = self.streams.values().map(|segments| ("a stream", joined(segments)));
        [("all frames", self.raw.clone()), ("all datagrams", self.datagrams.clone())]
            .into_iter()
            .chain(streams)
    }
}

fn sort_in(
    frame: &[u8],
    streams: &mut BTreeMap<Vec<u8>, BTreeMap<u32, Vec<u8>>>,
    datagrams: &mut Vec<u8>,
) {
    let Some([0x45, ..]) = frame.get(14..).filter(|_| frame.get(12..14) == Some(&[8, 0])) else {
        return;
    };
    let packet = &frame[14..];
    let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    // A frame of several segments, cut later by a card, says 0 or too little.
    let packet = packet.get(..length).filter(|_| length > 20).unwrap_or(packet);
    let inner = &packet[20..];
    match packet[9] {
        UDP => datagrams.extend(&inner[8..]),
        TCP => {
            let flow = [&packet[12..20], &inner[..4]].concat();
            let number = u32::from_be_bytes([inner[4], inner[5], inner[6], inner[7]]);
            let payload = &inner[usize::from(inner[12] >> 4) * 4..];
            if !payload.is_empty() {
                streams.entry(flow).or_default().insert(number, payload.to_vec());
            }
        }
        _ => {}
    }
}

fn joined(segments: &BTreeMap<u32, Vec<u8>>) -> Vec<u8> {
    segments.values().flatten().copied().collect()
}

/// Sends a datagram from one computer to another, as a program without encryption would.
fn say_in_plain(launcher: &[String], lab: &Lab, words: &str) {
    let program = "import socket, sys\n\
                   s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
                   s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)\n\
                   s.sendto(bytes.fromhex(sys.argv[1]), ('10.213.7.255', 9))\n";
    let forms = [
        words.as_bytes().to_vec(),
        HEXLOWER.encode(words.as_bytes()).into_bytes(),
        HEXUPPER.encode(words.as_bytes()).into_bytes(),
        BASE64.encode(words.as_bytes()).into_bytes(),
        words.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        words.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    ];
    for form in forms {
        let mut command = std::process::Command::new(&launcher[0]);
        command.args(&launcher[1..]).args(["python3", "-c", program]);
        command.arg(HEXLOWER.encode(&form)).current_dir(lab.path());
        let ran = run(command, &[]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

fn device(node: &Node) -> Vec<u8> {
    HEXLOWER.decode(text(&node.status()["device"]).as_bytes()).expect("hex")
}

#[test]
#[ignore = "needs root and network namespaces: run by .ci/run"]
fn whoever_listens_reads_no_text_and_no_name() {
    let lan = Lan::new();
    let lab = Lab::new(BINARY);
    let names: Vec<String> = ["alice", "bob", "carol"].map(|name| canary(name, 1)).to_vec();
    // Names of computers are shorter than those of agents.
    let launchers = ["alice", "bob", "carol"].map(|name| lan.computer(name));
    let node = |number: usize| {
        let launcher: Vec<&str> = launchers[number].iter().map(String::as_str).collect();
        let mut node = lab.node_behind(&names[number], &launcher);
        node.set_listen(&[]);
        node
    };
    let (mut alice, mut bob, mut carol) = (node(0), node(1), node(2));
    let [company, unit, room, renamed] =
        ["Company", "Unit", "Room", "Renamed"].map(|what| canary(what, 1));
    let words: Vec<String> = (0..30).map(|number| canary("Word", number)).collect();
    let file = lab.path().join("frames");
    let mut switch = lan.rough();
    switch.record(&file);

    alice.ok(&["init", "--company", &company, "--as", &names[0]]);
    alice.up();
    let group = format!("group:{unit}/{unit}");
    alice.ok(&["department", "new", &unit]);
    alice.ok(&["group", "new", &unit, "--department", &unit]);
    alice.ok(&["agent", "add", &names[0], &group]);
    for newcomer in [&mut bob, &mut carol] {
        admit(&alice, newcomer, &group);
    }
    alice.ok(&["room", "new", &room, "--permit", &format!("department:{unit}")]);
    for node in [&bob, &carol] {
        wait_until("the room is listed", || node.lists(&room).then_some(()));
    }
    for (number, words) in words[..20].iter().enumerate() {
        [&alice, &bob, &carol][number % 3].send(&room, words);
    }
    alice.send(&room, &format!("{} {}", words[20], "y".repeat(9000)));
    bob.ok(&["im", &names[2], &words[21]]);
    alice.ok(&["im", &names[1], &names[2], &words[22]]);
    for node in [&alice, &bob, &carol] {
        wait_until("all is here", || (node.texts(&room).len() == 21).then_some(()));
    }
    alice.ok(&["room", "rename", &room, &renamed]);
    // A key goes round anew.
    alice.ok(&["agent", "remove", &names[2], &group]);
    wait_until("bob knows of both", || {
        (bob.lists(&renamed) && bob.control_digest() == alice.control_digest()).then_some(())
    });
    bob.send(&renamed, &words[23]);
    wait_until("alice has it", || (alice.texts(&renamed).contains(&words[23])).then_some(()));
    // And a node comes back and catches up.
    bob.stop();
    alice.send(&renamed, &words[24]);
    bob.up();
    wait_until("bob has caught up", || {
        (bob.lists(&renamed) && bob.texts(&renamed).contains(&words[24])).then_some(())
    });

    let control = canary("Control", 1);
    say_in_plain(&launchers[0], &lab, &control);
    let everything = Scanner::new(&[control.as_str()]);
    let capture = wait_until("the last frame has passed", || {
        let capture = Capture::read(&file);
        let found = everything.encodings(&capture.datagrams);
        (found.get(&control).map_or(0, BTreeSet::len) == 5).then_some(capture)
    });
    assert!(capture.streams.len() > 4, "{} streams", capture.streams.len());
    let bytes: usize = capture.pieces().skip(2).map(|(_, piece)| piece.len()).sum();
    println!("{} streams, {bytes} bytes", capture.streams.len());
    assert!(bytes > 50_000, "more was said than {bytes} bytes");

    let mut secret: Vec<String> = [&words[..], &names].concat();
    secret.extend([company, unit, room, renamed]);
    let scanner = Scanner::new(&secret);
    let id = text(&alice.status()["company"]["id"]);
    let id = HEXLOWER.decode(id.as_bytes()).expect("hex");
    let [one, other] = [device(&alice), device(&bob)];
    // Who is who stands in what both sides of a connection say when it is encrypted already.
    let ids = Scanner::for_bytes([
        ("the company's id".to_owned(), &id[..]),
        ("alice's device".to_owned(), &one[..]),
        ("bob's device".to_owned(), &other[..]),
    ]);
    for (place, piece) in capture.pieces() {
        scanner.assert_clean(place, &piece);
        ids.assert_clean(place, &piece);
    }
    // The streams are what they should be: they begin in plain with what is to be spoken.
    let begins = Scanner::new(&["/multistream/1.0.0"]);
    let begun = capture.pieces().skip(2).filter(|(_, piece)| !begins.find(piece).is_empty());
    assert!(begun.count() > 4);
    // What the document on threats says that everybody learns: mDNS names the device.
    for node in [&alice, &bob] {
        let peer = text(&node.status()["peer_id"]);
        let seen = Scanner::new(&[peer.as_str()]).encodings(&capture.datagrams);
        assert!(seen.contains_key(&peer), "{peer} is announced to everybody");
    }
}
