//! The log: every line is in it, whatever it is made of and however much there is, within the caps.

use std::{io::BufRead, process::Command};

use tidegate::process::LogFile;

use super::*;

#[test]
fn every_line_and_how_it_ended_are_kept() {
    let ended = Attempt::sh("for i in 1 2 3; do echo out $i; echo err $i >&2; done; exit 7").run().tidily();
    let exit = ended.exit();
    assert_eq!((exit.code, exit.signal, &exit.spawn_error), (Some(7), None, &None));
    assert_eq!((exit.cancelled, exit.leaked, exit.lost_lines), (false, false, 0));
    let text = ended.text();
    for stream in ["out", "err"] {
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with(stream)).collect();
        assert_eq!(lines, [1, 2, 3].map(|i| format!("{stream} {i}")), "each stream in its order");
    }
    assert_eq!(text.lines().count(), 6);
}

#[test]
fn a_signal_that_killed_dbt_and_what_it_used_are_recorded() {
    let script = "import os, signal\nx = bytearray(64 << 20)\nfor _ in range(3000000): pass\n\
                  os.kill(os.getpid(), signal.SIGKILL)";
    let ended = Attempt::python(script).run().tidily();
    let exit = ended.exit();
    assert_eq!((exit.code, exit.signal, exit.cancelled), (None, Some(9), false));
    assert!(exit.cpu_seconds > 0.01, "{}", exit.cpu_seconds);
    assert!((64 << 20..1 << 30).contains(&exit.peak_memory), "{}", exit.peak_memory);
}

#[test]
fn bytes_stay_what_they_are() {
    // Half a character at the end of what is written at once, NULs, colours, no text at all, and no end of the last line.
    let script = r#"
import os, time
def say(*parts):
    for part in parts:
        os.write(1, part)
        time.sleep(0.02)
say(b'caf\xc3', b'\xa9\n')
say(b'\x00a\x00\n', b'\x1b[31mred\x1b[0m\n', b'\xff\xfe\x80\n', b'\r\n', b'\n')
say('𝄞'.encode()[:2], '𝄞'.encode()[2:] + b'\n')
say(b'x' * 65535 + '€'.encode() + b'\n')
say(b'no end')
"#;
    let ended = Attempt::python(script).run().tidily();
    let long = ["x".repeat(65535).as_bytes(), "€\n".as_bytes()].concat();
    let expected: [&[u8]; 9] = [
        "café\n".as_bytes(),
        b"\0a\0\n",
        b"\x1b[31mred\x1b[0m\n",
        b"\xff\xfe\x80\n",
        b"\r\n",
        b"\n",
        "𝄞\n".as_bytes(),
        &long,
        b"no end\n",
    ];
    assert_eq!(ended.log(), expected.concat());
    assert_eq!(ended.exit().lost_lines, 0);
}

/// The peak of memory of an attempt process with all that it does, in bytes.
fn peak_memory(attempt: Attempt) -> (Ended, u64) {
    attempt.folder.create(&attempt.spec).unwrap();
    let script = "import resource, subprocess, sys\nsubprocess.run(sys.argv[1:], check=True)\n\
                  print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let out = Command::new(python())
        .args(["-c", script, TIDEGATE, "attempt"])
        .arg(&attempt.folder.0)
        .env_clear()
        .envs(&attempt.environment)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let kilobytes: u64 = String::from_utf8(out.stdout).unwrap().trim().parse().unwrap();
    (Ended { exit: attempt.folder.exit(), attempt }, kilobytes * 1024)
}

