//! `conclave completions` and `conclave man`: for shells and for man(1).

use clap::{Arg, Args};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::{Context, description};
use crate::error::CliError;

/// Print completions for a shell
///
/// Example: conclave completions bash > ~/.local/share/bash-completion/completions/conclave
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn completions(context: &Context, args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut description(), "conclave", &mut script);
    context.out.print(&String::from_utf8_lossy(&script))
}

pub(crate) fn manual(context: &Context) -> Result<(), CliError> {
    let page = render_manual().map_err(|error| {
        CliError::failed(format!("the manual page cannot be written: {error}"), "report this")
    })?;
    context.out.print(&String::from_utf8_lossy(&page))
}

/// One page for everything: the program, then a section for each command.
fn render_manual() -> std::io::Result<Vec<u8>> {
    let mut root = description();
    root.build();
    let man = Man::new(root.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    render_commands(&root, &mut page)?;
    man.render_extra_section(&mut page)?;
    let page = String::from_utf8_lossy(&page).replace(".SH EXTRA", ".SH NOTES");
    Ok(page.into_bytes())
}

fn render_commands(parent: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    for command in parent.get_subcommands().filter(|command| command.get_name() != "help") {
        if !command.is_subcommand_required_set() {
            render_command(command, page)?;
        }
        render_commands(command, page)?;
    }
    Ok(())
}

fn render_command(command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let title = command.get_bin_name().unwrap_or(command.get_name()).to_uppercase();
    // What every command understands stands at the top of the page.
    let common = |arg: &Arg| arg.is_global_set() || arg.get_id() == "help";
    let own = command.clone().mut_args(|arg| if common(&arg) { arg.hide(true) } else { arg });
    let man = Man::new(own);
    let mut section = Vec::new();
    man.render_synopsis_section(&mut section)?;
    man.render_description_section(&mut section)?;
    man.render_options_section(&mut section)?;
    // Its parts are sections of their own; here they belong under the command's name.
    let section = String::from_utf8_lossy(&section).replace(".SH ", ".SS ");
    page.extend_from_slice(format!(".SH \"{title}\"\n{section}").as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_covers_every_command() {
        let page = String::from_utf8(render_manual().expect("in memory")).expect("text");
        for title in
            ["CONCLAVE INIT", "CONCLAVE ROOM NEW", "CONCLAVE AGENT APPROVE", "CONCLAVE DEVNET"]
        {
            assert!(page.contains(&format!(".SH \"{title}\"")), "{title}");
        }
        assert!(!page.contains("with-parent"));
    }
}
