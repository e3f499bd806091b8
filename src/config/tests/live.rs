//! What a reload swaps, and what it keeps.

use super::*;

/// A bundle of nothing but statements that close something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Closing(Vec<StatementId>);

impl Closing {
    fn of(ids: impl IntoIterator<Item = impl ToString>) -> Self {
        Self(ids.into_iter().map(|id| StatementId::new(id.to_string())).collect())
    }
}

impl Follows for Closing {
    fn closing(&self) -> impl Iterator<Item = &StatementId> {
        self.0.iter()
    }
}

#[test]
fn a_swap_keeps_in_mind_what_it_took_away_until_the_next_one() {
    let digest = |text: &str| Digest::of(text.as_bytes());
    let live = Live::new(digest("one"), Closing::of(["a", "b", "c"]), now());
    let swap = |to: Closing| {
        drop(live.settle(Ok(Some((digest(&format!("{to:?}")), to))), now()));
        live.status().gone
    };
    assert!(live.status().gone.is_empty());
    let gone = swap(Closing::of(["d", "b"]));
    assert_eq!((gone.to_string().as_str(), gone.more), ("a, c", 0));
    // A look that changes nothing and a bundle that does not load take nothing away.
    drop(live.settle(Ok(None), now()));
    let broken = Diagnostic::error(&Place::file("limits.yaml"), "wrong");
    drop(live.settle(Err(Report::without_files(broken.into())), now()));
    assert_eq!(live.status().gone, gone);
    assert!(swap(Closing::of(0..50)).named.iter().all(|id| ["b", "d"].contains(&id.as_str())));
    let gone = swap(Closing::of(["x"]));
    assert_eq!((gone.named.len(), gone.more), (20, 30));
    assert!(gone.to_string().ends_with("18, 19 and 30 more"), "{gone}");
    assert!(swap(Closing::of(["x", "y"])).is_empty());
}

#[test]
fn a_broken_bundle_changes_nothing_and_says_so() {
    let digest = |text: &str| Digest::of(text.as_bytes());
    let (one, two) = (Closing::of(["one"]), Closing::of(["two"]));
    let live = Live::new(digest("one"), one.clone(), now());
    let broken = || Report::without_files(Diagnostic::error(&Place::file("limits.yaml"), "wrong").into());
    let held = live.snapshot();
    assert!(matches!(live.settle(Err(broken()), now()), Outcome::KeptOld(_)));
    let status = live.status();
    assert_eq!((&**live.current(), status.digest, status.refused), (&one, digest("one"), 1));
    assert!(status.broken.unwrap().0.to_string().contains("limits.yaml:1:1: error: wrong"));
    // Back to what serves: nothing to swap, and nothing is wrong any more.
    let outcome = live.settle(Ok(None), now());
    assert!(matches!(outcome, Outcome::Unchanged) && live.status().broken.is_none());
    let outcome = live.settle(Ok(Some((digest("two"), two.clone()))), now());
    assert!(matches!(outcome, Outcome::Swapped(to) if to == digest("two")));
    assert_eq!((&**live.current(), &*held, live.status().swapped), (&two, &one, 1));
}
