//! How the two sides of a call say that a key was pressed.

/// What one side speaks: a customer's systems, or a carrier.
///
/// Keys are converted where both sides are known to speak, and do not speak the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Dtmf {
    /// Events (RFC 4733), if it agrees to telephone-event. What it speaks if it does not is unknown.
    #[default]
    Rfc4733,
    /// Events if it agrees to telephone-event, else tones in the audio.
    Auto,
    /// INFO requests with `application/dtmf-relay` or `application/dtmf`. Its descriptions have no
    /// telephone-event.
    Info,
    /// Tones in the audio. Its descriptions have no telephone-event.
    Inband,
    /// Unknown: nothing of its calls is converted.
    Pass,
}

impl Dtmf {
    /// Whether telephone-event stays out of its descriptions.
    pub const fn has_no_events(self) -> bool {
        matches!(self, Dtmf::Info | Dtmf::Inband)
    }

    /// Whether it is to agree to telephone-event although `other`, at the other end of the call, may
    /// not have it: its keys are then converted.
    pub const fn is_offered_events(self, other: Dtmf) -> bool {
        match self {
            Dtmf::Rfc4733 => matches!(other, Dtmf::Info | Dtmf::Inband | Dtmf::Auto),
            // Towards tones it can speak tones.
            Dtmf::Auto => matches!(other, Dtmf::Info),
            Dtmf::Info | Dtmf::Inband | Dtmf::Pass => false,
        }
    }
}
