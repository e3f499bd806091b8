//! Facts of the store.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::words::{Digest, Kind};
use jiff::Timestamp;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn token(jti: &str, principal: &str) -> TokenRow {
    TokenRow {
        jti: jti.into(),
        kind: Kind::App,
        principal: principal.into(),
        kid: "k".into(),
        groups: Some(vec!["a \"b\"".into()]),
        scopes: vec!["x".into()],
        note: None,
        issued_at: at(0),
        expires_at: at(100),
        revoked_at: None,
    }
}

fn run<T>(work: impl AsyncFnOnce(Store) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).unwrap();
    block_on(work(store))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn the_file_is_its_owners_alone_and_loose_rights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/store.db");
    let store = Store::open(&path).unwrap();
    block_on(store.issue_token(token("a", "x"))).unwrap();
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let mode = fs::metadata(folder.path().join("data").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(store);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::LooseRights { .. })));
}

#[test]
fn a_newer_file_is_not_touched_and_an_own_one_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Store::open(&path).unwrap();
    block_on(store.issue_token(token("a", "x"))).unwrap();
    let again = Store::open(&path).unwrap();
    assert_eq!(block_on(again.tokens(None, at(0))).unwrap(), [token("a", "x")]);
    Connection::open(&path).unwrap().execute("UPDATE version SET version = 99", []).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Newer { found: 99, .. })));
}

#[test]
fn what_one_process_takes_back_the_other_finds_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let (gate, tool) = (Store::open(&path).unwrap(), Store::open(&path).unwrap());
    block_on(async {
        tool.issue_token(token("a", "x")).await.unwrap();
        tool.issue_token(token("b", "x")).await.unwrap();
        let start = gate.changes_since(0).await.unwrap();
        assert_eq!(start, Changes { changes: vec![], seq: 0, more: false });
        assert!(tool.revoke_token("a".into(), at(1)).await.unwrap());
        assert!(!tool.revoke_token("a".into(), at(1)).await.unwrap());
        assert!(!tool.revoke_token("nobody".into(), at(1)).await.unwrap());
        let told = gate.changes_since(start.seq).await.unwrap();
        assert_eq!(told.changes, [Change::Token { jti: "a".into(), until: at(100) }]);
        assert!(gate.changes_since(told.seq).await.unwrap().changes.is_empty());
        assert_eq!(
            gate.tokens(None, at(1)).await.unwrap().len(),
            2,
            "taken back ones are listed until they end"
        );
        tool.purge(at(100)).await.unwrap();
        assert_eq!(gate.changes_since(0).await.unwrap().changes, told.changes, "a clock may be set back");
        tool.purge(at(100 + 86_400)).await.unwrap();
        assert!(gate.changes_since(0).await.unwrap().changes.is_empty());
        assert!(gate.tokens(None, at(1)).await.unwrap().is_empty());
    });
}

#[test]
fn a_retired_signing_key_is_forgotten_after_its_last_token() {
    run(async |store| {
        let day = 86_400;
        store.rotate_signing_key("old".into(), vec![4; 65], at(0)).await.unwrap();
        store.issue_token(TokenRow { kid: "old".into(), ..token("a", "x") }).await.unwrap();
        store.rotate_signing_key("new".into(), vec![4; 65], at(1)).await.unwrap();
        let kids = async || -> Vec<_> {
            store.signing_keys().await.unwrap().iter().map(|row| row.kid.to_string()).collect()
        };
        store.purge(at(99 + day)).await.unwrap();
        assert_eq!(kids().await, ["new", "old"]);
        store.purge(at(100 + day)).await.unwrap();
        assert_eq!(kids().await, ["new"]);
        store.purge(at(100 * day)).await.unwrap();
        assert_eq!(kids().await, ["new"], "the one that signs stays");
    });
}

#[test]
fn heads_are_read_from_a_file_that_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let head = HeadRow { lane: "gate/0".into(), size: 7, checkpoint: "c".into() };
    let store = Store::open(&path).unwrap();
    assert!(block_on(store.save_head(head.clone(), at(1))).unwrap());
    assert_eq!(Store::heads_of(&path).unwrap(), std::slice::from_ref(&head), "beside a gate that runs");
    Connection::open(&path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let evidence = folder.path().join("evi%3fdence");
    fs::create_dir(&evidence).unwrap();
    let copy = evidence.join("store.db");
    fs::copy(&path, &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o444)).unwrap();
    let before = fs::read(&copy).unwrap();
    assert_eq!(Store::heads_of(&copy).unwrap(), [head]);
    assert_eq!(fs::read(&copy).unwrap(), before);
    assert_eq!(fs::read_dir(&evidence).unwrap().count(), 1, "no file beside it");
    assert!(Store::heads_of(&evidence.join("none.db")).is_err());
}

