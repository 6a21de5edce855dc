//! What each stream tells, and that its artifact agrees.

use std::collections::BTreeMap;

use tidegate::model::{EventKind, NodeState, RunState};

use super::{Story, artifact, stream, streams};

/// How dbt was called for a stream, and how it exited.
fn circumstances(name: &str) -> (&'static [&'static str], Option<i32>, Option<i32>) {
    match name {
        name if name.contains("freshness") => {
            (&["source", "freshness"], Some(i32::from(name.starts_with("1.12"))), None)
        }
        name if name.contains("sigint") => (&["build"], Some(2), None),
        name if name.contains("sigkill") => (&["build"], None, Some(9)),
        name if name.contains("parse-error") || name.contains("usage-error") => (&["build"], Some(2), None),
        name if name.contains("compile") => (&["compile"], Some(0), None),
        "1.11-nothing-selected" | "1.11-demo-build-debug" | "1.11-demo-build-info" => {
            (&["build"], Some(0), None)
        }
        _ => (&["build"], Some(1), None),
    }
}

fn told(name: &str, idle_every: usize) -> Story {
    let (args, code, signal) = circumstances(name);
    let mut story = Story::begin(args);
    if name.contains("sigint") {
        story.apply(EventKind::CancelRequested { by: "ada".into() });
    }
    story.read(&stream(name), idle_every);
    story.end(name, code, signal);
    story
}

fn compact(story: &Story) -> String {
    let run = &story.run;
    let attempt = story.attempt();
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    let reason = run.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let mut out = vec![
        format!("run: {}{reason}", run.state),
        format!("dbt {}, {}, target {}", or(&attempt.dbt_version), or(&attempt.adapter), or(&attempt.target)),
        format!("{:?}, {} raw lines", attempt.counts(), story.raw_lines),
    ];
    for node in attempt.nodes.values() {
        let mut line = format!("{} {}: {}", node.resource_type, node.unique_id, node.state);
        for (what, number) in [("rows", node.rows_affected), ("failures", node.failures)] {
            if let Some(number) = number.filter(|n| *n > 0) {
                line += &format!(", {number} {what}");
            }
        }
        if let Some(message) = &node.message {
            line += &format!(", {:?}", message.chars().take(120).collect::<String>());
        }
        if let Some(reconciled) = &node.reconciled {
            line += &format!(" [{reconciled}]");
        }
        let ran = !matches!(node.state, NodeState::Skipped | NodeState::Cancelled);
        if ran && (node.finished_at.is_none() || node.execution_time.is_none() || node.started_at.is_none()) {
            line += " without its times";
        }
        out.push(line);
    }
    out.join("\n")
}

#[test]
fn what_each_stream_tells() {
    for name in streams() {
        insta::assert_snapshot!(name.replace('.', "_"), compact(&told(&name, 10)));
    }
}

#[test]
fn every_node_ends_as_its_artifact_says() {
    let mut compared = 0;
    for name in streams() {
        let Some((_, results)) = artifact(&name) else { continue };
        let story = told(&name, 10);
        let states: BTreeMap<_, _> =
            story.attempt().nodes.iter().map(|(id, n)| (id.as_str(), &n.state)).collect();
        let expected: BTreeMap<_, _> = results.iter().map(|r| (r.unique_id.as_str(), &r.state)).collect();
        if name.contains("sigint") {
            // What was under way when the signal came is in no artifact.
            assert!(expected.iter().all(|(id, state)| states[id] == *state), "{name}");
            assert_eq!(states["model.shop.slow"], &NodeState::Cancelled, "{name}");
        } else if name.contains("fail-fast") {
            // dbt calls skipped what it has built while it was stopping.
            let differ: Vec<_> = expected.iter().filter(|(id, state)| states[*id] != **state).collect();
            assert_eq!(differ.len(), 2, "{differ:?}");
            assert!(
                differ.iter().all(|(id, state)| {
                    **state == &NodeState::Skipped && states[*id] == &NodeState::Success
                })
            );
        } else {
            assert_eq!(states, expected, "{name}");
        }
        compared += results.len();
    }
    assert!(compared > 150, "only {compared} results were compared");
}

