//! The threads that compose.

use crate::{Grid, GridError, GridSettings, GridStatistics};
use std::thread::Thread;

/// The threads. Stopped when it is dropped.
#[derive(Debug)]
pub struct GridPool {
    settings: GridSettings,
}

impl GridPool {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`GridError::NotBuilt`], [`GridError::Setting`], [`GridError::Thread`].
    pub fn start(settings: GridSettings) -> Result<GridPool, GridError> {
        settings.check()?;
        let _ = GridPool { settings };
        Err(GridError::NotBuilt)
    }

    /// A grid. `wake` is woken (`std::thread::park`) when there is something to be read; a picture of
    /// each size wakes once.
    ///
    /// # Errors
    /// [`GridError::TooMany`], [`GridError::Busy`], [`GridError::Ended`].
    pub fn open(&self, wake: Thread) -> Result<Grid, GridError> {
        let _ = (wake, self.settings);
        Err(GridError::Busy)
    }

    /// What was done so far.
    pub fn statistics(&self) -> GridStatistics {
        GridStatistics::default()
    }
}
