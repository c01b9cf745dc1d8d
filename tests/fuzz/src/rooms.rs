//! Scenes in meeting rooms.

#[path = "../../../rooms/room-core/tests/script/mod.rs"]
mod script;

use crate::bounded;
use std::hint::black_box;

/// A scene of calls, keys, commands and pauses, three octets for each act; everybody hangs up at its
/// end.
///
/// # Panics
/// When somebody is in two places, joins without leaving, hears music in the mix or gets into a
/// locked meeting, when an input has too many outputs, or something is left at the end.
pub fn rooms(data: &[u8]) {
    black_box(script::acts::run(bounded(data)).outputs);
}

/// Scenes that are too regular to be files.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    // Everyone comes; then a moderator of each meeting presses every key of the menu.
    let arrivals = (0..36_u8).flat_map(|at| [1 + at % 3, at, at]);
    let keys = (0..200_u8).flat_map(|at| [7, at, at.wrapping_mul(7)]);
    let commands = (0..250_u8).flat_map(|at| [14, at, at]);
    let pauses = [15, 0, 255].repeat(20);
    vec![
        ("menus", arrivals.clone().chain(keys).collect()),
        ("commands", arrivals.clone().chain(commands).chain(pauses).collect()),
        ("called", arrivals.chain([[14, 0, 18], [12, 0, 1]].concat().repeat(40)).collect()),
    ]
}
