//! Whether meetings may call telephones, and how numbers that are typed are read: as the file says now.

use crate::config::RoomsSection;
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by the rooms' thread and whoever asks it; a reload changes it.
#[derive(Default)]
pub(super) struct CallOut(Mutex<Rules>);

#[derive(Clone, Default)]
struct Rules {
    may: bool,
    country_code: Option<Arc<str>>,
}

impl CallOut {
    pub(super) fn of(section: &RoomsSection) -> Self {
        CallOut(Mutex::new(Rules::of(section)))
    }

    pub(super) fn follow(&self, section: &RoomsSection) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Rules::of(section);
    }

    /// Whether anybody may be called.
    pub(super) fn is_on(&self) -> bool {
        self.rules().may
    }

    /// The country of numbers without one, where anybody may be called.
    pub(super) fn country_code(&self) -> Option<Option<Arc<str>>> {
        let Rules { may, country_code } = self.rules();
        may.then_some(country_code)
    }

    fn rules(&self) -> Rules {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Rules {
    fn of(section: &RoomsSection) -> Self {
        Rules { may: section.call_out, country_code: section.country_code.clone() }
    }
}
