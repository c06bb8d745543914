//! Every route and file against callers who may not: all are refused, and nothing changes.

use std::fs;

use conclave_tests::process::http::{Answer, ask};
use conclave_tests::process::{Company, Node, text};
use serde_json::Value;

use crate::lab;

const HOST: (&str, &str) = ("Host", "{address}");
const OWN: (&str, &str) = ("Origin", "http://{address}");
const JSON: (&str, &str) = ("Content-Type", "application/json");
/// Fields of all changes in one: whichever route takes it would do something.
const BODY: &str = r#"{"kind":"role","name":"Evil","text":"evil","room":"Lounge","unit":"role:Agent",
    "agent":"alice","units":[],"permits":["role:Agent"],"change":"rename_room","code":"0000-0000",
    "topic":"evil","presence":false,"notifications":false,"agents":["alice"],"file":"/dev/null/x",
    "phrase":"00","all":true}"#;

struct Route {
    method: String,
    path: String,
}

/// One home with a node, its token, and a browser that was let in.
struct Target {
    alice: Node,
    bearer: String,
    cookie: String,
}

impl Target {
    fn new() -> Self {
        let mut alice = lab().node("alice");
        Company::found(&mut alice);
        alice.ok(&["room", "new", "Lounge", "--permit", "role:Agent"]);
        alice.send("Lounge", "hello");
        let token = fs::read_to_string(alice.home().join("api-token")).expect("a token");
        let link = text(&alice.ready()["open"]);
        let code = link.find("/open/").map(|at| &link[at..]).expect("a link");
        let answer = ask(&alice, "GET", code, &[HOST], None);
        assert_eq!(answer.status, 303);
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        let cookie = cookie.expect("a cookie").to_owned();
        assert_eq!(ask(&alice, "GET", code, &[HOST], None).status, 403, "a link is used once");
        Self { alice, bearer: format!("Bearer {}", token.trim()), cookie }
    }

    fn get(&self, path: &str) -> Answer {
        ask(&self.alice, "GET", path, &[HOST, ("Authorization", &self.bearer)], None)
    }

    /// Every route of the description, the page and its files, and a link.
    fn routes(&self) -> Vec<Route> {
        let api = self.get("/v1/openapi.json").json();
        let paths = api["paths"].as_object().expect("paths").iter();
        let mut routes: Vec<Route> = paths
            .flat_map(|(path, item)| {
                item.as_object()
                    .expect("methods")
                    .keys()
                    .map(move |method| Route { method: method.to_uppercase(), path: filled(path) })
            })
            .collect();
        assert!(routes.len() > 30, "the description has lost routes");
        for path in ["/", "/index.html", "/style.css", "/js/main.js", "/open/x", "/no-such"] {
            routes.push(Route { method: "GET".to_owned(), path: path.to_owned() });
        }
        routes
    }

    /// What must not change.
    fn state(&self) -> Vec<String> {
        let status = self.get("/v1/status").json();
        let mut state: Vec<String> = ["control", "rooms", "join", "member", "agent"]
            .iter()
            .map(|field| status[field].to_string())
            .collect();
        for path in [
            "/v1/rooms?all=true",
            "/v1/messages?room=Lounge",
            "/v1/log?limit=1000",
            "/v1/agent-requests",
            "/v1/drafts",
            "/v1/settings",
            "/v1/instants",
        ] {
            let answer = self.get(path);
            // Where there is no such route there is nothing to change.
            state.push(format!("{path} {}: {}", answer.status, answer.body));
        }
        let sessions = fs::read_to_string(self.alice.home().join("sessions.json"));
        state.push(sessions.expect("a session"));
        state
    }

    fn status(&self, route: &Route, path: &str, headers: &[(&str, &str)]) -> u16 {
        let body = (route.method != "GET").then_some(BODY);
        ask(&self.alice, &route.method, path, headers, body).status
    }
}

