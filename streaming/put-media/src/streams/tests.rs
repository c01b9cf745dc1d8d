//! What is asked of a service, and how often.

use super::*;
use aws_sinks::Access;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

/// Set in the child, which has credentials in its environment.
const CHILD: &str = "PUT_MEDIA_STREAMS_CHILD";
const NAME: &str = "ChimeVoiceConnector-abcdef1ghij2klmno3pqr4-one";

/// Reads a request; its path.
fn request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    first.split(' ').nth(1).unwrap().to_owned()
}

/// A service that has the stream, and fails to say where data go the first time.
fn serve(listener: &TcpListener, asked: &Mutex<Vec<String>>) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let path = request(&stream);
        let is_first = !lock(asked).contains(&path);
        let (status, body) = match (path.as_str(), is_first) {
            ("/getDataEndpoint", true) => (500, "{}".to_owned()),
            ("/getDataEndpoint", false) => {
                (200, r#"{"DataEndpoint":"http://127.0.0.1:9"}"#.to_owned())
            }
            _ => {
                let arn = format!("arn:aws:kinesisvideo:us-east-1:1:stream/{NAME}/1");
                let of = format!(r#""StreamName":"{NAME}","StreamARN":"{arn}""#);
                let of = format!(r#"{of},"DataRetentionInHours":24,"Status":"ACTIVE""#);
                (200, format!(r#"{{"StreamInfo":{{{of}}}}}"#))
            }
        };
        lock(asked).push(path);
        let length = body.len();
        let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}");
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    }
}

fn streams_of(endpoint: &str) -> Streams {
    let endpoint = Some(Endpoint::parse(endpoint).unwrap());
    let access = Access { region: "us-east-1".to_owned(), endpoint, authorities: None };
    Streams::new(Arc::new(KinesisVideo::new(&access, None)), Clock::start())
}

#[test]
fn what_is_known_of_a_stream_is_not_asked_again() {
    if std::env::var_os(CHILD).is_none() {
        let name = "streams::tests::what_is_known_of_a_stream_is_not_asked_again";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .envs([(CHILD, "1"), ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")])
            .envs([("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_EC2_METADATA_DISABLED", "true")])
            .output()
            .unwrap();
        return assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let streams = streams_of(&format!("http://{}", listener.local_addr().unwrap()));
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let log = Arc::clone(&asked);
    // It ends with the process.
    std::thread::spawn(move || serve(&listener, &log));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let name: Arc<str> = NAME.into();
        let ready = || streams.ready(&name, 24, &[], Needs::default());
        assert!(matches!(ready().await, Err(Setback::Refused(_))));
        assert_eq!(ready().await.unwrap().endpoint.to_string(), "http://127.0.0.1:9");
        ready().await.unwrap();
    });
    assert_eq!(*lock(&asked), ["/describeStream", "/getDataEndpoint", "/getDataEndpoint"]);
}
