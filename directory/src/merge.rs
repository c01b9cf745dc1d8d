//! Resources of the configuration file and of the control API as one.

use crate::Resources;
use std::collections::HashSet;

impl Resources {
    /// These, which the file says, with those that were `made` through the API beside them. Where both
    /// have an id or a number, the file's stays; the second half says which were left out, in words.
    pub fn with_made(mut self, made: Resources) -> (Resources, Vec<String>) {
        let mut left_out = Vec::new();
        let ids: HashSet<_> = self.voice_connectors.iter().map(|each| each.id.clone()).collect();
        let groups: HashSet<_> = self.groups.iter().map(|each| each.id.clone()).collect();
        let of_connectors = self.voice_connectors.iter().flat_map(|each| each.numbers.iter());
        let of_groups = self.groups.iter().flat_map(|each| each.numbers.iter());
        let numbers: HashSet<_> = of_connectors.chain(of_groups).cloned().collect();
        let Resources { voice_connectors, groups: made_groups, .. } = made;
        for mut connector in voice_connectors {
            if ids.contains(&connector.id) {
                left_out.push(format!("voice connector {}", connector.id));
                continue;
            }
            connector.numbers.retain(|number| {
                let is_free = !numbers.contains(number);
                if !is_free {
                    left_out.push(format!("number {number} of voice connector {}", connector.id));
                }
                is_free
            });
            self.voice_connectors.push(connector);
        }
        for mut group in made_groups {
            if groups.contains(&group.id) {
                left_out.push(format!("group {}", group.id));
                continue;
            }
            group.numbers.retain(|number| {
                let is_free = !numbers.contains(number);
                if !is_free {
                    left_out.push(format!("number {number} of group {}", group.id));
                }
                is_free
            });
            self.groups.push(group);
        }
        (self, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VoiceConnector;
    use model::VoiceConnectorId;

    fn connector(id: &str, numbers: &[&str]) -> VoiceConnector {
        VoiceConnector {
            numbers: numbers.iter().map(|each| (*each).into()).collect(),
            ..VoiceConnector::new(VoiceConnectorId::new(id).unwrap())
        }
    }

    #[test]
    fn what_the_file_says_stays() {
        let (one, two) = ("abcdef1ghij2klmno3pqr4", "abcdef1ghij2klmno3pqr5");
        let file = Resources {
            voice_connectors: vec![connector(one, &["+12065550100"])],
            ..Resources::default()
        };
        let made = Resources {
            voice_connectors: vec![
                connector(one, &["+12065550101"]),
                connector(two, &["+12065550100", "+12065550102"]),
            ],
            ..Resources::default()
        };
        let (merged, left_out) = file.with_made(made);
        let numbers: Vec<_> =
            merged.voice_connectors.iter().map(|each| &each.numbers[..]).collect();
        assert_eq!(numbers, [&["+12065550100".into()], &["+12065550102".into()]] as [&[_]; 2]);
        assert_eq!(left_out.len(), 2, "{left_out:?}");
    }
}
