//! Who may call: the right Host, no foreign Origin, the home's token.
//!
//! A hostile web page can make a browser send requests to loopback, and DNS rebinding lets it
//! read the answers. Host and Origin stop both; the token stops other users of the computer.

use std::net::SocketAddr;

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, StatusCode};

use super::error::ApiError;

/// Decides whether a request is let through.
pub(super) struct Guard {
    hosts: Vec<String>,
    token: blake3::Hash,
}

impl Guard {
    /// For a listener at `address` whose callers know `token`.
    pub(super) fn new(address: SocketAddr, token: &str) -> Self {
        let port = address.port();
        // The address itself too: loopback is a whole network.
        let mut hosts = vec![address.to_string(), format!("localhost:{port}")];
        hosts.extend(["127.0.0.1", "[::1]"].map(|host| format!("{host}:{port}")));
        Self { hosts, token: blake3::hash(token.as_bytes()) }
    }

    /// Checks one request's headers.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = single(headers, HOST).ok_or_else(wrong_host)?;
        if !self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) {
            return Err(wrong_host());
        }
        if headers.contains_key(ORIGIN) {
            let same = single(headers, ORIGIN)
                .and_then(|origin| origin.strip_prefix("http://"))
                .is_some_and(|origin| origin.eq_ignore_ascii_case(host));
            if !same {
                return Err(wrong_origin());
            }
        }
        let token = single(headers, AUTHORIZATION)
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        // Comparing hashes takes constant time, whatever the lengths.
        match token {
            Some(token) if blake3::hash(token.as_bytes()) == self.token => Ok(()),
            _ => Err(wrong_token()),
        }
    }
}

/// The value of a header that must occur exactly once: of two, each reader may believe
/// another.
fn single(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn status(pairs: &[(&str, &str)]) -> Option<StatusCode> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().expect("a header");
            headers.append(name, value.parse().expect("a value"));
        }
        let guard = Guard::new("127.0.0.1:4100".parse().expect("an address"), "secret");
        let error = guard.check(&headers).err()?;
        Some(axum::response::IntoResponse::into_response(error).status())
    }

    const TOKEN: (&str, &str) = ("authorization", "Bearer secret");

    #[test]
    fn host_and_token_are_needed() {
        for host in ["127.0.0.1:4100", "localhost:4100", "[::1]:4100", "LocalHost:4100"] {
            assert_eq!(status(&[("host", host), TOKEN]), None, "{host}");
        }
        let unauthorized = Some(StatusCode::UNAUTHORIZED);
        assert_eq!(status(&[("host", "localhost:4100")]), unauthorized);
        for value in ["Bearer secre", "Bearer secrets", "Bearer", "Basic secret", "secret"] {
            let token = ("authorization", value);
            assert_eq!(status(&[("host", "localhost:4100"), token]), unauthorized, "{value}");
        }
        assert_eq!(status(&[("host", "localhost:4100"), TOKEN, TOKEN]), unauthorized);
    }

    #[test]
    fn other_hosts_and_origins_are_refused() {
        let forbidden = Some(StatusCode::FORBIDDEN);
        assert_eq!(status(&[TOKEN]), forbidden);
        for host in ["evil.example", "127.0.0.1", "127.0.0.1:80", "localhost.evil:4100"] {
            assert_eq!(status(&[("host", host), TOKEN]), forbidden, "{host}");
        }
        let host = ("host", "127.0.0.1:4100");
        assert_eq!(status(&[host, host, TOKEN]), forbidden);
        for origin in
            ["null", "http://evil.example", "https://127.0.0.1:4100", "http://localhost:4100", ""]
        {
            assert_eq!(status(&[host, ("origin", origin), TOKEN]), forbidden, "{origin}");
        }
        assert_eq!(status(&[host, ("origin", "http://127.0.0.1:4100"), TOKEN]), None);
    }
}
