//! A file that has grown too long wants to be two. Functions are clippy's part (`too_many_lines`).

use crate::{Findings, source};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Lines from which a file gets a warning.
const SOFT: usize = 500;
/// Lines from which a file fails the check.
const HARD: usize = 800;
const EXEMPTIONS: &str = "xtask/size-exempt.txt";

pub(crate) fn check(root: &Path) -> Result<Findings, String> {
    let list = fs::read_to_string(root.join(EXEMPTIONS)).unwrap_or_default();
    let mut exempt = exemptions(&list)?;
    let files = source::files(root, &["rs", "py", "sh"]);
    let mut findings = Findings::default();
    for file in files.map_err(|error| format!("{}: {error}", root.display()))? {
        let text = fs::read_to_string(root.join(&file))
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.display().to_string();
        let most = exempt.remove(name.as_str());
        judge(&mut findings, &name, text.lines().count(), most);
    }
    for name in exempt.keys() {
        findings.errors.push(format!("{EXEMPTIONS} names {name}, which is gone; remove its line"));
    }
    Ok(findings)
}

/// `most` is the exemption: a larger limit.
fn judge(findings: &mut Findings, name: &str, lines: usize, most: Option<usize>) {
    match most {
        Some(most) if lines > most => findings
            .errors
            .push(format!("{name} has {lines} lines, over its exemption of {most}; split it")),
        Some(_) if lines <= SOFT => findings
            .errors
            .push(format!("{name} has only {lines} lines; remove its line from {EXEMPTIONS}")),
        Some(_) => {}
        None if lines > HARD => findings.errors.push(format!(
            "{name} has {lines} lines, {HARD} is the most; split it, or write a reason into \
             {EXEMPTIONS}"
        )),
        None if lines > SOFT => {
            findings.warnings.push(format!("{name} has {lines} lines; split it before {HARD}"));
        }
        None => {}
    }
}

/// Lines of `path  most lines  reason`; `#` begins a comment.
fn exemptions(list: &str) -> Result<BTreeMap<&str, usize>, String> {
    let mut exempt = BTreeMap::new();
    for (index, line) in list.lines().enumerate() {
        let mut fields = line.split_ascii_whitespace();
        let Some(path) = fields.next().filter(|field| !field.starts_with('#')) else { continue };
        let most = fields.next().and_then(|most| most.parse().ok());
        let (Some(most), Some(_reason)) = (most, fields.next()) else {
            let at = index + 1;
            return Err(format!("{EXEMPTIONS}:{at}: write `path  most-lines  reason`"));
        };
        exempt.insert(path, most);
    }
    Ok(exempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lines: usize, most: Option<usize>) -> (usize, usize) {
        let mut findings = Findings::default();
        judge(&mut findings, "a.rs", lines, most);
        (findings.errors.len(), findings.warnings.len())
    }

    #[test]
    fn limits_are_inclusive() {
        assert_eq!(judged(500, None), (0, 0));
        assert_eq!(judged(501, None), (0, 1));
        assert_eq!(judged(801, None), (1, 0));
        assert_eq!(judged(801, Some(900)), (0, 0));
        assert_eq!(judged(901, Some(900)), (1, 0));
        assert_eq!(judged(500, Some(900)), (1, 0), "an exemption without need goes");
    }

    #[test]
    fn an_exemption_has_a_reason() {
        assert_eq!(exemptions("# all\n\na.rs 900 a table").unwrap(), [("a.rs", 900)].into());
        let fault = exemptions("a.rs 900").unwrap_err();
        assert!(fault.contains("size-exempt.txt:1:"), "{fault}");
        assert!(exemptions("a.rs many lines").is_err());
    }
}
