//! A host that serves a project of one job, and a client that sends what it is told, byte by byte.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// What stands in every configuration. Nothing is ever run: dbt need not be there.
const PROJECT: &str = r#"
[projects.shop]
dir = "shop"
dbt = "/no/such/dbt"

[jobs.night]
steps = ["dbt build"]
schedule = "0 3 * * *"
"#;

/// A folder with a configuration, and the host that serves it.
pub struct House {
    pub dir: TempDir,
    pub address: SocketAddr,
    child: Option<Child>,
    listen: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl House {
    /// A host at a port of its own.
    pub fn new() -> Self {
        Self::with("", "127.0.0.1:0")
    }

    /// The same with more lines of configuration, which come first, and an address.
    pub fn with(config: &str, listen: &str) -> Self {
        let mut house = Self::quiet(config, listen);
        house.serve();
        house
    }

    /// The same without a host.
    pub fn quiet(config: &str, listen: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("shop")).unwrap();
        fs::write(dir.path().join("shop/dbt_project.yml"), "name: shop\nversion: '1'\nprofile: shop\n")
            .unwrap();
        let house =
            Self { dir, address: "127.0.0.1:0".parse().unwrap(), child: None, listen: listen.to_owned() };
        house.configure(config);
        house
    }

    /// Writes the configuration.
    pub fn configure(&self, config: &str) {
        fs::write(self.dir.path().join("tidegate.toml"), format!("{config}\n{PROJECT}")).unwrap();
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join(".tidegate")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("TZ", "UTC")
            .env("HOOK_SECRET", HOOK_SECRET)
            .env_remove("TIDEGATE_LISTEN")
            .env_remove("TIDEGATE_STATE_DIR")
            .env_remove("TIDEGATE_CONFIG")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end: its exit code, what it printed, and what it said.
    pub fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Makes a token.
    pub fn token(&self, name: &str, role: &str) -> String {
        let (code, token, said) = self.run(&["token", "new", name, "--role", role]);
        assert_eq!(code, Some(0), "{said}");
        token.trim().to_owned()
    }

    /// Starts a host, and waits until it says where it answers.
    pub fn serve(&mut self) {
        let listen = self.listen.clone();
        let mut child = self
            .command(&["serve", "--listen", &listen, "--log-format", "json"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let url = loop {
            let Some(Ok(line)) = lines.next() else { panic!("the host has ended:\n{said}") };
            said += &line;
            let line: Value = serde_json::from_str(&line).unwrap_or_default();
            if line["message"] == "serving" || line["msg"] == "serving" {
                break line["url"].as_str().unwrap().to_owned();
            }
        };
        self.address = url.trim_start_matches("http://").parse().unwrap();
        // What it says later has to go somewhere.
        let log = self.log();
        thread::spawn(move || {
            let mut file = fs::File::options().create(true).append(true).open(log).unwrap();
            lines.map_while(Result::ok).for_each(|line| writeln!(file, "{line}").unwrap());
        });
        self.child = Some(child);
    }

    /// The process of the host.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Ends the host.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    /// The address as it stands in `Host`.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// Sends bytes, and reads the answer.
    pub fn send(&self, request: &[u8]) -> Answer {
        let port = self.address.port();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Who is refused early may close before all is said.
        let _ = stream.write_all(request);
        Answer::read(&mut BufReader::new(stream), request.starts_with(b"HEAD "))
    }

    /// Sends bytes and nothing more, and reads the status of the answer; 0 where there is none.
    pub fn send_and_leave(&self, request: &[u8]) -> u16 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.address.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(request);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut line = Vec::new();
        let _ = BufReader::new(stream).read_until(b'\n', &mut line);
        let line = String::from_utf8_lossy(&line);
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The same of a request with headers, `Host` among them where they have none.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request += &format!("Host: {}\r\n", self.host());
        }
        headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
        if let Some(body) = body {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        request += "Connection: close\r\n\r\n";
        request += body.unwrap_or_default();
        self.send(request.as_bytes())
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers, None)
    }

    /// A change as the UI asks for it.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = [&[("Content-Type", "application/json")], headers].concat();
        self.ask("POST", path, &headers, Some(body))
    }

    /// Asks until the answer is as it should be.
    pub fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What webhooks are signed with.
pub const HOOK_SECRET: &str = "a secret that both sides know";

impl Drop for House {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Answer {
    fn read(stream: &mut impl BufRead, is_head: bool) -> Self {
        let mut head = String::new();
        loop {
            let mut line = Vec::new();
            // A connection that is reset has given no answer.
            if stream.read_until(b'\n', &mut line).unwrap_or(0) == 0 || line == b"\r\n" {
                break;
            }
            head += &String::from_utf8_lossy(&line);
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let mut answer = Self { status, head, body: String::new() };
        let length = answer.header("content-length").and_then(|length| length.parse::<u64>().ok());
        let mut body = Vec::new();
        if !is_head {
            let _ = match length {
                Some(length) => stream.take(length).read_to_end(&mut body),
                None => stream.read_to_end(&mut body),
            };
        }
        answer.body = String::from_utf8_lossy(&body).into_owned();
        answer
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The answer, where its status is this one.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        self
    }

    /// The same of a problem.
    #[track_caller]
    pub fn refused_as(self, status: u16) -> Self {
        let answer = self.is(status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{answer:?}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{answer:?}");
        answer
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// A file's text; nothing where there is none.
pub fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}
