use super::*;
use std::collections::HashSet;

#[test]
fn the_table_has_every_operation_once() {
    assert_eq!(OPERATIONS.len(), 96);
    let names: HashSet<_> = OPERATIONS.iter().map(|operation| operation.name).collect();
    let ways: HashSet<_> = OPERATIONS.iter().map(|o| (o.method, o.target)).collect();
    assert_eq!((names.len(), ways.len()), (96, 96));
    assert!(OPERATIONS.is_sorted_by_key(|operation| operation.name));
}

#[test]
fn a_refusal_is_an_exception_that_the_model_has() {
    for operation in OPERATIONS {
        let Some((kind, message)) = operation.refusal() else { continue };
        assert!(operation.declares(kind), "{}: {kind:?}", operation.name);
        assert!(message.starts_with(operation.name), "{message}");
    }
}

#[test]
fn what_is_tandems_own_collides_with_nothing_of_aws() {
    let names: HashSet<_> = every().map(|operation| operation.name).collect();
    assert_eq!(names.len(), OPERATIONS.len() + MEETING_OPERATIONS.len() + OWN_OPERATIONS.len());
    assert!(MEETING_OPERATIONS.is_sorted_by_key(|operation| operation.name));
    for operation in MEETING_OPERATIONS {
        assert!(operation.is_of_meetings() && operation.service() == "chime");
    }
    assert!(OWN_OPERATIONS.is_sorted_by_key(|operation| operation.name));
    for operation in OWN_OPERATIONS {
        assert_eq!(operation.service(), "tandem");
        assert!(operation.path().starts_with("/tandem/"), "{}", operation.name);
    }
    for operation in OPERATIONS {
        assert_eq!(operation.service(), "chime");
        assert!(!operation.path().starts_with("/{"), "{}", operation.name);
    }
}