/// The events alone know all that has an effect, so that an artifact only confirms: but for what `--fail-fast` leaves out.
#[test]
fn artifacts_only_confirm() {
    for name in streams() {
        let story = told(&name, 10);
        let corrected: Vec<_> = story.attempt().nodes.values().filter(|n| n.reconciled.is_some()).collect();
        if name.contains("fail-fast") {
            let built = corrected.iter().filter(|node| node.state != NodeState::Skipped).count();
            assert_eq!((corrected.len(), built), (27, 2));
        } else {
            assert!(corrected.is_empty(), "{name}: {corrected:?}");
        }
    }
}

#[test]
fn the_level_of_the_log_changes_no_state() {
    for (debug, info) in
        [("1.11-shop-build-debug", "1.11-shop-build-info"), ("1.11-demo-build-debug", "1.11-demo-build-info")]
    {
        let [debug, info] = [debug, info].map(|name| {
            let mut story = Story::begin(&["build"]);
            story.read(&stream(name), 10);
            story
                .attempt()
                .nodes
                .iter()
                .map(|(id, n)| (id.clone(), n.state.clone()))
                .collect::<BTreeMap<_, _>>()
        });
        assert_eq!(debug, info);
    }
}

/// A debug stream without what only debug has.
#[test]
fn announcements_alone_give_the_same_states() {
    for name in streams() {
        let text = stream(&name);
        let [all, without]: [BTreeMap<_, _>; 2] = ["", "\"NodeFinished\""].map(|dropped| {
            let kept: Vec<_> = super::lines(&text)
                .filter(|line| dropped.is_empty() || !String::from_utf8_lossy(line).contains(dropped))
                .collect();
            let mut story = Story::begin(&["build"]);
            story.read(&kept.join(&b'\n'), 3);
            story.attempt().nodes.iter().map(|(id, n)| (id.clone(), n.state.clone())).collect()
        });
        // Compiling announces nothing.
        if !name.contains("compile") {
            let announced = |(id, _): &(&String, &NodeState)| without.contains_key(*id);
            let all: BTreeMap<_, _> = all.iter().filter(announced).collect();
            // dbt announces no failure to compile: the model stays as it was last seen.
            let differs: Vec<_> = all.iter().filter(|(id, state)| without[**id] != ***state).collect();
            assert!(name.contains("fail-fast") || differs.is_empty(), "{name}: {differs:?}");
        }
    }
}

#[test]
fn how_often_the_log_is_looked_at_changes_nothing() {
    for name in streams() {
        let [often, seldom] = [1, 1_000_000].map(|idle_every| compact(&told(&name, idle_every)));
        assert_eq!(often, seldom, "{name}");
    }
}

/// The stream may be cut anywhere: what had begun is then cancelled, and what had ended stays as it was.
#[test]
fn a_stream_that_breaks_off_leaves_nothing_running() {
    for name in ["1.12-build-debug", "1.8-build-failures-debug", "1.12-sigkill-info"] {
        let text = stream(name);
        let whole = told(name, 10);
        let all: Vec<_> = super::lines(&text).collect();
        for cut in (0..all.len()).step_by(17) {
            let mut story = Story::begin(&["build"]);
            story.read(&all[..cut].join(&b'\n'), 10);
            story.end("no artifact", None, Some(9));
            assert_eq!(story.run.state, RunState::Interrupted);
            for (id, node) in &story.attempt().nodes {
                let same = whole.attempt().nodes.get(id).is_some_and(|n| n.state == node.state);
                assert!(same || node.state == NodeState::Cancelled, "{name} at {cut}: {id} {}", node.state);
            }
        }
    }
}
