//! `tandem directory`: what is made through the control API, as a whole.

use super::{complain, load, say, say_data};
use crate::ConfigFile;
use control_api::Policy;
use directory_store::{Checked, Copied, KEY_FILE, StoreError, back_up, check};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum DirectoryCommand {
    /// Copy the database into a file, as it is at one moment, beside a running node or without one.
    Backup {
        /// The file to write, for its owner alone.
        file: PathBuf,
        #[command(flatten)]
        config: ConfigFile,
        /// Put it in the place of a file that is there.
        #[arg(long)]
        force: bool,
    },
    /// Check the database and its key file, beside a running node or without one; exit 1 and say what to
    /// do when something is wrong.
    Check {
        #[command(flatten)]
        config: ConfigFile,
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: &DirectoryCommand) -> ExitCode {
    let (config, done): (_, fn(&Path, &DirectoryCommand) -> Result<ExitCode, String>) =
        match command {
            DirectoryCommand::Backup { config, .. } => (config, backup),
            DirectoryCommand::Check { config, .. } => (config, look),
        };
    let Some(config) = load(&config.path) else { return ExitCode::FAILURE };
    done(&config.node.data_dir, command).unwrap_or_else(|error| {
        complain(error);
        ExitCode::FAILURE
    })
}

fn backup(data_dir: &Path, command: &DirectoryCommand) -> Result<ExitCode, String> {
    let DirectoryCommand::Backup { file, force, .. } = command else {
        return Ok(ExitCode::FAILURE);
    };
    let Copied { bytes, access_keys } =
        back_up(data_dir, file, *force).map_err(|error| match error {
            StoreError::File(path, error)
                if path == *file && error.kind() == io::ErrorKind::AlreadyExists =>
            {
                format!("{}: is there already; name another file, or add --force", path.display())
            }
            StoreError::File(path, error)
                if path.starts_with(data_dir) && error.kind() == io::ErrorKind::NotFound =>
            {
                format!("{}: nothing has been made through the control API yet", path.display())
            }
            other => other.to_string(),
        })?;
    say(format_args!("{}: {bytes} octets, {access_keys} access key(s); checked", file.display()));
    say(format_args!(
        "Secrets in it are sealed under {}, which is not in it: keep a copy of that file too, in another \
         place. To restore, stop the node and put both into data_dir.",
        data_dir.join(KEY_FILE).display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn look(data_dir: &Path, command: &DirectoryCommand) -> Result<ExitCode, String> {
    let json = matches!(command, DirectoryCommand::Check { json: true, .. });
    let Checked { exists, version, keys, mut problems } =
        check(data_dir).map_err(|error| error.to_string())?;
    for key in &keys {
        if let Some(fault) = key.policy.as_deref().and_then(|text| Policy::parse(text).err()) {
            let id = &key.id;
            problems.push(format!(
                "access key {id}: its policy is not understood ({fault}), so that it may do nothing: \
                 delete it and make another"
            ));
        }
    }
    let code = if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        let found = serde_json::json!({
            "exists": exists,
            "version": version,
            "access_keys": keys.len(),
            "problems": problems,
        });
        say_data(&found.to_string());
        return Ok(code);
    }
    if !exists {
        say("there is no database: nothing has been made through the control API yet");
        return Ok(code);
    }
    for problem in &problems {
        complain(problem);
    }
    if problems.is_empty() {
        say(format_args!("sound: tables of version {version}, {} access key(s)", keys.len()));
    }
    Ok(code)
}
