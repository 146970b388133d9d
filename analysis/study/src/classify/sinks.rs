//! The names of a run that TLS reports go to, each assessed once.

use std::collections::HashMap;

use mxray_evidence::{ReportSinkRow, RunDir};
use mxray_rules::{SinkAssessment, assess_sink};

use crate::StudyError;

/// Every report sink of a run, by name.
pub(super) struct Sinks {
    assessed: HashMap<String, SinkAssessment>,
}

impl Sinks {
    pub(super) fn assess(run: &RunDir) -> Result<Self, StudyError> {
        let mut assessed = HashMap::new();
        run.for_each::<ReportSinkRow>(|row| {
            let assessment = assess_sink(&row);
            assessed.insert(row.sink, assessment);
        })?;
        Ok(Self { assessed })
    }

    pub(super) fn get(&self, name: &str) -> Option<SinkAssessment> {
        self.assessed.get(name).copied()
    }
}
