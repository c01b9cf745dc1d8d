//! `[node]` and `[prometheus]`.

use super::reader::Table;
use super::value;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Who this node is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    /// Its name in logs and tags; default `edge-1`.
    pub(crate) name: String,
    /// The AWS region that records name; default `us-east-1`.
    pub(crate) region: String,
    /// The 12-digit AWS account that records name; default all zeros.
    pub(crate) account_id: String,
    /// Where files are written, relative to the working directory; default `data`.
    pub(crate) data_dir: PathBuf,
}

pub(super) fn read(mut table: Table<'_>) -> Node {
    let node = Node {
        name: table.or("name", "edge-1".to_owned(), |v| word(value::string(v)?, 64)),
        region: table.or("region", "us-east-1".to_owned(), |v| word(value::string(v)?, 32)),
        account_id: table.or("account_id", "000000000000".to_owned(), |v| {
            let text = value::string(v)?;
            if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
                Ok(text)
            } else {
                Err(format!("{text:?} is not an AWS account; write its 12 digits in quotes"))
            }
        }),
        data_dir: table.or("data_dir", "data".into(), value::path),
    };
    table.finish();
    node
}

pub(super) fn read_prometheus(mut table: Table<'_>) -> Option<SocketAddr> {
    let listen = read_listen(&mut table, "listen = \"127.0.0.1:9464\"");
    table.finish();
    listen
}

fn read_listen(table: &mut Table<'_>, example: &str) -> Option<SocketAddr> {
    if !table.is_present() {
        return None;
    }
    table.required("listen", example, value::socket_address)
}

/// What can stand in a tag, a file name and a log line.
fn word(text: String, longest: usize) -> Result<String, String> {
    let fine = text.len() <= longest
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if fine {
        Ok(text)
    } else {
        Err(format!("{text:?} must be 1 to {longest} letters, digits, '-', '_' or '.'"))
    }
}
