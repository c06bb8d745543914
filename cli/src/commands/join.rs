//! `conclave join`: asks to be let into a company.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use conclave_node::api::types::Join;
use conclave_node::handle::Handle;
use conclave_node::identity::PendingJoin;
use conclave_node::node::{self, Node, NodeConfig};
use conclave_protocol::engine::Event;
use conclave_protocol::view::{JoinState, JoinView};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::ask::opens_or_protects;
use super::{check_multiaddrs, check_new_name};
use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::logs;
use crate::output::{Output, shell_word};
use crate::signals::Signals;

/// How often the request is looked at even if no event came, as a safety net.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Ask to be let into a company
///
/// Makes this device's keys and a request that an admin must approve. Then waits and shows
/// the safety code, which the admin's screen must show as well: compare them by voice or in
/// person. If you interrupt the wait, the request stays; the next `conclave up` continues it.
///
/// Example: conclave join --as bob
#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// The name you want to have
    #[arg(long = "as", value_name = "AGENT")]
    agent: String,
    /// Address of a member's node, if the network does not find one; may be repeated
    #[arg(long, value_name = "MULTIADDR")]
    peer: Vec<String>,
    /// Ask only this company, if there are several
    #[arg(long, value_name = "NAME")]
    company: Option<String>,
    /// It is another computer of yours, and all others are lost: an admin has to decide alone,
    /// and everybody is warned
    #[arg(long)]
    others_lost: bool,
    /// Store keys and request, then end; the next `conclave up` sends it
    #[arg(long)]
    no_wait: bool,
    /// Do not look for peers on the local network
    #[arg(long)]
    no_mdns: bool,
    /// Address to listen on while waiting; may be repeated [default: all, any port]
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<String>,
    /// Protect this device's keys with the passphrase in the first line of this file, or open
    /// them if they have one; `-` reads standard input, and asks if that is a terminal
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: JoinArgs) -> Result<(), CliError> {
    check_new_name(&args.agent)?;
    if let Some(company) = &args.company {
        check_new_name(company)?;
    }
    check_multiaddrs(&args.peer)?;
    check_multiaddrs(&args.listen)?;
    let passphrase = opens_or_protects(&context.home, args.passphrase_file.as_deref())?;
    let join = PendingJoin {
        agent: args.agent.clone(),
        company: args.company.clone(),
        peers: args.peer.clone(),
        lost: args.others_lost,
    };
    node::request_join_as(&context.home, join, passphrase.as_ref())?;
    if args.no_wait {
        let waiting = Join {
            state: "waiting".into(),
            agent: args.agent,
            company: None,
            code: None,
            name_taken: false,
        };
        return context.out.done(&waiting, |waiting| {
            format!(
                "The request to join as {} is stored in {}. `conclave up` sends it.",
                escape::line(&waiting.agent),
                escape::line(&context.home.display().to_string())
            )
        });
    }
    logs::start();
    let mut signals = Signals::listen()?;
    let config = NodeConfig {
        home: context.home.clone(),
        listen: args.listen,
        peers: args.peer,
        mdns: !args.no_mdns,
        api: None,
        passphrase,
    };
    let mut node = tokio::select! {
        started = Node::start(config) => started?,
        () = signals.ended() => return Err(interrupted()),
    };
    context.out.note("Asking to be let in; waiting for a member's node and an admin…");
    let handle = node.handle();
    let result = tokio::select! {
        result = watch(&context.out, &handle, &args.agent) => result,
        reason = node.failed() => Err(CliError::failed(
            format!("the node failed: {reason}"),
            "repair the cause; `conclave up` continues the request",
        )),
        () = signals.ended() => Err(interrupted()),
    };
    node.stop().await;
    result
}

/// Follows the request until it is answered.
async fn watch(out: &Output, handle: &Handle, agent: &str) -> Result<(), CliError> {
    // Subscribed before the first look, so that no change falls between.
    let mut events = handle.events();
    let mut shown_code = None;
    let mut taken = false;
    loop {
        let join = look(handle, agent).await?;
        if join.code.is_some() && join.code != shown_code && join.state == JoinState::Waiting {
            shown_code.clone_from(&join.code);
            out.show(&Join::from(join.clone()), waiting_text)?;
        }
        if join.name_taken && !std::mem::replace(&mut taken, true) {
            out.show(&Join::from(join.clone()), taken_text)?;
        }
        match join.state {
            JoinState::Admitted => {
                return out.show(&Join::from(join), |join| {
                    format!(
                        "Admitted to {} as {}. `conclave up` runs this node.",
                        company_of(join),
                        escape::line(&join.agent)
                    )
                });
            }
            JoinState::Refused => {
                if out.json() {
                    out.document(&Join::from(join))?;
                }
                return Err(CliError::new(
                    "refused",
                    "an admin refused the request to join",
                    "ask the admin why; `conclave join` asks again",
                ));
            }
            // The node renews a lapsed request by itself.
            JoinState::Waiting | JoinState::Expired => {}
        }
        changed(&mut events).await;
    }
}

/// How the request stands now. Once this device is a member there may be no request any more.
async fn look(handle: &Handle, agent: &str) -> Result<JoinView, CliError> {
    let (join, status) = handle.query(|engine| (engine.join_view(), engine.status())).await?;
    if !status.member {
        return Ok(join.unwrap_or(JoinView {
            state: JoinState::Waiting,
            agent: agent.to_owned(),
            company: None,
            code: None,
            name_taken: false,
        }));
    }
    let code = join.and_then(|join| join.code);
    let agent = status.agent.map_or_else(|| agent.to_owned(), |agent| agent.name);
    let company = status.company;
    Ok(JoinView { state: JoinState::Admitted, agent, company, code, name_taken: false })
}

async fn changed(events: &mut Receiver<Event>) {
    let relevant = async {
        loop {
            match events.recv().await {
                Ok(Event::Join(_) | Event::Control) | Err(RecvError::Lagged(_)) => return,
                Ok(_) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    };
    // Elapsing is no failure: it is time to look again.
    let _ = tokio::time::timeout(LOOK_EVERY, relevant).await;
}

/// What a newcomer is told once the safety code is known.
pub(crate) fn waiting_text(join: &Join) -> String {
    let code = join.code.as_deref().unwrap_or_default();
    format!(
        "Safety code for {}: {}\n\
         Compare it with the admin, by voice or in person. If both screens show it, the admin \
         runs:\n  conclave agent approve {} --code {}\n\
         Is it another computer of yours? Then on one that you have:\n  conclave device add {}",
        company_of(join),
        escape::line(code),
        shell_word(&join.agent),
        shell_word(code),
        shell_word(code)
    )
}

/// What a newcomer is told whose name somebody bears.
pub(crate) fn taken_text(join: &Join) -> String {
    format!(
        "There is {} in {} already. If that is you, this computer waits for another one of \
         yours: run `conclave up` there; if they do not find each other, join with `--peer` and \
         an address that `conclave status` shows there. If all of them are lost, join with \
         `--others-lost`. If it is somebody else, join under another name.",
        escape::line(&join.agent),
        company_of(join)
    )
}

fn company_of(join: &Join) -> String {
    match &join.company {
        Some(company) => escape::line(&company.name).into_owned(),
        None => "the company".to_owned(),
    }
}

fn interrupted() -> CliError {
    CliError::failed(
        "interrupted before an admin answered; the request stays stored",
        "`conclave up` continues it",
    )
}
