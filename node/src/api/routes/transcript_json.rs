//! A whole room as JSON that can be verified without a node, part by part.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use conclave_protocol::engine::{Engine, Failure, FailureKind, TranscriptPlan};
use futures::stream;
use utoipa_axum::routes;

use super::RoomQuery;
use crate::api::error::ApiError;
use crate::api::extract::Params;
use crate::api::server::{ApiRouter, App};
use crate::transcript::Writer;

/// Control objects that are read at once: of the largest some megabytes.
const OBJECTS: usize = 512;
/// Envelopes that are read at once.
const ENTRIES: usize = 128;

pub(super) fn router() -> ApiRouter {
    ApiRouter::new().routes(routes!(transcript_json))
}

/// The whole room as JSON that `conclave verify` checks without a node; see the guide of the API.
#[utoipa::path(
    get,
    path = "/v1/room/transcript/json",
    params(RoomQuery),
    responses((status = 200, description = "Done.", body = String, content_type = "application/json"))
)]
async fn transcript_json(
    State(app): State<App>,
    params: Params<RoomQuery>,
) -> Result<Response, ApiError> {
    if let Some(why) = app.handle.stalled() {
        // What is not durable may never have been written, so nobody must be shown it as signed.
        let message = format!("nothing can be exported while nothing is durable: {why}");
        let hint = "make room on the disk and try again";
        return Err(Failure::new(FailureKind::Failed, message, hint).into());
    }
    let look = app.handle.query(move |engine| engine.plan_transcript(&params.0.room));
    let plan = look.await??;
    let (writer, first) = Writer::new(&plan);
    let job = Job { app, plan, writer: Some(writer), next: Next::First(first) };
    let body = Body::from_stream(stream::unfold(job, Job::next));
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// What is written next.
enum Next {
    First(String),
    /// Control objects from this one on.
    Objects(usize),
    /// Envelopes from this one on.
    Entries(usize),
    Nothing,
}

struct Job {
    app: App,
    plan: TranscriptPlan,
    /// None while it writes, and after it has failed.
    writer: Option<Writer>,
    next: Next,
}

impl Job {
    /// The next part. If the room is open no longer, or the node stops, the answer breaks off, so
    /// that nobody takes a part for the whole.
    async fn next(mut self) -> Option<(io::Result<String>, Self)> {
        if matches!(self.next, Next::Nothing) {
            return None;
        }
        if *self.app.closing.borrow() {
            self.next = Next::Nothing;
            return Some((Err(io::Error::other("the node is stopping")), self));
        }
        match self.part().await {
            Ok((part, job)) => Some((Ok(part), job)),
            Err((error, mut job)) => {
                job.next = Next::Nothing;
                Some((Err(error), *job))
            }
        }
    }

    async fn part(mut self) -> Result<(String, Self), (io::Error, Box<Self>)> {
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::First(part) => {
                self.next = Next::Objects(0);
                Ok((part, self))
            }
            Next::Objects(from) => {
                let to = (from + OBJECTS).min(self.plan.objects.len());
                let ids = self.plan.objects.get(from..to).unwrap_or_default().to_vec();
                let is_last = to == self.plan.objects.len();
                let read = look(&self.app, move |engine| engine.transcript_objects(&ids)).await;
                let objects = match read {
                    Ok(objects) => objects,
                    Err(error) => return Err((error, Box::new(self))),
                };
                self.next = if is_last { Next::Entries(0) } else { Next::Objects(to) };
                self.write(move |writer| {
                    let part = writer.objects(&objects)?;
                    // All are here: the log is evaluated, which takes a while.
                    Some(part + &if is_last { writer.end_objects()? } else { String::new() })
                })
                .await
            }
            Next::Entries(from) => {
                let to = (from + ENTRIES).min(self.plan.entries.len());
                let ids = self.plan.entries.get(from..to).unwrap_or_default().to_vec();
                let is_last = to == self.plan.entries.len();
                let room = self.plan.head.room;
                let read =
                    look(&self.app, move |engine| engine.transcript_entries(room, &ids)).await;
                let entries = match read {
                    Ok(entries) => entries,
                    Err(error) => return Err((error, Box::new(self))),
                };
                if !is_last {
                    self.next = Next::Entries(to);
                }
                let (part, job) = self.write(move |writer| writer.entries(entries)).await?;
                if !is_last {
                    return Ok((part, job));
                }
                let head = job.plan.head.clone();
                let print = job.writer.as_ref().map(Writer::fingerprint).unwrap_or_default();
                let sign = move |engine: &Engine| Ok(engine.seal_transcript(&head, print));
                match look(&job.app, sign).await {
                    Ok(seal) => Ok((part + &Writer::end(&seal), job)),
                    Err(error) => Err((error, Box::new(job))),
                }
            }
            Next::Nothing => Ok((String::new(), self)),
        }
    }

    /// Writes on a thread that may take its time.
    async fn write(
        mut self,
        write: impl FnOnce(&mut Writer) -> Option<String> + Send + 'static,
    ) -> Result<(String, Self), (io::Error, Box<Self>)> {
        let writer = self.writer.take();
        let written = tokio::task::spawn_blocking(move || {
            let mut writer = writer?;
            write(&mut writer).map(|part| (part, writer))
        });
        if let Ok(Some((part, writer))) = written.await {
            self.writer = Some(writer);
            Ok((part, self))
        } else {
            Err((io::Error::other("what is stored is damaged"), Box::new(self)))
        }
    }
}

async fn look<T: Send + 'static>(
    app: &App,
    look: impl FnOnce(&Engine) -> Result<T, Failure> + Send + 'static,
) -> io::Result<T> {
    match app.handle.query(look).await {
        Ok(Ok(seen)) => Ok(seen),
        Ok(Err(failure)) | Err(failure) => Err(io::Error::other(failure)),
    }
}
