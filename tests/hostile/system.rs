//! A system that does what its test says, byte by byte, and remembers what it was asked.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// One request as it came: its head as text, and over which connection.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) connection: usize,
}

impl Seen {
    /// `METHOD target HTTP/1.1`.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The values of a field, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The one value of a field.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} stands twice: {}", self.head);
        all.first().copied()
    }
}

/// The system's end of one connection.
pub(crate) struct Talk {
    stream: BufReader<TcpStream>,
}

impl Talk {
    /// Says bytes as they are; false when the other end is gone.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// A plain answer.
    pub(crate) fn ok(&mut self, body: &str) -> bool {
        self.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    }

    /// Reads so many bytes.
    pub(crate) fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads what comes, once; empty at the end.
    pub(crate) fn some(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 64 * 1024];
        let count = self.stream.read(&mut bytes).unwrap_or(0);
        bytes.truncate(count);
        bytes
    }

    /// A chunked body as it was framed, up to and with its last empty line.
    pub(crate) fn chunks(&mut self) -> io::Result<String> {
        let mut raw = String::new();
        loop {
            let line = self.line()?;
            raw.push_str(&line);
            let size = usize::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16)
                .map_err(|_| io::ErrorKind::InvalidData)?;
            if size == 0 {
                break;
            }
            raw.push_str(&String::from_utf8_lossy(&self.take(size + 2)?));
        }
        loop {
            let line = self.line()?;
            raw.push_str(&line);
            if line == "\r\n" {
                return Ok(raw);
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }

    fn head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push_str(&self.line()?);
        }
        Ok(head)
    }
}

/// A running system.
#[derive(Clone)]
pub(crate) struct System {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
}

impl System {
    /// Answers every request by `answer`; the connection is closed when it gives false.
    pub(crate) fn start(answer: impl Fn(&Seen, &mut Talk) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let system = Self { address, seen: Arc::default(), connections: Arc::default() };
        let (on, answer) = (system.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
                stream.set_nodelay(true).unwrap();
                let connection = on.connections.fetch_add(1, Ordering::Relaxed);
                let (on, answer) = (on.clone(), answer.clone());
                thread::spawn(move || {
                    let mut talk = Talk { stream: BufReader::new(stream) };
                    while let Ok(head) = talk.head() {
                        let seen = Seen { head, connection };
                        on.seen.lock().unwrap().push(seen.clone());
                        if !answer(&seen, &mut talk) {
                            break;
                        }
                    }
                });
            }
        });
        system
    }

    /// One that answers everything with `ok`, after taking a body of a length.
    pub(crate) fn plain() -> Self {
        Self::start(|seen, talk| {
            let length = seen.one("content-length").map_or(0, |length| length.parse().unwrap());
            let taken = match seen.one("transfer-encoding") {
                Some(_) => talk.chunks().is_ok(),
                None => talk.take(length).is_ok(),
            };
            taken && talk.ok("ok")
        })
    }

    /// Everything asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What was asked last.
    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("the system was asked nothing")
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}
