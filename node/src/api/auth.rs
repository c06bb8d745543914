//! Who may call: the right Host, no foreign Origin, and the home's token or a session's cookie.
//!
//! A hostile web page can make a browser send requests to loopback, and DNS rebinding lets it
//! read the answers. Host and Origin stop both; token and cookie stop other users of the
//! computer. A cookie is sent by the browser itself, whoever asks, and to every port of the
//! host: whoever comes with one must also show that the page itself is asking.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, ORIGIN, TRANSFER_ENCODING,
};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};

use super::error::ApiError;
use super::sessions::{SESSION_TIME_MAX, Sessions};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who was let through.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Caller {
    /// A program that has the token.
    Token,
    /// A browser, by the hash of its cookie.
    Session([u8; 32]),
}

/// Decides whether a request is let through.
pub(super) struct Guard {
    hosts: Vec<String>,
    token: blake3::Hash,
    cookie: String,
    sessions: Arc<Sessions>,
}

impl Guard {
    /// For a listener at `address` whose callers know `token` or have one of the `sessions`.
    pub(super) fn new(address: SocketAddr, token: &str, sessions: Arc<Sessions>) -> Self {
        let port = address.port();
        // The address itself too: loopback is a whole network.
        let mut hosts = vec![address.to_string(), format!("localhost:{port}")];
        hosts.extend(["127.0.0.1", "[::1]"].map(|host| format!("{host}:{port}")));
        let token = blake3::hash(token.as_bytes());
        // Two nodes of one computer differ only in their ports, which cookies ignore.
        Self { hosts, token, cookie: format!("conclave-{port}"), sessions }
    }

    /// Checks that a request was meant for this node, and does not come from a foreign page.
    pub(super) fn check_address(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = single(headers, &HOST).ok_or_else(wrong_host)?;
        if !self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) {
            return Err(wrong_host());
        }
        if headers.contains_key(ORIGIN) && !is_own_origin(headers) {
            return Err(wrong_origin());
        }
        Ok(())
    }

    /// Checks one request's headers.
    pub(super) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<Caller, ApiError> {
        self.check_address(headers)?;
        if headers.contains_key(AUTHORIZATION) || !headers.contains_key(COOKIE) {
            self.check_token(headers)?;
            return Ok(Caller::Token);
        }
        let cookie = self.cookie_of(headers);
        let session =
            cookie.and_then(|cookie| self.sessions.known(cookie)).ok_or_else(no_session)?;
        check_page(method, headers)?;
        Ok(Caller::Session(session))
    }

    /// What a browser is given to be known by.
    pub(super) fn set_cookie(&self, value: &str) -> String {
        let (name, age) = (&self.cookie, SESSION_TIME_MAX.as_secs());
        format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={age}")
    }

    /// What makes a browser forget that.
    pub(super) fn clear_cookie(&self) -> String {
        let name = &self.cookie;
        format!("{name}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0")
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let token = single(headers, &AUTHORIZATION)
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        // Comparing hashes takes constant time, whatever the lengths.
        match token {
            Some(token) if blake3::hash(token.as_bytes()) == self.token => Ok(()),
            _ => Err(wrong_token()),
        }
    }

    /// The value of our cookie, if it is there exactly once.
    fn cookie_of<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let pairs = single(headers, &COOKIE)?.split(';');
        let mut ours = pairs.filter_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == self.cookie).then_some(value)
        });
        let value = ours.next()?;
        ours.next().is_none().then_some(value)
    }
}

/// Checks that it is the page itself that asks with its cookie.
fn check_page(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.contains_key(SEC_FETCH_SITE) {
        let site = single(headers, &SEC_FETCH_SITE);
        if !site.is_some_and(|site| matches!(site, "same-origin" | "none")) {
            return Err(wrong_origin());
        }
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    if !is_own_origin(headers) {
        return Err(wrong_origin());
    }
    // A form cannot send this type, and a script of another page only after asking.
    if has_body(headers) && !is_json(headers) {
        return Err(wrong_origin());
    }
    Ok(())
}

/// Whether the Origin is there once, and is the page that the Host names.
fn is_own_origin(headers: &HeaderMap) -> bool {
    let (Some(host), Some(origin)) = (single(headers, &HOST), single(headers, &ORIGIN)) else {
        return false;
    };
    origin.strip_prefix("http://").is_some_and(|origin| origin.eq_ignore_ascii_case(host))
}

/// Whether a request has a body.
fn has_body(headers: &HeaderMap) -> bool {
    let empty = || single(headers, &CONTENT_LENGTH) == Some("0");
    headers.contains_key(TRANSFER_ENCODING)
        || headers.contains_key(CONTENT_TYPE)
        || (headers.contains_key(CONTENT_LENGTH) && !empty())
}

/// Whether the body of a request says that it is JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = single(headers, &CONTENT_TYPE).and_then(|value| value.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The value of a header that must occur exactly once: of two, each reader may believe
/// another.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

fn wrong_host() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        "the request does not name this node as its host",
        "use the address that `conclave up` printed",
    )
}

fn wrong_origin() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        "the request comes from another web page",
        "use the address that `conclave up` printed",
    )
}

fn wrong_token() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "the request does not carry this node's token",
        "send `Authorization: Bearer …` with the content of the file `api-token` in the home",
    )
}

/// A cookie or a link in the hands of another user of this computer.
pub(super) fn another_user(status: StatusCode) -> ApiError {
    ApiError::new(
        status,
        "unauthorized",
        "this browser is not run by the user who runs the node",
        "open the page as that user",
    )
}

