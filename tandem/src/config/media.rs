//! `[media]`.

use super::hold_music;
use super::reader::Table;
use super::sip::{HOUR, MINUTE, SECOND};
use super::value;
use b2bua::HoldMusicWhen;
use directory::Unheard;
use media_relay::{FastPathMode, RtcpStyle};
use model::{MediaTimeouts, RelayedLines, Ringback, TranscodableFormat};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use toml::de::DeValue;

/// The media relay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Media {
    /// Addresses that sockets are bound to, 1 to 16; default 127.0.0.1.
    pub(crate) bind: Vec<IpAddr>,
    /// The address that session descriptions name for each of `bind`, in the same order.
    pub(crate) advertise: Vec<IpAddr>,
    /// Ports for RTP (even) and RTCP (odd); default 10000 to 60000.
    pub(crate) ports: RangeInclusive<u16>,
    /// Relay threads, 1 to 64; `None` is one per core.
    pub(crate) workers: Option<usize>,
    /// How long a port rests after its call, up to 5 min; default 5 s.
    pub(crate) quarantine: Duration,
    /// Time between quality reports, 1 s to 1 h; default 60 s.
    pub(crate) report_interval: Duration,
    /// Time between what `tandem calls` sees of a call's quality, 1 s to 1 h; default 5 s.
    pub(crate) live_interval: Duration,
    /// A leg that sent nothing for so long is reported silent, 1 s to 1 h; default 60 s.
    pub(crate) silence_after: Duration,
    /// Whether the kernel forwards what needs no decision; default [`FastPathMode::Auto`].
    pub(crate) fast_path: FastPathMode,
    /// Directions of streams, two a call, that it can forward at once, 2 to 262,144; default 8,192.
    pub(crate) fast_path_capacity: u32,
    /// Who speaks RTCP with the legs; default [`RtcpStyle::Auto`].
    pub(crate) rtcp: RtcpStyle,
    /// Differentiated services code point of media, 0 to 63; default 46.
    pub(crate) dscp: u8,
    /// Packets a second that a leg may send, 600 to 1,000,000; default 2,000. The kernel's path takes
    /// up to 560 of a stream by itself, so that less could not be kept.
    pub(crate) max_packets_per_second: u32,
    /// Streams that are listened to at a time, each with a ring of 64 KiB, 1 to 65,536; default 4,096.
    pub(crate) max_listened_streams: usize,
    /// The WAV file that who is put on hold hears, where nothing else is said; default none.
    pub(crate) hold_music: Option<Arc<str>>,
    /// Whether it is heard over what the holder sends; default [`HoldMusicWhen::Silent`].
    pub(crate) hold_music_when: HoldMusicWhen,
    /// What a transferred party hears while the target rings; default North America's.
    pub(crate) ringback: Option<Ringback>,
    /// The same for its video, 600 to 1,000,000; default 5,000: 50 Mbit/s in packets of 1,200 octets.
    pub(crate) max_video_packets_per_second: u32,
}

pub(super) fn read(mut table: Table<'_>) -> Media {
    let hold_music = hold_music::read_hold_music(&mut table, None);
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let bind = table.one_or_list("bind", value::ip_address).unwrap_or_else(|| vec![loopback]);
    let advertise = table.one_or_list("advertise", value::ip_address);
    check_addresses(&table, &bind, advertise.as_deref());
    let media = Media {
        advertise: advertise.unwrap_or_else(|| bind.clone()),
        bind,
        ports: table.or("ports", 10_000..=60_000, value::port_range),
        workers: table.optional("workers", |v| value::within(value::integer(v)?, 1..=64)),
        quarantine: table.or("quarantine", 5 * SECOND, |v| {
            value::duration_within(v, Duration::ZERO, 5 * MINUTE)
        }),
        report_interval: table
            .or("report_interval", MINUTE, |v| value::duration_within(v, SECOND, HOUR)),
        live_interval: table
            .or("live_interval", 5 * SECOND, |v| value::duration_within(v, SECOND, HOUR)),
        silence_after: table
            .or("silence_after", MINUTE, |v| value::duration_within(v, SECOND, HOUR)),
        fast_path: table.or("fast_path", FastPathMode::Auto, fast_path),
        fast_path_capacity: table
            .or("fast_path_capacity", 8_192, |v| value::within(value::integer(v)?, 2..=262_144)),
        rtcp: table.or("rtcp", RtcpStyle::Auto, rtcp),
        dscp: table.or("dscp", 46, |v| value::within(value::integer(v)?, 0..=63)),
        max_packets_per_second: table.or("max_packets_per_second", 2_000, packet_rate),
        max_video_packets_per_second: table.or("max_video_packets_per_second", 5_000, packet_rate),
        max_listened_streams: table
            .or("max_listened_streams", 4_096, |v| value::within(value::integer(v)?, 1..=65_536)),
        hold_music,
        hold_music_when: table.or(
            "hold_music_when",
            HoldMusicWhen::default(),
            hold_music::read_when,
        ),
        ringback: table.or("ringback", Some(Ringback::default()), hold_music::read_ringback),
    };
    table.finish();
    media
}

