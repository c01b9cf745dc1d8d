//! Uploads in pieces that do not go on: the node stops, or has crashed.

use aws_sinks::Objects;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long S3 may take to forget one.
const LIMIT: Duration = Duration::from_secs(2);

/// Has S3 forget the upload that has begun there, if there is one.
pub(crate) fn abort_begun(objects: &mut Objects, runtime: &Runtime) {
    if objects.begun().is_none() {
        return;
    }
    let aborted = runtime.block_on(async {
        tokio::time::timeout(LIMIT, objects.abort_begun()).await.is_ok_and(|done| done.is_ok())
    });
    if !aborted {
        tracing::warn!(
            bucket = objects.bucket(),
            "pieces of an upload stay in S3 until the next one there, or the next start"
        );
    }
}
