//! `[voice_connector.streaming]`.

use super::super::TokenFile;
use super::{accepts, errors, refuses, with};
use directory::Streaming;
use model::{
    BearerToken, ChannelLayout, MAX_LISTENERS, MAX_ORDERED, NotificationTargets, OtherMedia,
    Secret, WebSocketListener,
};
use std::sync::Arc;

const CONNECTOR: &str = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";

fn streaming(lines: &str) -> Streaming {
    let config = accepts(&format!("{CONNECTOR}[voice_connector.streaming]\n{lines}"));
    config.directory.voice_connectors().next().unwrap().streaming.clone()
}

#[test]
fn a_voice_connector_says_whose_audio_goes_where() {
    assert_eq!(streaming(""), Streaming::default());
    let all = "enabled = true\nby_header = true\nnumbers = [\"+1206\", \"+44\"]\n\
               sample_rate = 16000\nretention_hours = 0";
    let expected = Streaming {
        enabled: true,
        by_header: true,
        numbers: ["+1206".into(), "+44".into()].into(),
        carriers: Arc::default(),
        sample_rate: 16_000,
        kinesis_video: true,
        retention_hours: 0,
        mu_law: false,
        recording: None,
        notifications: NotificationTargets::default(),
        web_sockets: Vec::new(),
        consent: None,
    };
    assert_eq!(streaming(all), expected);
    let narrow = streaming("mu_law = true\nretention_hours = 87600\nkinesis_video = false");
    assert!(narrow.mu_law && !narrow.kinesis_video && narrow.retention_hours == 87_600);
}

#[test]
fn what_is_wrong_with_streaming_is_said_where_it_stands() {
    for (line, error) in [
        ("retention_hours = 87601", "retention_hours: 87601 is out of range; use 0 to 87600"),
        ("sample_rate = 44100", "sample_rate: 44100 is no sample rate of streams; use 8000 or"),
        ("numbers = [\"1206\"]", "numbers: \"1206\" is not a number prefix"),
        ("enabled = \"yes\"", "enabled: expected true or false"),
        ("enable = true", "unknown key `enable`"),
    ] {
        let text = format!("{CONNECTOR}[voice_connector.streaming]\n{line}");
        let errors = errors(&with(&text));
        assert!(errors.starts_with("t.toml:7: ") && errors.contains(error), "{errors}");
    }
    refuses(
        &format!("{CONNECTOR}[voice_connector.streaming]\nenabled = true\nkinesis_video = false"),
        "t.toml:8: kinesis_video: nobody would listen to a call; set kinesis_video = true, or say \
         who else does",
    );
    refuses(
        &format!("{CONNECTOR}[voice_connector.streaming]\nmu_law = true\nsample_rate = 16000"),
        "t.toml:7: mu_law: µ-law has 8000 samples a second; take it out, or set sample_rate = 8000",
    );
}

fn only(mut sockets: Vec<WebSocketListener>) -> WebSocketListener {
    assert_eq!(sockets.len(), 1);
    sockets.remove(0)
}

const SOCKET: &str = "[voice_connector.streaming.web_socket]\n";

#[test]
fn a_program_behind_a_web_socket_hears_calls_and_may_speak() {
    let socket = |lines: &str| only(streaming(&format!("{SOCKET}{lines}")).web_sockets);
    let least = WebSocketListener {
        url: "wss://bot.example.com/calls".into(),
        token: None,
        speaks_to: [false; 2],
        other_media: OtherMedia::Yields,
        layout: ChannelLayout::Stereo,
        message_ms: 20,
        notify: NotificationTargets::default(),
    };
    assert_eq!(socket("url = \"wss://bot.example.com/calls\""), least);
    let all = socket(
        "url = \"ws://127.0.0.1:8080\"\ntoken = \"open-sesame\"\nspeaks_to = \"callee\"\n\
         other_audio = \"heard\"\nlayout = \"mixed\"\nmessage_ms = 500",
    );
    assert_eq!(all.token, Some(BearerToken::Words(Secret::new("open-sesame"))));
    assert_eq!((all.speaks_to, all.other_media), ([false, true], OtherMedia::Wins));
    assert_eq!((all.layout, all.message_ms), (ChannelLayout::Mixed, 500));
    let alone = format!("enabled = true\nkinesis_video = false\n{SOCKET}url = \"wss://bot\"");
    assert_eq!(streaming(&alone).listeners().len(), 1, "it is enough");
}

