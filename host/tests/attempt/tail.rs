//! Following a log: plain, compressed, and across the switch; torn at any byte; and however often it is asked.

use std::io::Write;

use proptest::prelude::*;
use tidegate::process::Tail;

use super::*;

/// Polls until there is nothing more at the moment.
fn drain(tail: &mut Tail, last: bool) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    while tail.poll(last, |line| lines.push(line.to_vec())).unwrap() {}
    lines
}

fn empty() -> (TempDir, AttemptFolder) {
    let dir = TempDir::new().unwrap();
    let folder = AttemptFolder(dir.path().to_owned());
    (dir, folder)
}

#[test]
fn a_tail_follows_across_the_end_and_the_compressing() {
    let running =
        Attempt::sh("echo one; echo two >&2; while ! [ -e go ]; do sleep 0.01; done; echo three").start();
    let folder = running.attempt.folder.clone();
    let mut early = Tail::new(folder.clone(), 0);
    let mut seen = Vec::new();
    wait_for("two lines", || {
        seen.extend(drain(&mut early, false));
        (seen.len() == 2).then_some(())
    });
    let offset = early.offset();
    assert_eq!(offset, 8);
    fs::write(running.attempt.dir.path().join("go"), "").unwrap();
    let ended = running.end().tidily();
    assert!(!folder.log().exists());
    assert_eq!(drain(&mut early, true), [b"three"], "the one that was open reads on");
    assert_eq!(early.offset(), 14);

    let mut late = Tail::new(folder.clone(), offset);
    assert_eq!(drain(&mut late, true), [b"three"], "a new one finds its place");
    assert_eq!(late.offset(), 14);
    let mut all = Tail::new(folder.clone(), 0);
    assert_eq!(drain(&mut all, true).len(), 3);
    for behind in [14, 15, 1 << 40] {
        assert_eq!(drain(&mut Tail::new(folder.clone(), behind), true), Vec::<Vec<u8>>::new());
    }
    drop(ended);
}

#[test]
fn nothing_said_is_nothing_read() {
    let (_dir, folder) = empty();
    let mut tail = Tail::new(folder, 0);
    assert!(drain(&mut tail, false).is_empty());
    assert!(drain(&mut tail, true).is_empty());
    assert_eq!(tail.offset(), 0);
}

#[test]
fn a_log_that_is_torn_anywhere_is_read_up_to_there() {
    let (whole, record) =
        (b"{\"a\": 1}\n{\"b\": 2}\n".as_slice(), "{\"msg\": \"caf\u{e9} \u{1d11e}\"}\n".as_bytes());
    for cut in 0..=record.len() {
        let (_dir, folder) = empty();
        fs::write(folder.log(), [whole, &record[..cut]].concat()).unwrap();
        let mut tail = Tail::new(folder, 0);
        let mut expected = vec![b"{\"a\": 1}".to_vec(), b"{\"b\": 2}".to_vec()];
        if cut == record.len() {
            expected.push(record[..cut - 1].to_vec());
        }
        assert_eq!(drain(&mut tail, false), expected, "{cut}");
        let rest = if cut == 0 || cut == record.len() { vec![] } else { vec![record[..cut].to_vec()] };
        assert_eq!(drain(&mut tail, true), rest, "{cut}");
        assert_eq!(drain(&mut tail, true), Vec::<Vec<u8>>::new(), "once is enough");
        assert_eq!(tail.offset(), (whole.len() + cut) as u64);
    }
}

#[test]
fn a_compressed_log_that_is_torn_is_an_error_and_no_panic() {
    let text: Vec<u8> =
        (0..2000_u32).flat_map(|i| format!("{}\n", i.wrapping_mul(2_654_435_761)).into_bytes()).collect();
    let compressed = zstd::encode_all(text.as_slice(), 3).unwrap();
    for cut in (0..compressed.len()).step_by(97) {
        let (_dir, folder) = empty();
        fs::write(folder.compressed_log(), &compressed[..cut]).unwrap();
        let mut tail = Tail::new(folder, 0);
        let mut read = Vec::new();
        let mut errors = 0;
        for _ in 0..3 {
            if tail.poll(true, |line| read.extend([line, b"\n"].concat())).is_err() {
                errors += 1;
            }
        }
        assert!(errors > 0 || cut == 0, "{cut}");
        assert!(text.starts_with(&read) || read == b"\n", "{cut}: what is there is right");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the log grows, and wherever a reader begins anew from its offset, the lines are the same.
    #[test]
    fn how_often_one_looks_makes_no_difference(
        text in proptest::collection::vec(prop_oneof![1 => Just(b'\n'), 4 => any::<u8>()], 0..300),
        steps in proptest::collection::vec((1_usize..40, any::<bool>()), 1..20),
        compressed in any::<bool>(),
    ) {
        let (_dir, folder) = empty();
        let mut file = fs::File::create(folder.log()).unwrap();
        let mut tail = Tail::new(folder.clone(), 0);
        let (mut lines, mut rest) = (Vec::new(), text.as_slice());
        for (size, anew) in steps {
            let (now, later) = rest.split_at(size.min(rest.len()));
            file.write_all(now).unwrap();
            rest = later;
            lines.extend(drain(&mut tail, false));
            let handed_out: usize = lines.iter().map(|line: &Vec<u8>| line.len() + 1).sum();
            prop_assert_eq!(tail.offset(), handed_out as u64);
            if anew {
                tail = Tail::new(folder.clone(), tail.offset());
            }
        }
        file.write_all(rest).unwrap();
        if compressed {
            fs::write(folder.compressed_log(), zstd::encode_all(text.as_slice(), 1).unwrap()).unwrap();
            fs::remove_file(folder.log()).unwrap();
            tail = Tail::new(folder, tail.offset());
        }
        lines.extend(drain(&mut tail, true));
        let mut expected: Vec<Vec<u8>> = text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        if expected.last().is_some_and(Vec::is_empty) {
            expected.pop();
        }
        prop_assert_eq!(lines, expected);
        prop_assert_eq!(tail.offset(), text.len() as u64);
    }
}
