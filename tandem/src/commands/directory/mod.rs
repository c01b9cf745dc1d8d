//! `tandem directory`: what is made through the control API, as a whole.

mod document;
mod import;
#[cfg(test)]
mod tests;

use super::{complain, load, say, say_data, secret_of};
use crate::ConfigFile;
use crate::config::Config;
use crate::control_api::{self, Alone, open_store};
use crate::live_directory::{self, Journal};
use ::control_api::Policy;
use ::control_api::state::{Kind, Row};
use directory_store::{
    Checked, Committed, Copied, DirectoryStore, KEY_FILE, RecordChange, StoreError, StoredRecord,
    back_up, check,
};
use document::{Document, ITERATIONS, LUCK, Secrets};
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A longer file is no export: a million numbers have a fifth of it.
const IMPORT_MAX: u64 = 1024 * 1024 * 1024;

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
    /// Write all resources that were made through the control API into one JSON file, beside a running
    /// node or without one. Access keys are not in it.
    Export {
        /// The file to write, for its owner alone; - is standard output.
        file: PathBuf,
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        secrets: SecretsChoice,
        /// Put it in the place of a file that is there.
        #[arg(long)]
        force: bool,
    },
    /// Make all resources of such a file, or none: what is there already, or does not fit, is named. A
    /// node that runs takes them over within a second.
    Import {
        /// The file to read; - is standard input.
        file: PathBuf,
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        secrets: SecretsChoice,
        /// Only say whether it could be done.
        #[arg(long)]
        check: bool,
    },
}

/// What becomes of passwords.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct SecretsChoice {
    /// A file whose first line is the passphrase that passwords are sealed under; - is standard input.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<String>,
    /// Leave passwords out.
    #[arg(long)]
    without_secrets: bool,
}

pub(crate) fn run(command: &DirectoryCommand) -> ExitCode {
    let file = match command {
        DirectoryCommand::Backup { config, .. }
        | DirectoryCommand::Check { config, .. }
        | DirectoryCommand::Export { config, .. }
        | DirectoryCommand::Import { config, .. } => config,
    };
    let Some(config) = load(&file.path) else { return ExitCode::FAILURE };
    let done = match command {
        DirectoryCommand::Backup { file, force, .. } => backup(&config.node.data_dir, file, *force),
        DirectoryCommand::Check { json, .. } => look(&config, *json),
        DirectoryCommand::Export { file, secrets, force, .. } => {
            export(&config, file, secrets, *force)
        }
        DirectoryCommand::Import { file, secrets, check, .. } => {
            import(&config, file, secrets, *check)
        }
    };
    done.unwrap_or_else(|error| {
        complain(error);
        ExitCode::FAILURE
    })
}

