//! What to look at next, for each cause: the end of its sentence.

use super::Cause;

/// In the imperative, without a capital; `None` where nothing is to be repaired.
pub(super) const fn step(cause: Cause) -> Option<&'static str> {
    Some(match cause {
        Cause::Good
        | Cause::NoAnswer
        | Cause::Busy
        | Cause::Declined
        | Cause::Unavailable
        | Cause::CallerGaveUp => return None,
        // The rule that refused says itself what to do.
        Cause::Credentials | Cause::Capacity | Cause::Policy => return None,
        Cause::NoCommonCodec => {
            "let one side offer what the other takes, or set transcode = \"needed\" in \
             [voice_connector.media]"
        }
        Cause::MediaSecurity => {
            "compare srtp of its [[carrier]], or require_encryption of the voice connector, with what \
             it is set to"
        }
        Cause::Unreachable => {
            "it is down, or something between drops SIP: ask `tandem doctor`, then look at the \
             firewalls"
        }
        Cause::NeverRang => "ask that side for its trace, and look at its next hop",
        Cause::UnknownNumber => "compare the number with the form that it wants",
        Cause::RouteCredentials => "check username and password of the route",
        Cause::Forbidden => "check what it allows for this number and for this node's address",
        Cause::PeerFailed | Cause::RoutesFailed => {
            "look at `tandem health` for how often, and ask it for its trace"
        }
        Cause::NoPrack => "look at 100rel in its system, and whether a firewall drops its PRACK",
        Cause::OtherStatus => "look in the ladder at what it was asked",
        Cause::Incomplete => "look in the node's log for what was before that",
        Cause::RelayLost => {
            "it was stopped, or its connection broke: look at its log, and at tandem_relay_link_up"
        }
        Cause::ApplicationFailed => {
            "look at its own log, and at endpoint and timeout of its [[sip_media_application]]"
        }
        Cause::NoMeeting => {
            "compare what was dialled and typed with `tandem room list`, and look at \
             tandem_room_ids_refused_total"
        }
        Cause::UnusableAnswer | Cause::ChangeRefused => {
            "compare the session descriptions (SDP) in the ladder"
        }
        Cause::EdgeRestarted => {
            "unless somebody stopped it, look at the end of its log from before for why it ended"
        }
        Cause::NodeStopped => "if calls are to end by themselves first, raise [drain] timeout",
        Cause::TooLong => "if that was no forgotten call, raise the limit",
        Cause::NoAck => "look at the Contact that it was given, at NAT and firewall",
        Cause::PeerGone => "look whether it was restarted, or lost its network",
        Cause::NotRefreshed => {
            "look at Session-Expires in the SIP log, and whether the refresher's requests arrive"
        }
        Cause::TransferFailed => "look in the ladder at REFER and the NOTIFYs",
        Cause::MediaStopped => "look whether it holds calls without saying so, and at its NAT",
        Cause::NoAudio => {
            "check that both reach Tandem's media ports at the address of [media] advertise"
        }
        Cause::NothingCame => {
            "look at its firewall, its NAT and the media address that it was given"
        }
        Cause::WrongSource => "look for a NAT or a second media address",
        Cause::WrongKey => "look at its SRTP settings, and at its keys after a re-INVITE",
        Cause::OnlySilence => "look at its microphone, and at what is behind it",
        Cause::NothingSent => "look in the ladder at the address and direction that it asked for",
        Cause::HostDrops => {
            "it is overloaded or has no route: look at its processors and at `tandem doctor`"
        }
        Cause::UplinkLoss | Cause::UplinkBursts => {
            "look at the access line and the Wi-Fi of the side that lost, and at its other calls then"
        }
        Cause::DownlinkLoss => "look at its access line, and at other calls to it then",
        Cause::Jitter => {
            "look at the access line and the Wi-Fi of that uplink, and for a full queue"
        }
        Cause::LateForBuffer => "look at the jitter on the way to it, or raise its jitter buffer",
        Cause::Delay => "look at the route between them, and for a VPN or a satellite",
        Cause::Reordering => "look for links that share the packets of one stream",
        Cause::CodecMismatch => "set transcode = \"needed\" in [voice_connector.media]",
        Cause::LowScore => "look whether the sides can agree on a better codec",
        Cause::SlowSetup => "look in the ladder for where it waited",
        Cause::NotMeasured => "look at the relay's log, and at tandem_relay_link_up",
    })
}
