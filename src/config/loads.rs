//! Loading a bundle blocks, and what it reads may never come: so it has a thread of its own, which nobody waits for
//! beyond a bound. A load that took too long goes on, and what comes of it is dropped.

use std::{io, sync::Arc, thread, time::Duration};

use tokio::{
    sync::{Semaphore, oneshot},
    time,
};

/// The loads that have not come to their end.
#[derive(Debug)]
pub struct Loads {
    turns: Arc<Semaphore>,
    load_max: Duration,
}

/// Why nothing came of a load.
#[derive(Debug, thiserror::Error)]
pub enum Unloaded {
    /// It takes longer than a load may.
    #[error("loading the policies takes longer than {0:?}")]
    Late(Duration),
    /// Whoever waited for it stops.
    #[error("the gate stops before the policies are loaded")]
    Stopped,
    /// Earlier ones have not come to their end.
    #[error("too many loads of policies have not come to their end")]
    Busy,
    /// There is no thread for it.
    #[error("there is no thread to load the policies on")]
    NoThread(#[source] io::Error),
    /// It panicked.
    #[error("loading the policies panicked")]
    Panicked,
}

impl Loads {
    /// At most `at_once` loads that have not come to their end, each waited for as long as `load_max`.
    pub fn new(at_once: usize, load_max: Duration) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_once)), load_max }
    }

    /// Loads, and waits for it until the bound or until `stop`.
    ///
    /// # Errors
    /// [`Unloaded`]; the load may go on nevertheless.
    pub async fn run<T: Send + 'static>(
        &self,
        load: impl FnOnce() -> T + Send + 'static,
        stop: impl Future<Output = ()>,
    ) -> Result<T, Unloaded> {
        let turn = self.turns.clone().try_acquire_owned().map_err(|_| Unloaded::Busy)?;
        let (done, outcome) = oneshot::channel();
        let on_its_own = move || {
            let loaded = load();
            // ORDER: the turn before the outcome, so that whoever has the outcome finds a turn.
            drop(turn);
            // Nobody may be waiting any more.
            drop(done.send(loaded));
        };
        thread::Builder::new().name("loading".into()).spawn(on_its_own).map_err(Unloaded::NoThread)?;
        tokio::select! {
            loaded = outcome => loaded.map_err(|_| Unloaded::Panicked),
            () = time::sleep(self.load_max) => Err(Unloaded::Late(self.load_max)),
            () = stop => Err(Unloaded::Stopped),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        sync::mpsc,
    };

    use super::*;

    const SOON: Duration = Duration::from_millis(50);
    const NEVER: Duration = Duration::from_secs(3600);

    fn run(work: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work);
    }

    /// A load that waits for what never comes, and what ends it.
    fn stuck() -> (impl FnOnce() + Send, mpsc::Sender<()>) {
        let (end, ended) = mpsc::channel::<()>();
        (move || assert!(ended.recv().is_err(), "nothing is ever sent"), end)
    }

    #[test]
    fn a_load_is_not_waited_for_beyond_its_bound_and_the_next_one_is() {
        run(async {
            let loads = Loads::new(2, SOON);
            let (load, _end) = stuck();
            assert!(matches!(loads.run(load, pending()).await, Err(Unloaded::Late(SOON))));
            let loads = Loads { load_max: NEVER, ..loads };
            assert_eq!(loads.run(|| 7, pending()).await.unwrap(), 7);
            assert_eq!(loads.run(|| 8, pending()).await.unwrap(), 8);
        });
    }

    #[test]
    fn loads_that_do_not_come_to_their_end_are_counted_until_they_do() {
        run(async {
            let loads = Loads::new(1, SOON);
            let (load, end) = stuck();
            assert!(matches!(loads.run(load, pending()).await, Err(Unloaded::Late(_))));
            assert!(matches!(loads.run(|| (), pending()).await, Err(Unloaded::Busy)));
            drop(end);
            loads.turns.acquire().await.unwrap().forget();
        });
    }

    #[test]
    fn a_gate_that_stops_does_not_wait_for_a_load() {
        run(async {
            let (load, _end) = stuck();
            let loads = Loads::new(1, NEVER);
            assert!(matches!(loads.run(load, ready(())).await, Err(Unloaded::Stopped)));
        });
    }

    #[test]
    fn a_load_that_panics_is_told_and_gives_its_turn_back() {
        run(async {
            let loads = Loads::new(1, NEVER);
            let panics = || -> () { panic!("as the test wants it") };
            assert!(matches!(loads.run(panics, pending()).await, Err(Unloaded::Panicked)));
            loads.turns.acquire().await.unwrap().forget();
            let told = Unloaded::Late(Duration::from_secs(30)).to_string();
            assert_eq!(told, "loading the policies takes longer than 30s");
        });
    }
}
