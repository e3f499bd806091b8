//! Facts of the crosswalk.

use proptest::prelude::*;

use super::*;

fn key(entity: &str, system: &str, native: &str) -> NativeKey {
    NativeKey { entity: entity.into(), system: system.into(), native: native.into() }
}

fn orders(count: usize) -> Vec<NativeKey> {
    (0..count).map(|n| key("Order", "erp", &format!("SO-{n}"))).collect()
}

fn run(work: impl AsyncFnOnce(Store)) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).unwrap();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work(store));
}

fn open(store: &Store) -> Crosswalk {
    Crosswalk::new(store.clone(), 1000)
}

#[test]
fn a_record_has_one_id_for_ever_and_no_two_have_the_same() {
    run(async |store| {
        let keys: Vec<_> = orders(300)
            .into_iter()
            .chain([
                key("Order", "erp-old", "SO-1"),
                key("Customer", "erp", "SO-1"),
                key("Order", "erp", "so-1"),
            ])
            .collect();
        let ids = open(&store).public(&keys).await.unwrap();
        let different: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!((ids.len(), different.len()), (303, 303));
        // In another order, with some of them new, twice in one list, and by a process that remembers nothing.
        let other = Crosswalk::new(Store::open(store.path()).unwrap(), 10);
        let mut mixed: Vec<_> = keys.iter().rev().cloned().collect();
        mixed.insert(7, key("Order", "erp", "new"));
        mixed.push(key("Order", "erp", "new"));
        let again = other.public(&mixed).await.unwrap();
        let old: Vec<_> =
            again.iter().enumerate().filter(|(at, _)| ![7, 304].contains(at)).map(|(_, id)| *id).collect();
        assert_eq!(old, ids.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(again[7], again[304]);
        for (key, id) in keys.iter().zip(&ids) {
            let native = open(&store).native(&key.entity, &key.system, *id).await.unwrap();
            assert_eq!(native.as_deref(), Some(key.native.as_str()));
        }
    });
}

#[test]
fn processes_that_meet_a_record_at_one_time_give_it_one_id() {
    run(async |store| {
        let others: Vec<_> = (0..4).map(|_| open(&Store::open(store.path()).unwrap())).collect();
        let keys = orders(50);
        let asked = others.iter().map(|crosswalk| crosswalk.public(&keys));
        let told = futures_util::future::join_all(asked).await;
        let first = told[0].as_ref().unwrap();
        assert!(told.iter().all(|ids| ids.as_ref().unwrap() == first));
    });
}

#[test]
fn an_id_leads_to_its_own_entity_in_a_system_that_knows_it_and_to_nothing_else() {
    run(async |store| {
        let crosswalk = open(&store);
        let id = crosswalk.public(&[key("Order", "erp", "SO-1")]).await.unwrap()[0];
        for crosswalk in [&crosswalk, &open(&store)] {
            let native = async |entity: &str, system: &str, id| {
                crosswalk.native(&entity.into(), &system.into(), id).await.unwrap()
            };
            assert_eq!(native("Order", "erp", id).await.as_deref(), Some("SO-1"));
            assert_eq!(native("Customer", "erp", id).await, None);
            assert_eq!(native("Order", "crm", id).await, None);
            assert_eq!(native("Order", "erp", PublicId([0; 16])).await, None);
        }
    });
}

#[test]
fn a_record_keeps_its_id_when_another_system_holds_it() {
    run(async |store| {
        let crosswalk = open(&store);
        let ids = crosswalk.public(&orders(2)).await.unwrap();
        let fresh = key("Order", "erp-new", "9001");
        assert!(crosswalk.join(ids[0], fresh.clone()).await.unwrap());
        assert!(crosswalk.join(ids[0], fresh.clone()).await.unwrap(), "saying it twice changes nothing");
        assert_eq!(crosswalk.public(std::slice::from_ref(&fresh)).await.unwrap(), [ids[0]]);
        for (system, native) in [("erp", "SO-0"), ("erp-new", "9001")] {
            let found = open(&store).native(&fresh.entity, &system.into(), ids[0]).await.unwrap();
            assert_eq!(found.as_deref(), Some(native));
        }
    });
}

#[test]
fn what_is_joined_to_one_id_is_not_joined_to_another() {
    run(async |store| {
        let crosswalk = open(&store);
        let ids = crosswalk.public(&orders(2)).await.unwrap();
        assert!(crosswalk.join(ids[0], key("Order", "erp-new", "9001")).await.unwrap());
        for (id, key) in [
            (ids[1], key("Order", "erp-new", "9001")),
            (ids[0], key("Order", "erp-new", "9002")),
            (ids[0], key("Customer", "crm", "7")),
            (PublicId([1; 16]), key("Order", "erp-new", "9003")),
        ] {
            assert!(!crosswalk.join(id, key.clone()).await.unwrap(), "{key:?}");
        }
        let native = crosswalk.native(&"Order".into(), &"erp-new".into(), ids[0]).await.unwrap();
        assert_eq!(native.as_deref(), Some("9001"));
    });
}

#[test]
fn what_is_remembered_is_bounded_and_a_guess_is_not_remembered() {
    run(async |store| {
        let crosswalk = Crosswalk::new(store, 100);
        let keys = orders(1000);
        let ids = crosswalk.public(&keys).await.unwrap();
        assert!(crosswalk.remembered.lock().len() <= 200);
        assert_eq!(crosswalk.public(&keys).await.unwrap(), ids);
        let before = crosswalk.remembered.lock().len();
        for n in 0..100 {
            let guess = crosswalk.native(&"Order".into(), &"erp".into(), PublicId([n; 16])).await.unwrap();
            assert_eq!(guess, None);
        }
        assert_eq!(crosswalk.remembered.lock().len(), before);
        let many = vec![keys[0].clone(); KEYS_MAX + 1];
        assert!(matches!(crosswalk.public(&many).await, Err(CrosswalkError::TooMany)));
    });
}

proptest! {
    #[test]
    fn an_id_has_one_spelling(bytes in any::<[u8; 16]>(), text in "\\PC{0,40}") {
        let spelt = PublicId(bytes).to_string();
        prop_assert_eq!(spelt.len(), 26);
        prop_assert!(spelt.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'v').contains(&byte)));
        prop_assert_eq!(spelt.parse(), Ok(PublicId(bytes)));
        if spelt.to_uppercase() != spelt {
            prop_assert_eq!(spelt.to_uppercase().parse::<PublicId>(), Err(BadId));
        }
        // The last character carries three bits: none of the other spellings of it counts.
        for last in "0123456789abcdefghijklmnopqrstuv".chars() {
            let other = format!("{}{last}", &spelt[..25]);
            prop_assert_eq!(other.parse::<PublicId>().is_ok(), "048cgkos".contains(last));
        }
        if let Ok(id) = text.parse::<PublicId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }
}
