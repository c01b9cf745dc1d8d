//! Descriptions of a recording client (RFC 7866): which of its lines a recording server takes, and the
//! answer of somebody who only listens.

use crate::audio::{AudioStream, payload_types};
use crate::description::SessionDescription;
use crate::direction::Direction;
use model::{Codec, MediaType};
use std::fmt::Write as _;

impl SessionDescription {
    /// The first `most` lines of audio that can be relayed under [`encryption`](Self::encryption) and
    /// read: PCMU, PCMA, G.722 or Opus. The others are to be declined.
    pub fn recordable(&self, most: usize) -> Vec<usize> {
        let can_be_read = |index: &usize| {
            self.audio_at(*index).is_some_and(|stream| {
                let is_audio = stream.profile.is_rtp() && stream.check_address().is_ok();
                is_audio && stream.codecs.iter().any(|one| is_read(one.codec))
            })
        };
        let mut lines: Vec<usize> = (0..self.media_count()).filter(can_be_read).collect();
        // Lines beside the main one must be such that one answer can have both.
        let taken = self.taking(&lines);
        let main = taken.audio_ref().map(|main| main.index);
        lines.retain(|&index| {
            Some(index) == main
                || taken.line_at(index).is_some_and(|line| line.media == MediaType::Audio)
        });
        lines.truncate(most);
        lines
    }

    /// The lines that ask for anything.
    pub fn wanted_lines(&self) -> impl Iterator<Item = usize> {
        let lines = self.inner.medias.iter().enumerate();
        lines.filter(|(_, line)| line.port != 0).map(|(index, _)| index)
    }

    /// The same with every line declined but `lines`. [`text`](Self::text) stays what came.
    #[must_use]
    pub fn taking(&self, lines: &[usize]) -> Self {
        let mut inner = self.inner.clone();
        for (index, media) in inner.medias.iter_mut().enumerate() {
            if !lines.contains(&index) {
                media.port = 0;
            }
        }
        self.changed(inner)
    }

    /// What somebody answers who takes every line that this asks for and has nothing to send: formats
    /// that can be read, in their order.
    #[must_use]
    pub fn heard(&self) -> Self {
        self.answered_here(|direction| Direction::of(false, direction.sends()))
    }

    /// The same of somebody who also speaks: what is answered where nobody else is on the other side.
    #[must_use]
    pub fn spoken(&self) -> Self {
        self.answered_here(Direction::reversed)
    }

    fn answered_here(&self, direction: impl Fn(Direction) -> Direction) -> Self {
        let mut inner = self.inner.clone();
        let is_direction = |name: &str| Direction::from_attribute(name.trim()).is_some();
        inner.attributes.retain(|attribute| !is_direction(&attribute.attribute));
        for (index, media) in inner.medias.iter_mut().enumerate() {
            let Some(stream) = self.audio_at(index) else { continue };
            let mut formats = String::with_capacity(media.fmt.len());
            for payload_type in payload_types(&media.fmt).filter(|&pt| is_kept(&stream, pt)) {
                let space = if formats.is_empty() { "" } else { " " };
                // Writing into a String cannot fail.
                let _ = write!(formats, "{space}{payload_type}");
            }
            let of_kept = |value: &str| {
                let number = value.split([' ', ':']).next().unwrap_or_default();
                number.parse().is_ok_and(|payload_type| is_kept(&stream, payload_type))
            };
            media.attributes.retain(|attribute| {
                let name = attribute.attribute.trim();
                let per_format = ["rtpmap", "fmtp", "rtcp-fb"]
                    .iter()
                    .any(|known| name.eq_ignore_ascii_case(known));
                let value = attribute.value.as_deref().unwrap_or_default().trim();
                !is_direction(name) && (!per_format || of_kept(value))
            });
            let direction = direction(stream.direction);
            media.add_attribute_from_str(direction.as_str());
            media.fmt = formats;
        }
        self.changed(inner)
    }

    /// The `a=label` (RFC 4574) of `m=` line `index`.
    pub fn label(&self, index: usize) -> Option<&str> {
        let line = self.inner.medias.get(index)?;
        let is_label = |name: &str| name.trim().eq_ignore_ascii_case("label");
        let label = line.attributes.iter().find(|attribute| is_label(&attribute.attribute))?;
        label.value.as_deref().map(str::trim).filter(|label| !label.is_empty())
    }
}

const fn is_read(codec: Codec) -> bool {
    matches!(codec, Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::Opus)
}

fn is_kept(stream: &AudioStream, payload_type: u8) -> bool {
    let beside = |codec| matches!(codec, Codec::TelephoneEvent | Codec::ComfortNoise);
    let found = stream.codecs.iter().find(|one| one.payload_type == payload_type);
    found.is_some_and(|one| is_read(one.codec) || beside(one.codec))
}

#[cfg(test)]
mod tests;
