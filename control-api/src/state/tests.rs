use super::*;
use crate::state::Draft;

const NOW: UnixTime = UnixTime::from_millis(1_767_323_045_678);
const LATER: UnixTime = UnixTime::from_millis(1_767_323_050_000);
const ID: &str = "abcdef1ghij2klmno3pqr4";

fn group(name: &str) -> Group {
    Group { name: name.to_owned(), voice_connector_items: Vec::new() }
}

#[test]
fn a_draft_that_is_not_kept_changes_nothing() {
    let mut state = State::default();
    let mut draft = Draft::new(&mut state, NOW);
    draft.put(ID, group("one"));
    draft.keep();
    let mut draft = Draft::new(&mut state, LATER);
    draft.put(ID, group("two"));
    draft.put(ID, group("three"));
    draft.put("other", group("four"));
    assert!(draft.remove::<Group>(ID) && !draft.remove::<Group>(ID));
    assert!(draft.get::<Group>(ID).is_none());
    assert_eq!(draft.changes().len(), 4);
    drop(draft);
    let stored = Stored { value: group("one"), created: NOW, updated: NOW };
    assert_eq!(state.all::<Group>().iter().collect::<Vec<_>>(), [(&ID.to_owned(), &stored)]);
}

#[test]
fn what_is_written_down_is_read_again() {
    let mut state = State::default();
    let mut draft = Draft::new(&mut state, NOW);
    draft.put(ID, group("one"));
    draft.put("arn", Tags(vec![Tag { key: "k".into(), value: "v".into() }]));
    let rows = draft.changes().iter().map(|change| match change {
        Change::Put(row) => row.clone(),
        Change::Remove { .. } => unreachable!("nothing is removed"),
    });
    let again = State::load(rows.collect::<Vec<_>>()).unwrap();
    draft.keep();
    assert_eq!(again.all::<Group>(), state.all::<Group>());
    assert_eq!(again.all::<Tags>(), state.all::<Tags>());
    let mut row =
        Row { kind: Kind::Group, id: "x".into(), body: "{".into(), created_ms: 0, updated_ms: 0 };
    assert_eq!(State::load([row.clone()]).unwrap_err().id, "x");
    // What a later version adds is not lost silently: names of kinds are the journal's, not ours.
    row.body = r#"{"Name":"n"}"#.into();
    assert!(State::load([row]).is_ok());
}
