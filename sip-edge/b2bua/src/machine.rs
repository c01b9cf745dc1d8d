//! State machines that declare their legal transitions, so that their graphs can be read, tested
//! and drawn.

use std::fmt::Debug;

/// The states of one sub-machine.
pub(crate) trait State: Copy + Eq + Debug + 'static {
    /// Where the machine begins.
    const INITIAL: Self;
    /// Every legal transition.
    const EDGES: &'static [(Self, Self)];
}

/// A state that only moves along [`State::EDGES`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine<S: State> {
    state: S,
}

impl<S: State> Default for Machine<S> {
    fn default() -> Self {
        Machine { state: S::INITIAL }
    }
}

impl<S: State> Machine<S> {
    /// A machine that came to `state` before this process began.
    pub(crate) const fn at(state: S) -> Self {
        Machine { state }
    }

    pub(crate) fn state(&self) -> S {
        self.state
    }

    /// Moves to `next`. Staying is always legal. An undeclared move is a bug of ours: it is caught
    /// by every debug build and never by outside input.
    pub(crate) fn go(&mut self, next: S) {
        debug_assert!(
            self.state == next || S::EDGES.contains(&(self.state, next)),
            "{:?} -> {next:?} is not declared",
            self.state
        );
        self.state = next;
    }
}

/// The graph as Graphviz text, for the snapshot tests and the documentation.
#[cfg(test)]
pub(crate) fn graph<S: State>(name: &str) -> String {
    let mut text = format!("digraph {name} {{\n  start -> {:?}\n", S::INITIAL);
    for (from, to) in S::EDGES {
        text.push_str(&format!("  {from:?} -> {to:?}\n"));
    }
    text.push('}');
    text
}