#[test]
fn all_of_a_principal_ends_and_of_no_other() {
    run(async |store| {
        for (jti, who) in [("a", "x"), ("b", "x"), ("c", "y")] {
            store.issue_token(token(jti, who)).await.unwrap();
        }
        let many = store.revoke_principal(Kind::App, "x".into(), false, at(1)).await.unwrap();
        assert_eq!(many, 2);
        let alive: Vec<_> = store.tokens(None, at(1)).await.unwrap();
        let alive: Vec<_> =
            alive.iter().filter(|row| row.revoked_at.is_none()).map(|row| &*row.jti).collect();
        assert_eq!(alive, ["c"]);
        store.revoke_principal(Kind::User, "corp|m".into(), true, at(2)).await.unwrap();
        let last = store.changes_since(0).await.unwrap().changes.pop().unwrap();
        assert_eq!(last, Change::Principal { kind: Kind::User, id: "corp|m".into(), issued_until: at(2) });
    });
}

#[test]
fn a_quota_is_never_granted_past_its_limit_nor_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    block_on(async {
        let store = Store::open(&path).unwrap();
        let lease = |amount| store.lease_quota("plan/x".into(), 7, amount, 100);
        assert_eq!(lease(60).await.unwrap(), Lease { granted: 60, total: 60 });
        assert_eq!(lease(60).await.unwrap(), Lease { granted: 40, total: 100 });
        assert_eq!(lease(60).await.unwrap(), Lease { granted: 0, total: 100 });
        let again = Store::open(&path).unwrap();
        assert_eq!(again.quota_usage("plan/x".into(), 7).await.unwrap(), 100);
        assert_eq!(again.return_quota("plan/x".into(), 7, 30).await.unwrap(), 70);
        assert_eq!(lease(60).await.unwrap(), Lease { granted: 30, total: 100 });
        assert_eq!(again.quota_usage("plan/x".into(), 8).await.unwrap(), 0, "another day");
        assert_eq!(again.return_quota("nobody".into(), 7, 30).await.unwrap(), 0);
    });
}

#[test]
fn two_processes_that_lease_at_once_never_pass_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let stores = [Store::open(&path).unwrap(), Store::open(&path).unwrap()];
    let granted: u64 = block_on(async {
        let mut waiting = Vec::new();
        for at in 0..100 {
            waiting.push(stores[at % 2].lease_quota("k".into(), 1, 7, 100));
        }
        let leases = futures_util::future::join_all(waiting).await;
        leases.into_iter().map(|lease| lease.unwrap().granted).sum()
    });
    assert_eq!(granted, 100);
}

#[test]
fn an_older_head_never_replaces_a_newer() {
    run(async |store| {
        let head = |size, text: &str| HeadRow { lane: "0".into(), size, checkpoint: text.into() };
        assert!(store.save_head(head(5, "five"), at(0)).await.unwrap());
        assert!(!store.save_head(head(4, "four"), at(1)).await.unwrap());
        assert!(store.save_head(head(6, "six"), at(2)).await.unwrap());
        assert_eq!(store.heads().await.unwrap(), [head(6, "six")]);
    });
}

#[test]
fn an_admin_token_ends_is_taken_back_and_its_name_is_its_own() {
    run(async |store| {
        let record = |name: &str, text: &[u8]| AdminTokenRecord {
            hash: Digest::of(text),
            name: name.into(),
            role: AdminRole::Audit,
            issued_at: at(0),
            expires_at: at(10),
            revoked_at: None,
        };
        store.issue_admin_token(record("ewa", b"1")).await.unwrap();
        let taken = store.issue_admin_token(record("ewa", b"2")).await.unwrap_err();
        assert_eq!(taken.to_string(), "admin token `ewa` exists already");
        let find = |text: &[u8], now| store.admin_token_by_hash(Digest::of(text), now);
        assert_eq!(find(b"1", at(9)).await.unwrap(), Some(record("ewa", b"1")));
        assert_eq!(find(b"1", at(10)).await.unwrap(), None);
        assert_eq!(find(b"2", at(0)).await.unwrap(), None);
        assert!(store.revoke_admin_token("ewa".into(), at(1)).await.unwrap());
        assert_eq!(find(b"1", at(2)).await.unwrap(), None);
        store.issue_admin_token(record("ewa", b"3")).await.unwrap();
        assert_eq!(store.admin_tokens().await.unwrap().len(), 1);
    });
}

