//! The table of operations in docs/control-api.md.

use control_api::{MEETING_OPERATIONS, OPERATIONS, OWN_OPERATIONS, Operation, Support};
use std::fmt::Write as _;
use std::path::Path;

#[test]
fn docs_name_every_operation() {
    const BEGIN: &str = "<!-- operations: begin -->\n";
    const END: &str = "<!-- operations: end -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/control-api.md");
    let kept = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = kept.split_once(BEGIN).expect("the mark of the table's begin");
    let (_, after) = rest.split_once(END).expect("the mark of the table's end");
    let written = format!("{before}{BEGIN}{}{END}{after}", markdown());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &written).unwrap();
        return;
    }
    assert!(
        kept == written,
        "docs/control-api.md does not say what the API does; write it anew with\n\
         UPDATE_DOCS=1 cargo test -p control-api docs"
    );
}

fn markdown() -> String {
    let served = OPERATIONS.iter().filter(|o| o.support == Support::Served).count();
    let mut text = format!(
        "{served} of {} operations work; every other one is refused, with the reason.\n\n\
         | Operation | Request | Tandem |\n|---|---|---|\n",
        OPERATIONS.len()
    );
    rows(&mut text, OPERATIONS);
    text.push_str(
        "\nOperations of chime-sdk-meetings, beside those of tags, which are above:\n\n\
         | Operation | Request | Tandem |\n|---|---|---|\n",
    );
    rows(&mut text, MEETING_OPERATIONS);
    text.push_str(
        "\nOperations of Tandem's own, which no client of AWS's knows; their actions in policies begin with \
         `tandem:`:\n\n| Operation | Request | Action |\n|---|---|---|\n",
    );
    for own in OWN_OPERATIONS {
        let (name, method, target) = (own.name, own.method.as_str(), own.target);
        let action = format!("{}:{name}", own.service());
        let _ = writeln!(text, "| {name} | `{method} {target}` | `{action}` |");
    }
    text
}

fn rows(text: &mut String, operations: &[Operation]) {
    for operation in operations {
        let state = match operation.support {
            Support::Served => "works",
            Support::Later => "not yet",
            Support::NotPlanned => "refused: no voice profiles, speaker search or tone analysis",
            Support::Withdrawn => "refused: withdrawn by AWS",
        };
        let (method, target) = (operation.method.as_str(), operation.target);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "| {} | `{method} {target}` | {state} |", operation.name);
    }
}
