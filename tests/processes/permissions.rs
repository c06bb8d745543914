//! What other users of the same computer, and web pages, get: nothing.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use conclave_node::identity::Home;
use conclave_tests::process::{Company, Node};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;

use crate::lab;

/// Starts every program of a home with an umask that forbids nothing.
const OPEN_UMASK: [&str; 4] = ["sh", "-c", "umask 0; exec \"$@\"", "sh"];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}

#[test]
fn homes_and_keys_are_private_whatever_the_umask() {
    let lab = lab();
    let mut alice = lab.node_behind("alice", &OPEN_UMASK);
    let mut bob = lab.node_behind("bob", &OPEN_UMASK);
    Company::found(&mut alice);
    bob.ok(&["join", "--no-wait", "--as", "bob", "--peer", &alice.address()]);
    bob.up();
    for node in [&alice, &bob] {
        assert_eq!(mode(node.home()), 0o700);
        for entry in fs::read_dir(node.home()).expect("the home") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
        for file in ["api-token", "device.key", "home.key"] {
            assert_eq!(mode(&node.home().join(file)), 0o600, "{file}");
        }
    }
    assert_eq!(mode(&alice.home().join("root.key")), 0o600);
}

#[test]
fn secrets_are_neither_in_arguments_nor_in_logs() {
    let lab = lab();
    let mut alice = lab.node_behind("alice", &["env", "CONCLAVE_LOG=debug"]);
    Company::found(&mut alice);
    alice.ok(&["room", "new", "Lounge", "--permit", "role:Agent"]);
    alice.send("Lounge", "hello");
    let home = Home::open(alice.home()).expect("a home");
    let read = |name: &str| fs::read_to_string(alice.home().join(name)).expect("a file");
    let json = |name: &str| serde_json::from_str::<Value>(&read(name)).expect("JSON");
    let secrets = home.device_secrets(None).expect("keys").expect("keys");
    let mut hidden: Vec<Vec<u8>> = ["api-token", "api-seal"]
        .map(|name| HEXLOWER.decode(read(name).trim().as_bytes()).expect("hex"))
        .to_vec();
    let home_key = json("home.key")["key"].as_str().expect("a key").to_owned();
    hidden.push(HEXLOWER.decode(home_key.as_bytes()).expect("hex"));
    for key in [secrets.seed(), secrets.sealing_secret(), secrets.vault_key()] {
        hidden.push(key.to_vec());
    }
    let words = "correct horse battery staple";
    hidden.push(words.as_bytes().to_vec());
    let file = lab.path().join("words");
    fs::write(&file, words).expect("written");
    alice.ok(&["passphrase", "set", "--passphrase-file", file.to_str().expect("text")]);

    let process = |name: &str| fs::read(format!("/proc/{}/{name}", alice.pid()));
    let arguments = process("cmdline").expect("everybody may read them");
    assert!(!arguments.is_empty());
    // Only root may read the environment of a program whose memory is closed.
    let environment = process("environ").unwrap_or_default();
    let export = alice.say(&["export", "Lounge"]).stdout;
    let log = alice.log();
    assert!(log.len() > 1000 && export.contains("hello"));
    for (place, bytes) in [
        ("arguments", arguments),
        ("environment", environment),
        ("log", log.into_bytes()),
        ("export", export.into_bytes()),
        ("status", alice.ok(&["status"]).to_string().into_bytes()),
    ] {
        for secret in &hidden {
            assert!(secret.len() >= 28);
            for form in
                [secret.clone(), HEXLOWER.encode(secret).into(), BASE64.encode(secret).into()]
            {
                let found = bytes.windows(form.len()).any(|window| window == form);
                assert!(!found, "{place} has a secret");
            }
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_neither_dumped_nor_open_to_others() {
    let mut alice = lab().node("alice");
    Company::found(&mut alice);
    let pid = alice.pid();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let core: Vec<_> = core.expect("a limit").split_whitespace().skip(4).take(2).collect();
    assert_eq!(core, ["0", "0"]);
    // What tells of the memory belongs to root, whoever runs the program (which says something
    // only where that is somebody else).
    use std::os::unix::fs::MetadataExt;
    let owner = fs::metadata(format!("/proc/{pid}/mem")).expect("it runs").uid();
    assert_eq!(owner, 0);
}

/// Sends one request to the local API and gives the status of the answer.
fn request(node: &Node, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    let api = node.ready()["api"].as_str().expect("an address");
    let address = api.strip_prefix("http://").expect("http");
    let mut stream = TcpStream::connect(address).expect("it listens");
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {}\r\n", value.replace("{address}", address));
    }
    if method == "POST" {
        text += "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    } else {
        text += "\r\n";
    }
    stream.write_all(text.as_bytes()).expect("it reads");
    // A stream of events has no end: the first line is enough.
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    let status = String::from_utf8_lossy(&answer);
    status.rsplit(' ').next().and_then(|code| code.parse().ok()).expect("a status")
}

#[test]
fn the_local_api_wants_its_token_and_its_own_name() {
    let mut alice = lab().node("alice");
    Company::found(&mut alice);
    let token = fs::read_to_string(alice.home().join("api-token")).expect("a token");
    let bearer = format!("Bearer {}", token.trim());
    let host = ("Host", "{address}");
    let known = ("Authorization", bearer.as_str());
    assert_eq!(request(&alice, "GET", "/v1/status", &[host, known]), 200);
    let before = alice.control_digest();
    let routes = [
        ("GET", "/v1/status"),
        ("GET", "/v1/units?kind=role"),
        ("POST", "/v1/units"),
        ("GET", "/v1/agents"),
        ("GET", "/v1/agents/alice"),
        ("GET", "/v1/agent-requests"),
        ("POST", "/v1/agent-requests/approve"),
        ("POST", "/v1/memberships"),
        ("POST", "/v1/memberships/remove"),
        ("GET", "/v1/rooms"),
        ("POST", "/v1/rooms"),
        ("GET", "/v1/room?room=x"),
        ("POST", "/v1/room/permit?room=x"),
        ("POST", "/v1/room/unpermit?room=x"),
        ("GET", "/v1/room/access?room=x"),
        ("GET", "/v1/room/participants?room=x"),
        ("GET", "/v1/messages?room=x"),
        ("POST", "/v1/messages"),
        ("POST", "/v1/read"),
        ("GET", "/v1/events"),
        ("GET", "/v1/control"),
        ("GET", "/v1/settings"),
        ("PUT", "/v1/settings"),
        ("GET", "/v1/drafts"),
        ("PUT", "/v1/drafts"),
        ("GET", "/v1/presence"),
        ("GET", "/v1/no-such-route"),
    ];
    let in_url = |path: &str| {
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{path}{joint}token={}", token.trim())
    };
    for (method, path) in routes {
        let status = |path: &str, headers: &[(&str, &str)]| request(&alice, method, path, headers);
        assert_eq!(status(path, &[host]), 401, "{path} without a token");
        assert_eq!(status(&in_url(path), &[host]), 401, "{path} with the token in the URL");
        let wrong = ("Authorization", "Bearer 0123");
        assert_eq!(status(path, &[host, wrong]), 401, "{path} with a wrong token");
        let rebound = ("Host", "evil.example");
        assert_eq!(status(path, &[rebound, known]), 403, "{path} under another name");
        for origin in ["http://evil.example", "null", "https://{address}"] {
            let foreign = ("Origin", origin);
            assert_eq!(status(path, &[host, known, foreign]), 403, "{path} from {origin}");
        }
    }
    assert_eq!(alice.control_digest(), before);
}

#[test]
fn text_of_others_does_not_reach_the_terminal_raw() {
    let mut alice = lab().node("alice");
    Company::found(&mut alice);
    alice.ok(&["room", "new", "Room", "--permit", "role:Agent"]);
    // Marks that turn the direction of writing are text, but must not rearrange the screen.
    alice.ok(&["send", "Room", "user\u{202e}gnp.exe"]);
    let shown = alice.say(&["history", "Room"]);
    assert_eq!(shown.code, 0);
    assert!(!shown.stdout.contains('\u{202e}'), "{shown:?}");
    assert!(shown.stdout.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    // As JSON it is what was written.
    assert_eq!(alice.texts("Room"), ["user\u{202e}gnp.exe"]);
}
