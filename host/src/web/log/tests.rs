//! Pages of a log, whatever stands in it and however it is read.

use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*};
use tempfile::TempDir;

use super::*;
use crate::{
    fold::{
        self,
        tests::histories::{at, attempt, exited, request, started},
    },
    model::{Event, EventKind, RunId},
};

/// A run of two steps. What is said of it ends with the beginning, or with the end, of its last attempt.
fn run(ended: bool) -> Run {
    let event = |kind| Event { run: RunId(1), at: at(0), kind };
    let mut run =
        fold::begin(&event(EventKind::RunRequested { request: Box::new(request("k", &["seed", "build"])) }))
            .unwrap();
    let (first, second) = (attempt(1, 1, 1), attempt(1, 2, 1));
    let end = |attempt| {
        let exit = EventKind::AttemptExited { attempt, exit: Some(exited(Some(0))) };
        [exit, EventKind::AttemptFinished { attempt, state: RunState::Succeeded, reason: None }]
    };
    let mut kinds = vec![started(first)];
    kinds.extend(end(first));
    kinds.push(started(second));
    if ended {
        kinds.extend(end(second));
        kinds.push(EventKind::RunFinished { state: RunState::Succeeded, reason: None });
    }
    for kind in kinds {
        fold::apply(&mut run, &event(kind));
    }
    run
}

fn write(dir: &Path, step: u32, text: &[u8], compressed: bool) {
    let folder = attempt_folder(dir, attempt(1, step, 1));
    fs::create_dir_all(&folder.0).unwrap();
    match compressed {
        true => fs::write(folder.compressed_log(), zstd::encode_all(text, 1).unwrap()).unwrap(),
        false => fs::write(folder.log(), text).unwrap(),
    }
}

/// Compresses the log of a step in small frames, with a table of them.
fn write_frames(dir: &Path, step: u32, text: &[u8]) {
    let folder = attempt_folder(dir, attempt(1, step, 1));
    fs::create_dir_all(&folder.0).unwrap();
    let mut file = fs::File::create(folder.compressed_log()).unwrap();
    let options = zeekstd::EncodeOptions::new().frame_size_policy(zeekstd::FrameSizePolicy::Uncompressed(50));
    let mut encoder = options.into_encoder(&mut file).unwrap();
    encoder.compress(text).unwrap();
    encoder.finish().unwrap();
}

/// The log, in small bites.
fn log(run: &Run, dir: &Path, page: u64, look: u64) -> RunLog {
    RunLog { bounds: Bounds { page, look, counted: BOUNDS.counted }, ..RunLog::of(run, dir, None, None) }
}

fn raw() -> Filter {
    Filter { raw: true, ..Filter::default() }
}

fn forward(log: &RunLog, filter: &Filter, most: usize) -> Vec<LogRow> {
    let (mut rows, mut place) = (Vec::new(), None);
    loop {
        let page = log.page(place, filter, most).unwrap();
        assert!(page.items.len() <= most);
        rows.extend(page.items);
        match page.next.map(|next| next.parse::<Place>().unwrap()) {
            Some(next) if Some(next) != place => place = Some(next),
            _ => return rows,
        }
    }
}

fn backward(log: &RunLog, filter: &Filter, most: usize) -> Vec<LogRow> {
    let (mut rows, mut place): (Vec<LogRow>, _) = (Vec::new(), None);
    loop {
        let page = log.tail(place, filter, most).unwrap();
        assert!(page.items.len() <= most);
        rows.splice(0..0, page.items);
        match page.previous.map(|previous| previous.parse::<Place>().unwrap()) {
            Some(previous) => {
                assert_ne!(Some(previous), place, "there is no end");
                place = Some(previous);
            }
            None => return rows,
        }
    }
}

fn texts(rows: &[LogRow]) -> Vec<(u32, &str)> {
    rows.iter().map(|row| (row.step, row.raw.as_deref().unwrap())).collect()
}

