//! What carriers and voice connectors say of credentials, registrations, transfers, early media and
//! redirects.

use super::{Config, accepts, errors, refuses, with};
use directory::{DigestAlgorithm, Unheard};
use model::{MediaTimeouts, RelayedLines, VoiceConnectorId};
use std::time::Duration;

#[test]
fn a_voice_connector_says_what_becomes_of_refer() {
    let connector = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\nrefer = ";
    for (text, refer) in [
        ("\"handle\"", directory::Refer::Handle),
        ("\"pass\"", directory::Refer::Pass),
        ("\"refuse\"", directory::Refer::Refuse),
    ] {
        let config = accepts(&format!("{connector}{text}"));
        assert_eq!(config.directory.voice_connectors().next().unwrap().refer, refer);
    }
    refuses(
        &format!("{connector}\"deflect\""),
        "t.toml:6: refer: \"deflect\" is unknown; use \"handle\", \"pass\" or \
         \"refuse\"",
    );
}

#[test]
fn a_voice_connector_says_which_requests_pass() {
    let passed = |line: &str| {
        let text = format!("[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n{line}");
        let passed = accepts(&text).directory.voice_connectors().next().unwrap().passed_requests;
        (passed.info, passed.message)
    };
    assert_eq!(passed(""), (true, true));
    assert_eq!(passed("pass_requests = []"), (false, false));
    assert_eq!(passed("pass_requests = [\"INFO\"]"), (true, false));
    assert_eq!(passed("pass_requests = [\"MESSAGE\", \"INFO\"]"), (true, true));
    refuses(
        "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\npass_requests = [\"BYE\"]",
        "t.toml:6: pass_requests: \"BYE\" is unknown; use \"INFO\" or \"MESSAGE\"",
    );
}

#[test]
fn both_sides_say_how_they_tell_of_keys() {
    use directory::Dtmf;
    let connector = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";
    let carrier = "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\n";
    let both = |line: &str| {
        let directory = accepts(&format!("{connector}{line}\n{carrier}{line}")).directory;
        let connector = directory.voice_connectors().next().unwrap().dtmf;
        (connector, directory.carriers().next().unwrap().dtmf)
    };
    assert_eq!(both(""), (Dtmf::Rfc4733, Dtmf::Rfc4733));
    for (name, dtmf) in [
        ("rfc4733", Dtmf::Rfc4733),
        ("auto", Dtmf::Auto),
        ("info", Dtmf::Info),
        ("inband", Dtmf::Inband),
        ("pass", Dtmf::Pass),
    ] {
        assert_eq!(both(&format!("dtmf = \"{name}\"")), (dtmf, dtmf));
    }
    for (table, line) in [(connector, 6), (carrier, 8)] {
        refuses(
            &format!("{table}dtmf = \"rfc2833\""),
            &format!(
                "t.toml:{line}: dtmf: \"rfc2833\" is unknown; use \"rfc4733\", \"auto\", \"info\", \
                 \"inband\" or \"pass\""
            ),
        );
    }
}

#[test]
fn both_sides_say_who_speaks_rtcp_in_their_calls() {
    use media_relay::RtcpStyle;
    let connector = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";
    let carrier = "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\n";
    let both = |line: &str| {
        let directory = accepts(&format!("{connector}{line}\n{carrier}{line}")).directory;
        let connector = directory.voice_connectors().next().unwrap().rtcp;
        (connector, directory.carriers().next().unwrap().rtcp)
    };
    assert_eq!(both(""), (None, None));
    for (name, style) in [
        ("auto", RtcpStyle::Auto),
        ("translator", RtcpStyle::Translator),
        ("back-to-back", RtcpStyle::BackToBack),
    ] {
        assert_eq!(both(&format!("rtcp = \"{name}\"")), (Some(style), Some(style)));
    }
    for (table, line) in [(connector, 6), (carrier, 8)] {
        refuses(
            &format!("{table}rtcp = \"off\""),
            &format!(
                "t.toml:{line}: rtcp: \"off\" is unknown; use \"auto\", \"translator\" or \
                 \"back-to-back\""
            ),
        );
    }
}

