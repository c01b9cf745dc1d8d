//! A place of records that are written to files, to a service, or to both.

/// Where a record may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Wherever records of its kind go.
    Everywhere,
    /// Into a file, and nowhere else.
    Files,
    /// To a service, and into no file.
    Services,
}

/// What files say, and what a service is told.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PerSink<T> {
    /// In files.
    pub file: T,
    /// At the service.
    pub service: T,
}

impl<T: Clone> PerSink<T> {
    /// The same in both.
    pub fn same(both: T) -> Self {
        PerSink { file: both.clone(), service: both }
    }
}

impl<T> PerSink<T> {
    /// Each of both, as `made`.
    pub fn map<U>(&self, made: impl Fn(&T) -> U) -> PerSink<U> {
        PerSink { file: made(&self.file), service: made(&self.service) }
    }
}

impl<T: PartialEq> PerSink<T> {
    /// What `made` makes for each way that a record goes: once for all while nothing is told apart.
    pub(crate) fn made<U>(&self, made: impl Fn(&T) -> U) -> Vec<(U, Reach)> {
        if self.file == self.service {
            return vec![(made(&self.file), Reach::Everywhere)];
        }
        vec![(made(&self.file), Reach::Files), (made(&self.service), Reach::Services)]
    }
}