/// A path with something in place of its parameters.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "alice" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn whoever_may_not_is_refused_everywhere_and_changes_nothing() {
    let target = Target::new();
    let before = target.state();
    let known = ("Authorization", target.bearer.as_str());
    let token = target.bearer.trim_start_matches("Bearer ").to_owned();
    let cookie = ("Cookie", target.cookie.as_str());
    let session = target.cookie.split('=').nth(1).expect("a value").to_owned();
    for route in &target.routes() {
        let Route { method, path } = route;
        let check = |what: &str, path: &str, headers: &[(&str, &str)]| {
            let status = target.status(route, path, headers);
            assert!(matches!(status, 401 | 403), "{method} {path}, {what}: {status}");
        };
        check("no token", path, &[HOST, JSON]);
        check("a wrong token", path, &[HOST, JSON, ("Authorization", "Bearer 00")]);
        check("a wrong cookie", path, &[HOST, JSON, OWN, ("Cookie", "conclave-1=00")]);
        for name in ["token", "access_token", "api-token", "cookie"] {
            check("in the URL", &format!("{path}?{name}={token}"), &[HOST, JSON]);
            check("in the URL", &format!("{path}?{name}={session}"), &[HOST, JSON]);
        }
        for caller in [known, cookie] {
            for host in ["evil.example", "127.0.0.1", "localhost:1", "evil.{address}", ""] {
                check("a wrong host", path, &[("Host", host), JSON, caller]);
            }
            check("no host", path, &[JSON, caller]);
            for origin in ["http://evil.example", "https://{address}", "null", ""] {
                check("a wrong origin", path, &[HOST, JSON, caller, ("Origin", origin)]);
            }
        }
        if path.starts_with("/open/") {
            continue;
        }
        for site in ["cross-site", "same-site", "nonsense"] {
            let site = ("Sec-Fetch-Site", site);
            check("from another site", path, &[HOST, JSON, cookie, site]);
            check("from another site", path, &[HOST, JSON, OWN, cookie, site]);
        }
        if method == "GET" {
            continue;
        }
        check("without an origin", path, &[HOST, JSON, cookie]);
        for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"] {
            let kind = ("Content-Type", kind);
            check("as a form", path, &[HOST, kind]);
            check("as a form", path, &[HOST, kind, cookie]);
            check("as a form", path, &[HOST, kind, cookie, OWN]);
            check("as a form", path, &[HOST, kind, cookie, ("Origin", "null")]);
        }
        check("without a type", path, &[HOST, cookie, OWN]);
    }
    assert_eq!(target.state(), before);
    // What was sent is no nonsense: from the page itself it changes something.
    let page = [HOST, JSON, OWN, cookie, ("Sec-Fetch-Site", "same-origin")];
    let answer = ask(&target.alice, "POST", "/v1/units", &page, Some(BODY));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_ne!(target.state(), before);
}

#[test]
fn errors_are_problem_details() {
    let target = Target::new();
    let known = ("Authorization", target.bearer.as_str());
    let large = format!("\"{}\"", "x".repeat(300 * 1024));
    let cases = [
        ("GET", "/v1/no-such", vec![HOST, known], None, 404, "not_found"),
        ("GET", "/v1/agents/nobody", vec![HOST, known], None, 404, "not_found"),
        ("GET", "/v1/messages", vec![HOST, known], None, 400, "usage"),
        ("DELETE", "/v1/status", vec![HOST, known], None, 405, "usage"),
        ("DELETE", "/", vec![HOST, known], None, 405, "usage"),
        ("POST", "/v1/units", vec![HOST, known, JSON], Some("{"), 400, "usage"),
        ("POST", "/v1/units", vec![HOST, known], Some(BODY), 415, "usage"),
        ("POST", "/v1/units", vec![HOST, known, JSON], Some(large.as_str()), 413, "usage"),
        ("GET", "/v1/status", vec![HOST], None, 401, "unauthorized"),
        ("GET", "/v1/status", vec![known], None, 403, "forbidden"),
    ];
    for (method, path, headers, body, status, kind) in cases {
        let answer = ask(&target.alice, method, path, &headers, body);
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        let problem: Value = answer.json();
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string() && problem["type"] == "about:blank", "{problem}");
        assert_eq!(problem["detail"], problem["error"]["message"], "{problem}");
        for problem in [&problem, &problem["error"]] {
            assert_eq!(problem["kind"], kind, "{problem}");
            assert!(problem["hint"].is_string(), "{problem}");
        }
        assert_eq!(answer.header("allow").is_some(), status == 405, "{answer:?}");
    }
    let head = ask(&target.alice, "HEAD", "/v1/status", &[HOST, known], None);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let options = ask(&target.alice, "OPTIONS", "/v1/units", &[HOST, known], None);
    let allowed = options.header("allow").expect("what is allowed");
    assert!(options.status == 204 && allowed.contains("POST"), "{options:?}");
}

#[test]
fn figures_are_for_monitoring_and_name_nobody() {
    let target = Target::new();
    let answer = target.get("/metrics");
    assert_eq!(answer.status, 200);
    for line in [
        "conclave_rooms 1",
        "conclave_messages 1",
        "conclave_devices 1",
        "conclave_disk_stalled 0",
        "# TYPE conclave_api_requests_total counter",
    ] {
        assert!(answer.body.lines().any(|known| known == line), "{line}: {}", answer.body);
    }
    for name in ["Lounge", "alice", "Example"] {
        assert!(!answer.body.contains(name), "{name}: {}", answer.body);
    }
}
