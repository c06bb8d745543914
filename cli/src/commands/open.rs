//! `conclave open`: the web page.

use std::io::{self, IsTerminal};

use clap::Args;

use crate::args::Context;
use crate::error::CliError;
use crate::output::Output;

/// Show the web page of this home's node
///
/// Prints a link that lets one browser in, within ten minutes; it stays let in for thirty days.
/// In a terminal on a desktop, the link is opened too.
///
/// Example: conclave open --no-browser
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct OpenArgs {
    /// Only print the link
    #[arg(long)]
    no_browser: bool,
    /// Sign out all browsers instead; links that were not used yet stay good
    #[arg(long, conflicts_with = "no_browser")]
    end_sessions: bool,
}

pub(crate) async fn run(context: &Context, args: &OpenArgs) -> Result<(), CliError> {
    if args.end_sessions {
        let ended = context.client()?.end_sessions().await?;
        return context.out.show(&ended, |ended| match ended.ended {
            0 => "No browser was let in.".to_owned(),
            1 => "The browser that was let in is so no longer.".to_owned(),
            several => format!("{several} browsers are let in no longer."),
        });
    }
    let link = context.client()?.new_link().await?;
    context.out.show(&link, |link| link.open.clone())?;
    if !args.no_browser {
        open_on_desktop(&context.out, &link.open).await;
    }
    Ok(())
}

/// Opens a link in the browser of whoever sits at this terminal, if there is a desktop.
pub(crate) async fn open_on_desktop(out: &Output, link: &str) {
    if out.json() || !io::stdout().is_terminal() || !has_desktop() {
        return;
    }
    let link = link.to_owned();
    // It may take a while to start a browser. That there is none is no failure: the link was
    // printed.
    let opening = tokio::task::spawn_blocking(move || webbrowser::open(&link));
    if !matches!(opening.await, Ok(Ok(()))) {
        out.note("No browser could be opened: open the link yourself.");
    }
}

fn has_desktop() -> bool {
    let named = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(any(target_os = "macos", windows)) || named("DISPLAY") || named("WAYLAND_DISPLAY")
}
