//! Serving the local API.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Extensions, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;

use super::accept::accept_all;
use super::auth::{Caller, Guard, another_user};
use super::error::ApiError;
use super::journal::Journal;
use super::metrics::Requests;
use super::routes::marks::LookedAt;
use super::secret::Seal;
use super::sessions::Sessions;
use super::socket_owner::ClientSocket;
use super::streams::Streams;
use super::{page, routes};
use crate::handle::Handle;

/// How long one request may take; streams of events are exempt.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// Until a backup is written.
pub(super) const BACKUP_TIME_MAX: Duration = Duration::from_hours(1);
/// How long open requests may go on once the node stops.
const CLOSING_TIME_MAX: Duration = Duration::from_secs(3);

/// What every route can reach.
#[derive(Clone)]
pub(super) struct App {
    /// The node.
    pub(super) handle: Handle,
    /// Turns true when the node stops, so that endless answers end.
    pub(super) closing: watch::Receiver<bool>,
    /// Opens the secrets that clients send.
    pub(super) seal: Seal,
    /// The browsers that are let in.
    pub(super) sessions: Arc<Sessions>,
    /// What happened, for streams of events.
    pub(super) journal: Arc<Journal>,
    /// The streams that are open.
    pub(super) streams: Arc<Streams>,
    /// How often each route was asked.
    pub(super) requests: Arc<Requests>,
    /// Who may call.
    pub(super) guard: Arc<Guard>,
    /// Names that deceive.
    pub(super) looked_at: LookedAt,
}

/// Serves the API on `listener` until `shutdown` resolves, then ends open requests.
///
/// # Errors
/// If `listener` is not on loopback, or cannot tell its address.
pub(crate) async fn serve(
    listener: TcpListener,
    handle: Handle,
    token: String,
    seal: Seal,
    sessions: Arc<Sessions>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the API serves loopback only"));
    }
    let (close, mut closing) = watch::channel(false);
    let guard = Arc::new(Guard::new(address, &token, sessions.clone()));
    let journal = Arc::new(Journal::new());
    // Before anyone can ask, so that nothing is missed.
    let events = handle.events();
    let app = App {
        handle: handle.clone(),
        closing: closing.clone(),
        seal,
        sessions,
        journal: journal.clone(),
        streams: Arc::default(),
        requests: Arc::default(),
        guard,
        looked_at: LookedAt::default(),
    };
    let router = routes::router()
        .layer(middleware::from_fn(limit_time))
        .layer(middleware::from_fn_with_state(app.clone(), check_caller))
        .layer(middleware::from_fn_with_state(app.clone(), count))
        .layer(middleware::map_response(async |response| page::add_headers(response)))
        .with_state(app);
    let serving = accept_all(listener, router, closing.clone());
    let closed = async move {
        shutdown.await;
        close.send_replace(true);
        std::future::pending::<()>().await;
    };
    let given_up = async move {
        // An error means that the sender is gone, which is the same news.
        let _ = closing.wait_for(|closing| *closing).await;
        tokio::time::sleep(CLOSING_TIME_MAX).await;
    };
    let writing_down = async move {
        journal.follow(&handle, events).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serving => {}
        () = writing_down => {}
        () = closed => {}
        () = given_up => {}
    }
    Ok(())
}

async fn check_caller(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let mut checked = if page::is_opening(method, path) {
        app.guard.check_address(request.headers()).map(|()| None)
    } else {
        app.guard.check(method, request.headers()).map(Some)
    };
    // Last, and only of who has a valid cookie: it costs more than the rest.
    if let Ok(Some(Caller::Session(_))) = checked
        && !is_own(request.extensions()).await
    {
        checked = Err(another_user(StatusCode::UNAUTHORIZED));
    }
    match checked {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(error) if page::is_for_people(path) => page::refusal(&error),
        Err(error) => error.into_response(),
    }
}

/// Whether a request comes from a program of this node's user, as far as that can be seen.
pub(super) async fn is_own(extensions: &Extensions) -> bool {
    match extensions.get::<Arc<ClientSocket>>().cloned() {
        Some(client) => client.is_own().await,
        None => false,
    }
}

async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let response = next.run(request).await;
    app.requests.count(&method, route.as_ref().map(MatchedPath::as_str), response.status());
    response
}

/// Only the time until the answer begins is limited, so that a stream of events may last.
async fn limit_time(request: Request, next: Next) -> Response {
    let long = request.uri().path() == routes::BACKUP_ROUTE;
    let most = if long { BACKUP_TIME_MAX } else { REQUEST_TIME_MAX };
    match tokio::time::timeout(most, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::timeout().into_response(),
    }
}

/// The type of router that the routes are written for.
pub(super) type ApiRouter = OpenApiRouter<App>;
