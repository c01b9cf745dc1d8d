//! Objects of S3 that are read whole.

use crate::connection::{Connection, Request, Sender};
use crate::fault::{self, Words};
use crate::{Access, Unserved, s3};
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::Mutex;

const WORDS: Words = Words {
    table: "media_applications",
    action: "s3:GetObject",
    meanwhile: "the sound is not played",
};

/// Reads objects of any bucket. It connects with the first request; many may be under way.
#[derive(Debug)]
pub struct ObjectReader {
    access: Access,
    connection: Mutex<Connection>,
}

impl ObjectReader {
    /// S3 of a region, or another backend.
    pub fn new(access: &Access) -> Self {
        let connection = Mutex::new(Connection::new(access, s3::PROTOCOL));
        ObjectReader { access: access.clone(), connection }
    }

    /// An object (GetObject) of `most` octets at most.
    ///
    /// # Errors
    /// [`Unserved`]: refused where it is not there.
    pub async fn read(
        &self,
        bucket: &str,
        key: &str,
        (patience, most): (Duration, usize),
    ) -> Result<Vec<u8>, Unserved> {
        let sender: Sender = self.connection.lock().await.prepare().await?;
        let url = format!("{}/{}", s3::base(&self.access, bucket), s3::encoded(key));
        let request = Request { method: "GET", url, headers: Vec::new(), body: Bytes::new() };
        let answer = sender.send_for(request, patience, most).await?;
        if answer.is_success() {
            return Ok(answer.body);
        }
        let error = answer.error();
        let told = fault::told(&error);
        if matches!(error.code.as_str(), "NoSuchKey" | "NoSuchBucket") {
            return Err(Unserved::Refused(told));
        }
        Err(match fault::common(&error, WORDS) {
            Some(fault) => Unserved::of(fault, &mut *self.connection.lock().await),
            None => Unserved::because(told),
        })
    }
}
