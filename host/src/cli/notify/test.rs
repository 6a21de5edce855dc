//! `tidegate notify test`: a notification to one destination, sent by this process, and what became of it.

use std::path::Path;

use jiff::Timestamp;

use crate::{
    cli::{
        Context, Exit, Failure,
        printer::{self, GOOD, styled},
    },
    deliver::Again,
    engine::trial,
};

/// Sends a test to a destination.
#[derive(Debug, clap::Args)]
pub struct Test {
    /// The destination's name
    destination: String,
    /// The notifier that writes what is sent: `builtin:NAME`, a path, or the name of a file in the plugins folder
    #[arg(long, value_name = "PLUGIN")]
    notifier: Option<String>,
}

impl Test {
    /// Sends it. No host is needed, and nothing is kept of it.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let destination = trial::destination(&context.config, &self.destination)?;
        let at = Timestamp::now();
        let notifier = self.notifier.as_deref().map(absolute).transpose()?;
        let catalogue = context.catalogue()?;
        if let Some(reference) = &notifier {
            catalogue.notifier(reference).map_err(|e| Failure::new(e.to_string()).with_hint(e.hint()))?;
        }
        let requests = trial::requests(&catalogue, destination, notifier.as_deref(), trial::BY_COMMAND, at)
            .map_err(|refusal| Failure { exit: Exit::Failed, ..Failure::from(refusal) })?;
        if requests.is_empty() {
            printer::note("the notifier has nothing to send of a test");
        }
        for request in &requests {
            let tried = trial::send(destination, request, at);
            let took = printer::seconds(tried.took.as_secs_f64());
            let what = format!("`{}` ({})", destination.name, destination.kind());
            match tried.result {
                Ok(delivered) => {
                    let told = delivered.in_words();
                    let told = if told.is_empty() { String::new() } else { format!(": {told}") };
                    // Standard output may be the destination itself.
                    printer::note(format!("{} delivered to {what} in {took}{told}", styled(GOOD, "ok")));
                }
                Err(error) => {
                    let hint = match error.again {
                        Again::Never => "the host would not try again".to_owned(),
                        Again::Later => "the host would try again".to_owned(),
                        Again::After(wait) => format!("the host would try again in {wait:#}"),
                    };
                    let message = format!("not delivered to {what} after {took}: {error}");
                    return Err(Failure { exit: Exit::Failed, ..Failure::new(message).hint(hint) });
                }
            }
        }
        Ok(Exit::Done)
    }
}

/// A path of the command line is relative to where one stands.
fn absolute(reference: &str) -> Result<String, Failure> {
    let is_path = reference.contains('/') || reference.ends_with(".wasm");
    if !is_path || reference.contains(':') {
        return Ok(reference.to_owned());
    }
    Ok(std::path::absolute(Path::new(reference))?.to_string_lossy().into_owned())
}
