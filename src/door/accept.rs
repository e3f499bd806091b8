//! One core: it accepts on its own sockets, serves what it accepted, and drains.

use std::{
    fmt,
    future::Future,
    io,
    net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use futures_util::future;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_util::task::TaskTracker;

use super::{
    connection::{self, Fresh},
    drain::Drained,
    limits::Slot,
    listener::{Door, Listener, Loads, is_of_one_connection},
    observer::Observer,
    service::Handler,
    sockets::Bound,
};

/// A core's part of the door: its sockets and its place among the others.
pub struct Core {
    number: usize,
    door: Arc<Door>,
    sockets: Vec<(usize, StdListener)>,
    loads: Arc<Loads>,
    inbox: mpsc::UnboundedReceiver<Moved>,
    others: Arc<[mpsc::UnboundedSender<Moved>]>,
}

/// A socket handed to another core. LIMIT: each holds a slot, so the queue is bounded by `connections_max`.
struct Moved {
    listener: usize,
    stream: StdStream,
    peer: SocketAddr,
    slot: Slot,
}

/// Runs each core on a thread of its own, in a runtime of its own, until `serve` is done.
///
/// # Errors
/// A thread or runtime that cannot be made; those already started go on.
pub fn on_threads<F, T>(
    cores: Vec<Core>,
    serve: impl Fn(Core) -> F + Clone + Send + 'static,
) -> io::Result<Vec<JoinHandle<T>>>
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    let start = |core: Core| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = serve.clone();
        let named = std::thread::Builder::new().name(format!("core-{}", core.number));
        named.spawn(move || runtime.block_on(serve(core)))
    };
    cores.into_iter().map(start).collect()
}

impl Core {
    pub(super) fn all(door: &Arc<Door>, bound: Bound) -> Vec<Self> {
        let loads = Loads::new(bound.cores.len());
        let (others, inboxes): (Vec<_>, Vec<_>) =
            bound.cores.iter().map(|_| mpsc::unbounded_channel()).unzip();
        let others: Arc<[_]> = others.into();
        let numbered = bound.cores.into_iter().zip(inboxes).enumerate();
        let core = |(number, (sockets, inbox))| {
            let (door, loads, others) = (door.clone(), loads.clone(), others.clone());
            Self { number, door, sockets, loads, inbox, others }
        };
        numbered.map(core).collect()
    }

    /// Which core this is, from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Accepts and serves until the door drains; then waits for the connections, as long as `grace` says then.
    ///
    /// # Errors
    /// A socket that cannot be watched.
    pub async fn serve<H: Handler>(
        self,
        handler: H,
        observer: Arc<dyn Observer>,
        grace: impl FnOnce() -> Duration,
    ) -> io::Result<Drained> {
        let Self { number, door, sockets, loads, inbox, others } = self;
        let tracker = TaskTracker::new();
        let seat = Seat { number, door, loads, others, tracker, handler, observer };
        let mut accepting = Vec::with_capacity(sockets.len());
        for (index, socket) in sockets {
            accepting.push(seat.accept(index, TcpListener::from_std(socket)?));
        }
        future::join(future::join_all(accepting), seat.receive(inbox)).await;
        seat.tracker.close();
        Ok(match tokio::time::timeout(grace(), seat.tracker.wait()).await {
            Ok(()) => Drained::Clean,
            Err(_) => Drained::Cut(seat.tracker.len()),
        })
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("number", &self.number).finish_non_exhaustive()
    }
}

/// What a core needs to begin a connection.
struct Seat<H> {
    number: usize,
    door: Arc<Door>,
    loads: Arc<Loads>,
    others: Arc<[mpsc::UnboundedSender<Moved>]>,
    tracker: TaskTracker,
    handler: H,
    observer: Arc<dyn Observer>,
}

impl<H: Handler> Seat<H> {
    /// Accepts on one socket until the door drains.
    async fn accept(&self, index: usize, socket: TcpListener) {
        let Some(listener) = self.door.listener(index) else { return };
        let mut pause = PAUSE_MIN;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.door.stop().ended() => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    pause = PAUSE_MIN;
                    self.place(index, listener, stream, peer);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: what is open must end first.
                    self.observer.accept_failed(&listener.name, &error);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
        // What waits in the queue would be reset with the socket; it gets its first request answered. The system
        // is asked itself: the runtime may not have heard yet that somebody waits.
        let Ok(socket) = socket.into_std() else { return };
        for _ in 0..QUEUE_MAX {
            let Ok((stream, peer)) = socket.accept() else { break };
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                self.place(index, listener, stream, peer);
            }
        }
    }

    /// Begins connections that other cores moved here. ORDER: after the last of our own were accepted, the
    /// inbox closes, and a core that would still move one keeps it.
    async fn receive(&self, mut inbox: mpsc::UnboundedReceiver<Moved>) {
        loop {
            let moved = tokio::select! {
                biased;
                moved = inbox.recv() => moved,
                () = self.door.stop().ended(), if !inbox.is_closed() => {
                    inbox.close();
                    continue;
                }
            };
            let Some(Moved { listener: index, stream, peer, slot }) = moved else { return };
            if let (Some(listener), Ok(stream)) = (self.door.listener(index), TcpStream::from_std(stream)) {
                self.begin(listener, stream, peer, slot);
            }
        }
    }

    /// Counts a fresh connection, and begins it here or on the least loaded core.
    fn place(&self, index: usize, listener: &Arc<Listener>, stream: TcpStream, peer: SocketAddr) {
        let terms = listener.terms.load();
        let network = terms.network(peer.ip());
        let slot = match listener.limits.enter(&terms.settings.bounds, network, terms.tls.is_some()) {
            Ok(slot) => slot,
            Err(why) => return self.observer.turned_away(&listener.name, peer, why),
        };
        let better = self.loads.better_than(self.number).and_then(|core| self.others.get(core));
        let Some(better) = better else { return self.begin(listener, stream, peer, slot) };
        let Ok(stream) = stream.into_std() else { return };
        let moved = better.send(Moved { listener: index, stream, peer, slot });
        if let Err(mpsc::error::SendError(Moved { stream, slot, .. })) = moved
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            self.begin(listener, stream, peer, slot);
        }
    }

    fn begin(&self, listener: &Arc<Listener>, stream: TcpStream, peer: SocketAddr, slot: Slot) {
        let fresh = Fresh { stream, peer, slot, terms: listener.terms.load_full() };
        let (handler, observer) = (self.handler.clone(), self.observer.clone());
        let (listener, stop) = (listener.clone(), self.door.stop().clone());
        let load = self.loads.one_more(self.number);
        self.tracker.spawn(async move {
            // Made here: a future that is captured has two places in the one around it.
            connection::serve(fresh, listener, handler, observer, stop).await;
            drop(load);
        });
    }
}

const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Connections accepted after the word to stop.
const QUEUE_MAX: usize = 4096;
