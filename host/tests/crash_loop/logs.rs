//! An attempt's log beside what its dbt says that it has said.

use std::io::Read;

use tidegate::process::{AttemptFolder, LogFile};

use crate::ledger::Process;

/// What a line on standard error begins with.
const ERRORS: &[u8] = b"stderr: ";

/// Says where the log of an attempt is not what its dbt has said: the same lines in the same order, each stream for itself;
/// `whole` where nothing may be missing at the end.
pub fn compare(folder: &AttemptFolder, dbt: Option<&Process>, whole: bool) -> Result<(), String> {
    let mut log = Vec::new();
    if let Some(mut file) = LogFile::open(folder).map_err(|e| format!("its log cannot be opened: {e}"))? {
        file.read_to_end(&mut log).map_err(|e| format!("its log cannot be read: {e}"))?;
    }
    let said = dbt.map(Process::said).unwrap_or_default();
    let [mut out, mut err] = [Vec::new(), Vec::new()];
    for line in log.split_inclusive(|b| *b == b'\n') {
        if line.starts_with(ERRORS) { err.extend_from_slice(line) } else { out.extend_from_slice(line) }
    }
    for (which, mut said, logged) in
        [("standard output", said[0].clone(), out), ("standard error", said[1].clone(), err)]
    {
        // A line without an end gets one.
        if said.last().is_some_and(|b| *b != b'\n') {
            said.push(b'\n');
        }
        let same = said.iter().zip(&logged).take_while(|(a, b)| a == b).count();
        let lines = |bytes: &[u8]| bytes.iter().filter(|b| **b == b'\n').count();
        if same < logged.len() {
            let rest = &logged[same..logged.len().min(same + 200)];
            return Err(format!(
                "behind line {} its log has on {which} what dbt has not said there: {:?}",
                lines(&logged[..same]),
                String::from_utf8_lossy(rest)
            ));
        }
        if whole && same < said.len() {
            return Err(format!(
                "its log ends behind line {} of {} on {which}",
                lines(&logged),
                lines(&said)
            ));
        }
    }
    Ok(())
}
