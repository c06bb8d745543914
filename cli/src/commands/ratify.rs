//! `conclave ratify`: standing behind what lost its authority, and letting back in.

use clap::Args;
use conclave_node::api::types::Change;
use conclave_protocol::id::ObjectId;
use serde::Serialize;

use super::change::{ChangeArgs, Order, carry_out};
use super::root_key::RootKeyArgs;
use crate::args::Context;
use crate::error::CliError;
use crate::escape;

/// Stand behind a void object, or let a revoked agent, device, unit or room return
///
/// An object is void when the authority behind it was cut off; `conclave log` shows those and
/// `conclave why ID` says why. Whoever could issue an object can ratify it.
///
/// Example: conclave ratify agent:bob
/// Example: conclave ratify room:Hall --dry-run
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RatifyArgs {
    /// An id of `conclave log`, or a name such as `agent:bob`, `department:Support`, `room:Hall`
    id: String,
    #[command(flatten)]
    root: RootKeyArgs,
    #[command(flatten)]
    how: ChangeArgs,
}

#[derive(Serialize)]
struct Ratified {
    subject: String,
    objects: Vec<ObjectId>,
}

pub(crate) async fn run(context: &Context, args: RatifyArgs) -> Result<(), CliError> {
    let RatifyArgs { id, root, how } = args;
    let change = Change::Ratify { target: id };
    carry_out(context, Order { change, how: &how, root: Some(&root) }, |changed| {
        let words = format!("Ratified: {}.", escape::line(&changed.subject));
        (Ratified { subject: changed.subject.clone(), objects: changed.objects.clone() }, words)
    })
    .await
}
