//! Runs for whoever looks at them closely.

use super::*;
use crate::{
    model::AttemptId,
    store::{Happened, Reader, RunChange, RunSearch},
};

fn searching(limit: u32) -> RunSearch {
    RunSearch { limit, ..RunSearch::default() }
}

/// All pages of a search.
fn all(reader: &Reader, search: &RunSearch) -> Vec<u64> {
    let (mut ids, mut search) = (Vec::new(), search.clone());
    loop {
        let found = reader.search(&search).unwrap();
        assert!(found.runs.len() <= search.limit as usize);
        ids.extend(found.runs.iter().map(|found| found.run.id.0));
        match found.next {
            Some(next) => search.before = Some(next),
            None => return ids,
        }
    }
}

#[test]
fn runs_are_searched_page_by_page_by_anything() {
    let dir = Dir::new();
    let mut store = dir.store();
    let first = live(&mut store, "a");
    let (waits, _) = store.request(request("b", &["build"]), at(0)).unwrap();
    let mut other = request("c", &["build --select +orders"]);
    (other.job, other.project, other.launch.via) = (None, "zoo".to_owned(), "ui".to_owned());
    let (by_hand, _) = store.request(other, at(0)).unwrap();
    append(&mut store, by_hand, vec![EventKind::RunRefused { reason: "The Project is gone".to_owned() }]);
    let last = live(&mut store, "d");
    let reader = Reader::open(dir.0.path()).unwrap();
    let [first, waits, by_hand, last] = [first, waits, by_hand, last].map(|run| run.0);
    for limit in [1, 2, 3, 9] {
        let search = searching(limit);
        assert_eq!(all(&reader, &search), [last, by_hand, waits, first]);
        assert_eq!(
            all(&reader, &RunSearch { job: Some("nightly".to_owned()), ..search.clone() }),
            [last, waits, first]
        );
        let states = |states: &[RunState]| RunSearch { states: states.to_vec(), ..search.clone() };
        assert_eq!(all(&reader, &states(&[RunState::Refused, RunState::Queued])), [by_hand, waits]);
        assert_eq!(all(&reader, &states(&[RunState::Failed])), [0; 0]);
        let both =
            RunSearch { job: Some("nightly".to_owned()), ..states(&[RunState::Refused, RunState::Queued]) };
        assert_eq!(all(&reader, &both), [waits]);
        assert_eq!(all(&reader, &RunSearch { project: Some("zoo".to_owned()), ..search.clone() }), [by_hand]);
        assert_eq!(
            all(&reader, &RunSearch { via: Some("cli".to_owned()), ..search.clone() }),
            [last, waits, first]
        );
        let node = |id: &str| RunSearch { unique_id: Some(id.to_owned()), ..search.clone() };
        assert_eq!(all(&reader, &node("model.shop.orders")), [last, first]);
        assert_eq!(all(&reader, &node("model.shop")), [0; 0]);
        let text = |text: &str| RunSearch { text: Some(text.to_owned()), ..search.clone() };
        assert_eq!(all(&reader, &text("project IS")), [by_hand]);
        assert_eq!(all(&reader, &text("+Orders")), [by_hand]);
        assert_eq!(all(&reader, &text(&waits.to_string())), [waits]);
        assert_eq!(all(&reader, &RunSearch { before: Some(RunId(waits)), ..search.clone() }), [first]);
    }
}

#[test]
fn what_is_rare_is_searched_for_in_bounded_steps() {
    let dir = Dir::new();
    let mut store = dir.store();
    let (rare, _) = store.request(request("rare", &["seed"]), at(0)).unwrap();
    for n in 0..1_200 {
        store.request(request(&n.to_string(), &["build"]), at(0)).unwrap();
    }
    let mut by_hand = request("by hand", &["seed"]);
    by_hand.launch.user = "grace".to_owned();
    store.request(by_hand, at(0)).unwrap();
    let reader = Reader::open(dir.0.path()).unwrap();
    let search = RunSearch { text: Some("1".to_owned()), ..searching(9) };
    let found = reader.search(&search).unwrap();
    assert_eq!(found.runs.len(), 0, "the first page has looked at a thousand, and found none");
    assert!(found.next.is_some());
    assert_eq!(all(&reader, &search), [rare.0]);
    assert_eq!(all(&reader, &RunSearch { text: Some("Grace".to_owned()), ..searching(1) }), [1_202]);
}

#[test]
fn a_run_is_told_of_as_it_was_at_one_event() {
    let dir = Dir::new();
    let mut store = dir.store();
    let run = live(&mut store, "a");
    let mut again = request(&format!("resume:{run}"), &["build"]);
    again.resumes = Some(run);
    let (next, _) = store.request(again, at(0)).unwrap();
    let reader = Reader::open(dir.0.path()).unwrap();
    let story = reader.story(run).unwrap();
    assert_eq!(story.resumed_by, Some(next));
    assert_eq!(story.as_of, store.last_event());
    let loaded = reader.run(run).unwrap();
    let of = |step: usize| loaded.steps[step].attempts[0].counts();
    for (step, counts) in [(1, of(0)), (2, of(1))] {
        let told: Vec<_> =
            story.of_attempts[&(step, 1)].iter().map(|(s, n)| (s.as_str(), *n as usize)).collect();
        assert_eq!(told, counts.into_iter().collect::<Vec<_>>());
    }
    let (nodes, as_of) = reader.nodes(run).unwrap();
    assert_eq!(as_of, store.last_event());
    let known =
        loaded.steps.iter().flat_map(|s| &s.attempts).flat_map(|a| a.nodes.values().map(move |n| (a.id, n)));
    let known: Vec<_> = known.map(|(id, node)| (id.step, id.attempt, node.clone())).collect();
    assert_eq!(nodes, known);
    let (step, attempt, node) = &known[0];
    assert_eq!(reader.node(run, *step, *attempt, &node.unique_id).unwrap().as_ref(), Some(&known[0]));
    assert_eq!(reader.node(run, 9, 1, &node.unique_id).unwrap(), None);
    assert!(matches!(reader.story(RunId(99)), Err(crate::store::StoreError::NoSuchRun(99))));
}

#[test]
fn what_happened_is_told_from_one_event_to_another() {
    let dir = Dir::new();
    let mut store = dir.store();
    let run = live(&mut store, "a");
    let reader = Reader::open(dir.0.path()).unwrap();
    let events = reader.events(run, 0).unwrap();
    let happened = reader.happened(0, store.last_event()).unwrap();
    let read_on = events.iter().filter(|e| matches!(e.event.kind, EventKind::LogRead { .. })).count();
    assert!(read_on > 0);
    assert_eq!(happened.len(), events.len() - read_on);
    let results = happened.iter().find_map(|happened| match happened {
        Happened::ToRun { what: RunChange::Results { step, attempt }, .. } => Some((*step, *attempt)),
        _ => None,
    });
    let AttemptId { step, attempt, .. } = attempt(run.0, 2, 1);
    assert_eq!(results, Some((step, attempt)));
    assert!(matches!(happened[0], Happened::ToRun { id: 1, what: RunChange::Requested, .. }));
    let middle = events[4].id;
    let parts = [reader.happened(0, middle).unwrap(), reader.happened(middle, u64::MAX).unwrap()].concat();
    assert_eq!(parts, happened);
    let (few, next) = reader.events_behind(run, Some(middle), 2).unwrap();
    assert_eq!(next, Some(few[1].id));
    assert_eq!(few, events[5..7]);
}
