//! Names that deceive, for whoever shows names.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use conclave_protocol::engine::{Failure, FailureKind};
use conclave_protocol::id::ObjectId;
use tokio::sync::Mutex;
use utoipa_axum::routes;

use super::Answer;
use crate::api::server::{ApiRouter, App};
use crate::api::types::{Mark, Marks};
use crate::handle::Handle;
use crate::names::{Marked, Names};

pub(super) fn router() -> ApiRouter {
    ApiRouter::new().routes(routes!(marks))
}

/// The names of one state of the control log, and those among them that deceive.
pub(super) struct Looked {
    digest: ObjectId,
    pub(super) names: Names,
    marked: Vec<Marked>,
}

/// What was found out about names, until the control log changes.
#[derive(Clone, Default)]
pub(in crate::api) struct LookedAt(Arc<Mutex<Option<Arc<Looked>>>>);

impl LookedAt {
    pub(super) async fn now(&self, handle: &Handle) -> Result<Arc<Looked>, Failure> {
        // Held while names are looked at: who comes meanwhile wants the same.
        let mut kept = self.0.lock().await;
        let known = kept.as_ref().map(|looked| looked.digest);
        let names = handle.query(move |engine| engine.names(known)).await??;
        if let (None, Some(looked)) = (&names, kept.as_ref()) {
            return Ok(Arc::clone(looked));
        }
        let (digest, names) = names.unwrap_or_default();
        // Work that grows with the company does not hold up others.
        let look = tokio::task::spawn_blocking(move || {
            let names = Names::new(names);
            let marked = names.marked();
            Arc::new(Looked { digest, names, marked })
        });
        let looked = look.await.map_err(|error| {
            let hint = "report this: it is a fault in the program";
            Failure::new(FailureKind::Failed, format!("names cannot be looked at: {error}"), hint)
        })?;
        *kept = Some(Arc::clone(&looked));
        Ok(looked)
    }
}

/// Names of agents, rooms and units that deceive, with why.
#[utoipa::path(
    get,
    path = "/v1/marks",
    responses((status = 200, description = "Done.", body = Marks))
)]
async fn marks(State(app): State<App>) -> Answer<Marks> {
    let looked = app.looked_at.now(&app.handle).await?;
    let mark = |marked: &Marked| Mark {
        id: marked.id,
        name: marked.name.clone(),
        note: marked.note.clone(),
    };
    Ok(Json(Marks { marks: looked.marked.iter().map(mark).collect() }))
}
