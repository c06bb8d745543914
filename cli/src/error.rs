//! What went wrong, as the contract wants it: an exit code, one line of what, one of what to
//! do next.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use conclave_node::api::types::{ErrorDocument, Problem};
use conclave_node::node::{StartError, StartErrorKind};
use conclave_protocol::engine::Failure;

use crate::escape;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum CliError {
    /// To be reported.
    Problem(Problem),
    /// Whoever read standard output has gone away, as `head` does: nothing to report.
    OutputClosed,
}

impl CliError {
    pub(crate) fn new(kind: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Problem(Problem::new(kind, message, hint))
    }

    /// The input is not valid.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new("usage", message, hint)
    }

    /// It could not be done.
    pub(crate) fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new("failed", message, hint)
    }

    /// Reports it and gives the exit code.
    pub(crate) fn finish(&self, json: bool) -> ExitCode {
        match self {
            Self::OutputClosed => ExitCode::SUCCESS,
            Self::Problem(problem) => {
                report(problem, json);
                ExitCode::from(exit_code(&problem.kind))
            }
        }
    }
}

impl From<Problem> for CliError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        Self::Problem(failure.into())
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        let kind = match error.kind {
            StartErrorKind::Usage => "usage",
            StartErrorKind::Refused => "refused",
            StartErrorKind::EmptyHome => "not_found",
            StartErrorKind::Conflict => "conflict",
            StartErrorKind::Failed => "failed",
        };
        Self::new(kind, error.message, error.hint)
    }
}

/// The exit code of the contract for a kind of problem.
fn exit_code(kind: &str) -> u8 {
    match kind {
        "usage" => 2,
        "not_running" => 3,
        "not_member" | "no_access" | "not_admin" | "wrong_code" | "refused" => 4,
        "not_found" => 5,
        "conflict" => 6,
        _ => 1,
    }
}

/// Writes a problem to standard error. That nobody reads it there changes nothing.
fn report(problem: &Problem, json: bool) {
    let text = if json {
        let document = ErrorDocument { error: problem.clone() };
        let line = serde_json::to_string(&document).unwrap_or_default();
        escape::json(&line).into_owned() + "\n"
    } else {
        let mut text = format!("error: {}\n", escape::line(&problem.message));
        if !problem.hint.is_empty() {
            text += &format!("hint: {}\n", escape::line(&problem.hint));
        }
        text
    };
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Ends after the command line could not be read, or asked for help or version.
pub(crate) fn finish_parse(error: &clap::Error, json: bool) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let bare = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if bare && !json {
        let _ = error.print();
        return ExitCode::from(2);
    }
    let problem = if bare {
        Problem::new("usage", "a command is missing", "see `conclave --help`")
    } else {
        parse_problem(&error.render().to_string())
    };
    report(&problem, json);
    ExitCode::from(exit_code(&problem.kind))
}

/// Clap explains itself over several paragraphs; the contract wants two lines.
fn parse_problem(rendered: &str) -> Problem {
    let mut paragraphs = rendered.split("\n\n");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let message = words(paragraphs.next().unwrap_or_default());
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    let rest: Vec<String> = paragraphs.map(words).collect();
    let tip = rest.iter().find_map(|text| text.strip_prefix("tip: "));
    let usage = rest.iter().find_map(|text| {
        let at = text.find("Usage: ")?;
        Some(format!("usage: {}", &text[at + "Usage: ".len()..]))
    });
    let hint = match (tip, usage) {
        (Some(tip), _) => tip.to_owned(),
        (None, Some(usage)) => {
            usage.trim_end_matches(" For more information, try '--help'.").to_owned()
        }
        (None, None) => "see `conclave --help`".to_owned(),
    };
    Problem::new("usage", message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_follow_the_contract() {
        for (kind, code) in [
            ("failed", 1),
            ("usage", 2),
            ("not_running", 3),
            ("not_member", 4),
            ("no_access", 4),
            ("not_admin", 4),
            ("wrong_code", 4),
            ("not_found", 5),
            ("conflict", 6),
        ] {
            assert_eq!(exit_code(kind), code, "{kind}");
        }
    }

    #[test]
    fn errors_of_the_command_line_are_two_lines() {
        let parse = |line: &[&str]| {
            let raw: Vec<_> = line.iter().map(std::ffi::OsString::from).collect();
            parse_problem(&crate::args::parse(&raw).expect_err("wrong").render().to_string())
        };
        let missing = parse(&["conclave", "room", "new", "Support"]);
        assert_eq!(
            missing.message,
            "the following required arguments were not provided: --permit <UNIT>..."
        );
        assert_eq!(missing.hint, "usage: conclave room new --permit <UNIT>... <NAME>");
        let unknown = parse(&["conclave", "stat"]);
        assert_eq!(unknown.message, "unrecognized subcommand 'stat'");
        assert!(unknown.hint.contains("'status'"), "{}", unknown.hint);
        assert!(!missing.message.contains('\n') && !missing.hint.contains('\n'));
    }
}
