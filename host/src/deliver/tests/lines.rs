//! Lines in files, and what becomes of half a line.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{at, post};
use crate::{
    config::{Destination, Place},
    deliver::{Again, DeliveryError, deliver, lines::print_to},
};

fn append(file: &Path, body: &[u8]) -> Result<String, DeliveryError> {
    let destination = Destination { name: "audit".to_owned(), to: Place::File(file.to_owned()) };
    deliver(&destination, &post("", &[], body), "key", at()).map(|delivered| delivered.said)
}

#[test]
fn lines_are_added_to_a_file_that_is_its_owners() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alerts.jsonl");
    assert_eq!(append(&file, b"{\"a\": 1}").unwrap(), "9 bytes added");
    append(&file, b"{\"a\": 2}\n{\"a\": 3}\n").unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"a\": 1}\n{\"a\": 2}\n{\"a\": 3}\n");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // A file that is there stays as it is.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    append(&file, b"{}").unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn half_a_line_stays_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alerts.jsonl");
    fs::write(&file, "{}\n{\"a\": ").unwrap();
    append(&file, b"{\"b\": 1}").unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "{}\n{\"a\": \n{\"b\": 1}\n");
}

#[test]
fn what_cannot_be_written_may_be_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    for (file, said) in [("no/such/folder", "its folder is not there"), ("", "is not a file")] {
        let error = append(&dir.path().join(file), b"{}").unwrap_err();
        assert_eq!(error.again, Again::Later);
        assert!(error.to_string().contains(said), "{error}");
    }
    // A pipe that nobody reads would be waited for without end.
    let pipe = dir.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(append(&pipe, b"{}").unwrap_err().to_string().contains("is not a file"));
    if Path::new("/dev/full").exists() {
        let link = dir.path().join("full");
        std::os::unix::fs::symlink("/dev/full", &link).unwrap();
        assert_eq!(append(&link, b"{}").unwrap_err().again, Again::Later);
    }
}

#[test]
fn nothing_is_no_line() {
    let dir = tempfile::tempdir().unwrap();
    for body in ["", "\n", "\r\n\n"] {
        let error = append(&dir.path().join("alerts.jsonl"), body.as_bytes()).unwrap_err();
        assert_eq!(error.again, Again::Never);
    }
    assert!(!dir.path().join("alerts.jsonl").exists());
}

#[test]
fn many_writers_mix_no_lines() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alerts.jsonl");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let file = &file;
            scope.spawn(move || {
                for _ in 0..20 {
                    append(file, n.to_string().repeat(3_000).as_bytes()).unwrap();
                }
            });
        }
    });
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 160);
    for line in text.lines() {
        assert!(line.len() == 3_000 && line.chars().all(|c| line.starts_with(c)), "{line}");
    }
}

#[test]
fn what_is_printed_drives_no_terminal() {
    let mut out = Vec::new();
    print_to(&mut out, "{\"a\":\t\"\u{1b}[31m\u{9b}x\r\0é\"}\n".as_bytes()).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text, "{\"a\":\t\"\u{fffd}[31m\u{fffd}x\u{fffd}\u{fffd}é\"}\n");
}
