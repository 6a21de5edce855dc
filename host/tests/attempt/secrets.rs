//! Secrets: the values of secret variables are in no file of an attempt, however they got there.

use super::*;

const PEM: &str =
    "-----BEGIN CANARY KEY-----\nMIIBcanaryLineOne\nMIIBcanaryLineTwo==\n-----END CANARY KEY-----\n";

/// Says all secrets in all ways, and writes them into artifacts.
const GOSSIP: &str = r#"
import json, os, sys, urllib.parse
values = [os.environ[name] for name in sys.argv[2:]]
def spellings():
    for value in values:
        yield value
        for ascii in (True, False):
            once = json.dumps({"msg": "connecting with " + value}, ensure_ascii=ascii)
            yield once
            yield json.dumps({"msg": once}, ensure_ascii=ascii)
        yield "https://me:" + urllib.parse.quote(value, safe="") + "@host/"
os.makedirs(sys.argv[1] + "/compiled/deep", exist_ok=True)
for file in ("run_results.json", "manifest.json", "compiled/deep/model.sql", "dbt.log", "text.bin"):
    with open(sys.argv[1] + "/" + file, "w") as out:
        for text in spellings():
            out.write(text + "\n")
for text in spellings():
    print(text)
    print(text, file=sys.stderr)
# In two parts, and without an end.
half = len(values[0]) // 2
sys.stdout.flush()
os.write(1, values[0][:half].encode())
os.write(1, values[0][half:].encode())
"#;

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn no_secret_is_in_any_file() {
    let secrets = [
        ("DBT_ENV_SECRET_TOKEN", "canary-plain-0123456789"),
        ("SHOP_PASSWORD", "canary \"quoted\" \\back/slash\\ and \"end\""),
        ("OTHER_PASSWORD", "canary pässwörd 𝄞 %&+"),
        ("PRIVATE_KEY", PEM),
    ];
    let names: Vec<&str> = secrets.iter().map(|(name, _)| *name).collect();
    let mut attempt = Attempt::python(GOSSIP);
    let target = attempt.folder.target();
    attempt.spec.args.push(target.to_str().unwrap().to_owned());
    attempt.spec.args.extend(names.iter().map(|name| (*name).to_owned()));
    attempt.spec.secrets =
        names.iter().map(|name| (*name).to_owned()).chain(["NOT_SET".to_owned()]).collect();
    attempt.spec.compress = vec!["manifest.json".into()];
    attempt.environment.extend(secrets.map(|(name, value)| (name.to_owned(), value.to_owned())));
    attempt.environment.insert("PYTHONIOENCODING".to_owned(), "utf-8".to_owned());
    attempt.environment.insert("PYTHONUTF8".to_owned(), "1".to_owned());
    let ended = attempt.run().tidily();
    assert_eq!(ended.exit().code, Some(0), "{}", ended.text());

    let mut found = Vec::new();
    files(&ended.attempt.folder.0, &mut found);
    assert_eq!(found.len(), 10, "{found:?}");
    for file in found {
        let mut bytes = fs::read(&file).unwrap();
        if file.extension().is_some_and(|e| e == "zst") {
            bytes = zstd::decode_all(bytes.as_slice()).unwrap();
        }
        let text = String::from_utf8(bytes).unwrap();
        for piece in ["canary", "CANARY", "quoted", "ssw", "slash"] {
            assert!(!text.contains(piece), "{piece} in {}:\n{text}", file.display());
        }
    }
    let log = ended.text();
    assert!(log.contains("connecting with *****"));
    let json: Vec<_> = log.lines().filter(|line| line.starts_with('{')).collect();
    assert_eq!(json.len(), 4 * 4 * 2);
    for line in json {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "still JSON: {line}");
    }
}

#[test]
fn a_cut_leaves_no_part_of_a_secret() {
    // The secret begins before the cut and ends behind it, in what comes later.
    let script = "import os, time\nvalue = os.environ['MY_TOKEN'].encode()\n\
                  os.write(1, b'x' * 90 + value[:15])\ntime.sleep(0.1)\nos.write(1, value[15:] + b'y' * 1000 + b'\\n')";
    let mut attempt = Attempt::python(script).with(|spec| {
        spec.caps.line = 100;
        spec.secrets = vec!["MY_TOKEN".to_owned()];
    });
    attempt.environment.insert("MY_TOKEN".to_owned(), "canary-plain-0123456789".to_owned());
    let text = attempt.run().tidily().text();
    assert_eq!(text, format!("{}*****yyyyy [tidegate: the rest of this line was cut]\n", "x".repeat(90)));
}
