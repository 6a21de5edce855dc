//! `tidegate notify test`: a notification to one destination, sent by the host or without one by this process, and what became of it.

use std::path::Path;

use crate::{
    cli::{
        Context, Exit, Failure,
        printer::{self, GOOD, styled},
    },
    engine::{
        Client,
        trial::{self, Tested},
    },
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
    /// Has the host send it, so that it goes where its notifications go, and is on the trail of who did what. Where there is none
    /// it is sent from here, and nothing is kept of it.
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let notifier = self.notifier.as_deref().map(absolute).transpose()?;
        let tested = match Client::connect(&context.config.state_dir) {
            Ok(host) => host.test_destination(&self.destination, notifier.as_deref())?,
            Err(_) => self.send_here(context, notifier.as_deref())?,
        };
        self.tell(context, &tested)
    }

    fn send_here(&self, context: &Context, notifier: Option<&str>) -> Result<Tested, Failure> {
        let destination = trial::destination(&context.config, &self.destination)?;
        let catalogue = context.catalogue()?;
        if let Some(reference) = notifier {
            catalogue.notifier(reference).map_err(|e| Failure::new(e.to_string()).with_hint(e.hint()))?;
        }
        Ok(trial::run(&catalogue, destination, notifier, trial::BY_COMMAND))
    }

    fn tell(&self, context: &Context, tested: &Tested) -> Result<Exit, Failure> {
        let name = &self.destination;
        // The host may work by another file.
        let kind = context.config.destinations.get(name).map(|known| format!(" ({})", known.kind()));
        let what = format!("`{name}`{}", kind.unwrap_or_default());
        let took = printer::seconds(tested.took);
        if let Some(error) = &tested.error {
            let message = match tested.requests {
                0 => error.clone(),
                _ => format!("not delivered to {what} after {took}: {error}"),
            };
            let failure = Failure::new(message).with_hint(tested.otherwise.clone());
            return Err(Failure { exit: Exit::Failed, ..failure });
        }
        if tested.requests == 0 {
            printer::note("the notifier has nothing to send of a test");
            return Ok(Exit::Done);
        }
        let count =
            if tested.requests > 1 { format!(" ({} requests)", tested.requests) } else { String::new() };
        let told = tested.answer.as_deref().unwrap_or_default();
        let told = if told.is_empty() { String::new() } else { format!(": {told}") };
        // Standard output may be the destination itself.
        printer::note(format!("{} delivered to {what} in {took}{count}{told}", styled(GOOD, "ok")));
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
