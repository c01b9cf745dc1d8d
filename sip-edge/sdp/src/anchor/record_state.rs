//! Whether a leg is told that it is recorded (`a=record`, RFC 7866 section 7.2), and another word on it in
//! the description that it has.

use super::OriginState;

/// What a participant is told of a recording (RFC 7866 section 7.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordState {
    /// It takes place.
    On,
    /// It does not, or not any more.
    Off,
    /// It may go on again.
    Paused,
}

impl RecordState {
    const ALL: [RecordState; 3] = [RecordState::On, RecordState::Off, RecordState::Paused];

    /// The value of `a=record`.
    pub const fn name(self) -> &'static str {
        match self {
            RecordState::On => "on",
            RecordState::Off => "off",
            RecordState::Paused => "paused",
        }
    }

    /// The state of this name; `None` for a word that is none.
    pub fn parse(name: &str) -> Option<Self> {
        RecordState::ALL.into_iter().find(|state| state.name() == name.trim())
    }
}

const NAME: &str = "a=record:";
const DIRECTIONS: [&str; 4] = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];

impl OriginState {
    /// What the leg's last description says of a recording, whoever said it; `None` when nothing.
    pub fn told_recorded(&self) -> Option<RecordState> {
        let text = std::str::from_utf8(self.last()?).ok()?;
        text.lines().find_map(|line| line.strip_prefix(NAME)).and_then(RecordState::parse)
    }

    /// Writes the leg's last description once more, with `recorded` in each line that is not declined and
    /// with the next version: an offer that changes nothing else (RFC 3264 section 8). `None` when
    /// nothing was described to the leg.
    pub fn say_recorded(&mut self, recorded: RecordState) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(self.last()?).ok()?;
        let version = self.origin.version.wrapping_add(1);
        let written = with_state(text, recorded, (self.origin.session_id, version));
        self.origin.version = version;
        self.last = Some(written.as_bytes().into());
        Some(written.into_bytes())
    }
}

/// `text`, which is ours: what it says of a recording stands where a new description has it, and the
/// direction is the last attribute of each line that is not declined.
fn with_state(text: &str, recorded: RecordState, (session_id, version): (u64, u64)) -> String {
    let mut out = String::with_capacity(text.len() + 48);
    let mut in_line = false;
    for line in text.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            in_line = !media.split_whitespace().nth(1).is_some_and(|port| port == "0");
        }
        if in_line && line.starts_with(NAME) {
            continue;
        }
        if in_line && DIRECTIONS.contains(&line) {
            out.extend([NAME, recorded.name(), "\r\n"]);
        }
        match line.strip_prefix("o=- ").map(|rest| rest.splitn(3, ' ').nth(2)) {
            Some(Some(address)) => out.push_str(&format!("o=- {session_id} {version} {address}")),
            _ => out.push_str(line),
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_says_it_of_each_line_that_is_not_declined() {
        let text = "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                    m=audio 4000 RTP/AVP 0\r\na=record:on\r\na=sendonly\r\n\
                    m=video 0 RTP/AVP 96\r\n\
                    m=video 4002 RTP/AVP 97\r\na=x:1\r\na=sendrecv\r\n";
        for state in RecordState::ALL {
            let said = with_state(text, state, (7, 4));
            let line = format!("a=record:{}\r\n", state.name());
            let wanted = text
                .replace("7 3 IN", "7 4 IN")
                .replace("a=record:on\r\n", &line)
                .replace("a=sendrecv\r\n", &[&line, "a=sendrecv\r\n"].concat());
            assert_eq!(said, wanted);
            assert_eq!(RecordState::parse(state.name()), Some(state));
        }
        assert_eq!(RecordState::parse("maybe"), None);
    }
}
