//! Servers of one test each: they do what they were told, in a thread, and say what arrived.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

/// What arrived in one request.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Arrived {
    /// The values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let of_name = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a header that is there once.
    pub fn one(&self, name: &str) -> &str {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        all[0]
    }
}

/// What the server does with a request.
#[derive(Clone)]
pub enum Answer {
    /// Says this, and closes.
    Bytes(Vec<u8>),
    /// Says nothing until the other side closes.
    Silence,
    /// Says a head, then body without end.
    Endless,
    /// A byte at a time of a head that does not end.
    Drip,
    /// Closes.
    Close,
}

impl Answer {
    pub fn of(status: &str, headers: &str, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        Self::Bytes((head + body).into_bytes())
    }

    pub fn ok() -> Self {
        Self::of("200 OK", "", "ok")
    }
}

/// A server that answers one request a connection, as many as it has answers.
pub struct HttpServer {
    pub port: u16,
    arrived: mpsc::Receiver<Arrived>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    pub fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, arrived) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let Some(request) = read(&mut stream) else { continue };
                sender.send(request).unwrap();
                give(&mut stream, answer);
            }
        });
        Self { port, arrived, thread: Some(thread) }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything that arrived, when the server is done.
    pub fn arrived(mut self) -> Vec<Arrived> {
        self.thread.take().unwrap().join().unwrap();
        self.arrived.try_iter().collect()
    }
}

fn read(stream: &mut TcpStream) -> Option<Arrived> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    loop {
        let header = line()?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(": ").unwrap_or((&header, ""));
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut arrived = Arrived { line: first, headers, body: Vec::new() };
    let length = arrived.all("content-length").first().map_or(0, |length| length.parse().unwrap());
    arrived.body = vec![0; length];
    reader.read_exact(&mut arrived.body).ok()?;
    Some(arrived)
}

fn give(stream: &mut TcpStream, answer: Answer) {
    match answer {
        Answer::Bytes(bytes) => drop(stream.write_all(&bytes)),
        Answer::Silence => drop(stream.read(&mut [0])),
        Answer::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
        }
        Answer::Drip => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ");
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        Answer::Close => {}
    }
}

/// A server whose certificate nobody trusts. It says what arrived behind the encryption: nothing, if all is well.
pub fn untrusted() -> (u16, JoinHandle<Vec<u8>>) {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut arrived = Vec::new();
        let _ = rustls::StreamOwned::new(connection, stream).read_to_end(&mut arrived);
        arrived
    });
    (port, thread)
}

/// A mail server that takes one connection. `answers` has what it says other than usual, by the beginning of a command (a dot
/// is the end of a mail, nothing is the greeting).
pub struct MailServer {
    pub port: u16,
    thread: JoinHandle<(Vec<String>, Vec<u8>)>,
}

impl MailServer {
    pub fn new(
        extensions: &'static [&'static str],
        answers: &'static [(&'static str, &'static str)],
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || talk(listener.accept().unwrap().0, extensions, answers));
        Self { port, thread }
    }

    /// The commands, and the mail as it came over the wire.
    pub fn said(self) -> (Vec<String>, Vec<u8>) {
        self.thread.join().unwrap()
    }
}

fn talk(stream: TcpStream, extensions: &[&str], answers: &[(&str, &str)]) -> (Vec<String>, Vec<u8>) {
    let mut out = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    let usual = |command: &str| match command {
        "" => "220 here\r\n".to_owned(),
        c if c.starts_with("EHLO") => {
            let mut all = vec!["here".to_owned()];
            all.extend(extensions.iter().map(|e| (*e).to_owned()));
            let last = all.len() - 1;
            (0..=last).map(|n| format!("250{}{}\r\n", if n == last { ' ' } else { '-' }, all[n])).collect()
        }
        c if c.starts_with("AUTH") => "235 2.7.0 welcome\r\n".to_owned(),
        "DATA" => "354 go on\r\n".to_owned(),
        "." => "250 2.0.0 queued as 4711\r\n".to_owned(),
        "QUIT" => "221 bye\r\n".to_owned(),
        _ => "250 2.1.0 fine\r\n".to_owned(),
    };
    let mut say = |command: &str| {
        let other = answers.iter().find(|(begin, _)| match *begin {
            "" => command.is_empty(),
            begin => command.starts_with(begin),
        });
        let answer = other.map_or_else(|| usual(command), |(_, answer)| format!("{answer}\r\n"));
        let _ = out.write_all(answer.as_bytes());
        answer
    };
    say("");
    let (mut commands, mut mail) = (Vec::new(), Vec::new());
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
        let command = String::from_utf8_lossy(&line).trim_end().to_owned();
        commands.push(command.clone());
        line.clear();
        if say(&command).starts_with("354") {
            loop {
                line.clear();
                if reader.read_until(b'\n', &mut line).unwrap_or(0) == 0 || line == b".\r\n" {
                    break;
                }
                mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            }
            line.clear();
            say(".");
        }
    }
    (commands, mail)
}
