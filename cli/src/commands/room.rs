//! `conclave room`: Chat Rooms, their permissions, who has access and who is there.

use clap::{Args, Subcommand, ValueEnum};
use conclave_node::api::types::{
    Access, AccessLine, Change, Named, Participants, Room, RoomLine, Rooms,
};
use conclave_protocol::id::{AgentId, ObjectId, RoomId};
use serde::Serialize;

use super::change::{ChangeArgs, Order, carry_out};
use super::{check_new_name, why};
use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::marks::Marks;
use crate::output::{Output, list, short};

/// What can be done with Chat Rooms.
#[derive(Debug, Subcommand)]
pub(crate) enum RoomCommand {
    /// Make a room, open to units (admins)
    ///
    /// Whoever belongs to any of the units may read and write, now and later; `role:Agent`
    /// means everyone in the company.
    ///
    /// Example: conclave room new Sales --permit department:Sales --permit role:Manager
    New(NewRoomArgs),
    /// List the rooms that are open to me, with unread counts
    List(ListArgs),
    /// Show a room and its permissions
    Show(RoomArgs),
    /// Open a room to one more unit or agent (admins)
    Permit(PermitArgs),
    /// Take a permission away (admins)
    ///
    /// Without its last permission a room is open to nobody.
    Unpermit(UnpermitArgs),
    /// Give a room another name (admins)
    Rename(RenameArgs),
    /// Put a room out of use: it can be read, and nothing is posted (admins)
    Deactivate(RoomArgs),
    /// Put a room into use again (admins)
    Reactivate(RoomArgs),
    /// Delete a room: nobody can open it any more (admins)
    ///
    /// `conclave ratify` brings it back, as far as anybody still holds its messages.
    Delete(DeleteArgs),
    /// With Access: everyone who may read and write, with the permission that lets them in
    Access(AccessArgs),
    /// Participants: who is in the room now
    Participants(RoomArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NewRoomArgs {
    /// Its name: 1 to 64 characters, without '/' and ':'
    name: String,
    /// Whom it is open to, such as `department:Sales`; several, or repeated
    #[arg(long, value_name = "UNIT", required = true, num_args = 1..)]
    pub(crate) permit: Vec<String>,
    /// What newcomers may read
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = History::Full)]
    history: History,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum History {
    /// Everything
    Full,
    /// What is written after they came
    FromJoin,
}

impl History {
    fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::FromJoin => "from-join",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Also rooms that are not open to me (admins)
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RoomArgs {
    /// The room, by name or id
    room: String,
}

#[derive(Debug, Args)]
pub(crate) struct PermitArgs {
    /// The room, by name or id
    room: String,
    /// The unit or agent, such as `role:Manager` or `agent:bob`
    unit: String,
}

#[derive(Debug, Args)]
pub(crate) struct UnpermitArgs {
    #[command(flatten)]
    permit: PermitArgs,
    #[command(flatten)]
    how: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RenameArgs {
    /// The room, by name or id
    room: String,
    /// Its new name: 1 to 64 characters, without '/' and ':'
    name: String,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The room, by name or id
    room: String,
    #[command(flatten)]
    how: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AccessArgs {
    /// The room, by name or id
    room: String,
    /// Say why this agent has access or not: every grant, up to the root key
    #[arg(long, value_name = "AGENT")]
    why: Option<String>,
}

pub(crate) async fn run(context: &Context, command: RoomCommand) -> Result<(), CliError> {
    match &command {
        RoomCommand::New(NewRoomArgs { name, .. })
        | RoomCommand::Rename(RenameArgs { name, .. }) => check_new_name(name)?,
        _ => {}
    }
    let client = context.client()?;
    let out = &context.out;
    match command {
        RoomCommand::New(args) => {
            let room = client.new_room(&args.name, &args.permit, args.history.word()).await?;
            out.done(&room, |room: &Room| {
                let name = escape::line(&room.name);
                format!("Made {name}, open to {}.", list(&room.permissions))
            })
        }
        RoomCommand::List(args) => {
            let rooms = client.rooms(args.all).await?;
            let marks = Marks::ask(context, &client).await;
            out.show(&rooms, |rooms| rooms_text(out, rooms, &marks))
        }
        RoomCommand::Show(args) => {
            let room = client.room(&args.room).await?;
            let marks = Marks::ask(context, &client).await;
            out.show(&room, |room| room_text(out, room, &marks))
        }
        RoomCommand::Permit(args) => {
            let room = client.permit(&args.room, &args.unit).await?;
            out.done(&room, permissions_text)
        }
        RoomCommand::Unpermit(args) => unpermit(context, args).await,
        RoomCommand::Rename(RenameArgs { room, name }) => {
            change(context, Change::RenameRoom { room, name }, |room| {
                format!("The room is now called {}.", escape::line(&room.name))
            })
            .await
        }
        RoomCommand::Deactivate(RoomArgs { room }) => {
            change(context, Change::SetRoomActive { room, active: false }, in_use_text).await
        }
        RoomCommand::Reactivate(RoomArgs { room }) => {
            change(context, Change::SetRoomActive { room, active: true }, in_use_text).await
        }
        RoomCommand::Delete(args) => delete(context, args).await,
        RoomCommand::Access(AccessArgs { room, why: Some(agent) }) => {
            let why = client.why_access(&room, &agent).await?;
            out.show(&why, |why| why::access_text(out, why))
        }
        RoomCommand::Access(AccessArgs { room, why: None }) => {
            let access = client.access(&room).await?;
            let marks = Marks::ask(context, &client).await;
            out.show(&access, |access| access_text(out, access, &marks))
        }
        RoomCommand::Participants(args) => {
            let participants = client.participants(&args.room).await?;
            let marks = Marks::ask(context, &client).await;
            out.show(&participants, |participants| participants_text(participants, &marks))
        }
    }
}

async fn unpermit(context: &Context, args: UnpermitArgs) -> Result<(), CliError> {
    let PermitArgs { room, unit } = args.permit;
    let order = Order { change: Change::Unpermit { room, unit }, how: &args.how, root: None };
    carry_out(context, order, |changed| {
        (changed.room.clone(), changed.room.as_ref().map(permissions_text).unwrap_or_default())
    })
    .await
}

/// A change by which nobody loses anything.
async fn change(
    context: &Context,
    change: Change,
    text: impl FnOnce(&Room) -> String,
) -> Result<(), CliError> {
    let client = context.client()?;
    let changed = client.change(&client.request(change, None)?).await?;
    let room = changed.room.ok_or_else(|| {
        CliError::failed("the node did not say which room it changed", "look at what was done")
    })?;
    context.out.done(&room, text)
}

#[derive(Serialize)]
struct Deleted {
    id: Option<RoomId>,
    name: String,
    objects: Vec<ObjectId>,
}

async fn delete(context: &Context, args: DeleteArgs) -> Result<(), CliError> {
    let change = Change::DeleteRoom { room: args.room };
    carry_out(context, Order { change, how: &args.how, root: None }, |changed| {
        let id = changed.room.as_ref().map(|room| room.id);
        let words = format!("Deleted the room {}.", escape::line(&changed.subject));
        (Deleted { id, name: changed.subject.clone(), objects: changed.objects.clone() }, words)
    })
    .await
}

fn in_use_text(room: &Room) -> String {
    let name = escape::line(&room.name);
    if room.active {
        format!("{name} is in use again.")
    } else {
        format!("{name} is out of use: it can be read, and nothing is posted to it.")
    }
}

fn rooms_text(out: &Output, rooms: &Rooms, marks: &Marks) -> String {
    let row = |room: &RoomLine| {
        let unread = if room.access { room.unread.to_string() } else { "-".to_owned() };
        let note = match (room.access, room.active) {
            (false, _) => "no access",
            (true, false) => "not in use",
            (true, true) => "",
        };
        let name = format!("{}{}", escape::line(&room.name), marks.beside(room.id));
        vec![name, unread, short(room.id), note.to_owned()]
    };
    let rows: Vec<_> = rooms.rooms.iter().map(row).collect();
    out.table(&["CHAT ROOM", "UNREAD", "ID", ""], &rows, "No Chat Room is open to you.")
}

fn room_text(out: &Output, room: &Room, marks: &Marks) -> String {
    let note = marks.beside(room.id);
    let mut lines = vec![
        format!("{}{note}  {}", out.bold(escape::line(&room.name)), out.dim(room.id)),
        format!("history     {}", escape::line(&room.history)),
        format!("in use      {}", if room.active { "yes" } else { "no" }),
    ];
    if !room.topic.is_empty() {
        lines.insert(1, format!("topic       {}", escape::line(&room.topic)));
    }
    if room.permissions.is_empty() {
        lines.push("open to     nobody".to_owned());
    }
    // What is gone goes by its id, which is what `unpermit` needs.
    lines.extend(room.principals.iter().map(|permitted| {
        let gone = if permitted.gone {
            format!("  (gone: lets nobody in; {})", out.dim(permitted.id))
        } else {
            String::new()
        };
        format!("open to     {}{gone}", escape::line(&permitted.principal))
    }));
    lines.join("\n")
}

fn permissions_text(room: &Room) -> String {
    let name = escape::line(&room.name);
    match room.permissions.as_slice() {
        [] => format!("{name} is now open to nobody."),
        units => format!("{name} is now open to {}.", list(units)),
    }
}

fn access_text(out: &Output, access: &Access, marks: &Marks) -> String {
    let row = |agent: &AccessLine| {
        let present = if agent.present { "present" } else { "away" };
        let name = format!("{}{}", escape::line(&agent.name), marks.beside(agent.id));
        vec![name, present.to_owned(), list(&agent.via)]
    };
    let rows: Vec<_> = access.agents.iter().map(row).collect();
    out.table(&["WITH ACCESS", "NOW", "THROUGH"], &rows, "Nobody has access.")
}

fn participants_text(participants: &Participants, marks: &Marks) -> String {
    let name =
        |agent: &Named<AgentId>| format!("{}{}", escape::line(&agent.name), marks.beside(agent.id));
    let names: Vec<_> = participants.agents.iter().map(name).collect();
    if names.is_empty() { "Nobody is in the room now.".to_owned() } else { names.join("\n") }
}
