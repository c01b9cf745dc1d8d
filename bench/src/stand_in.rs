//! A local stand-in for Kinesis Video Streams: every stream is there, and a fragment is said to be persisted
//! as soon as its last octet has come. (The service sees a fragment's end where the next one begins.)

use crate::marks::{MarkReader, Marks};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Each connection has a thread: what reads does not wait for other connections.
const STACK: usize = 256 * 1_024;
/// The threads' name.
pub const THREADS: &str = "stand-in";
const LONGEST_BODY: usize = 16 << 20;

/// Serves until the process ends; where it listens.
///
/// # Errors
/// When there is no port or no thread.
pub fn start(marks: Arc<Marks>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::Builder::new().name(THREADS.to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let marks = Arc::clone(&marks);
            let thread = thread::Builder::new().name(THREADS.to_owned()).stack_size(STACK);
            // What it cannot serve it closes, and the producer counts it.
            let _ = thread.spawn(move || serve(&stream, address, &marks));
        }
    })?;
    Ok(address)
}

fn serve(stream: &TcpStream, address: SocketAddr, marks: &Arc<Marks>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(65_536, stream);
    while let Some((path, length)) = head(&mut reader)? {
        if path == "/putMedia" {
            return media(&mut reader, stream, marks);
        }
        let mut body = vec![0; length.min(LONGEST_BODY)];
        reader.read_exact(&mut body)?;
        let order: Value = serde_json::from_slice(&body).unwrap_or_default();
        let name = order["StreamName"].as_str().unwrap_or_default();
        let answer = match path.as_str() {
            "/describeStream" => json!({ "StreamInfo": {
                "StreamName": name, "Status": "ACTIVE", "DataRetentionInHours": 24, "Version": "v1",
                "StreamARN": format!("arn:aws:kinesisvideo:us-east-1:111122223333:stream/{name}/1"),
            }}),
            "/getDataEndpoint" => json!({ "DataEndpoint": format!("http://{address}") }),
            _ => json!({ "StreamInfoList": [] }),
        };
        let answer = answer.to_string();
        let mut writer = stream;
        writer.write_all(
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
                answer.len()
            )
            .as_bytes(),
        )?;
    }
    Ok(())
}

/// The path of a request and the length of its body; `None` at the end.
fn head(reader: &mut impl BufRead) -> io::Result<Option<(String, usize)>> {
    let (mut first, mut length) = (String::new(), 0);
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    Ok(Some((first.split(' ').nth(1).unwrap_or_default().to_owned(), length)))
}

/// A chunk of the body is a fragment, with a head before the first one.
fn media(reader: &mut impl BufRead, mut stream: &TcpStream, marks: &Arc<Marks>) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
    let mut found = MarkReader::new(Arc::clone(marks));
    let mut chunk = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        chunk.resize(length.min(LONGEST_BODY) + 2, 0);
        reader.read_exact(&mut chunk)?;
        if length == 0 {
            return stream.write_all(b"0\r\n\r\n");
        }
        let octets = chunk.get(..length).unwrap_or_default();
        if let Some(timecode) = found.take(octets).map_err(io::Error::other)? {
            let mut answer = String::new();
            for event in ["RECEIVED", "PERSISTED"] {
                let text = json!({
                    "EventType": event, "FragmentTimecode": timecode,
                    "FragmentNumber": format!("9134385233318{timecode}"),
                });
                // Writing into a String cannot fail.
                let _ = write!(answer, "{text}");
            }
            stream.write_all(format!("{:x}\r\n{answer}\r\n", answer.len()).as_bytes())?;
        }
    }
}
