//! Taking connections to the local API: few at a time, and none that only sits there.
//!
//! Any program on the computer can connect. What it cannot do without the token is to use more
//! than its share of connections, or to hold one without asking anything.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::patient::Patient;
use super::socket_owner::ClientSocket;

/// Most connections at once; event streams count.
const CONNECTIONS_MAX: usize = 128;
/// How long a connection may take to send the head of a request, the first as any other.
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a caller may take no byte of an answer. Streams of events count.
const WRITE_TIME_MAX: Duration = Duration::from_secs(30);
/// After a failure to accept, which is for lack of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Serves connections until `closing` turns true, then waits for open requests.
pub(super) async fn accept_all(
    listener: TcpListener,
    router: Router,
    mut closing: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // An error means that the sender is gone, which is the same news.
            _ = closing.wait_for(|closing| *closing) => break,
        };
        let (stream, client) = match accepted.and_then(with_client) {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the local API cannot take a connection");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::debug!("the local API has no place for another connection");
            continue;
        };
        no_delay(&stream);
        let client = Arc::new(client);
        let router = TowerToHyperService::new(router.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(client.clone());
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .serve_connection(TokioIo::new(Patient::new(stream, WRITE_TIME_MAX)), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the local API ended badly");
            }
            drop(place);
        });
    }
    graceful.shutdown().await;
}

/// A connection with what is known of its other end.
fn with_client((stream, client): (TcpStream, SocketAddr)) -> io::Result<(TcpStream, ClientSocket)> {
    let client = ClientSocket::new(client, stream.local_addr()?);
    Ok((stream, client))
}

/// Answers are small and events single: waiting to fill a packet would only delay them.
fn no_delay(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "an API connection keeps its delay");
    }
}
