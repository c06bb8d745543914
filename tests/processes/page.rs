//! The web page: how a browser gets in, and what it is given.

use std::fs;
use std::net::TcpListener;

use conclave_tests::process::http::{Answer, EventStream, address_of, ask};
use conclave_tests::process::{Company, Node, text};

use crate::lab;

const HOST: (&str, &str) = ("Host", "{address}");
const JSON: (&str, &str) = ("Content-Type", "application/json");

#[track_caller]
fn get(node: &Node, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(node, "GET", path, &[&[HOST], headers].concat(), None)
}

/// The path of a link.
#[track_caller]
fn path(link: &str) -> &str {
    let path = link.find("/open/").map(|at| &link[at..]);
    path.expect("a link")
}

/// Opens a link as a browser does that was given it, and gives the cookie.
#[track_caller]
fn opened(node: &Node, link: &str) -> String {
    let answer = get(node, path(link), &[("Sec-Fetch-Site", "none")]);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{answer:?}");
    let cookie = answer.header("set-cookie").expect("a cookie");
    let port = address_of(node).split(':').nth(1).expect("a port").to_owned();
    assert!(cookie.starts_with(&format!("conclave-{port}=")), "{cookie}");
    for attribute in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    cookie.split(';').next().expect("a pair").to_owned()
}

#[test]
fn a_link_lets_one_browser_in_and_no_second() {
    let mut alice = lab().node("alice");
    Company::found(&mut alice);
    let link = text(&alice.ready()["open"]);
    let refused = get(&alice, "/", &[]);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(refused.body.contains("conclave open"), "{refused:?}");
    assert_eq!(get(&alice, "/index.html", &[]).status, 401, "nothing is served to strangers");
    // Looking ahead, another name and another page do not use it up.
    let look = ask(&alice, "HEAD", path(&link), &[HOST], None);
    assert_eq!(look.status, 401);
    let rebound = ask(&alice, "GET", path(&link), &[("Host", "evil.example")], None);
    assert_eq!(rebound.status, 403);
    let foreign = get(&alice, path(&link), &[("Origin", "http://evil.example")]);
    assert_eq!(foreign.status, 403);
    let cookie = opened(&alice, &link);
    let again = get(&alice, path(&link), &[("Sec-Fetch-Site", "none")]);
    assert_eq!((again.status, again.header("set-cookie")), (403, None));
    assert!(again.body.contains("conclave open"), "{again:?}");
    for wrong in ["/open/x", "/open/%ff", "/open/x/y"] {
        assert_eq!(get(&alice, wrong, &[]).status, 403, "{wrong}");
    }

    let page = get(&alice, "/", &[("Cookie", &cookie)]);
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").expect("a policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(page.header("cross-origin-resource-policy"), Some("same-origin"));
    let tag = page.header("etag").expect("a tag");
    let again = get(&alice, "/", &[("Cookie", &cookie), ("If-None-Match", tag)]);
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let status = get(&alice, "/v1/status", &[("Cookie", &cookie)]);
    assert_eq!(status.json()["agent"]["name"], "alice");
    assert_eq!(status.header("cache-control"), Some("no-store"));

    // From elsewhere, a redirection would lose the new cookie.
    let link = text(&alice.ok(&["open"])["open"]);
    let answer = get(&alice, path(&link), &[("Sec-Fetch-Site", "cross-site")]);
    assert_eq!((answer.status, answer.header("refresh")), (200, Some("0; url=/")));
    assert!(answer.header("set-cookie").is_some());
}

#[test]
fn a_bookmark_outlives_the_node() {
    let mut alice = lab().node("alice");
    Company::found(&mut alice);
    let (address, link) = (address_of(&alice), text(&alice.ready()["open"]));
    let cookie = opened(&alice, &link);
    let unused = text(&alice.ok(&["open"])["open"]);
    alice.kill_nine();
    alice.up();
    assert_eq!(address_of(&alice), address);
    assert_eq!(get(&alice, "/", &[("Cookie", &cookie)]).status, 200);
    assert_eq!(get(&alice, path(&unused), &[]).status, 403, "a link ends with its node");
    alice.stop();
    // Another program has the port: the node starts all the same.
    let taken = TcpListener::bind(&address).expect("the port is free");
    alice.up();
    let elsewhere = address_of(&alice);
    assert_ne!(elsewhere, address);
    alice.stop();
    drop(taken);
    alice.up();
    assert_eq!(address_of(&alice), elsewhere, "where it was the last time");
}

#[test]
fn signing_out_ends_a_session_and_what_it_reads() {
    let mut alice = lab().node("alice");
    Company::found(&mut alice);
    let cookies: Vec<String> = (0..3)
        .map(|_| {
            let link = text(&alice.ok(&["open"])["open"]);
            opened(&alice, &link)
        })
        .collect();
    let status = |cookie: &str| get(&alice, "/v1/status", &[("Cookie", cookie)]).status;
    let end = |caller: (&str, &str), body: &str| {
        let headers = [HOST, ("Origin", "http://{address}"), JSON, caller];
        ask(&alice, "POST", "/v1/sessions/end", &headers, Some(body))
    };
    let mut streams = [&cookies[0], &cookies[1]]
        .map(|cookie| EventStream::open(&alice, "/v1/events", &[HOST, ("Cookie", cookie)]));
    for stream in &mut streams {
        stream.until(|event| event.name == "hello");
    }
    let [mut first, mut second] = streams;

    let answer = end(("Cookie", &cookies[0]), "{}");
    assert_eq!((answer.status, &answer.json()["ended"]), (200, &1.into()), "{answer:?}");
    let forget = answer.header("set-cookie").expect("the cookie is taken back");
    assert!(forget.contains("Max-Age=0") && forget.starts_with("conclave-"), "{forget}");
    assert_eq!(first.next_event(), None, "its stream ends");
    let statuses: Vec<u16> = cookies.iter().map(|cookie| status(cookie)).collect();
    assert_eq!(statuses, [401, 200, 200]);
    alice.ok(&["role", "new", "Auditor"]);
    second.until(|event| event.name == "control");

    let token = fs::read_to_string(alice.home().join("api-token")).expect("a token");
    let token = format!("Bearer {}", token.trim());
    assert_eq!(end(("Authorization", &token), "{}").status, 400, "it has no session");
    assert_eq!(status(&cookies[1]), 200);
    assert_eq!(alice.ok(&["open", "--end-sessions"])["ended"], 2);
    assert_eq!(alice.ok(&["open", "--end-sessions"])["ended"], 0);
    while second.next_event().is_some() {}
    alice.kill_nine();
    alice.up();
    for cookie in &cookies {
        assert_eq!(get(&alice, "/", &[("Cookie", cookie)]).status, 401);
    }
}

#[test]
fn the_command_prints_a_link() {
    let mut alice = lab().node("alice");
    alice.ok(&["init", "--company", "Example", "--as", "alice"]);
    alice.fails(&["open"], 3, "not_running");
    alice.up();
    let document = alice.ok(&["open", "--no-browser"]);
    assert!(document["expires"].is_string(), "{document}");
    let said = alice.say(&["open"]);
    assert_eq!(said.code, 0, "{said:?}");
    opened(&alice, said.stdout.trim());
    opened(&alice, &text(&document["open"]));
}
