//! What `tandem room create` and `update` set.

use serde_json::{Value, json};

/// What is set for a room.
#[derive(clap::Args)]
pub(crate) struct Set {
    /// Attendees hear music until a moderator is in.
    #[arg(long, conflicts_with_all = ["admitted", "open"])]
    moderated: bool,
    /// Attendees hear music until a moderator admits them.
    #[arg(long, conflicts_with = "open")]
    admitted: bool,
    /// Everyone gets in at once.
    #[arg(long)]
    open: bool,
    /// People in it and waiting at most, 1 to 250.
    #[arg(long, value_name = "PEOPLE")]
    capacity: Option<u16>,
    /// What is heard when somebody joins or leaves.
    #[arg(long, value_enum)]
    announce: Option<Announce>,
    /// Who may share slides or a screen.
    #[arg(long, value_enum)]
    slides: Option<Slides>,
    /// What those see who ask for nothing else.
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// The language of what everyone hears, such as en or pt-BR.
    #[arg(long)]
    language: Option<String>,
    /// Minutes that a meeting lasts at most, 1 to 2880.
    #[arg(long, value_name = "MINUTES")]
    longest: Option<u32>,
    #[command(flatten)]
    further: Further,
}

/// What is set for a room and seldom differs.
#[derive(clap::Args)]
pub(crate) struct Further {
    /// What an attendee meets who comes when it is locked.
    #[arg(long, value_enum)]
    when_locked: Option<WhenLocked>,
    /// What becomes of a meeting whose last moderator has gone.
    #[arg(long, value_enum)]
    last_moderator: Option<LastModerator>,
    /// With --last-moderator end-after: so many seconds later, 0 to 86400.
    #[arg(long, value_name = "SECONDS")]
    end_after: Option<u32>,
    /// Seconds that a meeting goes on with nobody in it, 0 to 86400.
    #[arg(long, value_name = "SECONDS")]
    empty: Option<u32>,
    /// Minutes before its end at which that is said, of 1, 2, 3, 5, 10, 15, 30, such as 5,1.
    #[arg(long, value_name = "MINUTES", value_delimiter = ',')]
    warnings: Option<Vec<u8>>,
    /// Minutes that somebody waits at most, 1 to 240.
    #[arg(long, value_name = "MINUTES")]
    waiting: Option<u32>,
    /// Seconds without a packet after which somebody counts as gone, 5 to 600.
    #[arg(long, value_name = "SECONDS")]
    vanished: Option<u32>,
    /// Whether attendees may end that a moderator muted them.
    #[arg(long, value_name = "true|false")]
    unmute_oneself: Option<bool>,
    /// Whether who is called into it must press 1.
    #[arg(long, value_name = "true|false")]
    confirm_called: Option<bool>,
}

/// What attendees meet at a locked meeting.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum WhenLocked {
    /// The same words as after a wrong id.
    Refuse,
    /// They wait, and moderators hear that somebody does.
    Knock,
}

/// What becomes of a meeting without moderators.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum LastModerator {
    /// It goes on.
    Continue,
    /// It ends, unless a moderator comes.
    EndAfter,
    /// Whoever has been in it the longest becomes one.
    Promote,
    /// Everyone waits for a moderator.
    BackToWaiting,
}

/// What is heard of comings and goings.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Announce {
    /// Nothing.
    Off,
    /// A tone.
    Tone,
    /// The name, which telephones are asked to say before.
    Name,
}

/// Who may share slides.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Slides {
    /// Everyone; who begins takes over.
    Everyone,
    /// Everyone whom a moderator lets (`tandem room present`).
    Asked,
    /// Moderators.
    Moderators,
    /// Nobody.
    Nobody,
}

/// What is seen of the others.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Layout {
    /// Whoever speaks.
    Speaker,
    /// All at once, in one picture, where there is CPU for it.
    Grid,
}

impl Layout {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Layout::Speaker => "Speaker",
            Layout::Grid => "Grid",
        }
    }
}

impl Set {
    /// As members of a request.
    pub(super) fn written(&self) -> Value {
        let access = match (self.moderated, self.admitted, self.open) {
            (true, ..) => Some("Moderated"),
            (_, true, _) => Some("Admitted"),
            (.., true) => Some("Open"),
            _ => None,
        };
        let announce = self.announce.map(|announce| match announce {
            Announce::Off => "Off",
            Announce::Tone => "Tone",
            Announce::Name => "Name",
        });
        let slides = self.slides.map(|slides| match slides {
            Slides::Everyone => "Everyone",
            Slides::Asked => "Asked",
            Slides::Moderators => "Moderators",
            Slides::Nobody => "Nobody",
        });
        let mut written = json!({
            "Slides": slides, "Layout": self.layout.map(Layout::word),
            "Access": access, "Capacity": self.capacity, "Announce": announce,
            "Language": self.language, "LongestMinutes": self.longest,
        });
        self.further.write(&mut written);
        written
    }
}

impl Further {
    fn write(&self, written: &mut Value) {
        let when_locked = self.when_locked.map(|what| match what {
            WhenLocked::Refuse => "Refuse",
            WhenLocked::Knock => "Knock",
        });
        let last_moderator = self.last_moderator.map(|what| match what {
            LastModerator::Continue => "Continue",
            LastModerator::EndAfter => "EndAfter",
            LastModerator::Promote => "Promote",
            LastModerator::BackToWaiting => "BackToWaiting",
        });
        for (member, value) in [
            ("WhenLocked", json!(when_locked)),
            ("LastModerator", json!(last_moderator)),
            ("EndAfterSeconds", json!(self.end_after)),
            ("EmptySeconds", json!(self.empty)),
            ("Warnings", json!(self.warnings)),
            ("WaitingMinutes", json!(self.waiting)),
            ("VanishedSeconds", json!(self.vanished)),
            ("UnmuteOneself", json!(self.unmute_oneself)),
            ("ConfirmCalled", json!(self.confirm_called)),
        ] {
            written[member] = value;
        }
    }
}