#[test]
fn the_store_says_when_it_has_too_much_to_do() {
    run(async |store| {
        let (go, wait) = mpsc::channel::<()>();
        let blocked: Job = Box::new(move |_| assert!(wait.recv().is_err()));
        store.jobs.try_send(blocked).unwrap();
        let mut waiting = Vec::new();
        let busy = loop {
            let mut question = Box::pin(store.heads());
            match futures_util::poll!(&mut question) {
                std::task::Poll::Pending => waiting.push(question),
                std::task::Poll::Ready(answer) => break answer,
            }
            assert!(waiting.len() <= QUEUE_MAX + 1);
        };
        assert!(matches!(busy, Err(StoreError::Busy)));
        drop(go);
        for question in waiting {
            question.await.unwrap();
        }
    });
}

fn purse(key: &str, most: u64) -> PurseAsked {
    PurseAsked { key: key.into(), window: 7, ends: "2026-03-02T00:00:00Z".parse().unwrap(), most }
}

#[tokio::test]
async fn a_record_goes_into_all_of_its_purses_or_into_none_and_into_each_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store.db")).unwrap();
    let rows =
        |rows: &[&[(usize, u64)]]| rows.iter().map(|row| row.iter().copied().collect()).collect::<Vec<_>>();
    let both = || vec![purse("records", 3), purse("people", 2)];
    // The third has no room among the people, so it takes none among the records either; the fourth is the first again.
    let asked = rows(&[
        &[(0, 1), (1, 10)],
        &[(0, 2), (1, 11)],
        &[(0, 3), (1, 12)],
        &[(0, 1), (1, 10)],
        &[(0, 4), (1, 10), (1, 10)],
    ]);
    let taken = store.take_exposed(both(), asked.clone(), false).await.unwrap();
    assert_eq!(taken.over, [None, None, Some(1), None, None]);
    assert_eq!(taken.counts, [(0, 3), (0, 2)]);
    // It is kept; another window begins with nothing.
    drop(store);
    let store = Store::open(&dir.path().join("store.db")).unwrap();
    let again = store.take_exposed(both(), asked, false).await.unwrap();
    assert_eq!((again.over, again.counts), (vec![None, None, Some(0), None, None], vec![(3, 3), (2, 2)]));
    let next = PurseAsked { window: 8, ..purse("records", 3) };
    let taken = store.take_exposed(vec![next], rows(&[&[(0, 1)]]), false).await.unwrap();
    assert_eq!(taken.counts, [(0, 1)]);
    // All or nothing: nothing.
    let taken = store
        .take_exposed(vec![purse("whole", 2)], rows(&[&[(0, 1)], &[(0, 2)], &[(0, 3)]]), true)
        .await
        .unwrap();
    assert_eq!((taken.over, taken.counts), (vec![None, None, Some(0)], vec![(0, 0)]));
    let taken = store
        .take_exposed(vec![purse("whole", 3)], rows(&[&[(0, 1)], &[(0, 2)], &[(0, 3)]]), true)
        .await
        .unwrap();
    assert_eq!(taken.counts, [(0, 3)]);
    // What a smaller budget has no room for was shown already: it costs nothing.
    let taken =
        store.take_exposed(vec![purse("whole", 1)], rows(&[&[(0, 1)], &[(0, 9)]]), false).await.unwrap();
    assert_eq!((taken.over, taken.counts), (vec![None, Some(0)], vec![(3, 3)]));
}

#[tokio::test]
async fn windows_that_are_over_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store.db")).unwrap();
    let row = std::iter::once((0, 1)).collect();
    store.take_exposed(vec![purse("records", 3)], vec![row], false).await.unwrap();
    let before = "2026-03-01T23:59:59Z".parse().unwrap();
    store.purge(before).await.unwrap();
    assert_eq!(store.purses(before).await.unwrap()[0].count, 1);
    let after = "2026-03-02T00:00:01Z".parse().unwrap();
    store.purge(after).await.unwrap();
    // Asked as if it were before: there is nothing.
    assert_eq!(store.purses(before).await.unwrap(), []);
}
