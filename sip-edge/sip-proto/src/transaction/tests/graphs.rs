use std::fmt::Debug;

use crate::transaction::machine::{Row, graph};
use crate::transaction::{invite_client, invite_server, non_invite_client, non_invite_server};

#[test]
fn invite_client_graph() {
    insta::assert_snapshot!(graph(invite_client::TRANSITIONS));
}

#[test]
fn invite_server_graph() {
    insta::assert_snapshot!(graph(invite_server::TRANSITIONS));
}

#[test]
fn non_invite_client_graph() {
    insta::assert_snapshot!(graph(non_invite_client::TRANSITIONS));
}

#[test]
fn non_invite_server_graph() {
    insta::assert_snapshot!(graph(non_invite_server::TRANSITIONS));
}

#[test]
fn every_graph_is_deterministic_and_ends() {
    use invite_client::State as Ic;
    use invite_server::State as Is;
    use non_invite_client::State as Nc;
    use non_invite_server::State as Ns;
    check(invite_client::TRANSITIONS, Ic::Calling, Ic::Terminated);
    check(invite_server::TRANSITIONS, Is::Proceeding, Is::Terminated);
    check(non_invite_client::TRANSITIONS, Nc::Trying, Nc::Terminated);
    check(non_invite_server::TRANSITIONS, Ns::Trying, Ns::Terminated);
}

/// No input has two rows, nothing leaves the last state, and every state is reached and left.
fn check<S, I, A>(table: &[Row<S, I, A>], first: S, last: S)
where
    S: Copy + PartialEq + Debug,
    I: Copy + PartialEq + Debug,
{
    let mut reached = vec![first];
    for (n, row) in table.iter().enumerate() {
        assert_ne!(row.from, last, "{:?} leaves the last state", row.on);
        let twin = table[n + 1..].iter().find(|other| other.from == row.from && other.on == row.on);
        assert!(twin.is_none(), "{:?} has two rows for {:?}", row.from, row.on);
    }
    for _ in 0..table.len() {
        for row in table.iter().filter(|row| reached.contains(&row.from)).collect::<Vec<_>>() {
            if !reached.contains(&row.to) {
                reached.push(row.to);
            }
        }
    }
    for row in table {
        assert!(reached.contains(&row.from), "{:?} is never reached", row.from);
        let leaves = table.iter().any(|other| other.from == row.from && other.to != row.from);
        assert!(leaves, "{:?} is never left", row.from);
    }
    assert!(reached.contains(&last));
}
