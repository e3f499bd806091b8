//! Many callers at once, each over a connection that is kept; every answer that reached one whole is noted.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;

use crate::{
    kit::{Demo, Who, runtime, until},
    line::{Line, bare, json},
};

/// Plans that do not get in the way of a load.
pub(crate) fn unbounded(policies: &Path) {
    let file = policies.join("limits.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("rate: 500/s", "rate: 1000000/s").replace("burst: 1000\n", "burst: 1000000\n");
    fs::write(&file, text.replace("burst: 1000 }", "burst: 1000000 }")).unwrap();
}

/// An answer that reached its caller whole.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    pub(crate) id: String,
    pub(crate) status: u16,
}

/// A load that goes on until it is told to end, or nobody answers any more.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: JoinHandle<(Vec<Reached>, usize)>,
}

impl Load {
    /// Starts so many callers.
    pub(crate) fn start(demo: &Demo, callers: usize) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (address, ca, token) = (demo.address(), demo.env("BRAMKA_CA").to_owned(), demo.token(Who::App));
        let (stopped, counted) = (stop.clone(), count.clone());
        let thread = thread::spawn(move || {
            runtime().block_on(async {
                let callers = (0..callers).map(|n| {
                    let (stop, count) = (stopped.clone(), counted.clone());
                    caller(n, address.clone(), ca.clone(), token.clone(), stop, count)
                });
                let all = futures_util::future::join_all(callers).await;
                let broken = all.iter().filter(|(_, broken)| *broken).count();
                (all.into_iter().flat_map(|(reached, _)| reached).collect(), broken)
            })
        });
        Self { stop, count, thread }
    }

    /// How many answers have come.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until so many more answers have come.
    pub(crate) fn more(&self, count: usize) {
        let goal = self.count() + count;
        until("the load goes on", || self.count() >= goal);
    }

    /// Ends it. Every answer, and how many callers met a connection that broke.
    pub(crate) fn end(self) -> (Vec<Reached>, usize) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

async fn caller(
    n: usize,
    address: String,
    ca: String,
    token: Option<String>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> (Vec<Reached>, bool) {
    let mut line = Line::open(&address, &ca).await;
    let (mut reached, mut turn) = (Vec::new(), n);
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let Ok(answer) = line.ask(request(n, turn, token.as_deref())).await else { return (reached, true) };
        let id = answer.header("x-request-id").unwrap().to_owned();
        reached.push(Reached { id, status: answer.status });
        count.fetch_add(1, Ordering::Relaxed);
    }
    (reached, false)
}

/// Reads, lists, writes and refusals in turn.
fn request(n: usize, turn: usize, token: Option<&str>) -> Request<Full<Bytes>> {
    let customer = format!("/v1/customers/{}", 701_000_000_001_u64 + 37 * (n as u64 % 40));
    match turn % 6 {
        0 => bare(Method::GET, "/v1/products?limit=3", token),
        1 | 4 => bare(Method::GET, &customer, token),
        2 => json(Method::PATCH, &customer, token, &format!(r#"{{"company":"Firma {turn}"}}"#)),
        3 => bare(Method::GET, "/v1/customers/9", token),
        _ => bare(Method::GET, "/systems/erp/items?$top=1", token),
    }
}

/// The statuses that the requests of a load come to.
pub(crate) fn is_expected(status: u16) -> bool {
    matches!(status, 200 | 404)
}
