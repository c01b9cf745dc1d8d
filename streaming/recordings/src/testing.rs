//! A call and a bucket for tests.

use call_audio::Opening;
use model::{
    CallDirection, Channel, LegSide, ListenedCall, TransactionId, UnixTime, VoiceConnectorId,
};
use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

/// A call of two parties that began at 2026-11-22T13:52:00.123Z.
pub(crate) fn opening(sample_rate: u32) -> Opening {
    let call = ListenedCall {
        transaction_id: TransactionId::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef),
        voice_connector_id: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
        call_id: "call@pbx".into(),
        direction: CallDirection::Outbound,
        from_number: "+12065550100".into(),
        to_number: "+12065550199".into(),
        invite_headers: Vec::new(),
        siprec_metadata: None,
    };
    let channel =
        |side| Channel { side, is_caller: side == LegSide::A, media_index: 0, label: None };
    Opening {
        call: Arc::new(call),
        channels: LegSide::BOTH.map(|side| Some(channel(side))),
        sample_rate,
        began: UnixTime::from_millis(1_795_355_520_123),
    }
}

/// Answers a PUT, and a HEAD with the length of what was put, as S3 does. A request of more than `most`
/// octets is never answered.
pub(crate) fn answer(
    mut stream: TcpStream,
    lengths: &Mutex<HashMap<String, usize>>,
    most: usize,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut lines, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut words = lines[0].split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap().to_owned());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if length > most {
        // Until the other end gives up.
        return reader.read_exact(&mut [0]);
    }
    let told = match method {
        "PUT" => {
            lengths.lock().unwrap().insert(path, length);
            0
        }
        _ => lengths.lock().unwrap()[&path],
    };
    let head = "HTTP/1.1 200 OK\r\netag: \"e\"\r\nconnection: close\r\n";
    stream.write_all(format!("{head}content-length: {told}\r\n\r\n").as_bytes())
}
