//! Before an attempt: whether nodes of it stand behind checks that failed in earlier runs, and what becomes of them.

use std::sync::Arc;

use super::Dispatcher;
use crate::{
    config,
    dbt::{can_be_narrowed, list_arguments, narrowed_arguments},
    engine::{
        Update,
        gate::{gated, left},
    },
    model::{AtTheGate, AttemptId, Gate, Run},
    project::Opened,
    store::StoreError,
};

/// What an attempt finds at the gate.
pub(super) enum Passage {
    /// Nothing stands in its way.
    Open,
    /// dbt is asked what the attempt would build; what comes next follows its answer.
    Asked,
    /// Some nodes of its plan are behind failed checks; they are left out where there are other arguments.
    Found(Box<AtTheGate>, Vec<String>, Option<Vec<String>>),
    /// All of its nodes are, or dbt cannot be told of the others, and dbt is not started.
    Shut(Box<AtTheGate>, Vec<String>, String),
}

/// A plan that the gate needs before an attempt begins.
pub(super) struct Wanted {
    attempt: AttemptId,
    /// None while dbt is asked. dbt may have no answer.
    answer: Option<Option<Vec<String>>>,
}

/// The nodes that were found there, with the verb that fits.
fn count(found: &AtTheGate, one: &str, several: &str) -> String {
    match found.nodes.len() {
        1 => format!("1 node {one}"),
        nodes => format!("{nodes} nodes {several}"),
    }
}

/// The check for whose sake, and how many more.
fn causes(found: &AtTheGate) -> String {
    let first = found.checks.first().map(|check| format!("{} failed in run {}", check.unique_id, check.run));
    let more = match found.checks.len() {
        0 | 1 => String::new(),
        checks => format!(", and {} more", checks - 1),
    };
    format!("{}{more}", first.unwrap_or_default())
}

impl Dispatcher {
    /// Looks at the gate before an attempt. As a rule no check has failed, and that is all.
    pub(super) fn at_the_gate(
        &mut self,
        run: &Run,
        attempt: AttemptId,
        args: &[String],
        project: &config::Project,
        opened: &Arc<Opened>,
    ) -> Result<Passage, StoreError> {
        let gate = run.request.gate;
        // What lists no nodes, such as a look at the freshness of sources, builds none.
        if gate == Gate::Ignore || !can_be_narrowed(args) || list_arguments(args).is_none() {
            return Ok(Passage::Open);
        }
        let failed = self.store.standing_failures(&opened.project)?;
        if failed.is_empty() {
            return Ok(Passage::Open);
        }
        let known = self.world.known_plan(args, project, opened);
        let Some(under_way) = self.under_way.get_mut(&run.id) else { return Ok(Passage::Asked) };
        let asked = under_way.wanted.as_ref().filter(|wanted| wanted.attempt == attempt);
        let plan = match (known, asked.map(|wanted| &wanted.answer)) {
            (Some(plan), _) => plan,
            (None, Some(Some(Some(plan)))) => plan.clone(),
            (None, Some(Some(None))) => {
                // Where dbt cannot even list the nodes, it cannot build them either, and says why.
                let text = "warning: dbt could not list the nodes of this step, so nothing is known of checks that failed before";
                self.tell(run.id, || Update::Notice { text: text.to_owned() });
                return Ok(Passage::Open);
            }
            (None, Some(None)) => return Ok(Passage::Asked),
            (None, None) => {
                under_way.wanted = Some(Wanted { attempt, answer: None });
                self.world.plan(attempt, args, project, opened, &self.mail);
                return Ok(Passage::Asked);
            }
        };
        let (checks, nodes) = gated(&opened.project, &plan, &failed);
        if nodes.is_empty() {
            return Ok(Passage::Open);
        }
        let found = Box::new(AtTheGate { gate, checks, nodes });
        if gate == Gate::Warn {
            let text = format!(
                "warning: {} built behind failed checks: {}",
                count(&found, "is", "are"),
                causes(&found)
            );
            self.tell(run.id, || Update::Notice { text });
            return Ok(Passage::Found(found, plan, None));
        }
        let selectors = left(&opened.project, &plan, &found.nodes);
        match narrowed_arguments(args, &selectors) {
            Some(args) => Ok(Passage::Found(found, plan, Some(args))),
            None => {
                let blocked = match found.nodes.len() {
                    _ if !selectors.is_empty() => format!(
                        "{} of {} nodes were blocked, and the rest is too much for a command line",
                        found.nodes.len(),
                        plan.len()
                    ),
                    1 => "its only node was blocked".to_owned(),
                    several => format!("all {several} nodes were blocked"),
                };
                let reason = format!("{blocked}: {}", causes(&found));
                Ok(Passage::Shut(found, plan, reason))
            }
        }
    }

    /// dbt has said what an attempt would build that waits at the gate. Whether one does.
    pub(super) fn is_for_the_gate(&mut self, attempt: AttemptId, nodes: &Option<Vec<String>>) -> bool {
        let under_way = self.under_way.get_mut(&attempt.run);
        let wanted = under_way.and_then(|under_way| under_way.wanted.as_mut());
        match wanted.filter(|wanted| wanted.attempt == attempt && wanted.answer.is_none()) {
            Some(wanted) => {
                wanted.answer = Some(nodes.clone());
                true
            }
            None => false,
        }
    }
}