#[test]
fn what_is_wrong_with_a_web_socket_is_said_where_it_stands() {
    for (line, error) in [
        ("url = \"https://bot\"", "url: must begin with ws:// or wss://"),
        ("url = \"wss://me:you@bot\"", "url: must not have a user's name or password"),
        ("token = \"open sesame\"", "token: a token has letters, digits and signs of ASCII"),
        ("token = 7", "token: expected a token in quotes"),
        ("speaks_to = \"all\"", "speaks_to: \"all\" is unknown; use \"none\", \"caller\""),
        ("other_audio = \"wins\"", "other_audio: \"wins\" is unknown; use \"replaced\" or"),
        ("layout = \"mono\"", "layout: \"mono\" is unknown; use \"stereo\" or \"mixed\""),
        ("message_ms = 30", "message_ms: 30 is no duration of messages; use a multiple of 20"),
        ("message_ms = 520", "message_ms: 520 is no duration of messages"),
    ] {
        let url = if line.starts_with("url") { "" } else { "\nurl = \"wss://bot\"" };
        let errors = errors(&with(&format!("{CONNECTOR}{SOCKET}{line}{url}")));
        assert!(errors.starts_with("t.toml:7: ") && errors.contains(error), "{errors}");
        assert!(!errors.contains("sesame"), "{errors}");
    }
    refuses(
        &format!("{CONNECTOR}{SOCKET}layout = \"stereo\""),
        "t.toml:6: [voice_connector.streaming.web_socket] needs `url`; add a line such as url = \
         \"wss://bot.example.com/calls\"",
    );
}

const SOCKETS: &str = "[[voice_connector.streaming.web_socket]]\n";

#[test]
fn several_programs_hear_a_call_and_one_speaks_to_each_party() {
    let text = format!(
        "enabled = true\n{SOCKETS}url = \"wss://asr.example.com\"\n{SOCKETS}\
         url = \"wss://bot.example.com\"\nspeaks_to = \"caller\"\n{SOCKETS}\
         url = \"wss://prompter.example.com\"\nspeaks_to = \"callee\""
    );
    let three = streaming(&text);
    let speaks: Vec<_> = three.web_sockets.iter().map(|socket| socket.speaks_to).collect();
    assert_eq!(speaks, [[false; 2], [true, false], [false, true]]);
    assert_eq!(three.listeners().len(), 4, "with the Kinesis video stream");
    let most: String = (0..4).map(|n| format!("{SOCKETS}url = \"wss://bot{n}\"\n")).collect();
    let most = format!("recording = {{}}\n{most}");
    assert_eq!(streaming(&most).listeners().len(), MAX_LISTENERS - MAX_ORDERED);
}

#[test]
fn what_is_wrong_with_several_programs_is_said_where_it_stands() {
    let first = format!("{SOCKETS}url = \"wss://bot\"\nspeaks_to = \"both\"\n{SOCKETS}");
    let five: String = (0..5).map(|n| format!("{SOCKETS}url = \"wss://bot{n}\"\n")).collect();
    for (text, line, error) in [
        (
            format!("{first}url = \"wss://other\"\nspeaks_to = \"callee\""),
            11,
            "speaks_to: one program at most speaks to the callee; one before does",
        ),
        (
            format!("{SOCKETS}url = \"wss://a\"\n{SOCKETS}url = \"wss://a\""),
            9,
            "url: is the same program as one before; take one of them out",
        ),
        (
            format!("{first}layout = \"mixed\""),
            9,
            "[voice_connector.streaming.web_socket] needs `url`",
        ),
        (five, 14, "4 programs hear a call at most; let one of them pass on"),
        (
            "[voice_connector.streaming]\nweb_socket = 7".to_owned(),
            7,
            "web_socket: expected a table",
        ),
    ] {
        let errors = errors(&with(&format!("{CONNECTOR}{text}")));
        assert!(errors.starts_with(&format!("t.toml:{line}: {error}")), "{errors}");
    }
}

#[test]
fn a_token_stands_in_the_configuration_or_in_a_file() {
    let url = "url = \"wss://bot\"\n";
    let of = |line: &str| only(streaming(&format!("{SOCKET}{url}{line}")).web_sockets).token;
    assert_eq!(
        of("token_file = \"/etc/tandem/bot\""),
        Some(BearerToken::File("/etc/tandem/bot".into()))
    );
    let config = accepts(&format!("{CONNECTOR}{SOCKET}{url}token_file = \"bot\""));
    assert_eq!(config.token_files, [TokenFile { line: 8, path: "bot".into() }]);
    refuses(
        &format!("{CONNECTOR}{SOCKET}{url}token = \"a\"\ntoken_file = \"b\""),
        "t.toml:9: token_file: token is set as well; leave one of them out",
    );
}