#[test]
fn an_endless_line_is_cut_in_bounded_memory() {
    let script =
        "import os\nfor _ in range(100): os.write(1, b'y' * (1 << 20))\nos.write(1, b'\\nafter it\\n')";
    let (ended, peak) = peak_memory(Attempt::python(script));
    assert!(peak < 200 << 20, "{peak} bytes");
    let lines: Vec<Vec<u8>> =
        LogFile::open(&ended.attempt.folder).unwrap().unwrap().split(b'\n').map(Result::unwrap).collect();
    let mark = b" [tidegate: the rest of this line was cut]";
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].len(), (16 << 20) + mark.len());
    assert!(lines[0].ends_with(mark));
    assert_eq!(lines[1], b"after it");
    assert_eq!(ended.exit().lost_lines, 0);
}

#[test]
fn of_a_million_lines_none_is_lost() {
    let script =
        "import sys\nfor i in range(500000): sys.stdout.write(f'{i}\\n'); sys.stderr.write(f'e{i}\\n')";
    // Python writes each line to stderr by itself, unless it is told to gather them.
    let script = format!("import io, sys; sys.stderr = io.TextIOWrapper(open(2, 'wb', 65536))\n{script}");
    let (ended, peak) = peak_memory(Attempt::python(&script));
    assert!(peak < 100 << 20, "{peak} bytes");
    assert_eq!((ended.exit().code, ended.exit().lost_lines), (Some(0), 0));
    let (mut out, mut err) = (0, 0);
    for line in ended.text().lines() {
        match line.strip_prefix('e') {
            Some(number) => {
                assert_eq!(number, err.to_string());
                err += 1;
            }
            None => {
                assert_eq!(line, out.to_string());
                out += 1;
            }
        }
    }
    assert_eq!((out, err), (500_000, 500_000));
}

#[test]
fn behind_the_cap_lines_are_counted_and_dbt_goes_on() {
    let script = "import sys\nfor i in range(10000): print(f'{i:09}')\nsys.exit(3)";
    let ended = Attempt::python(script).with(|spec| spec.caps.log = 1005).run().tidily();
    let text = ended.text();
    let mut expected: String = (0..100).map(|i| format!("{i:09}\n")).collect();
    expected += "[tidegate: the log has reached its cap of 1005 bytes]\n";
    assert_eq!(text, expected);
    assert_eq!((ended.exit().code, ended.exit().lost_lines), (Some(3), 9900));
}

#[test]
fn a_cap_that_is_just_enough_cuts_nothing() {
    let script = "printf '123456789\\n123456789\\n'";
    let ended = Attempt::sh(script).with(|spec| spec.caps.log = 20).run().tidily();
    assert_eq!((ended.text().as_str(), ended.exit().lost_lines), ("123456789\n123456789\n", 0));
    let ended = Attempt::sh(script).with(|spec| spec.caps.line = 9).run().tidily();
    assert_eq!(ended.text(), "123456789\n123456789\n");
    let ended = Attempt::sh("printf '123456789é\\nshort\\n'").with(|spec| spec.caps.line = 10).run().tidily();
    assert_eq!(ended.text(), "123456789 [tidegate: the rest of this line was cut]\nshort\n");
}

#[test]
fn artifacts_are_made_small_and_what_is_of_no_use_goes() {
    let attempt = Attempt::sh("cd \"$1/target\" && echo '{}' | tee manifest.json cache.bin run_results.json");
    let folder = attempt.folder.0.to_str().unwrap().to_owned();
    let ended = attempt
        .with(|spec| {
            fs::create_dir_all(Path::new(&folder).join("target")).unwrap();
            spec.args.extend(["sh".to_owned(), folder]);
            spec.discard = ["cache.bin", "never/there.bin"].map(PathBuf::from).into();
            spec.compress = ["manifest.json", "never.json"].map(PathBuf::from).into();
        })
        .run()
        .tidily();
    let mut names: Vec<_> =
        fs::read_dir(ended.attempt.folder.target()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["manifest.json.zst", "run_results.json"]);
    let manifest = fs::read(ended.attempt.folder.target().join("manifest.json.zst")).unwrap();
    assert_eq!(zstd::decode_all(manifest.as_slice()).unwrap(), b"{}\n");
}
