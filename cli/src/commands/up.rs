//! `conclave up`: runs the node.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use conclave_node::api::types::Join;
use conclave_node::handle::Handle;
use conclave_node::node::{Node, NodeConfig, Ready, StartError, StartErrorKind};
use conclave_protocol::engine::{Engine, Event};
use conclave_protocol::view::JoinState;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::sync::broadcast::error::RecvError;

use super::ask::opens;
use super::check_multiaddrs;
use super::join::{taken_text, waiting_text};
use crate::args::Context;
use crate::error::CliError;
use crate::logs;
use crate::output::Output;
use crate::signals::Signals;

/// Run this home's node in the foreground
///
/// When the node listens and its local API answers, prints one line of JSON on standard
/// output and nothing after it; `open` in it is a link that lets one browser in to the page. Logs go to standard error; the variable CONCLAVE_LOG chooses
/// them (default `warn`, for example `conclave_node=debug`). SIGINT or SIGTERM end it cleanly.
///
/// Example: conclave up --peer /ip4/192.168.1.7/tcp/4100
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Address to listen on; may be repeated [default: all interfaces, any port]
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<String>,
    /// Address of another node to keep a connection with; may be repeated
    #[arg(long, value_name = "MULTIADDR")]
    peer: Vec<String>,
    /// Where the local API and the web page are; loopback only [default: as the last time, or any
    /// free port]
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0", hide_default_value = true)]
    api: SocketAddr,
    /// Do not look for peers on the local network
    #[arg(long)]
    no_mdns: bool,
    /// File whose first line is the passphrase of this home, if it has one; `-` reads standard
    /// input
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// End when standard input ends: so a devnet that is killed leaves no nodes behind
    #[arg(long, hide = true)]
    with_parent: bool,
}

/// The line that says that the node is ready.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReadyLine {
    pub(crate) ready: bool,
    pub(crate) member: bool,
    pub(crate) peer_id: String,
    pub(crate) listen: Vec<String>,
    pub(crate) api: Option<String>,
    pub(crate) open: Option<String>,
}

impl From<Ready> for ReadyLine {
    fn from(ready: Ready) -> Self {
        Self {
            ready: true,
            member: ready.member,
            peer_id: ready.peer_id,
            listen: ready.listen,
            api: ready.api,
            open: ready.open,
        }
    }
}

pub(crate) async fn run(context: &Context, args: UpArgs) -> Result<(), CliError> {
    check_multiaddrs(&args.listen)?;
    check_multiaddrs(&args.peer)?;
    if !args.api.ip().is_loopback() {
        return Err(CliError::usage(
            format!("the local API cannot listen on {}: that is not loopback", args.api),
            "give an address such as 127.0.0.1:4180",
        ));
    }
    let passphrase = opens(&context.home, args.passphrase_file.as_deref())?;
    logs::start();
    let mut signals = Signals::listen()?;
    let config = NodeConfig {
        home: context.home.clone(),
        listen: args.listen,
        peers: args.peer,
        mdns: !args.no_mdns,
        api: Some(args.api),
        passphrase,
    };
    let mut node = tokio::select! {
        started = Node::start(config) => started.map_err(start_error)?,
        () = signals.ended() => return Ok(()),
    };
    let ready = ReadyLine::from(node.ready());
    let member = ready.member;
    match context.out.document(&ready) {
        // The node runs for others too: that nobody reads the line is no reason to end.
        Ok(()) | Err(CliError::OutputClosed) => {}
        Err(error) => {
            node.stop().await;
            return Err(error);
        }
    }
    context.out.note("The node is running; Ctrl-C ends it. `conclave open` shows its web page.");
    let handle = node.handle();
    let result = tokio::select! {
        () = signals.ended() => Ok(()),
        () = parent_gone(args.with_parent) => Ok(()),
        reason = node.failed() => Err(CliError::failed(
            format!("the node failed: {reason}"),
            "repair the cause, then run `conclave up` again: what was confirmed is safe",
        )),
        () = tell_join(context.out, handle, member) => Ok(()),
    };
    tokio::select! {
        () = node.stop() => result,
        // Asked twice: the store is consistent at any moment, so this loses nothing.
        () = signals.ended() => Err(CliError::failed(
            "ended before everything was closed",
            "nothing that was confirmed is lost",
        )),
    }
}

fn start_error(error: StartError) -> CliError {
    if error.kind != StartErrorKind::EmptyHome {
        return error.into();
    }
    CliError::new(
        "not_found",
        error.message,
        "found a company with `conclave init`, or ask to be let into one with `conclave join`",
    )
}

/// Resolves when standard input ends, if that is to count.
async fn parent_gone(counts: bool) {
    if !counts {
        std::future::pending::<()>().await;
    }
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 64];
    // An error means the same as the end: nobody holds the other side any more.
    while matches!(stdin.read(&mut ignored).await, Ok(1..)) {}
}

/// Tells a person at this terminal how a request to join goes on. Never resolves.
async fn tell_join(out: Output, handle: Handle, member: bool) {
    let mut events = handle.events();
    let mut shown_code = None;
    let mut taken = false;
    let mut waiting = !member;
    while waiting {
        let Ok(join) = handle.query(Engine::join_view).await else { break };
        if let Some(join) = join {
            let admitted = join.state == JoinState::Admitted;
            let refused = join.state == JoinState::Refused;
            let news = join.code.is_some() && join.code != shown_code && !admitted;
            shown_code.clone_from(&join.code);
            let join = Join::from(join);
            if admitted {
                out.note(&format!("Admitted as {}.", crate::escape::line(&join.agent)));
                break;
            }
            if refused {
                out.note(
                    "An admin refused the request to join. Ask the admin why; to ask again, end \
                     this node and run `conclave join`.",
                );
                break;
            }
            if join.name_taken && !taken {
                out.note(&taken_text(&join));
            }
            taken = join.name_taken;
            if news {
                out.note(&waiting_text(&join));
            }
        }
        waiting = loop {
            match events.recv().await {
                Ok(Event::Join(_)) | Err(RecvError::Lagged(_)) => break true,
                Ok(_) => {}
                Err(RecvError::Closed) => break false,
            }
        };
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_as_documented() {
        let ready = Ready {
            member: true,
            peer_id: "12D3".into(),
            listen: vec!["/ip4/127.0.0.1/tcp/1/p2p/12D3".into()],
            api: Some("http://127.0.0.1:2".into()),
            open: Some("http://127.0.0.1:2/open/3".into()),
        };
        let line = serde_json::to_string(&ReadyLine::from(ready)).expect("JSON");
        let expected = r#"{"ready":true,"member":true,"peer_id":"12D3","#.to_owned()
            + r#""listen":["/ip4/127.0.0.1/tcp/1/p2p/12D3"],"api":"http://127.0.0.1:2","#
            + r#""open":"http://127.0.0.1:2/open/3"}"#;
        assert_eq!(line, expected);
    }
}
