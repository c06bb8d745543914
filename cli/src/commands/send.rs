//! `conclave send`: posts messages.

use std::ffi::{OsStr, OsString};

use clap::Args;
use conclave_node::api::client::Client;
use conclave_node::api::text::check_text;
use conclave_protocol::limits::TEXT_BYTES_MAX;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};

use crate::args::Context;
use crate::error::CliError;
use crate::escape;

/// Post a message to a room
///
/// Ends with 0 once the message is safe on this computer; colleagues who are offline receive
/// it when they return.
///
/// Example: conclave send Support "hello"
/// Example: dmesg | conclave send Support -
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SendArgs {
    /// The room, by name or id
    room: String,
    /// The text; `-` reads standard input, each line one message, empty lines skipped
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: OsString,
}

pub(crate) async fn run(context: &Context, args: &SendArgs) -> Result<(), CliError> {
    check(&args.text)?;
    send(context, &context.client()?, &args.room, &args.text).await
}

/// Checks a text before anything is asked of a node.
pub(crate) fn check(text: &OsStr) -> Result<(), CliError> {
    if text == "-" { Ok(()) } else { Ok(check_text(utf8(text)?)?) }
}

/// Posts a text that was checked, or what standard input holds.
pub(crate) async fn send(
    context: &Context,
    client: &Client,
    room: &str,
    text: &OsStr,
) -> Result<(), CliError> {
    if text == "-" {
        let stdin = BufReader::new(tokio::io::stdin());
        return send_lines(context, client, room, stdin).await;
    }
    post(context, client, room, utf8(text)?).await
}

fn utf8(text: &OsStr) -> Result<&str, CliError> {
    text.to_str().ok_or_else(|| {
        CliError::usage("the text is not valid UTF-8", "convert it to UTF-8, for example by iconv")
    })
}

/// Posts line by line, each before the next is read: what came before a bad line is safe.
async fn send_lines(
    context: &Context,
    client: &Client,
    room: &str,
    mut input: impl AsyncBufRead + Unpin,
) -> Result<(), CliError> {
    let mut number = 0_u64;
    while let Some(line) = read_line(&mut input).await.map_err(|error| {
        let message = format!("standard input cannot be read: {error}");
        CliError::failed(message, "the lines before were sent")
    })? {
        number += 1;
        let wrong = |what: String| {
            let hint = "correct it and send from this line on: the lines before were sent";
            CliError::usage(format!("line {number}: {what}"), hint)
        };
        let Line::Whole(bytes) = line else {
            return Err(wrong(format!("a message holds at most {TEXT_BYTES_MAX} bytes")));
        };
        let text = String::from_utf8(bytes).map_err(|_| wrong("not valid UTF-8".to_owned()))?;
        if text.trim().is_empty() {
            continue;
        }
        check_text(&text).map_err(|failure| wrong(failure.message))?;
        post(context, client, room, &text).await?;
    }
    Ok(())
}

async fn post(context: &Context, client: &Client, room: &str, text: &str) -> Result<(), CliError> {
    let message = client.send(room, text).await?;
    let shown = context.out.done(&message, |message| {
        let pending = if message.state == "pending" { " (pending)" } else { "" };
        format!("Sent to {}{pending}.", escape::line(&message.room.name))
    });
    match shown {
        // That nobody reads the confirmations is no reason to leave the other lines unsent.
        Err(CliError::OutputClosed) => Ok(()),
        shown => shown,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// The line without its end.
    Whole(Vec<u8>),
    /// More than a message can hold; the rest is left unread.
    TooLong,
}

/// Reads one line, holding no more of it than a message may have.
async fn read_line(input: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Line>> {
    let mut line = Vec::new();
    loop {
        let available = input.fill_buf().await?;
        if available.is_empty() {
            return Ok((!line.is_empty()).then(|| Line::Whole(without_return(line))));
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(available.len());
        // One byte more for a carriage return, which belongs to the line's end.
        if line.len() + taken > TEXT_BYTES_MAX + 1 {
            return Ok(Some(Line::TooLong));
        }
        line.extend_from_slice(&available[..taken]);
        input.consume(taken + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(Some(Line::Whole(without_return(line))));
        }
    }
}

fn without_return(mut line: Vec<u8>) -> Vec<u8> {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(input: &[u8]) -> Vec<Line> {
        // A buffer smaller than a line, so that lines arrive in pieces.
        let mut input = BufReader::with_capacity(7, input);
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut input).await.expect("in memory") {
            let stop = line == Line::TooLong;
            lines.push(line);
            if stop {
                break;
            }
        }
        lines
    }

    #[tokio::test]
    async fn lines_end_with_or_without_return() {
        let whole = |text: &str| Line::Whole(text.into());
        assert_eq!(
            lines(b"one\r\n\ntwo and more\nlast").await,
            [whole("one"), whole(""), whole("two and more"), whole("last")]
        );
        assert_eq!(lines(b"").await, []);
        assert_eq!(lines(b"\n").await, [whole("")]);
    }

    #[tokio::test]
    async fn long_lines_are_not_held() {
        let exact = [vec![b'a'; TEXT_BYTES_MAX], b"\r\n".to_vec()].concat();
        assert_eq!(lines(&exact).await, [Line::Whole(vec![b'a'; TEXT_BYTES_MAX])]);
        assert_eq!(lines(&vec![b'a'; 10_000_000]).await, [Line::TooLong]);
    }
}
