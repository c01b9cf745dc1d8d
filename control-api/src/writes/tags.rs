//! Tags of whatever has an ARN. They are the API's own, also on what the configuration file says.

use super::{Writing, bad_request, not_found};
use crate::error::{ApiError, ErrorKind};
use crate::state::{Tag, Tags};
use serde_json::Value;
use std::collections::HashSet;

/// Tags of one resource.
const MOST: usize = 50;
/// Longest key and value, in characters.
const KEY_LENGTH: usize = 128;
const VALUE_LENGTH: usize = 256;
/// What keys of AWS's own begin with, in any case.
const RESERVED: &str = "aws:";

impl Writing<'_, '_> {
    pub(super) fn tag_resource(&mut self) -> Result<Value, ApiError> {
        let arn = self.tagged()?;
        let given: Vec<Tag> = self.required("Tags")?;
        check_tags(&given)?;
        let mut tags = self.tags_of(&arn);
        for tag in given {
            match tags.0.iter_mut().find(|each| each.key == tag.key) {
                Some(known) => known.value = tag.value,
                None => tags.0.push(tag),
            }
        }
        if tags.0.len() > MOST {
            return Err(ApiError::new(
                ErrorKind::ResourceLimitExceeded,
                format!("{arn} would have {} tags; at most {MOST} are allowed", tags.0.len()),
            ));
        }
        self.put_tags(&arn, tags);
        Ok(Value::Null)
    }

    pub(super) fn untag_resource(&mut self) -> Result<Value, ApiError> {
        let arn = self.tagged()?;
        let gone: HashSet<String> = self.required("TagKeys")?;
        let mut tags = self.tags_of(&arn);
        tags.0.retain(|tag| !gone.contains(&tag.key));
        self.put_tags(&arn, tags);
        Ok(Value::Null)
    }

    /// Keeps the tags that a request to make something brings.
    pub(super) fn keep_tags(&mut self, arn: &str) -> Result<(), ApiError> {
        if let Some(tags) = self.member::<Vec<Tag>>("Tags")? {
            check_tags(&tags)?;
            self.put_tags(arn, Tags(tags));
        }
        Ok(())
    }

    /// The resource that a request names, which there must be.
    fn tagged(&self) -> Result<String, ApiError> {
        let arn: String = self.required("ResourceARN")?;
        match crate::reads::has_arn(self.settings, self.catalogue, self.draft.state(), &arn) {
            true => Ok(arn),
            false => Err(not_found(format!("ResourceARN: there is no {arn:?}"))),
        }
    }

    fn tags_of(&self, arn: &str) -> Tags {
        let stored = self.settings.tag_key(arn).and_then(|key| self.draft.get::<Tags>(key));
        stored.map(|stored| stored.value.clone()).unwrap_or_default()
    }

    fn put_tags(&mut self, arn: &str, mut tags: Tags) {
        // Every ARN that comes here is of a resource that there is.
        let Some(key) = self.settings.tag_key(arn) else { return };
        tags.0.sort_by(|a, b| a.key.cmp(&b.key));
        if tags.0.is_empty() {
            self.draft.remove::<Tags>(key);
        } else {
            self.draft.put(key, tags);
        }
    }

    /// Takes the tags of a resource away that goes.
    pub(super) fn drop_tags(&mut self, kind: &str, id: &str) {
        self.draft.remove::<Tags>(&crate::api::tag_key(kind, id));
    }
}

fn check_tags(tags: &[Tag]) -> Result<(), ApiError> {
    if tags.len() > MOST {
        return Err(bad_request(format!("Tags: at most {MOST} are allowed")));
    }
    let mut seen = HashSet::new();
    for (n, Tag { key, value }) in tags.iter().enumerate() {
        let refuse =
            |member: &str, why: &str| Err(bad_request(format!("Tags[{n}].{member}: {why}")));
        if !(1..=KEY_LENGTH).contains(&key.chars().count()) {
            return refuse("Key", "must have 1 to 128 characters");
        }
        let is_reserved =
            key.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED));
        if is_reserved {
            return refuse("Key", "begins with aws:, which is AWS's own; choose another");
        }
        if value.chars().count() > VALUE_LENGTH {
            return refuse("Value", "must have at most 256 characters");
        }
        if !seen.insert(key) {
            return refuse("Key", "is given twice");
        }
    }
    Ok(())
}