#[test]
fn a_voice_connector_says_what_silence_ends_its_calls() {
    let connector = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";
    let timeouts = |lines: &str| {
        let text = format!("{connector}[voice_connector.media]\n{lines}");
        accepts(&text).directory.voice_connectors().next().unwrap().media_timeouts
    };
    let seconds = |count| Some(Duration::from_secs(count));
    assert_eq!(timeouts(""), MediaTimeouts { one: None, both: seconds(300) });
    assert_eq!(timeouts("both_silent = \"off\""), MediaTimeouts::default());
    let both = timeouts("one_silent = \"30m\"\nboth_silent = \"10s\"");
    assert_eq!(both, MediaTimeouts { one: seconds(1800), both: seconds(10) });
    refuses(
        &format!("{connector}[voice_connector.media]\none_silent = \"9s\""),
        "t.toml:7: one_silent: the string \"9s\" is out of range; use \"10s\" to \"1d\"",
    );
}

#[test]
fn a_voice_connector_says_what_becomes_of_legs_that_are_never_heard() {
    let connector =
        "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n[voice_connector.media]\n";
    let unheard = |lines: &str| {
        let text = format!("{connector}{lines}");
        accepts(&text).directory.voice_connectors().next().unwrap().unheard
    };
    let after = Duration::from_secs(10);
    assert_eq!(unheard(""), None);
    assert_eq!(unheard("unheard_after = \"off\""), None);
    assert_eq!(unheard("unheard_after = \"10s\""), Some(Unheard { after, ends_call: false }));
    let ends = "unheard_after = \"10s\"\nunheard = \"end\"";
    assert_eq!(unheard(ends), Some(Unheard { after, ends_call: true }));
    refuses(
        &format!("{connector}unheard_after = \"9s\""),
        "t.toml:7: unheard_after: the string \"9s\" is out of range; use \"10s\" to \"1d\"",
    );
    refuses(
        &format!("{connector}unheard_after = \"1m\"\nunheard = \"warn\""),
        "t.toml:8: unheard: \"warn\" is unknown; use \"report\" or \"end\"",
    );
}

#[test]
fn a_voice_connector_says_whether_audio_is_transcoded() {
    let connector = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";
    let formats = |lines: &str| {
        let text = format!("{connector}[voice_connector.media]\n{lines}");
        let transcoding =
            accepts(&text).directory.voice_connectors().next().unwrap().transcoding.clone();
        transcoding.iter().map(|format| format.name()).collect::<Vec<_>>()
    };
    assert!(formats("").is_empty());
    assert!(formats("transcode = \"off\"").is_empty());
    assert_eq!(formats("transcode = \"needed\""), ["PCMU", "PCMA", "G722", "opus"]);
    let text = format!("{connector}[voice_connector.media]\nrepacketise = true");
    assert!(accepts(&text).directory.voice_connectors().next().unwrap().repacketise);
    let noise = |value: &str| {
        let text = format!("{connector}[voice_connector.media]\ncomfort_noise = \"{value}\"");
        accepts(&text).directory.voice_connectors().next().unwrap().sends_comfort_noise
    };
    assert!(noise("send") && !noise("off"));
    let named = "transcode = \"needed\"\ntranscode_formats = [\"pcmu\", \"L16/16000\", \"PCMU\"]";
    assert_eq!(formats(named), ["PCMU", "L16/16000"]);
    for (line, message) in [
        ("transcode = \"always\"", "transcode: \"always\" is unknown; use \"off\" or \"needed\""),
        ("comfort_noise = true", "comfort_noise: expected a string in quotes, found true"),
        ("comfort_noise = \"on\"", "comfort_noise: \"on\" is unknown; use \"off\" or \"send\""),
        (
            "transcode_formats = [\"G729\"]",
            "transcode_formats: \"G729\" cannot be transcoded; use \"PCMU\", \"PCMA\", \"G722\", \
             \"opus\", \"L16/8000\", \"L16/16000\", \"L16/48000\"",
        ),
    ] {
        let text = format!("{connector}[voice_connector.media]\n{line}");
        refuses(&text, &format!("t.toml:7: {message}"));
    }
}

#[test]
fn a_carrier_may_say_itself_whether_audio_is_transcoded() {
    let carrier = "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\n";
    let formats = |lines: &str| {
        let config = accepts(&format!("{carrier}{lines}"));
        let said = config.directory.carriers().next().unwrap().transcoding.clone();
        said.map(|formats| formats.iter().map(|format| format.name()).collect::<Vec<_>>())
    };
    assert_eq!(formats(""), None, "its voice connectors say it");
    assert_eq!(formats("transcode = \"off\""), Some(vec![]));
    let usual = vec!["PCMU", "PCMA", "G722", "opus"];
    assert_eq!(formats("transcode = \"needed\""), Some(usual));
    let named = "transcode = \"needed\"\ntranscode_formats = [\"pcma\"]";
    assert_eq!(formats(named), Some(vec!["PCMA"]));
    refuses(
        &format!("{carrier}transcode = \"always\""),
        "t.toml:8: transcode: \"always\" is unknown; use \"off\" or \"needed\"",
    );
    refuses(
        &format!("{carrier}transcode = \"needed\"\ntranscode_formats = [\"G729\"]"),
        "t.toml:9: transcode_formats: \"G729\" cannot be transcoded; use \"PCMU\", \"PCMA\", \"G722\", \
         \"opus\", \"L16/8000\", \"L16/16000\", \"L16/48000\"",
    );
}