fn lines() -> impl Strategy<Value = Vec<String>> {
    vec(prop_oneof![6 => "[ -~é€𝄞]{0,12}", 1 => Just("x".repeat(300)), 1 => Just(String::new())], 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_line_is_found_once_from_either_end(
        first in lines(),
        second in lines(),
        compressed in any::<bool>(),
        in_frames in any::<bool>(),
        torn in any::<bool>(),
        ended in any::<bool>(),
        most in 1_usize..9,
        page in 1_u64..400,
        look in 1_u64..100,
    ) {
        let dir = TempDir::new().unwrap();
        let text = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let mut last = text(&second);
        let mut expected: Vec<_> = first.iter().map(|line| (1, line.as_str())).collect();
        expected.extend(second.iter().map(|line| (2, line.as_str())));
        if torn {
            last.push_str("torn");
        }
        if torn && ended {
            expected.push((2, "torn"));
        }
        write(dir.path(), 1, text(&first).as_bytes(), compressed);
        write(dir.path(), 2, last.as_bytes(), compressed && ended);
        if compressed && in_frames {
            write_frames(dir.path(), 1, text(&first).as_bytes());
        }
        let run = run(ended);
        let log = log(&run, dir.path(), page, look);
        // Of a compressed one it is known how long it was.
        let log = match compressed {
            true => RunLog {
                attempts: log.attempts.into_iter().map(|mut log| {
                    log.bytes = if log.id.step == 1 { text(&first).len() } else { last.len() } as u64;
                    log
                }).collect(),
                ..log
            },
            false => log,
        };
        let forward = forward(&log, &raw(), most);
        prop_assert_eq!(texts(&forward), expected);
        let backward = backward(&log, &raw(), most);
        prop_assert_eq!(&forward, &backward);
        let numbers: Vec<_> = forward.iter().filter(|row| row.step == 1).map(|row| row.line.unwrap()).collect();
        prop_assert_eq!(numbers, (1..=first.len() as u64).collect::<Vec<_>>());
    }
}

fn said(level: &str, node: &str, msg: &str) -> String {
    let line = serde_json::json!({
        "info": { "name": "Said", "level": level, "msg": msg, "ts": "2026-01-02T03:04:05.678901Z" },
        "data": { "node_info": { "unique_id": node } },
    });
    format!("{line}\n")
}

#[test]
fn lines_are_filtered_by_node_level_and_text() {
    let dir = TempDir::new().unwrap();
    let text = [
        said("debug", "model.shop.a", "select 1"),
        said("info", "model.shop.a", "\u{1b}[32mOK\u{1b}[0m created \u{202e}Table"),
        said("error", "model.shop.ü", "no <b>table</b>"),
        "Traceback: no table\n".to_owned(),
    ];
    write(dir.path(), 1, text.concat().as_bytes(), false);
    let run = run(true);
    let log = log(&run, dir.path(), 1 << 20, 1 << 20);
    let find = |filter: Filter| -> Vec<u64> {
        let rows = forward(&log, &filter, 9);
        assert_eq!(rows, backward(&log, &filter, 9));
        rows.iter().map(|row| row.line.unwrap()).collect()
    };
    let node = |id: &str| Filter { node: Some(id.to_owned()), ..Filter::default() };
    let containing = |text: &str| Filter { text: Some(text.to_owned()), ..Filter::default() };
    assert_eq!(find(node("model.shop.a")), [1, 2]);
    assert_eq!(find(node("model.shop.ü")), [3], "as JSON writes it");
    assert_eq!(find(node("model.shop")), [0_u64; 0]);
    assert_eq!(find(Filter { level: Some(Level::Info), ..Filter::default() }), [2, 3, 4]);
    assert_eq!(find(Filter { level: Some(Level::Error), ..Filter::default() }), [3]);
    assert_eq!(find(containing("table")), [2, 3, 4]);
    assert_eq!(find(containing("ok created")), [2], "escapes are none of the text");
    let page = log.page(None, &Filter::default(), 9).unwrap();
    assert_eq!(page.items[1].message, "OK created Table");
    assert_eq!(page.items[1].event.as_deref(), Some("Said"));
    assert_eq!(page.items[3].event, None);
    assert_eq!((page.next, page.previous, page.complete), (None, None, true));
    assert_eq!(page.scanned_bytes, page.total_bytes);
}

#[test]
fn a_log_that_grows_is_read_on_where_it_ended() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), 1, b"one\n", false);
    let growing = run(false);
    let read = |place: Option<&str>| {
        let place = place.map(|text| text.parse().unwrap());
        log(&growing, dir.path(), 1 << 20, 1 << 20).page(place, &raw(), 9).unwrap()
    };
    let page = read(None);
    assert_eq!((page.items.len(), page.complete), (1, false));
    let next = page.next.unwrap();
    assert_eq!(read(Some(&next)).next.as_ref(), Some(&next), "nothing is new");
    write(dir.path(), 2, b"two\nthr", false);
    let page = read(Some(&next));
    assert_eq!(texts(&page.items), [(2, "two")], "what is half a line is no line yet");
    write(dir.path(), 2, b"two\nthree\n", true);
    fs::remove_file(attempt_folder(dir.path(), attempt(1, 2, 1)).log()).unwrap();
    let page =
        log(&run(true), dir.path(), 1 << 20, 1 << 20).page(page.next.map(|p| p.parse().unwrap()), &raw(), 9);
    let page = page.unwrap();
    assert_eq!(texts(&page.items), [(2, "three")], "it was compressed meanwhile");
    assert_eq!((page.next, page.complete), (None, true));
}

#[test]
fn a_page_is_over_when_enough_was_read_for_it() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), 1, "nothing\n".repeat(1_000).as_bytes(), false);
    let run = run(true);
    let log = log(&run, dir.path(), 80, 80);
    let filter = Filter { text: Some("something".to_owned()), ..Filter::default() };
    let page = log.page(None, &filter, 9).unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (0, Some("1.1.80.10")));
    assert_eq!((page.scanned_bytes, page.total_bytes), (80, 8_000));
    let page = log.tail(None, &filter, 9).unwrap();
    assert_eq!((page.items.len(), page.previous.as_deref()), (0, Some("1.1.7920.990")));
}

#[test]
fn what_is_no_cursor_is_none() {
    for text in [
        "",
        "1",
        "1.1",
        "a.b.c",
        "1.1.1.1.1",
        "1.1.-1",
        "4294967296.1.1",
        "1.1.9223372036854775808",
        "1.1.1.18446744073709551615",
    ] {
        assert!(text.parse::<Place>().is_err(), "{text}");
    }
    let place: Place = "1.2.3".parse().unwrap();
    assert_eq!(place.to_string(), "1.2.3");
}
