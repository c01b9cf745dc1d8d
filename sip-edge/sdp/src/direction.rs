//! The direction of a stream, seen from whoever wrote the description (RFC 3264 section 5.1).

/// `a=sendrecv`, `a=sendonly`, `a=recvonly` or `a=inactive` (RFC 8866 section 6.7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Direction {
    /// Sends and receives; also what no attribute at all means.
    #[default]
    SendRecv,
    /// Sends and does not want to receive: a hold with music, or an announcement.
    SendOnly,
    /// Receives and does not send: the answer to a hold.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// All four.
    pub const ALL: [Direction; 4] =
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];

    /// Reads an attribute's name, in any case; `None` when it is another attribute.
    pub fn from_attribute(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.as_str().eq_ignore_ascii_case(name))
    }

    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// Whether its writer may send media.
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether its writer wants to receive media.
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The direction in which `sends` and `receives` hold.
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// The same flow seen from the other end.
    pub const fn reversed(self) -> Self {
        Self::of(self.receives(), self.sends())
    }

    /// What both allow.
    pub const fn intersect(self, other: Self) -> Self {
        Self::of(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The direction of an answer to `offer` by somebody who wants `wanted`: as much of it as
    /// RFC 3264 section 6.1 allows (`sendonly` is answered `recvonly` or `inactive`, and so on).
    pub const fn answer(offer: Self, wanted: Self) -> Self {
        wanted.intersect(offer.reversed())
    }

    /// Whether an answer with this direction is legal for `offer` (RFC 3264 section 6.1).
    pub fn answers(self, offer: Self) -> bool {
        Self::answer(offer, self) == self
    }
}