#[test]
fn a_voice_connector_says_which_lines_are_relayed_beside_the_audio() {
    let connector = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";
    let relayed = |lines: &str| {
        let text = format!("{connector}[voice_connector.media]\n{lines}");
        accepts(&text).directory.voice_connectors().next().unwrap().lines
    };
    let usual = RelayedLines { video: true, audio: false, text: true, application: true };
    assert_eq!(relayed(""), usual);
    assert_eq!(relayed("video = false"), RelayedLines { video: false, ..usual });
    let none = "video = false\ntext = false\napplication = false\nmore_audio = false";
    assert_eq!(relayed(none), RelayedLines::NONE);
    assert_eq!(relayed("more_audio = true"), RelayedLines { audio: true, ..usual });
    refuses(
        &format!("{connector}[voice_connector.media]\nvideo = \"on\""),
        "t.toml:7: video: expected true or false, found the string \"on\"",
    );
    refuses(
        "[media]\nmax_video_packets_per_second = 599",
        "t.toml:5: max_video_packets_per_second: 599 is out of range; use 600 to 1000000",
    );
}

#[test]
fn credentials_are_read_and_their_faults_told_without_the_password() {
    let carrier = "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\n";
    let vc =
        "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n[voice_connector.termination]\n";
    let secret = "open-sesame";
    for (lines, line, word) in [
        (format!("{carrier}password = \"{secret}\""), 8, "both or neither"),
        (format!("{carrier}username = \"u\""), 8, "both or neither"),
        (format!("{carrier}username = \"u\"\npassword = [\"{secret}\"]"), 9, "in quotes"),
        (format!("{vc}credentials = [{{ username = \"u\" }}]"), 7, "needs `password`"),
        (
            format!(
                "{vc}credentials = [{{ username = \"u\", password = \"{secret}\" }}, \
                 {{ username = \"u\", password = \"{secret}2\" }}]"
            ),
            7,
            "listed twice",
        ),
        (format!("{vc}digest_algorithms = [\"SHA-1\"]"), 7, "unknown"),
        (format!("{vc}digest_algorithms = []"), 7, "empty"),
        ("[authentication]\nnonce_lifetime = \"9s\"".to_owned(), 5, "out of range"),
        ("[authentication]\nfailures = 0".to_owned(), 5, "out of range"),
    ] {
        let errors = errors(&with(&lines));
        let there = format!("t.toml:{line}: ");
        assert!(errors.lines().any(|told| told.starts_with(&there)), "{lines}: {errors}");
        assert!(errors.contains(word) && !errors.contains(secret), "{lines}: {errors}");
    }
    let text = with(&format!(
        "{carrier}username = \"u\"\npassword = \"{secret}\"\nrealm = \"r\"\n{vc}\
         credentials = [{{ username = \"pbx\", password = \"{secret}\" }}]\n\
         digest_algorithms = [\"md5\", \"SHA-256\"]\n\
         [authentication]\nnonce_lifetime = \"1m\"\nfailures = 3\nfailure_interval = \"10s\""
    ));
    let config = Config::parse(&text, "t.toml").unwrap();
    let carrier = config.directory.carriers().next().unwrap();
    assert_eq!(carrier.credential.as_ref().map(|c| &*c.password), Some(secret));
    assert_eq!(carrier.realm.as_deref(), Some("r"));
    let connector = config.directory.voice_connectors().next().unwrap();
    let termination = connector.termination.as_ref().unwrap();
    assert_eq!(&*termination.credentials[0].username, "pbx");
    assert_eq!(termination.digest_algorithms, [DigestAlgorithm::Md5, DigestAlgorithm::Sha256]);
    assert_eq!(config.authentication.failures, 3);
    assert!(!format!("{config:?}").contains(secret));
}

