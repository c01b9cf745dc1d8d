//! A service that answers as a test says, over HTTP/1.1.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The operation of a JSON request.
    pub(crate) fn operation(&self) -> &str {
        self.header("x-amz-target").rsplit('.').next().unwrap_or_default()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        let mut plain = Vec::new();
        let body = match self.header("content-encoding") {
            "gzip" => {
                let mut reader = flate2::read::GzDecoder::new(self.body.as_slice());
                std::io::Read::read_to_end(&mut reader, &mut plain).unwrap();
                &plain
            }
            _ => &self.body,
        };
        serde_json::from_slice(body).unwrap()
    }
}

/// What the service does.
pub(crate) enum Reply {
    Answer(u16, &'static str),
    RetryAfter(u16, u64),
    /// An answer with its `Date`.
    Dated(u16, &'static str, String),
    /// An answer with one more header field.
    Headed(u16, &'static str, &'static str),
    /// Nothing, for as long as the connection lasts.
    Silence,
    /// Half an answer, then the end of the connection.
    Half,
    /// The end of the connection.
    Close,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Starts one that does what `script` says.
    pub(crate) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, script) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::new(script));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                tokio::spawn(async move { serve(stream, &log, &*script).await });
            }
        });
        Server { url, seen }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    stream: TcpStream,
    log: &Mutex<Vec<Seen>>,
    script: &(dyn Fn(&Seen) -> Reply + Sync),
) {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = request(&mut stream).await {
        let (reply, is_head) = (script(&seen), seen.method == "HEAD");
        log.lock().unwrap().push(seen);
        let (status, body, more) = match reply {
            Reply::Answer(status, body) => (status, body, String::new()),
            Reply::Dated(status, body, date) => (status, body, format!("date: {date}\r\n")),
            Reply::RetryAfter(status, seconds) => {
                (status, "", format!("retry-after: {seconds}\r\n"))
            }
            Reply::Headed(status, body, field) => (status, body, format!("{field}\r\n")),
            Reply::Silence => std::future::pending().await,
            Reply::Half => (200, "{", "x-half: 1\r\n".to_owned()),
            Reply::Close => return,
        };
        let length = body.len() + if more.contains("x-half") { 100 } else { 0 };
        // An answer to HEAD has no body, whatever it says of its length.
        let body = if is_head { "" } else { body };
        let head = format!("HTTP/1.1 {status} x\r\n{more}content-length: {length}\r\n\r\n{body}");
        let is_whole = is_head || length == body.len();
        if stream.write_all(head.as_bytes()).await.is_err() || !is_whole {
            return;
        }
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { method, path, headers, body })
}
