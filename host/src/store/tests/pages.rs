//! Pages of long lists: together they are the list, whatever their size.

use super::*;
use crate::{
    model::{AttemptId, NodeResult},
    store::{Part, Reader},
};

/// All of a list, so many rows at a time.
fn all<T, P>(limit: u32, mut page: impl FnMut(Option<P>, u32) -> Part<T, P>) -> Vec<T> {
    let mut rows = Vec::new();
    let mut behind = None;
    loop {
        let (part, next) = page(behind, limit);
        assert!(part.len() <= limit as usize);
        rows.extend(part);
        behind = next;
        if behind.is_none() {
            return rows;
        }
    }
}

#[test]
fn pages_of_a_history_are_the_history() {
    let dir = Dir::new();
    let mut store = dir.store();
    // Several at the same moment, some out of order, and another project with nodes of the same name.
    for (number, second) in [5, 3, 3, 3, 9, 1, 9].into_iter().enumerate() {
        let mut request = request(&number.to_string(), &["build"]);
        if number == 4 {
            request.project = "zoo".to_owned();
        }
        let (run, _) = store.request(request, at(0)).unwrap();
        let id: AttemptId = attempt(run.0, 1, 1);
        let ended = |node: &str, state| EventKind::NodeFinished {
            attempt: id,
            result: Box::new(NodeResult { finished_at: Some(at(second)), ..result(node, state) }),
        };
        let nodes = [ended("model.a", NodeState::Success), ended("test.a", NodeState::Fail)];
        append(&mut store, run, [vec![started(id)], nodes.to_vec()].concat());
    }
    let reader = Reader::open(dir.0.path()).unwrap();
    let whole = reader.materializations("shop", "model.a", 99).unwrap();
    let checks = reader.check_results("shop", "test.a", 99).unwrap();
    assert_eq!(whole.iter().map(|m| m.run.0).collect::<Vec<_>>(), [7, 1, 4, 3, 2, 6]);
    for limit in 1..8 {
        let paged = all(limit, |behind, limit| {
            reader.materializations_behind("shop", "model.a", behind, limit).unwrap()
        });
        assert_eq!(paged, whole, "{limit} at a time");
        let paged =
            all(limit, |behind, limit| reader.check_results_behind("shop", "test.a", behind, limit).unwrap());
        assert_eq!(paged, checks, "{limit} at a time");
        let parts = all(limit, |behind, limit| {
            reader.parts_of_node_behind("shop", "model.a", behind, limit).unwrap()
        });
        let runs: Vec<_> = parts.iter().map(|part| part.attempt.run.0).collect();
        assert_eq!(runs, [7, 1, 4, 3, 2, 6], "{limit} at a time");
    }
    // In few words, and in all.
    let standings = reader.standings_of_nodes("shop").unwrap();
    let statuses = reader.statuses("shop").unwrap();
    assert_eq!(standings.keys().collect::<Vec<_>>(), statuses.keys().collect::<Vec<_>>());
    for (id, standing) in &standings {
        let status = &statuses[id];
        assert_eq!(
            (standing.attempt.run, &standing.state, standing.at),
            (status.run, &status.node.state, Some(at(9)))
        );
    }
    assert_eq!(reader.last_checks("shop").unwrap()["test.a"], NodeState::Fail);
    assert_eq!(reader.newest_part("zoo", "model.a").unwrap().unwrap().attempt.run, RunId(5));
}

#[test]
fn a_span_of_time_holds_what_was_there_in_it() {
    let dir = Dir::new();
    let mut store = dir.store();
    let mut run = |key: &str, requested: i64, ended: Option<i64>| {
        let (run, _) = store.request(request(key, &["build"]), at(requested)).unwrap();
        if let Some(ended) = ended {
            let kind = EventKind::RunFinished { state: RunState::Succeeded, reason: None };
            store.append(vec![Event { run, at: at(ended), kind }]).unwrap();
        }
        run
    };
    let before = run("before", 0, Some(10));
    let into = run("into", 5, Some(25));
    let open = run("open", 15, None);
    let behind = run("behind", 40, Some(50));
    let reader = Reader::open(dir.0.path()).unwrap();
    let between = |from, to, most| {
        let (runs, all) = reader.runs_between(at(from), at(to), most).unwrap();
        (runs.iter().map(|run| run.id).collect::<Vec<_>>(), all)
    };
    assert_eq!(between(20, 30, 9), (vec![into, open], true));
    assert_eq!(between(0, 60, 9), (vec![before, into, open, behind], true));
    assert_eq!(between(0, 60, 1), (vec![open, behind], false));
    assert_eq!(between(60, 70, 9), (vec![open], true));
    assert_eq!(
        reader.last_runs_of("nightly", 2).unwrap().iter().map(|run| run.id).collect::<Vec<_>>(),
        [behind, open]
    );
}