#[test]
fn registrations_need_what_makes_them_safe() {
    let carrier = "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\n";
    let proved = "username = \"u\"\npassword = \"p\"\n";
    let vc = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";
    let asked = "[voice_connector.termination]\n\
                 credentials = [{ username = \"u\", password = \"p\" }]\n";
    let origination = "[[voice_connector.origination]]\nhost = \"registered\"\n";
    for (lines, word) in [
        (format!("{carrier}register = true"), "needs username and password"),
        (format!("{carrier}{proved}register = true\nregister_expires = \"59s\""), "out of range"),
        (format!("{vc}[voice_connector.registration]"), "needs credentials"),
        (format!("{vc}{asked}{origination}"), "needs [voice_connector.registration]"),
        (
            format!("{vc}{asked}{origination}port = 5060\n[voice_connector.registration]"),
            "remove port",
        ),
        (
            format!("{vc}{asked}[voice_connector.registration]\nmin_expires = \"1h\""),
            "must not be longer",
        ),
    ] {
        let errors = errors(&with(&lines));
        assert!(errors.contains(word), "{lines}\n{errors}");
    }
    let config = accepts(&format!(
        "{carrier}{proved}register = true\nregister_expires = \"10m\"\n{vc}{asked}{origination}\
         [voice_connector.registration]\nmax_bindings = 3"
    ));
    let carrier = config.directory.carriers().next().unwrap();
    assert_eq!(carrier.registration.map(|r| r.expires), Some(Duration::from_secs(600)));
    let connector = config.directory.voice_connectors().next().unwrap();
    assert_eq!(connector.registration.map(|r| r.max_bindings), Some(3));
    assert!(connector.origination.routes[0].registered);
    let off = accepts(&format!("{vc}{asked}[voice_connector.registration]\nenabled = false"));
    assert_eq!(off.directory.voice_connectors().next().unwrap().registration, None);
}

#[test]
fn early_media_passes_unless_the_connector_prefers_ringback() {
    let vc = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n";
    let read = |lines: &str| {
        let config = accepts(&format!("{vc}{lines}"));
        config
            .directory
            .voice_connector(&VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap())
            .map(|vc| vc.early_media)
    };
    assert_eq!(read(""), Some(directory::EarlyMedia::Pass));
    assert_eq!(read("early_media = \"pass\""), Some(directory::EarlyMedia::Pass));
    assert_eq!(read("early_media = \"ringback\""), Some(directory::EarlyMedia::Ringback));
    refuses(
        &format!("{vc}early_media = \"none\""),
        "t.toml:6: early_media: expected \"pass\" or \"ringback\", found \"none\"",
    );
}

#[test]
fn redirects_are_followed_only_as_often_and_where_the_operator_says() {
    let carrier = "[[carrier]]\nid = \"a\"\nhost = \"192.0.2.1\"\nprefixes = [\"+\"]\n";
    let policy = |lines: &str| {
        let config = accepts(&format!("{carrier}{lines}"));
        let route = config.directory.outbound_routes("+12065550100", &mut || 0).remove(0);
        route.carrier.unwrap().redirects.clone()
    };
    assert_eq!(policy("").limit, 0);
    let most = policy("follow_redirects = 5\nredirect_hosts = [\"192.0.2.2\", \"b.example\"]");
    assert_eq!((most.limit, most.hosts.len()), (5, 2));
    refuses(
        &format!("{carrier}follow_redirects = 6"),
        "t.toml:8: follow_redirects: 6 is out of range; use 0 to 5",
    );
}

#[test]
fn a_voice_connector_says_who_is_told_of_streams() {
    let text = |line: &str| {
        format!(
            "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n[voice_connector.streaming]\n{line}"
        )
    };
    let named = |line: &str| {
        let config = accepts(&text(line));
        let told = config.directory.voice_connectors().next().unwrap().streaming.notifications;
        (told.event_bridge, told.sns, told.sqs)
    };
    assert_eq!(named(""), (true, false, false));
    assert_eq!(named("notifications = []"), (false, false, false));
    assert_eq!(named("notifications = [\"SQS\", \"EventBridge\"]"), (true, false, true));
    refuses(
        &text("notifications = [\"Kafka\"]"),
        "t.toml:7: notifications: \"Kafka\" is unknown; use \"EventBridge\", \"SNS\" or \"SQS\"",
    );
    let told = super::warnings(&text("notifications = [\"SNS\", \"SQS\"]"));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("SNS of abcdef1ghij2klmno3pqr4: set topic_arn of [sinks] sns"));
    let queue = "[sinks]\nsqs = { kind = \"aws\", queue_url = \"http://127.0.0.1:5000/1/q\" }\n";
    let told = super::warnings(&format!("{queue}{}", text("notifications = [\"SQS\"]")));
    assert_eq!(told, [""; 0]);
}
