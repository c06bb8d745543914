//! The web page: its files, the one-time link that lets a browser in, and the headers that
//! keep what it shows from harm.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION,
    REFERRER_POLICY, REFRESH, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::auth::another_user;
use super::error::{ApiError, wrong_method};
use super::server::{App, is_own};

/// Begins the path of every one-time link.
pub(super) const OPEN_PREFIX: &str = "/open/";

/// The page may load from its own node only, and holds no script or style besides its files.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                           img-src 'self'; connect-src 'self'; base-uri 'none'; \
                           form-action 'none'; frame-ancestors 'none'; \
                           require-trusted-types-for 'script'";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The files of the page: embedded in a release, read from the disk by a debug build.
#[derive(RustEmbed)]
#[folder = "web/"]
struct Files;

/// Whether an answer at this path is read by people, in a browser, even if it is a refusal.
pub(super) fn is_for_people(path: &str) -> bool {
    path == "/" || path.starts_with(OPEN_PREFIX)
}

/// Whether a request uses a one-time link, for which a browser needs nothing else.
pub(super) fn is_opening(method: &Method, path: &str) -> bool {
    let code = path.strip_prefix(OPEN_PREFIX).unwrap_or_default();
    *method == Method::GET && !code.is_empty()
}

/// Lets a browser in that comes with a one-time link.
pub(super) async fn open(State(app): State<App>, request: Request) -> Response {
    let path = request.uri().path();
    let code = path.strip_prefix(OPEN_PREFIX).unwrap_or_default();
    // To look ahead at a link must not use it up.
    if request.method() != Method::GET {
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET")]).into_response();
    }
    // Whoever reads it among the arguments of a browser must not use it, nor use it up.
    if app.sessions.has_link(code) && !is_own(request.extensions()).await {
        return refusal(&another_user(StatusCode::FORBIDDEN));
    }
    let cookie = match app.sessions.use_link(code) {
        Ok(Some(cookie)) => app.guard.set_cookie(&cookie),
        Ok(None) => {
            let title = "This link is not valid, or no longer";
            let text = "A link lets in one browser, within ten minutes. Ask for another with \
                        `conclave open`.";
            return for_people(StatusCode::FORBIDDEN, title, text);
        }
        Err(error) => {
            return for_people(
                StatusCode::INTERNAL_SERVER_ERROR,
                "This browser cannot be let in",
                &error.to_string(),
            );
        }
    };
    let Ok(cookie) = HeaderValue::from_str(&cookie) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let cookie = [(SET_COOKIE, cookie)];
    let from = request.headers().get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    if from.is_some_and(|from| from != b"none" && from != b"same-origin") {
        // Whoever follows a link from elsewhere would come to the page without the new cookie:
        // a redirection still counts as asked for by that other place. This page does not.
        let page = for_people(StatusCode::OK, "Conclave opens", "One moment.");
        return (cookie, [(REFRESH, "0; url=/")], page).into_response();
    }
    (StatusCode::SEE_OTHER, cookie, [(LOCATION, "/")]).into_response()
}

/// A file of the page, or that there is nothing at this path.
pub(super) async fn file(request: Request) -> Response {
    let path = request.uri().path();
    let name = if path == "/" { "index.html" } else { path.trim_start_matches('/') };
    let Some(file) = Files::get(name).filter(|_| !path.starts_with("//")) else {
        let hint = "see the description of the local API";
        let status = StatusCode::NOT_FOUND;
        return ApiError::new(status, "not_found", "there is no such route", hint).into_response();
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return ([(ALLOW, "GET, HEAD")], wrong_method()).into_response();
    }
    let tag = tag(&file);
    // A page that browsers keep for Back as it was would hold, asleep, the stream of events that one
    // window has for all.
    let kept = if name == "index.html" { "no-store" } else { "no-cache" };
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static(kept)),
        (CONTENT_TYPE, HeaderValue::from_static(content_type(name))),
        (ETAG, tag.clone()),
    ];
    if has_it_already(request.headers(), &tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, Body::from(file.data.into_owned())).into_response()
}

/// What every answer says to a browser, besides what it says itself.
pub(super) fn add_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Messages are not for the browser's disk.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A refusal as a page of its own.
pub(super) fn refusal(error: &ApiError) -> Response {
    let status = error.status();
    if status == StatusCode::UNAUTHORIZED {
        let text = "Open the link that `conclave open` prints, or the one that `conclave up` \
                    printed. It lets this browser in for thirty days.";
        return for_people(status, "This browser is not let in", text);
    }
    for_people(status, "This is refused", &error.text())
}

fn for_people(status: StatusCode, title: &str, text: &str) -> Response {
    let (title, text) = (escaped(title), escaped(text));
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <title>Conclave</title></head>\n<body>\n<h1>{title}</h1>\n<p>{text}</p>\n</body>\n</html>\n"
    );
    let kind = [(CONTENT_TYPE, HeaderValue::from_static(content_type(".html")))];
    (status, kind, page).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Browsers are told not to guess, so a file of another kind is not used at all.
fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/vnd.microsoft.icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn tag(file: &EmbeddedFile) -> HeaderValue {
    let digest = HEXLOWER.encode(&file.metadata.sha256_hash()[..16]);
    HeaderValue::from_str(&format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn has_it_already(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|value| value.split(','));
    // The comparison for this header is the weak one.
    known.any(|known| known.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(method: Method, path: &str, known: Option<&HeaderValue>) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(known) = known {
            request = request.header(IF_NONE_MATCH, known);
        }
        file(request.body(Body::empty()).expect("a request")).await
    }

    #[tokio::test]
    async fn files_are_served_as_what_they_are_and_sent_once() {
        let page = ask(Method::GET, "/", None).await;
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(page.headers()[CACHE_CONTROL], "no-store");
        let script = ask(Method::GET, "/js/main.js", None).await;
        assert_eq!(script.headers()[CACHE_CONTROL], "no-cache");
        let tag = page.headers()[ETAG].clone();
        let again = ask(Method::GET, "/index.html", Some(&tag)).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = ask(Method::GET, "/", Some(&HeaderValue::from_static("\"0\""))).await;
        assert_eq!(other.status(), StatusCode::OK);
        assert_eq!(ask(Method::POST, "/", None).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test]
    async fn nothing_else_of_the_disk_is_served() {
        for path in
            ["/../Cargo.toml", "/%2e%2e/Cargo.toml", "//etc/passwd", "/./", "/js", "/x.html"]
        {
            assert_eq!(
                ask(Method::GET, path, None).await.status(),
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
    }

    #[test]
    fn every_file_of_the_page_has_a_kind_that_browsers_take() {
        for name in Files::iter() {
            assert_ne!(content_type(&name), "application/octet-stream", "{name}");
        }
    }
}
