//! Another user of the same computer, who has come by a cookie or a link.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use conclave_tests::process::http::address_of;
use conclave_tests::process::{Company, Lab, Node, text};

use crate::{BINARY, ROOM};

const ROOT: u32 = 0;
/// A user who owns nothing.
const STRANGER: u32 = 65_533;
/// Sends standard input to a port of this computer, and prints what comes back.
const SEND_AND_READ: &str = r#"exec 3<>"/dev/tcp/127.0.0.1/$1"; cat >&3; cat <&3"#;
/// The same, but closes the connection at once.
const SEND_AND_CLOSE: &str = r#"exec 3<>"/dev/tcp/127.0.0.1/$1"; cat >&3"#;
/// So often a stranger tries to be gone before anyone looks at whose the connection is.
const HASTY_TRIES: usize = 25;

#[track_caller]
fn run_as(user: u32, script: &str, node: &Node, request: &str) -> String {
    let address = address_of(node);
    let port = address.rsplit(':').next().expect("a port");
    let mut command = Command::new("bash");
    command.uid(user).gid(user).current_dir("/").args(["-c", script, "bash", port]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash runs as another user");
    let request = request.replace("{address}", &address);
    let mut input = child.stdin.take().expect("its input");
    input.write_all(request.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The head of the answer to GET.
#[track_caller]
fn get(user: u32, node: &Node, path: &str, header: &str) -> (u16, Option<String>) {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {{address}}\r\nConnection: close\r\n{header}\r\n");
    let answer = run_as(user, SEND_AND_READ, node, &request);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
    (status.unwrap_or_else(|| panic!("no answer: {answer}")), cookie)
}

#[test]
#[ignore = "needs root and network namespaces: run by .ci/run"]
fn a_cookie_and_a_link_are_of_no_use_to_another_user() {
    let lab = Lab::new(BINARY);
    let mut alice = lab.node("alice");
    Company::found(&mut alice);
    alice.ok(&["room", "new", ROOM, "--permit", "role:Agent"]);
    let link = text(&alice.ready()["open"]);
    let path = link.find("/open/").map(|at| &link[at..]).expect("a link");

    assert_eq!(get(STRANGER, &alice, path, ""), (403, None));
    assert_eq!(get(STRANGER, &alice, path, ""), (403, None));
    let (status, cookie) = get(ROOT, &alice, path, "");
    let cookie = format!("Cookie: {}\r\n", cookie.expect("the link was not used up"));
    assert_eq!(status, 303);

    for path in ["/", "/v1/status", "/js/main.js", "/v1/events"] {
        assert_eq!(get(STRANGER, &alice, path, &cookie).0, 401, "{path}");
    }
    assert_eq!(get(ROOT, &alice, "/v1/status", &cookie).0, 200);

    // Of a connection that its program has closed the system says that it is root's.
    let body = format!("{{\"room\":\"{ROOM}\",\"text\":\"from a stranger\"}}");
    let post = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: {{address}}\r\nOrigin: http://{{address}}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n{cookie}\r\n{body}",
        body.len()
    );
    for _ in 0..HASTY_TRIES {
        run_as(STRANGER, SEND_AND_CLOSE, &alice, &post);
    }
    let kept_open = run_as(
        STRANGER,
        SEND_AND_READ,
        &alice,
        &post.replacen("\r\n", "\r\nConnection: close\r\n", 1),
    );
    assert!(kept_open.starts_with("HTTP/1.1 401 "), "{kept_open}");
    assert!(alice.texts(ROOM).is_empty(), "a stranger has written");
    // What was sent is no nonsense.
    run_as(ROOT, SEND_AND_READ, &alice, &post.replacen("\r\n", "\r\nConnection: close\r\n", 1));
    assert_eq!(alice.texts(ROOM), ["from a stranger"]);

    // The token is for whoever can read its file: that is not this stranger.
    let token = alice.home().join("api-token");
    let read = Command::new("cat").uid(STRANGER).gid(STRANGER).arg(&token).output();
    assert!(!read.expect("cat runs").status.success());
}
