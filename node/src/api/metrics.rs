//! Figures for a monitoring program, in the text format of Prometheus.
//!
//! No name of a room or person is among them, and no label whose values others could choose.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::{Mutex, PoisonError};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use conclave_protocol::engine::Engine;

use super::error::ApiError;
use super::server::App;

/// Of a request to no route that there is; files of the page are among them.
const NO_ROUTE: &str = "other";

/// Method, route and status.
type Asked = (&'static str, String, u16);

/// How often each route was asked, with which answer.
#[derive(Default)]
pub(super) struct Requests(Mutex<BTreeMap<Asked, u64>>);

impl Requests {
    /// One more. The route is one of ours, the method one that everybody knows: what a caller
    /// invents makes no entry of its own.
    pub(super) fn count(&self, method: &Method, route: Option<&str>, status: StatusCode) {
        let known = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::OPTIONS,
            Method::PATCH,
        ];
        let method = match known.iter().position(|known| known == method) {
            Some(place) => ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"][place],
            None => NO_ROUTE,
        };
        let asked = (method, route.unwrap_or(NO_ROUTE).to_owned(), status.as_u16());
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(asked).or_default() += 1;
    }

    fn all(&self) -> BTreeMap<Asked, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Figures for a monitoring program
///
/// The text format of Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "Figures.", content_type = "text/plain", body = String))
)]
pub(super) async fn metrics(State(app): State<App>) -> Result<Response, ApiError> {
    let status = app.handle.query(Engine::status).await?;
    let mut text = Exposition::default();
    let version = env!("CARGO_PKG_VERSION");
    text.family("conclave_build_info", "gauge", "The version of the program.");
    text.value("conclave_build_info", &[("version", &version)], 1);
    text.single("conclave_peers", "gauge", "Connected peers.", app.handle.net().peers.len());
    let about = "Objects of the control log that count.";
    text.single("conclave_control_objects", "gauge", about, status.control_objects);
    let about = "Rooms that this agent may access.";
    text.single("conclave_rooms", "gauge", about, status.rooms.len());
    let messages: u64 = status.rooms.iter().map(|room| room.messages).sum();
    text.single("conclave_messages", "gauge", "Accepted messages in these rooms.", messages);
    let about = "Certified devices of the company.";
    text.single("conclave_devices", "gauge", about, status.applied.devices);
    let about = "Devices known to have this node's state of the control log.";
    text.single("conclave_devices_applied", "gauge", about, status.applied.applied);
    text.single("conclave_alarms", "gauge", "What needs attention.", status.alarms.len());
    let stalled = u8::from(app.handle.stalled().is_some());
    let about = "1 while nothing can be made durable.";
    text.single("conclave_disk_stalled", "gauge", about, stalled);
    let about = "What was refused since the node started, by reason.";
    text.family("conclave_refused_total", "counter", about);
    for (reason, count) in &status.verdicts {
        text.value("conclave_refused_total", &[("reason", reason)], count);
    }
    let about = "Open streams of events.";
    text.single("conclave_api_streams", "gauge", about, app.streams.count());
    let about = "Requests to the local API since the node started.";
    text.family("conclave_api_requests_total", "counter", about);
    for ((method, route, status), count) in app.requests.all() {
        let labels: [(&str, &dyn Display); 3] =
            [("method", &method), ("route", &route), ("status", &status)];
        text.value("conclave_api_requests_total", &labels, count);
    }
    let kind = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((kind, text.0).into_response())
}

/// The text as it grows.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, about: &str) {
        self.write(format_args!("# HELP {name} {about}\n# TYPE {name} {kind}\n"));
    }

    fn single(&mut self, name: &str, kind: &str, about: &str, value: impl Display) {
        self.family(name, kind, about);
        self.value(name, &[], value);
    }

    fn value(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.write(format_args!("{name}"));
        for (place, (label, text)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            let text = text.to_string().replace('\\', "\\\\").replace('"', "\\\"");
            self.write(format_args!("{before}{label}=\"{}\"", text.replace('\n', "\\n")));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        self.write(format_args!("{after} {value}\n"));
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // A text takes everything.
        let _ = self.0.write_fmt(arguments);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_as_monitoring_programs_read_it() {
        let mut text = Exposition::default();
        text.single("a", "gauge", "One thing.", 3);
        text.value("b", &[("x", &"1\"\\\n"), ("y", &2)], 4);
        let expected =
            "# HELP a One thing.\n# TYPE a gauge\na 3\nb{x=\"1\\\"\\\\\\n\",y=\"2\"} 4\n";
        assert_eq!(text.0, expected);
    }

    #[test]
    fn what_a_caller_invents_makes_no_entry_of_its_own() {
        let requests = Requests::default();
        for number in 0..100 {
            let method = Method::from_bytes(format!("M{number}").as_bytes()).expect("a method");
            requests.count(&method, None, StatusCode::NOT_FOUND);
        }
        requests.count(&Method::GET, Some("/v1/status"), StatusCode::OK);
        let all = requests.all();
        assert_eq!(all.len(), 2);
        assert_eq!(all[&("other", "other".to_owned(), 404)], 100);
    }
}
