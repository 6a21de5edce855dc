//! What holds of an alert whatever happens.

use proptest::prelude::*;

use super::*;

/// A run of one of three jobs, each with two of four nodes, of which some fail.
fn lives() -> impl Strategy<Value = Vec<(usize, [bool; 2], bool, i64)>> {
    prop::collection::vec((0_usize..3, any::<[bool; 2]>(), any::<bool>(), 60_i64..5_000), 1..60)
}

const JOBS: [(&str, [&str; 2]); 3] =
    [("one", ["model.a", "model.b"]), ("two", ["model.b", "model.c"]), ("three", ["model.d", "test.d"])];

fn grown() -> Project {
    project(
        vec![
            asset("model.a", &[], &["x"], &[]),
            asset("model.b", &["model.a"], &["x", "y"], &[]),
            asset("model.c", &["model.b"], &["y"], &[]),
            asset("model.d", &[], &[], &[]),
        ],
        vec![check("test.d", "model.d")],
    )
}

fn lived(
    alert: &mut Alert,
    life: &[(usize, [bool; 2], bool, i64)],
    mut each: impl FnMut(&Alert, &Run, &[Outcome]),
) {
    for (n, (job, fails, dbt_fails, wait)) in life.iter().enumerate() {
        let (name, nodes) = JOBS[*job];
        let nodes: Vec<_> = nodes
            .iter()
            .zip(fails)
            .map(|(node, fails)| (*node, if *fails { Error } else { Success }))
            .collect();
        let failed = fails.contains(&true) || (*dbt_fails && n % 5 == 0);
        let run = run(n as u64 + 1, name, if failed { Failed } else { Succeeded }, &nodes);
        alert.now += wait;
        let outcomes = alert.hears(Happening::RunEnded { run: &run, is_resumed: false });
        each(alert, &run, &outcomes);
    }
}

proptest! {
    #[test]
    fn failing_and_recovered_take_turns_for_each_job(life in lives()) {
        let mut alert = Alert::new(rule(&RUNS, GroupBy::Run), Some(grown()));
        let mut bad: BTreeMap<String, bool> = BTreeMap::new();
        lived(&mut alert, &life, |_, run, outcomes| {
            let was = bad.insert(run.title(), run.state == Failed).unwrap_or(false);
            let expected = match (was, run.state == Failed) {
                (false, true) => vec![Kind::RunFailed],
                (true, false) => vec![Kind::RunRecovered],
                _ => vec![],
            };
            assert_eq!(told(outcomes), expected);
        });
    }

    #[test]
    fn failing_and_recovered_take_turns_for_each_node(life in lives()) {
        let mut alert = Alert::new(rule(&NODES, GroupBy::Asset), Some(grown()));
        lived(&mut alert, &life, |_, _, _| {});
        let mut bad: BTreeSet<Subject> = BTreeSet::new();
        for (_, telling) in &alert.told {
            let [subject] = &telling.subjects[..] else { panic!("{telling:?}") };
            let fails = matches!(telling.kind, Kind::AssetFailed | Kind::CheckFailed);
            prop_assert!(if fails { bad.insert(subject.clone()) } else { bad.remove(subject) }, "{:?}", telling);
        }
    }

    #[test]
    fn an_incident_is_told_once_and_its_end_once(life in lives()) {
        let on: Vec<_> = RUNS.into_iter().chain(NODES).collect();
        let mut alert = Alert::new(rule(&on, GroupBy::Incident), Some(grown()));
        let mut open = 0;
        lived(&mut alert, &life, |alert, run, outcomes| {
            for outcome in outcomes {
                match outcome {
                    Outcome::Tell(telling) if telling.kind == Kind::RunFailed => open += 1,
                    Outcome::Tell(telling) => {
                        assert_eq!(telling.kind, Kind::RunRecovered);
                        open -= 1;
                    }
                    Outcome::Suppress { reason, .. } => assert!(!reason.is_empty()),
                    Outcome::Note(_) => {}
                }
            }
            assert_eq!(open, alert.standing.incidents.len());
            // Whoever looks at a failed run finds out what became of telling it.
            let said = outcomes.iter().any(|o| !matches!(o, Outcome::Note(_)));
            assert!(said || run.state != Failed);
            // Each incident that is open has something that is not well.
            for incident in alert.standing.incidents.keys() {
                assert!(alert.standing.members(*incident).next().is_some());
            }
        });
    }

    #[test]
    fn nothing_is_told_twice_within_the_time_that_suppresses_it(life in lives(), by_node in any::<bool>()) {
        let on = if by_node { &NODES[..] } else { &RUNS[..] };
        let hour = SignedDuration::from_hours(1);
        let rule = AlertRule { suppress: hour, changes_only: false, ..rule(on, if by_node { GroupBy::Asset } else { GroupBy::Run }) };
        let mut alert = Alert::new(rule, Some(grown()));
        let mut last: BTreeMap<(Kind, String), i64> = BTreeMap::new();
        lived(&mut alert, &life, |alert, run, outcomes| {
            let now = alert.now - 60;
            for outcome in outcomes {
                let Outcome::Tell(telling) = outcome else { continue };
                if matches!(telling.kind, Kind::RunFailed | Kind::AssetFailed | Kind::CheckFailed) {
                    let about = if by_node { telling.subjects[0].to_string() } else { run.title() };
                    let before = last.insert((telling.kind, about), now);
                    assert!(before.is_none_or(|before| now - before >= HOUR));
                }
            }
        });
        prop_assert!(alert.suppressed.iter().all(|(_, reason)| !reason.is_empty()));
    }

    #[test]
    fn a_standing_is_the_same_when_it_is_kept_and_read_again(life in lives()) {
        let on: Vec<_> = RUNS.into_iter().chain(NODES).collect();
        let mut alert = Alert::new(rule(&on, GroupBy::Incident), Some(grown()));
        lived(&mut alert, &life, |alert, _, _| {
            let text = serde_json::to_string(&alert.standing).unwrap();
            assert_eq!(serde_json::from_str::<Standing>(&text).unwrap(), alert.standing);
        });
    }
}