fn packet_rate(value: &DeValue<'_>) -> Result<u32, String> {
    value::within(value::integer(value)?, 600..=1_000_000)
}

/// `[voice_connector.media]`.
pub(super) struct ConnectorMedia {
    /// Silence that ends calls.
    pub(super) timeouts: MediaTimeouts,
    /// Legs that send audio and are never heard.
    pub(super) unheard: Option<Unheard>,
    /// Whether audio is transcoded.
    pub(super) transcoding: Arc<[TranscodableFormat]>,
    /// Whether packets get the duration that each leg asks for; default false.
    pub(super) repacketise: bool,
    /// Whether comfort noise takes the place of silence; default false.
    pub(super) sends_comfort_noise: bool,
    pub(super) hold_music: Option<Arc<str>>,
    /// What is relayed beside the audio.
    pub(super) lines: RelayedLines,
}

/// `default` is the hold music where the section says none.
pub(super) fn read_of_connector(
    mut table: Table<'_>,
    default: Option<&Arc<str>>,
) -> ConnectorMedia {
    let media = ConnectorMedia {
        hold_music: hold_music::read_hold_music(&mut table, default),
        timeouts: read_timeouts(&mut table),
        unheard: read_unheard(&mut table),
        transcoding: super::transcoding::read(&mut table),
        repacketise: table.or("repacketise", false, value::boolean),
        sends_comfort_noise: table.or("comfort_noise", false, comfort_noise),
        lines: read_lines(&mut table),
    };
    table.finish();
    media
}

fn comfort_noise(value: &DeValue<'_>) -> Result<bool, String> {
    match value::text(value)? {
        "off" => Ok(false),
        "send" => Ok(true),
        other => Err(format!("{other:?} is unknown; use \"off\" or \"send\"")),
    }
}

fn read_lines(table: &mut Table<'_>) -> RelayedLines {
    let usual = RelayedLines::default();
    RelayedLines {
        video: table.or("video", usual.video, value::boolean),
        audio: table.or("more_audio", usual.audio, value::boolean),
        text: table.or("text", usual.text, value::boolean),
        application: table.or("application", usual.application, value::boolean),
    }
}

fn read_timeouts(table: &mut Table<'_>) -> MediaTimeouts {
    let default = Some(5 * MINUTE);
    MediaTimeouts {
        one: table.or("one_silent", None, silence),
        both: table.or("both_silent", default, silence),
    }
}

fn read_unheard(table: &mut Table<'_>) -> Option<Unheard> {
    let after = table.or("unheard_after", None, silence);
    let ends_call = table.optional("unheard", |value| match value::text(value)? {
        "report" => Ok(false),
        "end" => Ok(true),
        other => Err(format!("{other:?} is unknown; use \"report\" or \"end\"")),
    });
    if ends_call.is_some() && after.is_none() {
        table.warn_at("unheard", "counts only with unheard_after");
    }
    Some(Unheard { after: after?, ends_call: ends_call.unwrap_or(false) })
}

/// Shorter would take the pauses of a caller who listens for a broken path.
fn silence(value: &DeValue<'_>) -> Result<Option<Duration>, String> {
    if value::text(value)? == "off" {
        return Ok(None);
    }
    value::duration_within(value, 10 * SECOND, 24 * HOUR).map(Some)
}

fn fast_path(value: &DeValue<'_>) -> Result<FastPathMode, String> {
    match value::text(value)? {
        "auto" => Ok(FastPathMode::Auto),
        "off" => Ok(FastPathMode::Off),
        "ebpf" => Ok(FastPathMode::Required),
        other => Err(format!("{other:?} is unknown; use \"auto\", \"off\" or \"ebpf\"")),
    }
}

pub(super) fn rtcp(value: &DeValue<'_>) -> Result<RtcpStyle, String> {
    match value::text(value)? {
        "auto" => Ok(RtcpStyle::Auto),
        "translator" => Ok(RtcpStyle::Translator),
        "back-to-back" => Ok(RtcpStyle::BackToBack),
        other => {
            Err(format!("{other:?} is unknown; use \"auto\", \"translator\" or \"back-to-back\""))
        }
    }
}

fn check_addresses(table: &Table<'_>, bind: &[IpAddr], advertise: Option<&[IpAddr]>) {
    if bind.is_empty() || bind.len() > 16 {
        table.error_at("bind", "give 1 to 16 addresses, such as bind = \"192.0.2.1\"");
        return;
    }
    let Some(advertise) = advertise else {
        for ip in bind.iter().filter(|ip| ip.is_unspecified()) {
            table.error_at(
                "bind",
                format!(
                    "{ip} names no address that peers could send to; bind one address, or add \
                     advertise = \"…\" with the public one"
                ),
            );
        }
        return;
    };
    let alike = bind.len() == advertise.len()
        && bind.iter().zip(advertise).all(|(b, a)| b.is_ipv4() == a.is_ipv4());
    if !alike {
        table.error_at(
            "advertise",
            "must have one address for each address of bind, in the same order and of the same IP \
             version",
        );
    }
    for ip in advertise.iter().filter(|ip| ip.is_unspecified() || ip.is_multicast()) {
        table.error_at("advertise", format!("{ip} is no address that peers could send to"));
    }
}
