//! What a command line changes about the steps that it launches.

use serde_json::{Map, Value};

use super::{Context, Failure};
use crate::{
    engine::{
        Refusal,
        launch::{LaunchError, Sources, Wanted, resolve},
    },
    model::{Launch, Parameters, RunRequest},
};

/// What is changed about each call of dbt.
#[derive(Debug, clap::Args)]
pub struct Call {
    /// Rebuild incremental models and seeds from scratch
    #[arg(long)]
    full_refresh: bool,
    /// Variables as a JSON object, before those of the job and of the project
    #[arg(long, value_name = "JSON", value_parser = vars)]
    vars: Option<Map<String, Value>>,
    /// The target [default: the job's, or the project's]
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// How many threads dbt runs with [default: the profile's]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    threads: Option<u32>,
}

impl Call {
    /// As parameters of a launch.
    pub fn parameters(self) -> Parameters {
        Parameters {
            full_refresh: self.full_refresh.then_some(true),
            vars: self.vars.unwrap_or_default().into_iter().collect(),
            target: self.target,
            threads: self.threads,
            ..Parameters::default()
        }
    }
}

fn vars(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text)
        .map_err(|e| format!("it is no JSON object: {e}; write '{{\"name\": \"value\"}}'"))
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        match error {
            LaunchError::Unfit(refusal) | LaunchError::Unreadable(refusal) => refusal.into(),
            LaunchError::Store(error) => error.into(),
        }
    }
}

/// The request for what this command line asks for.
pub fn request(
    context: &Context,
    wanted: Wanted,
    launch: Launch,
    key: String,
) -> Result<RunRequest, Failure> {
    let open = |project: &_| {
        let opened = context.look(project);
        opened.map(std::sync::Arc::new).map_err(|f| Refusal { message: f.message, hint: f.hint })
    };
    let reader = || crate::store::Reader::open(&context.config.state_dir);
    let from = Sources { config: &context.config, open: &open, reader: &reader };
    Ok(resolve(&from, wanted, launch, key)?)
}
