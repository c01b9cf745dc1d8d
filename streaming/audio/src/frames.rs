//! The samples that wait to be given away: 20 ms a frame, in a ring.

/// Frames that wait at most: 640 ms.
pub(crate) const FRAMES: u64 = 32;

/// A window of the timeline. It moves on as frames are taken from it, and is silent where nobody wrote.
#[derive(Debug)]
pub(crate) struct FrameRing {
    samples: Box<[i16]>,
    /// Samples of each frame that were written.
    heard: [u16; FRAMES as usize],
    frame_len: usize,
    /// The next frame to be taken, counted from the beginning of the call.
    first: u64,
    /// Behind the last sample that was written.
    written: i64,
}

impl FrameRing {
    /// Frames of `frame_len` samples, the first of them frame `first` of the call.
    pub(crate) fn new(frame_len: usize, first: u64) -> Self {
        FrameRing {
            samples: vec![0; frame_len * FRAMES as usize].into(),
            heard: [0; FRAMES as usize],
            frame_len,
            first,
            written: 0,
        }
    }

    /// The next frame to be taken.
    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    /// The place of the first sample that was not given away yet.
    pub(crate) fn start(&self) -> i64 {
        place_of(self.first, self.frame_len)
    }

    /// Behind the last sample that was written.
    pub(crate) const fn written(&self) -> i64 {
        self.written
    }

    /// Puts samples to their place; how many of them found it free. What was given away or written
    /// already is not written again, and what lies beyond the window is not kept.
    pub(crate) fn write(&mut self, at: i64, samples: &[i16]) -> usize {
        let free = self.written.max(self.start());
        let end = place_of(self.first + FRAMES, self.frame_len);
        let cut = usize::try_from(free.saturating_sub(at)).unwrap_or_default().min(samples.len());
        let at = at.max(free);
        let room = usize::try_from(end.saturating_sub(at)).unwrap_or_default();
        let kept = samples.get(cut..).unwrap_or_default();
        let kept = kept.get(..room.min(kept.len())).unwrap_or_default();
        if kept.is_empty() {
            return 0;
        }
        let mut place = usize::try_from(at).unwrap_or_default();
        let mut rest = kept;
        while !rest.is_empty() {
            let within = place % self.frame_len;
            let (now, later) = rest.split_at((self.frame_len - within).min(rest.len()));
            let slot = place / self.frame_len % FRAMES as usize;
            let begin = slot * self.frame_len + within;
            if let Some(target) = self.samples.get_mut(begin..begin + now.len()) {
                target.copy_from_slice(now);
            }
            if let Some(heard) = self.heard.get_mut(slot) {
                *heard += now.len() as u16;
            }
            place += now.len();
            rest = later;
        }
        self.written = at + kept.len() as i64;
        kept.len()
    }

    /// Moves the next frame into `out`, which is as long as one; how many of its samples are missing.
    pub(crate) fn take(&mut self, out: &mut [i16]) -> u32 {
        let slot = (self.first % FRAMES) as usize;
        let heard = self.heard.get_mut(slot).map(std::mem::take).unwrap_or_default();
        let begin = slot * self.frame_len;
        match self.samples.get_mut(begin..begin + self.frame_len) {
            Some(samples) if heard > 0 && samples.len() == out.len() => {
                out.copy_from_slice(samples);
                samples.fill(0);
            }
            _ => out.fill(0),
        }
        self.first += 1;
        (self.frame_len as u32).saturating_sub(u32::from(heard))
    }
}

fn place_of(frame: u64, frame_len: usize) -> i64 {
    i64::try_from(frame.saturating_mul(frame_len as u64)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_nobody_wrote_is_silent_and_missing() {
        let mut ring = FrameRing::new(4, 0);
        assert_eq!(ring.write(2, &[1, 2, 3]), 3);
        let mut out = [9; 4];
        assert_eq!((ring.take(&mut out), out), (2, [0, 0, 1, 2]));
        assert_eq!((ring.take(&mut out), out), (3, [3, 0, 0, 0]));
        assert_eq!((ring.take(&mut out), out), (4, [0; 4]));
        assert_eq!(ring.first(), 3);
    }

    #[test]
    fn what_was_written_or_given_away_stays() {
        let mut ring = FrameRing::new(4, 0);
        ring.write(0, &[1, 2, 3]);
        assert_eq!(ring.write(1, &[7, 7, 7]), 1);
        let mut out = [0; 4];
        ring.take(&mut out);
        assert_eq!(out, [1, 2, 3, 7]);
        assert_eq!(ring.write(0, &[5; 4]), 0);
        assert_eq!(ring.write(-9, &[5; 4]), 0);
        assert_eq!(ring.write(3, &[5, 6]), 1);
        assert_eq!((ring.take(&mut out), out), (3, [6, 0, 0, 0]));
    }

    #[test]
    fn the_window_ends() {
        let mut ring = FrameRing::new(4, 3);
        let end = (3 + FRAMES as i64) * 4;
        assert_eq!(ring.write(end - 1, &[1, 2]), 1);
        assert_eq!(ring.write(end, &[1, 2]), 0);
        assert_eq!(ring.write(i64::MAX, &[1]), 0);
        assert_eq!(ring.write(i64::MIN, &[1]), 0);
    }

    proptest! {
        /// Against a plain vector.
        #[test]
        fn a_ring_is_a_window_of_one_long_line(
            steps in prop::collection::vec((-6_i64..60, 0_usize..40, any::<bool>()), 0..60),
        ) {
            let mut ring = FrameRing::new(8, 0);
            let mut line = vec![None; 10_000];
            let (mut given, mut written) = (0_usize, 0_i64);
            let mut value = 0_i16;
            for (ahead, len, takes) in steps {
                let at = given as i64 + ahead;
                let samples: Vec<i16> = (0..len).map(|_| { value += 1; value }).collect();
                let kept = ring.write(at, &samples);
                let mut expected = 0;
                for (sample, place) in samples.iter().zip(at..) {
                    let end = given as i64 + 8 * FRAMES as i64;
                    if place >= written.max(given as i64) && place < end {
                        line[place as usize] = Some(*sample);
                        expected += 1;
                    }
                }
                prop_assert_eq!(kept, expected);
                if kept > 0 {
                    written = ring.written();
                }
                if takes {
                    let mut out = [1; 8];
                    let missing = ring.take(&mut out);
                    let places = &line[given..given + 8];
                    prop_assert_eq!(missing as usize, places.iter().filter(|p| p.is_none()).count());
                    let wanted: Vec<i16> = places.iter().map(|p| p.unwrap_or_default()).collect();
                    prop_assert_eq!(out.to_vec(), wanted);
                    given += 8;
                }
            }
        }
    }
}