fn no_session() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "this browser is not let in, or no longer",
        "open the link that `conclave open` prints",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Home;

    /// The answer to each of some requests, with `{cookie}` for that of a session.
    struct Asked {
        guard: Guard,
        cookie: String,
        _dir: tempfile::TempDir,
    }

    impl Asked {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a folder");
            let home = Home::open(dir.path()).expect("a home");
            let sessions = Arc::new(Sessions::open(home, "http://x").expect("readable"));
            let link = sessions.new_link().expect("random numbers").open;
            let code = link.strip_prefix("http://x/open/").expect("a link");
            let cookie = sessions.use_link(code).expect("random numbers").expect("a session");
            let address = "127.0.0.1:4100".parse().expect("an address");
            Self { guard: Guard::new(address, "secret", sessions), cookie, _dir: dir }
        }

        fn status(&self, method: Method, pairs: &[(&str, &str)]) -> Option<StatusCode> {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                let name: HeaderName = name.parse().expect("a header");
                let value = value.replace("{cookie}", &self.cookie);
                headers.append(name, value.parse().expect("a value"));
            }
            let error = self.guard.check(&method, &headers).err()?;
            Some(axum::response::IntoResponse::into_response(error).status())
        }
    }

    fn status(pairs: &[(&str, &str)]) -> Option<StatusCode> {
        Asked::new().status(Method::GET, pairs)
    }

    const TOKEN: (&str, &str) = ("authorization", "Bearer secret");
    const COOKIE: (&str, &str) = ("cookie", "conclave-4100={cookie}");
    const HOST: (&str, &str) = ("host", "127.0.0.1:4100");
    const ORIGIN: (&str, &str) = ("origin", "http://127.0.0.1:4100");
    const UNAUTHORIZED: Option<StatusCode> = Some(StatusCode::UNAUTHORIZED);
    const FORBIDDEN: Option<StatusCode> = Some(StatusCode::FORBIDDEN);

    #[test]
    fn host_and_token_are_needed() {
        for host in ["127.0.0.1:4100", "localhost:4100", "[::1]:4100", "LocalHost:4100"] {
            assert_eq!(status(&[("host", host), TOKEN]), None, "{host}");
        }
        assert_eq!(status(&[HOST]), UNAUTHORIZED);
        for value in ["Bearer secre", "Bearer secrets", "Bearer", "Basic secret", "secret"] {
            let token = ("authorization", value);
            assert_eq!(status(&[HOST, token]), UNAUTHORIZED, "{value}");
            assert_eq!(status(&[HOST, token, COOKIE]), UNAUTHORIZED, "{value}, with a cookie");
        }
        assert_eq!(status(&[HOST, TOKEN, TOKEN]), UNAUTHORIZED);
    }

    #[test]
    fn other_hosts_and_origins_are_refused() {
        for known in [TOKEN, COOKIE] {
            assert_eq!(status(&[known]), FORBIDDEN);
            for host in ["evil.example", "127.0.0.1", "127.0.0.1:80", "localhost.evil:4100"] {
                assert_eq!(status(&[("host", host), known]), FORBIDDEN, "{host}");
            }
            assert_eq!(status(&[HOST, HOST, known]), FORBIDDEN);
            for origin in [
                "null",
                "http://evil.example",
                "https://127.0.0.1:4100",
                "http://localhost:4100",
                "",
            ] {
                assert_eq!(status(&[HOST, ("origin", origin), known]), FORBIDDEN, "{origin}");
            }
            assert_eq!(status(&[HOST, ORIGIN, known]), None);
        }
    }

    #[test]
    fn a_session_is_known_by_exactly_one_cookie() {
        assert_eq!(status(&[HOST, COOKIE]), None);
        let among = ("cookie", "a=b; conclave-4100={cookie}; conclave-4101=x");
        assert_eq!(status(&[HOST, among]), None);
        for cookie in [
            "conclave-4100=",
            "conclave-4100",
            "conclave-4101={cookie}",
            "conclave-4100={cookie}0",
            "conclave-4100={cookie}; conclave-4100={cookie}",
            "conclave-4100=x; conclave-4100={cookie}",
        ] {
            assert_eq!(status(&[HOST, ("cookie", cookie)]), UNAUTHORIZED, "{cookie}");
        }
        assert_eq!(status(&[HOST, COOKIE, COOKIE]), UNAUTHORIZED);
    }

    #[test]
    fn with_a_cookie_only_the_page_itself_may_ask() {
        for (site, expected) in [
            ("same-origin", None),
            ("none", None),
            ("same-site", FORBIDDEN),
            ("cross-site", FORBIDDEN),
            ("", FORBIDDEN),
        ] {
            let site = ("sec-fetch-site", site);
            assert_eq!(status(&[HOST, COOKIE, site]), expected, "{site:?}");
        }
        let asked = Asked::new();
        let json = ("content-type", "application/json; charset=utf-8");
        let length = ("content-length", "2");
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let status = |pairs: &[(&str, &str)]| {
                asked.status(method.clone(), &[&[HOST, COOKIE], pairs].concat())
            };
            assert_eq!(status(&[ORIGIN, json, length]), None);
            assert_eq!(status(&[ORIGIN, ("content-length", "0")]), None);
            assert_eq!(status(&[json, length]), FORBIDDEN, "no origin");
            assert_eq!(status(&[ORIGIN, length]), FORBIDDEN, "no type");
            for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
                let kind = ("content-type", kind);
                assert_eq!(status(&[ORIGIN, kind, length]), FORBIDDEN, "{kind:?}");
            }
            // The same from a program that has the token: it is no browser's doing.
            assert_eq!(asked.status(method.clone(), &[HOST, TOKEN, length]), None);
        }
    }
}
