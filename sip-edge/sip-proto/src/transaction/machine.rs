//! State machines as data: one row per legal transition.
//!
//! The table is both the program that runs and the graph that the snapshot tests print, so the two
//! cannot drift apart. An input without a row in the current state is ignored.

use std::fmt::{Debug, Write as _};

/// One legal transition.
#[derive(Debug)]
pub(crate) struct Row<S, I, A: 'static> {
    pub(crate) from: S,
    pub(crate) on: I,
    pub(crate) to: S,
    pub(crate) actions: &'static [A],
}

/// The row for `input` in `state`.
pub(crate) fn step<S: PartialEq, I: PartialEq, A>(
    table: &'static [Row<S, I, A>],
    state: S,
    input: I,
) -> Option<&'static Row<S, I, A>> {
    table.iter().find(|row| row.from == state && row.on == input)
}

/// The table as text, a line per transition, for the snapshot tests.
#[cfg_attr(not(test), expect(dead_code, reason = "the snapshot tests print the graphs"))]
pub(crate) fn graph<S: Debug, I: Debug, A: Debug>(table: &[Row<S, I, A>]) -> String {
    let mut text = String::new();
    for row in table {
        let (from, on, to) = (&row.from, &row.on, &row.to);
        let _ = writeln!(text, "{from:?} --{on:?}--> {to:?} {:?}", row.actions);
    }
    text
}
