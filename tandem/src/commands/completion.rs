//! `tandem completion` and `tandem man`: what shells and `man` know of this command line, made from it.

use super::complain;
use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use std::io::{self, Write};
use std::process::ExitCode;

/// The shells.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum For {
    Bash,
    Zsh,
    Fish,
}

/// Prints the completion of `command` for a shell.
pub(crate) fn completion(mut command: Command, shell: For) -> ExitCode {
    let shell = match shell {
        For::Bash => Shell::Bash,
        For::Zsh => Shell::Zsh,
        For::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "tandem", &mut script);
    print(&script)
}

/// Prints the manual page of the whole of `command`.
pub(crate) fn man(command: Command) -> ExitCode {
    match page(command) {
        Ok(page) => print(&page),
        Err(error) => {
            complain(format_args!("the page cannot be written: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn print(text: &[u8]) -> ExitCode {
    match io::stdout().lock().write_all(text) {
        // A reader that has gone is no error of ours.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(format_args!("standard output: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// One page: the commands, each with its synopsis and options, below one another.
fn page(mut command: Command) -> io::Result<Vec<u8>> {
    command.build();
    // No date: the same program writes the same page.
    let man = Man::new(command.clone()).date("").manual("Tandem");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    writeln!(page, ".SH COMMANDS")?;
    for each in command.get_subcommands() {
        describe(each, &mut page)?;
    }
    writeln!(
        page,
        ".SH EXIT STATUS\n0 when it is done, 1 when it is not, 2 when the command line is wrong."
    )?;
    // Whatever the terminal: troff reads ASCII everywhere.
    let mut ascii = String::with_capacity(page.len());
    for letter in String::from_utf8_lossy(&page).chars() {
        if letter.is_ascii() {
            ascii.push(letter);
        } else {
            ascii.push_str(&format!("\\[u{:04X}]", u32::from(letter)));
        }
    }
    Ok(ascii.into_bytes())
}

fn describe(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let mut below = command.get_subcommands().filter(|each| each.get_name() != "help").peekable();
    if below.peek().is_none() {
        let name = command.get_bin_name().unwrap_or(command.get_name());
        writeln!(page, ".SS {name}")?;
        let man = Man::new(command.clone());
        let mut sections = Vec::new();
        man.render_synopsis_section(&mut sections)?;
        man.render_description_section(&mut sections)?;
        man.render_options_section(&mut sections)?;
        for line in String::from_utf8_lossy(&sections).lines() {
            // The page's own sections are the only ones of that rank.
            let line = if line.starts_with(".SH ") { ".PP" } else { line };
            writeln!(page, "{line}")?;
        }
    }
    for each in below {
        describe(each, page)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;
    use std::process::{Command as Process, Stdio};

    fn whole() -> Command {
        crate::Cli::command()
    }

    /// What bash offers for a line, with its last word unfinished.
    fn offered(words: &[&str]) -> Vec<String> {
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut whole(), "tandem", &mut script);
        let mut script = String::from_utf8(script).unwrap();
        let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        script.push_str(&format!(
            "\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_tandem tandem {} ''\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            words.join(" "),
            words.len() - 1,
            words.last().unwrap(),
        ));
        let mut bash = Process::new("bash")
            .args(["--norc", "--noprofile", "-eu"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = bash.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn bash_completes_commands_and_options() {
        assert_eq!(offered(&["tandem", "comp"]), ["completion"]);
        assert_eq!(offered(&["tandem", "vc", "ori"]), ["origination"]);
        assert_eq!(offered(&["tandem", "vc", "origination", "s"]), ["show", "set"]);
        assert_eq!(offered(&["tandem", "number", "list", "--st"]), ["--status"]);
        assert_eq!(offered(&["tandem", "completion", "z"]), ["zsh"]);
    }

    #[test]
    fn other_shells_know_every_command() {
        for shell in [Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut whole(), "tandem", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in whole().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }

    #[test]
    fn the_page_has_the_whole_command_line() {
        let page = String::from_utf8(page(whole()).unwrap()).unwrap();
        for section in [
            ".TH tandem 1",
            ".SH NAME",
            ".SH SYNOPSIS",
            ".SS tandem run\n",
            ".SS tandem vc origination set\n",
            ".SS tandem directory backup\n",
        ] {
            assert!(page.contains(section), "{section} in\n{page}");
        }
        fn leaves(command: &Command) -> usize {
            let below: Vec<_> = command.get_subcommands().collect();
            if below.is_empty() { 1 } else { below.into_iter().map(leaves).sum() }
        }
        assert_eq!(page.matches("\n.SS tandem ").count(), leaves(&whole()));
        assert_eq!(page.matches("\n.SH ").count() - page.matches("\n.SH EXIT STATUS\n").count(), 5);
    }
}
