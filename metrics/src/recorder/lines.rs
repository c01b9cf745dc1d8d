//! Reports of lines beside the audio.

use super::Recorder;
use crate::lines;
use model::{CallParties, QualityReport, ReportKind};
use outbox::RecordKind;

impl Recorder {
    /// Takes in the quality of a line beside the audio: into the call's record and a log of its own.
    pub(super) fn handle_line(&mut self, parties: &CallParties, report: QualityReport) {
        let id = report.transaction_id;
        let logged = report.kind != ReportKind::Live && parties.log_media_metrics;
        let line = match logged {
            true => lines::log_line(parties, id, self.node().unix(report.at), &report),
            false => None,
        };
        let intervals = self.config.intervals;
        if let Some(call) = self.calls.get_mut(&id) {
            let began = call.began();
            if !call.lines.take(report, began, intervals) {
                self.page.dropped("line");
            }
        }
        if let Some(line) = line {
            let path = lines::log_path(parties.voice_connector.as_str());
            self.write(path, line, RecordKind::AppendLine);
        }
    }
}
