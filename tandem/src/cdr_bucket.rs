//! Which bucket call detail records go to: that of `[sinks] s3`, or what was said through the control
//! API since.

use arc_swap::ArcSwap;
use control_api::State;
use control_api::state::{Change, GlobalSettings, Kind};
use std::sync::Arc;

/// The choice, which the control API makes and the sinks follow.
#[derive(Debug)]
pub(crate) struct CdrBucket(ArcSwap<Choice>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Choice {
    /// What the configuration file says.
    File,
    /// This one.
    Bucket(Arc<str>),
    /// None: records stay in files.
    Nowhere,
}

impl Choice {
    fn of(settings: &GlobalSettings) -> Choice {
        match settings.cdr_bucket.as_deref() {
            Some(bucket) => Choice::Bucket(bucket.into()),
            None => Choice::Nowhere,
        }
    }
}

impl Default for CdrBucket {
    fn default() -> Self {
        CdrBucket(ArcSwap::from_pointee(Choice::File))
    }
}

impl CdrBucket {
    /// Follows what is made through the API.
    pub(crate) fn follow(&self, state: &State) {
        let settings = state.get::<GlobalSettings>(GlobalSettings::ID);
        let choice = settings.map_or(Choice::File, |stored| Choice::of(&stored.value));
        self.0.store(Arc::new(choice));
    }

    /// Follows changes of it.
    pub(crate) fn take(&self, changes: &[Change]) {
        for change in changes.iter().filter(|change| change.kind() == Kind::GlobalSettings) {
            let choice = match change {
                // What the API has written is JSON of this kind.
                Change::Put(row) => serde_json::from_str(&row.body).ok().as_ref().map(Choice::of),
                Change::Remove { .. } => None,
            };
            self.0.store(Arc::new(choice.unwrap_or(Choice::File)));
        }
    }

    /// The bucket in place of the configured one.
    pub(crate) fn chosen(&self) -> Option<Arc<str>> {
        match &**self.0.load() {
            Choice::Bucket(bucket) => Some(Arc::clone(bucket)),
            Choice::File | Choice::Nowhere => None,
        }
    }

    /// Whether no bucket is to have them.
    pub(crate) fn is_nowhere(&self) -> bool {
        **self.0.load() == Choice::Nowhere
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control_api::state::Row;

    fn put(body: &str) -> Change {
        Change::Put(Row {
            kind: Kind::GlobalSettings,
            id: GlobalSettings::ID.to_owned(),
            body: body.to_owned(),
            created_ms: 0,
            updated_ms: 0,
        })
    }

    #[test]
    fn the_last_word_counts() {
        let bucket = CdrBucket::default();
        assert_eq!((bucket.chosen(), bucket.is_nowhere()), (None, false));
        bucket.take(&[put(r#"{"CdrBucket":"records-2"}"#)]);
        assert_eq!((bucket.chosen().as_deref(), bucket.is_nowhere()), (Some("records-2"), false));
        bucket.take(&[put("{}")]);
        assert_eq!((bucket.chosen(), bucket.is_nowhere()), (None, true));
        let id = GlobalSettings::ID.to_owned();
        bucket.take(&[Change::Remove { kind: Kind::GlobalSettings, id }]);
        assert_eq!((bucket.chosen(), bucket.is_nowhere()), (None, false));
        bucket.take(&[put("{}")]);
        bucket.follow(&State::default());
        assert!(!bucket.is_nowhere());
    }
}