fn backup(data_dir: &Path, file: &Path, force: bool) -> Result<ExitCode, String> {
    let Copied { bytes, access_keys } =
        back_up(data_dir, file, force).map_err(|error| match error {
            StoreError::File(path, error)
                if path == file && error.kind() == io::ErrorKind::AlreadyExists =>
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

fn look(config: &Config, json: bool) -> Result<ExitCode, String> {
    let data_dir = &config.node.data_dir;
    let Checked { exists, version, is_current, keys, records, mut problems } =
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
    // What the node would read at its start, and route calls by.
    if exists && is_current && problems.is_empty() {
        match Journal::open(config) {
            Ok(journal) => {
                let (merged, left_out) =
                    (*config.resources).clone().with_made(journal.state.resources());
                problems.extend(left_out.into_iter().map(|what| {
                    format!(
                        "{what} is left out: the configuration file has it too; remove one of them"
                    )
                }));
                if let Err(wrong) = directory::Snapshot::build(merged) {
                    problems.extend(wrong.iter().map(ToString::to_string));
                }
            }
            Err(error) => problems.push(error),
        }
    }
    let code = if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        let found = serde_json::json!({
            "exists": exists,
            "version": version,
            "access_keys": keys.len(),
            "records": records,
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
        let keys = keys.len();
        say(format_args!(
            "sound: tables of version {version}, {keys} access key(s), {records} record(s)"
        ));
    }
    Ok(code)
}

fn export(
    config: &Config,
    file: &Path,
    choice: &SecretsChoice,
    force: bool,
) -> Result<ExitCode, String> {
    let path = config.node.data_dir.join(directory_store::FILE);
    if !path.exists() {
        return Err(format!(
            "{}: nothing has been made through the control API yet",
            path.display()
        ));
    }
    let (rows, _) = live_directory::rows(&mut open_store(config)?)?;
    let passphrase;
    let secrets = match (&choice.passphrase_file, choice.without_secrets) {
        (Some(from), _) => {
            passphrase = secret_of(from, "passphrase")?;
            let mut luck = [0; LUCK];
            getrandom::fill(&mut luck).map_err(|error| format!("no random numbers: {error}"))?;
            Secrets::Sealed(&passphrase, ITERATIONS, luck)
        }
        (None, false) if rows.iter().any(|row| row.kind.is_secret()) => {
            return Err("there are passwords: give --passphrase-file to seal them, or \
                        --without-secrets to leave them out"
                .to_owned());
        }
        (None, _) => Secrets::LeftOut,
    };
    let node = &config.node;
    let document = Document::of(&rows, &secrets, &node.region, &node.account_id)?;
    let text = document.text()?;
    if file == Path::new("-") {
        say_data(text.trim_end());
    } else {
        write(file, &text, force).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{}: is there already; name another file, or add --force", file.display())
            }
            _ => format!("{}: {error}", file.display()),
        })?;
        let count = rows.len() - document.left_out;
        say(format_args!("{}: {count} record(s)", file.display()));
    }
    if document.left_out > 0 {
        complain(format_args!(
            "{} record(s) with secrets are left out; voice connectors that have credentials are \
             written with outbound calling disabled",
            document.left_out
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The file appears whole, for its owner alone, or not at all.
fn write(file: &Path, text: &str, force: bool) -> io::Result<()> {
    if !force && file.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(name);
    let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    let done = made.write_all(text.as_bytes()).and_then(|()| made.sync_all()).and_then(|()| {
        if force {
            fs::rename(&fresh, file)
        } else {
            fs::hard_link(&fresh, file).and_then(|()| fs::remove_file(&fresh))
        }
    });
    if done.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    done
}

fn import(
    config: &Config,
    file: &Path,
    choice: &SecretsChoice,
    only_check: bool,
) -> Result<ExitCode, String> {
    let (document, mut rows) = read_import(file, choice)?;
    let node = &config.node;
    import::tags_by_resource(&mut rows, &document.region, &document.account_id);
    // A node that runs sees what is written; a lock that is held keeps one from starting meanwhile.
    let alone = control_api::claim_to_write(&node.data_dir)?;
    let mut store = open_store(config)?;
    let (there, generation) = live_directory::rows(&mut store)?;
    if let Err(against) = import::check(&rows, &there, &config.resources) {
        for line in &against {
            complain(line);
        }
        return Err(format!("{}: nothing is imported", file.display()));
    }
    if only_check {
        say(format_args!("{}: {} record(s) could be imported", file.display(), rows.len()));
        return Ok(ExitCode::SUCCESS);
    }
    commit(&mut store, generation, &rows)?;
    let taken = match alone {
        Alone::Yes { .. } => "",
        Alone::BesideNode => "; the node that runs takes them over within a second",
    };
    say(format_args!("{}: {} record(s) are imported{taken}", file.display(), rows.len()));
    if document.left_out > 0 || choice.without_secrets {
        complain(format_args!(
            "records with secrets (credentials, proxy sessions) are left out, and voice connectors that had \
             credentials take no outbound calls: `tandem vc credentials put` makes them, then enable \
             the termination"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn read_import(file: &Path, choice: &SecretsChoice) -> Result<(Document, Vec<Row>), String> {
    let at = |why: String| format!("{}: {why}", file.display());
    let from_input = file == Path::new("-");
    if from_input && choice.passphrase_file.as_deref() == Some("-") {
        return Err("the file and the passphrase cannot both come from standard input".to_owned());
    }
    let mut text = String::new();
    let read = if from_input {
        io::stdin().lock().take(IMPORT_MAX).read_to_string(&mut text)
    } else {
        fs::File::open(file).and_then(|file| file.take(IMPORT_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| at(error.to_string()))?;
    let document = Document::parse(&text).map_err(at)?;
    let passphrase = match (&choice.passphrase_file, document.is_sealed()) {
        (Some(from), true) => Some(secret_of(from, "passphrase")?),
        (None, true) if !choice.without_secrets => {
            return Err(at("there are sealed passwords in it: give --passphrase-file, or \
                           --without-secrets to leave them out"
                .to_owned()));
        }
        _ => None,
    };
    let rows = document.rows(passphrase.as_ref().map(|text| text.as_str())).map_err(at)?;
    Ok((document, rows))
}

fn commit(store: &mut DirectoryStore, generation: u64, rows: &[Row]) -> Result<(), String> {
    let changes: Vec<RecordChange> = rows.iter().map(change).collect::<Result<_, _>>()?;
    match store.commit(generation, &changes).map_err(|error| error.to_string())? {
        Committed::At(_) => Ok(()),
        Committed::Stale => {
            Err("another command has changed the directory meanwhile; import again".to_owned())
        }
    }
}

fn change(row: &Row) -> Result<RecordChange, String> {
    let mut nonce = [0; 12];
    getrandom::fill(&mut nonce).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(RecordChange::Put {
        nonce: Kind::is_secret(row.kind).then_some(nonce),
        record: StoredRecord {
            kind: row.kind.name().to_owned(),
            id: row.id.clone(),
            body: row.body.clone(),
            created_ms: row.created_ms,
            updated_ms: row.updated_ms,
        },
    })
}
