//! Listening sockets: bound, inherited, or taken over from a predecessor, so that a restart resets nobody.
//!
//! Each core has a socket of its own on every address (`SO_REUSEPORT`). Closing one of them resets what waits in
//! its queue, so a restart hands the open sockets to the successor over a unix socket in the data directory;
//! both share the queues until the predecessor stops accepting. A service manager's sockets (`LISTEN_FDS`) are
//! taken the same way.

use std::{
    collections::HashMap,
    io,
    mem::MaybeUninit,
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{fs::PermissionsExt, net::UnixListener, net::UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted, a core.
const BACKLOG: i32 = 4096;
/// Descriptors in one message; the kernel takes 253.
const FDS_PER_MESSAGE: usize = 128;
/// Descriptors in all.
const FDS_MAX: usize = 4096;
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(5);

/// The open listening sockets of a process.
#[derive(Debug, Default)]
pub struct Sockets {
    held: Vec<TcpListener>,
}

/// Why there are no sockets.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// An address that cannot be listened on.
    #[error("`{0}` cannot be listened on")]
    Bind(SocketAddr, #[source] io::Error),
    /// Sockets that cannot be taken over or handed on.
    #[error("sockets cannot be handed over at `{}`", .0.display())]
    HandOver(PathBuf, #[source] io::Error),
    /// Inherited descriptors that are no listening sockets.
    #[error("an inherited descriptor is no listening socket")]
    Inherited(#[source] io::Error),
}

impl Sockets {
    /// The sockets a service manager or parent passed by `LISTEN_FDS`; none is fine. Call once, before
    /// threads start: it clears the variables.
    ///
    /// # Errors
    /// A descriptor that is no TCP socket.
    pub fn inherit() -> Result<Self, SocketError> {
        let mut passed = listenfd::ListenFd::from_env();
        let mut held = Vec::new();
        for index in 0..passed.len().min(FDS_MAX) {
            let listener = passed.take_tcp_listener(index).map_err(SocketError::Inherited)?;
            held.extend(listener);
        }
        Self { held }.ready().map_err(SocketError::Inherited)
    }

    #[cfg(test)]
    pub(super) fn holding(held: Vec<TcpListener>) -> io::Result<Self> {
        Self { held }.ready()
    }

    /// Asks a running predecessor for its sockets; none when there is no predecessor. Blocks up to seconds.
    ///
    /// # Errors
    /// A predecessor that answers wrongly, or belongs to another user.
    pub fn take_over(at: &Path) -> Result<Self, SocketError> {
        let fault = |error| SocketError::HandOver(at.to_owned(), error);
        let stream = match UnixStream::connect(at) {
            Ok(stream) => stream,
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                return Ok(Self::default());
            }
            Err(error) => return Err(fault(error)),
        };
        check_peer(&stream).map_err(fault)?;
        receive(&stream).and_then(Self::ready).map_err(fault)
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// For each core its own socket on each address: those held first, then fresh ones. Sockets on other
    /// addresses are closed; where more are held than there are cores, a core gets several, so that no queue
    /// is lost. An address with port 0 becomes one free port on all cores.
    ///
    /// # Errors
    /// An address that cannot be bound.
    pub fn bind(self, addresses: &[SocketAddr], cores: usize) -> Result<Bound, SocketError> {
        let mut held: HashMap<SocketAddr, Vec<TcpListener>> = HashMap::new();
        for listener in self.held {
            if let Ok(at) = listener.local_addr() {
                held.entry(at).or_default().push(listener);
            }
        }
        let mut bound =
            Bound { cores: (0..cores.max(1)).map(|_| Vec::new()).collect(), addresses: Vec::new() };
        for (index, at) in addresses.iter().enumerate() {
            let mut sockets = held.remove(at).unwrap_or_default();
            let mut at = *at;
            while sockets.len() < bound.cores.len() {
                let socket = match (listen(at), sockets.first()) {
                    // Passed by a service manager that lets nobody else bind there: the cores share it.
                    (Err(error), Some(held)) if error.kind() == io::ErrorKind::AddrInUse => held.try_clone(),
                    (bound, _) => bound,
                };
                let socket = socket.map_err(|error| SocketError::Bind(at, error))?;
                at = socket.local_addr().map_err(|error| SocketError::Bind(at, error))?;
                sockets.push(socket);
            }
            let cores = bound.cores.len();
            for (place, socket) in sockets.into_iter().enumerate() {
                if let Some(core) = bound.cores.get_mut(place % cores) {
                    core.push((index, socket));
                }
            }
            bound.addresses.push(at);
        }
        Ok(bound)
    }

    fn ready(self) -> io::Result<Self> {
        for listener in &self.held {
            listener.set_nonblocking(true)?;
            // Accepted sockets inherit it.
            socket2::SockRef::from(listener).set_tcp_nodelay(true)?;
        }
        Ok(self)
    }
}

/// Sockets by core, each with the index of its address.
#[derive(Debug)]
pub struct Bound {
    /// One list a core.
    pub(super) cores: Vec<Vec<(usize, TcpListener)>>,
    /// The addresses as bound (a port 0 has become a port).
    pub addresses: Vec<SocketAddr>,
}

impl Bound {
    /// Copies of the descriptors, to hand to a successor later.
    ///
    /// # Errors
    /// When descriptors run out.
    pub fn for_successor(&self) -> io::Result<Successor> {
        let sockets = self.cores.iter().flatten().map(|(_, socket)| socket.try_clone().map(OwnedFd::from));
        Ok(Successor { sockets: sockets.collect::<io::Result<_>>()? })
    }
}

/// The sockets kept for a successor. While it lives, queues are not reset when cores stop accepting.
#[derive(Debug)]
pub struct Successor {
    sockets: Vec<OwnedFd>,
}

impl Successor {
    /// Opens the place where a successor may ask; only this user may connect.
    ///
    /// # Errors
    /// A path that cannot be bound.
    pub fn open(at: &Path) -> Result<UnixListener, SocketError> {
        let fault = |error| SocketError::HandOver(at.to_owned(), error);
        match std::fs::remove_file(at) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(at).map_err(fault)?;
        std::fs::set_permissions(at, std::fs::Permissions::from_mode(0o600)).map_err(fault)?;
        Ok(listener)
    }

    /// Waits for one successor and gives it the sockets. Blocks until one asks: run it on a thread of its own.
    /// After it the process should drain.
    ///
    /// # Errors
    /// A successor that goes away or belongs to another user; asking again is fine.
    pub fn hand_over(&self, place: &UnixListener) -> io::Result<()> {
        self.give(&Self::asked(place)?)
    }

    /// The first half of [`Successor::hand_over`]: waits until somebody asks. Blocks.
    ///
    /// # Errors
    /// A place that cannot be listened at.
    pub fn asked(place: &UnixListener) -> io::Result<UnixStream> {
        Ok(place.accept()?.0)
    }

    /// The second half of [`Successor::hand_over`]: gives the sockets to whoever asked.
    ///
    /// # Errors
    /// A successor that goes away or belongs to another user; asking again is fine.
    pub fn give(&self, stream: &UnixStream) -> io::Result<()> {
        check_peer(stream)?;
        send(stream, &self.sockets)
    }
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit it, which saves a call for each.
    socket.set_tcp_nodelay(true)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn check_peer(stream: &UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(HAND_OVER_TIMEOUT))?;
    stream.set_write_timeout(Some(HAND_OVER_TIMEOUT))?;
    // The system tells no process of another container; a socket of another network would be of no use either.
    let peer = rustix::net::sockopt::socket_peercred(stream).map_err(|_| {
        let why = "the other end cannot be told: it may run in another container";
        io::Error::new(io::ErrorKind::PermissionDenied, why)
    })?;
    if peer.uid == rustix::process::geteuid() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "the other end belongs to another user"))
}

fn send(stream: &UnixStream, sockets: &[OwnedFd]) -> io::Result<()> {
    for chunk in sockets.chunks(FDS_PER_MESSAGE) {
        let fds: Vec<BorrowedFd<'_>> = chunk.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_PER_MESSAGE))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // One byte a message: a message without bytes carries no descriptors.
        rustix::net::sendmsg(stream, &[io::IoSlice::new(b"s")], &mut control, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

fn receive(stream: &UnixStream) -> io::Result<Sockets> {
    let mut held = Vec::new();
    loop {
        let mut byte = [0];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_PER_MESSAGE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [io::IoSliceMut::new(&mut byte)];
        let got = rustix::net::recvmsg(stream, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                held.extend(fds.map(TcpListener::from));
            }
        }
        if got.bytes == 0 || held.len() >= FDS_MAX {
            return Ok(Sockets { held });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, net::TcpStream};

    use super::*;

    #[test]
    fn every_core_has_a_socket_on_every_address() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let bound = Sockets::default().bind(&[any, any], 3).unwrap();
        assert_eq!(bound.cores.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
        assert_ne!(bound.addresses[0], bound.addresses[1]);
        assert!(bound.addresses.iter().all(|at| at.port() != 0));
    }

    #[test]
    fn a_successor_takes_over_the_sockets_with_what_waits_in_them() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("hand-over.sock");
        assert!(Sockets::take_over(&at).unwrap().held.is_empty(), "no predecessor is fine");
        let bound = Sockets::default().bind(&["127.0.0.1:0".parse().unwrap()], 2).unwrap();
        let address = bound.addresses[0];
        let waiting: Vec<_> = (0..8).map(|_| TcpStream::connect(address).unwrap()).collect();
        let successor = bound.for_successor().unwrap();
        let place = Successor::open(&at).unwrap();
        let handing = std::thread::spawn(move || successor.hand_over(&place));
        let taken = Sockets::take_over(&at).unwrap();
        handing.join().unwrap().unwrap();
        drop(bound);
        let bound = taken.bind(&[address], 1).unwrap();
        assert_eq!(bound.cores[0].len(), 2, "a core takes several, so that no queue is lost");
        let mut accepted = 0;
        for (_, socket) in &bound.cores[0] {
            while socket.accept().is_ok() {
                accepted += 1;
            }
        }
        assert_eq!(accepted, 8);
        for mut stream in waiting {
            let read = stream.read(&mut [0]).unwrap();
            assert_eq!(read, 0, "closed in order, not reset");
        }
    }
}
