//! `tandem completion` and `tandem man`: what shells and `man` know of this command line, made from it.

mod ids;

pub(crate) use ids::{asked_words, ids};

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
    print(script(&mut command, shell).as_bytes())
}

/// What clap writes, and behind it what asks for ids.
fn script(command: &mut Command, shell: For) -> String {
    let (of_clap, ids) = match shell {
        For::Bash => (Shell::Bash, BASH_IDS),
        For::Zsh => (Shell::Zsh, ZSH_IDS),
        For::Fish => (Shell::Fish, FISH_IDS),
    };
    let mut script = Vec::new();
    clap_complete::generate(of_clap, command, "tandem", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        // The last lines of zsh's call or register `_tandem`: it is the one that asks for ids first.
        For::Zsh => {
            let script = script.replacen("\n_tandem() {", "\n_tandem_words() {", 1);
            script.replacen(
                "\nif [ \"$funcstack[1]\"",
                &format!("{ids}\nif [ \"$funcstack[1]\""),
                1,
            )
        }
        For::Bash | For::Fish => script + ids,
    }
}

/// Ids stand before what clap offers, which for an id is the names of files.
const BASH_IDS: &str = r#"
_tandem_or_ids() {
    local ids
    ids=$(tandem complete-ids -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || ids=
    if [[ -n $ids ]]; then
        mapfile -t COMPREPLY <<<"$ids"
    else
        _tandem "$@"
    fi
}
complete -F _tandem_or_ids -o bashdefault -o default tandem
"#;
const ZSH_IDS: &str = r#"
_tandem() {
    local -a ids
    ids=(${(f)"$(tandem complete-ids -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( $#ids )); then
        compadd -a ids
    else
        _tandem_words "$@"
    fi
}
"#;
const FISH_IDS: &str = r#"
complete -c tandem -a '(tandem complete-ids -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
"#;

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
        let mut script = script(&mut whole(), For::Bash);
        // In its place stands what one would answer that knows two voice connectors.
        script.push_str(
            "\ntandem() { [[ $* == 'complete-ids -- vc show a'* ]] && printf '%s\\n' abc abd; }\n",
        );
        let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        script.push_str(&format!(
            "\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_tandem_or_ids tandem {} ''\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
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
    fn bash_completes_ids() {
        assert_eq!(offered(&["tandem", "vc", "show", "a"]), ["abc", "abd"]);
        assert_eq!(
            offered(&["tandem", "vc", "sho"]),
            ["show"],
            "nothing is known, and nothing breaks"
        );
    }

    #[test]
    fn other_shells_know_every_command_and_ask_for_ids() {
        for shell in [For::Zsh, For::Fish] {
            let script = script(&mut whole(), shell);
            for command in whole().get_subcommands() {
                assert!(script.contains(command.get_name()), "{}", command.get_name());
            }
            assert_eq!(script.matches("tandem complete-ids -- ").count(), 1);
        }
        let zsh = script(&mut whole(), For::Zsh);
        assert_eq!(zsh.matches("\n_tandem() {").count(), 1);
        assert_eq!(zsh.matches("\n_tandem_words() {").count(), 1);
        let place = |text: &str| zsh.find(text).unwrap();
        assert!(place("_tandem_words() {") < place("\n_tandem() {"));
        assert!(place("\n_tandem() {") < place("if [ \"$funcstack[1]\""));
    }

    #[test]
    fn a_word_is_an_id_where_the_command_line_has_one() {
        let wanted = |line: &str| {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let last = words.pop().unwrap();
            ids::wanted(&whole(), &words, &last).map(|wanted| (wanted.kind, wanted.config))
        };
        let kind = |line: &str| wanted(line).map(|(kind, _)| kind);
        for (line, of) in [
            ("vc show ", Some(ids::CONNECTOR)),
            ("vc origination set ab", Some(ids::CONNECTOR)),
            ("vc delete --json ab", Some(ids::CONNECTOR)),
            ("number associate +12065550100 --vc ", Some(ids::CONNECTOR)),
            ("number associate +12065550100 ", Some(ids::NUMBER)),
            ("number disassociate --group ", Some(ids::GROUP)),
            ("number list --rule ", Some(ids::RULE)),
            ("number orders ", Some(ids::ORDER)),
            ("number port advance ", Some(ids::PORTING)),
            ("number port advance --to FOC ", Some(ids::PORTING)),
            ("group update ", Some(ids::GROUP)),
            ("application show ", Some(ids::APPLICATION)),
            ("number port create ", None),
            ("number order ", None),
            ("number port advance x --to ", None),
            ("vc create --name ", None),
            ("vc show --j", None),
            ("vc show one ", None),
            ("vc ", None),
            ("", None),
            ("nothing of this ", None),
            ("run ", None),
        ] {
            assert_eq!(kind(line), of, "{line:?}");
        }
        for line in ["vc --config /a/b.toml show ", "vc show --config=/a/b.toml "] {
            assert_eq!(wanted(line), Some((ids::CONNECTOR, Some("/a/b.toml".into()))), "{line}");
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
