//! Rubbish on the port that peers use.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use conclave_tests::process::{Company, admit, wait_until};

use crate::company;

const ROOM: &str = Company::SUPPORT;

#[test]
fn garbage_and_half_open_connections_harm_nobody() {
    let Company { alice, mut bob, carol: _carol, lab } = {
        let company = company();
        company.open_support();
        company
    };
    // Kept open, silent or in the middle of a word, while everything goes on.
    let held: Vec<_> = (0..40)
        .map(|number| {
            let mut stream = connect(alice.port());
            let begun: &[u8] = match number % 4 {
                0 => b"",
                1 => b"\x13/multistream/1.0.0\n",
                2 => b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x20",
                _ => b"\xff",
            };
            // It may have closed the connection already: that is its right.
            let _ = stream.write_all(begun);
            stream
        })
        .collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..60 {
        let mut stream = connect(alice.port());
        let mut bytes = match round % 3 {
            0 => Vec::new(),
            1 => b"\x13/multistream/1.0.0\n\x07/noise\n".to_vec(),
            _ => b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".to_vec(),
        };
        bytes.extend((0..4096).map(|_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random.to_be_bytes()[0]
        }));
        let _ = stream.write_all(&bytes);
        // Read what it says to that, if anything; then go.
        let _ = stream.read(&mut [0; 256]);
    }

    alice.send(ROOM, "not impressed");
    wait_until("bob has it", || (bob.texts(ROOM) == ["not impressed"]).then_some(()));
    bob.send(ROOM, "nor am I");
    wait_until("alice has it", || (alice.texts(ROOM).len() == 2).then_some(()));
    // New connections are made as ever, by members and by newcomers.
    bob.kill_nine();
    bob.up();
    let mut dave = lab.node("dave");
    admit(&alice, &mut dave, &alice.address(), "group:Support/Escalation");
    wait_until("dave reads the room", || {
        (dave.lists(ROOM) && dave.texts(ROOM).len() == 2).then_some(())
    });
    dave.send(ROOM, "hello");
    for node in [&alice, &bob] {
        wait_until("all have it", || (node.texts(ROOM).len() == 3).then_some(()));
    }
    drop(held);
}

#[test]
fn garbage_on_the_local_api_harms_nobody() {
    let Company { alice, .. } = company();
    let api = alice.ready()["api"].as_str().expect("an address").to_owned();
    let port = api.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let held = connect(port);
    for bytes in [&b"\x00\x01\x02\x03\xff\xfe\r\n\r\n"[..], b"GET /v1/status", &[b'A'; 100_000]] {
        let mut stream = connect(port);
        let _ = stream.write_all(bytes);
        let _ = stream.read(&mut [0; 256]);
    }
    assert_eq!(alice.status()["member"], true);
    drop(held);
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a limit");
    stream.set_write_timeout(Some(Duration::from_secs(5))).expect("a limit");
    stream
}
