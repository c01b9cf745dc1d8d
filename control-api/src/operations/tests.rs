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
