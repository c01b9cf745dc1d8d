//! Pictures that a meeting room draws itself: the welcome, and what whoever sees nobody is told.
//!
//! A [`Card`] is a few words, [`Picture`] its samples, [`key_picture`] its H.264 units without loss and
//! [`repeat`] the picture after it, which shows the same once more in ten octets. Nothing is searched,
//! predicted from motion or transformed: a flat ground costs next to nothing, and words are sent as they are.
//! For receivers of VP8 alone [`vp8_key_frame`] and [`vp8_repeat`] are the same, with a little loss.
//! [`Letters`] are words for pictures of others.
#![forbid(unsafe_code)]

mod bits;
mod card;
mod h264;
mod letters;
mod picture;
mod text;
mod vp8;

pub use card::{Card, LEAST_MACROBLOCKS, MAX_LINES, SMALL, USUAL_MACROBLOCKS};
pub use h264::{FRAME_NUMBERS, LEAST_SLICE, key_picture, parameter_sets, repeat};
pub use letters::Letters;
pub use picture::{Colour, MAX_SIDE, Picture};
pub use text::Size;
pub use vp8::{vp8_key_frame, vp8_payloads, vp8_repeat};
