//! The waker of a kept connection, which tasks use in turn.
//!
//! A connection is driven inside the task that uses it, so most of what its parts tell each other is told to a task
//! that is just being polled, or to the one that used the connection before. Those wakes would cost a poll of all
//! that stands above each. Only what comes while the task waits is passed on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use parking_lot::Mutex;

/// LIMIT: polls in a row of a connection that wakes itself; then others have their turn.
const TURNS_MAX: usize = 4;

/// Passes wakes on to whoever waits for the connection.
#[derive(Debug)]
pub(super) struct Relay {
    shared: Arc<Shared>,
    waker: Waker,
}

#[derive(Debug)]
struct Shared {
    state: AtomicU8,
    waiting: Mutex<Option<Waker>>,
}

/// It is being polled, or lies idle: nobody waits.
const AWAKE: u8 = 0;
/// A task waits for it.
const AWAITED: u8 = 1;
/// It was woken since it was polled.
const WOKEN: u8 = 2;

impl Relay {
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared { state: AtomicU8::new(AWAKE), waiting: Mutex::default() });
        Self { waker: shared.clone().into(), shared }
    }

    /// Polls until nothing wakes what is polled any more; then the task of `outer` waits.
    pub(super) fn poll<T>(
        &self,
        outer: &mut Context<'_>,
        mut once: impl FnMut(&mut Context<'_>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let mut inner = Context::from_waker(&self.waker);
        for _ in 0..TURNS_MAX {
            self.shared.state.store(AWAKE, Ordering::Release);
            if let Poll::Ready(ready) = once(&mut inner, outer) {
                return Poll::Ready(ready);
            }
            if self.shared.awaits(outer.waker()) {
                return Poll::Pending;
            }
        }
        outer.waker().wake_by_ref();
        Poll::Pending
    }

    /// Polls once; nobody waits for it.
    pub(super) fn poll_once<T>(&self, once: impl FnOnce(&mut Context<'_>) -> T) -> T {
        once(&mut Context::from_waker(&self.waker))
    }

    /// Forgets who waited: the connection is idle.
    pub(super) fn rest(&self) {
        self.shared.state.store(AWAKE, Ordering::Release);
        *self.shared.waiting.lock() = None;
    }
}

impl Shared {
    /// False where it was woken since it was polled.
    fn awaits(&self, waker: &Waker) -> bool {
        let mut waiting = self.waiting.lock();
        if !waiting.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *waiting = Some(waker.clone());
        }
        drop(waiting);
        self.state.compare_exchange(AWAKE, AWAITED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == AWAITED
            && let Some(waker) = &*self.waiting.lock()
        {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn task() -> (Arc<Counted>, Waker) {
        let counted = Arc::new(Counted::default());
        (counted.clone(), counted.into())
    }

    /// A task waits for the connection; what wakes that.
    fn waits(relay: &Relay, waker: &Waker) -> Waker {
        let mut inside = None;
        let polled = relay.poll(&mut Context::from_waker(waker), |inner, _| {
            inside = Some(inner.waker().clone());
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        inside.unwrap()
    }

    #[test]
    fn what_comes_while_the_task_waits_wakes_it_once() {
        let (relay, (woken, waker)) = (Relay::new(), task());
        let kept = waits(&relay, &waker);
        kept.wake_by_ref();
        kept.wake();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_wakes_itself_is_polled_again_at_once_and_others_have_their_turn() {
        let (relay, (woken, waker)) = (Relay::new(), task());
        let mut turns = 0;
        let polled = relay.poll(&mut Context::from_waker(&waker), |inner, _| {
            turns += 1;
            inner.waker().wake_by_ref();
            if turns == 2 { Poll::Ready(()) } else { Poll::Pending }
        });
        assert_eq!((polled, turns), (Poll::Ready(()), 2));
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        let polled = relay.poll(&mut Context::from_waker(&waker), |inner, _| {
            inner.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn an_idle_connection_wakes_nobody() {
        let (relay, (woken, waker)) = (Relay::new(), task());
        let kept = waits(&relay, &waker);
        relay.rest();
        kept.wake();
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
    }
}
