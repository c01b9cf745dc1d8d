//! The operations of the service, and what Tandem does with each.

mod meetings;
mod own;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use crate::error::ErrorKind;
pub use meetings::MEETING_OPERATIONS;
pub use own::OWN_OPERATIONS;
pub use table::OPERATIONS;

/// All operations: those of chime-sdk-voice, those of chime-sdk-meetings, then Tandem's own.
pub(crate) fn every() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().chain(MEETING_OPERATIONS).chain(OWN_OPERATIONS)
}

/// An HTTP method.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes, or acts.
    Post,
    /// Replaces.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    /// As a request has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }
}

/// What Tandem does with an operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Support {
    /// It works.
    Served,
    /// Not yet: refused, and said so.
    Later,
    /// It is about voice profiles, speaker search or tone analysis.
    NotPlanned,
    /// AWS has withdrawn it.
    Withdrawn,
}

/// One operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operation {
    /// Its name; also the action of policies, after [`Operation::service`] and a colon.
    pub name: &'static str,
    /// The method.
    pub method: Method,
    /// The path, with `{members}`, and the query that tells it from others on the same path.
    pub target: &'static str,
    /// The HTTP status of success.
    pub status: u16,
    /// The model's errors beside the base six.
    pub errors: &'static [ErrorKind],
    /// Those of the base six that the model leaves out.
    pub lacks: &'static [ErrorKind],
    /// What Tandem does with it.
    pub support: Support,
}

/// Errors of every operation, but where [`Operation::lacks`] says otherwise.
const BASE: [ErrorKind; 6] = [
    ErrorKind::BadRequest,
    ErrorKind::Forbidden,
    ErrorKind::UnauthorizedClient,
    ErrorKind::ThrottledClient,
    ErrorKind::ServiceFailure,
    ErrorKind::ServiceUnavailable,
];

impl Operation {
    /// The path, with `{members}`.
    pub fn path(&self) -> &'static str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    /// Whether it is Tandem's own, which AWS's API does not have.
    pub fn is_own(&self) -> bool {
        self.target.starts_with(own::ROOT)
    }

    /// Whether it is of chime-sdk-meetings, whose exceptions have other names.
    pub fn is_of_meetings(&self) -> bool {
        self.target.starts_with(meetings::ROOT)
    }

    /// What its action in policies begins with: `chime`, or `tandem` for Tandem's own.
    pub fn service(&self) -> &'static str {
        if self.is_own() { "tandem" } else { "chime" }
    }

    /// The parameter of the query that a request must have, and its value.
    pub fn selector(&self) -> Option<(&'static str, &'static str)> {
        self.target.split_once('?')?.1.split_once('=')
    }

    /// Whether the model names `kind` among the operation's errors.
    pub fn declares(&self, kind: ErrorKind) -> bool {
        self.errors.contains(&kind) || (BASE.contains(&kind) && !self.lacks.contains(&kind))
    }

    /// Whether nothing is changed by it.
    pub fn is_read(&self) -> bool {
        self.method == Method::Get
    }

    /// Why it is refused; `None` for what is served.
    pub fn refusal(&self) -> Option<(ErrorKind, String)> {
        let name = self.name;
        match self.support {
            Support::Served => None,
            Support::Later => {
                Some((ErrorKind::Forbidden, format!("{name} is not yet served by Tandem")))
            }
            Support::NotPlanned => Some((
                ErrorKind::Forbidden,
                format!(
                    "{name} is not served by Tandem, which has no voice profiles, speaker search \
                     or tone analysis"
                ),
            )),
            Support::Withdrawn => Some((
                ErrorKind::Gone,
                format!("{name} is not served by Tandem: AWS has withdrawn Alexa skills"),
            )),
        }
    }
}
