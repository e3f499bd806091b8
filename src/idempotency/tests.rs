//! Facts of kept writes.

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::{
    identity::CredentialId,
    words::{Kind, PrincipalId},
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn key(text: &str) -> Key {
    read(&[text]).unwrap().unwrap()
}

fn read(lines: &[&str]) -> Result<Option<Key>, Fault> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append("idempotency-key", HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    Key::of(&headers)
}

fn who(kind: Kind, id: &str) -> Facts {
    Facts::bare(kind, PrincipalId::new(id), CredentialId::None).sealed()
}

const ASKED: Asked<'_> = Asked { method: "POST", path: "/v1/customers", query: "", body: b"{}" };
const TERMS: Terms = Terms {
    most: RepeatsMax { per_principal: 10, all: 10 },
    kept: Duration::from_secs(3600),
    running: Duration::from_secs(60),
};

fn kept() -> Kept {
    Kept {
        status: 201,
        is_unguarded: true,
        id: Some("7".into()),
        is_id_shown: true,
        record: Some(KeptRecord {
            leaves: vec!["id".into(), "name".into()],
            is_whole: true,
            json: r#"{"name":"Ewa Lis"}"#.into(),
        }),
        accepted: None,
    }
}

fn run(work: impl AsyncFnOnce(Idempotency, std::path::PathBuf)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let secret = SecretBytes::new(vec![7; 32]);
    let room = Idempotency::new(&secret, Store::open(&path).unwrap()).unwrap();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work(room, path));
}

#[test]
fn a_key_is_a_string_or_a_bare_word_and_the_same_either_way() {
    assert!(read(&[]).unwrap().is_none());
    let uuid = "8e03978e-40d5-43dd-bc93-6894a57f9324";
    assert!(key(uuid) == key(&format!("\"{uuid}\"")));
    assert!(key(r#""a \"b\" \\c""#).as_str() == r#"a "b" \c"#);
    assert!(key("AbC/+=:").as_str() == "AbC/+=:");
    let longest = "k".repeat(255);
    assert!(key(&longest) == key(&format!("\"{longest}\"")));
    for bad in [
        "",
        "\"\"",
        "\"",
        "\"a",
        "a\"",
        "\"a\"b",
        "\"a\";p=1",
        "\"a\", \"b\"",
        "a,b",
        "a b",
        "\"a\\n\"",
        "\"a\\",
        "\"\u{17c}\"",
        "\"a\tb\"",
        &"k".repeat(256),
        &format!("\"{longest}k\""),
    ] {
        assert!(matches!(read(&[bad]), Err(Fault::Malformed(_))), "{bad}");
    }
    assert!(matches!(read(&["a", "a"]), Err(Fault::Malformed(_))), "two lines");
}

proptest! {
    #[test]
    fn any_text_that_a_string_can_hold_is_a_key_and_reading_never_panics(text in "[ -~]{1,255}", raw in "[ -~\\u{80}-\\u{2ff}]{0,300}") {
        let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        prop_assert!(key(&quoted).as_str() == text);
        drop(read(&[&raw]));
    }
}

#[test]
fn a_key_is_of_one_principal_and_stands_for_one_request() {
    run(async |room, _| {
        let app = who(Kind::App, "shop");
        let claim =
            |facts: &Facts, text: &str, asked| room.claim(facts, &key(text), asked, RequestId([1; 16]));
        let first = claim(&app, "k", ASKED);
        room.begin(&first, &TERMS, at(0)).await.unwrap();
        room.settle(&first, Ended::Done(&kept())).await.unwrap();
        let earlier = async |claim: &Claim| room.earlier(claim, at(1)).await.unwrap();
        // Whatever credential proves it.
        let same = Facts { credential: CredentialId::Token("other".into()), ..who(Kind::App, "shop") };
        let repeat = earlier(&claim(&same, "k", ASKED)).await.unwrap();
        assert_eq!((repeat.request, repeat.kept.unwrap()), (RequestId([1; 16]), kept()));
        for other in [
            Asked { method: "PATCH", ..ASKED },
            Asked { path: "/v1/orders", ..ASKED },
            Asked { query: "fields=id", ..ASKED },
            Asked { body: b"{ }", ..ASKED },
            // Where one part ends and the next begins is told.
            Asked { path: "/v1/customer", query: "s", ..ASKED },
        ] {
            let reused = earlier(&claim(&app, "k", other)).await.unwrap();
            assert!(matches!(reused.kept, Err(Fault::Reused)), "{other:?}");
            let late = room.begin(&claim(&app, "k", other), &TERMS, at(1)).await;
            assert!(matches!(late, Err(Fault::Reused)));
        }
        for (facts, text) in
            [(&app, "K"), (&who(Kind::Partner, "shop"), "k"), (&who(Kind::App, "corp|shop"), "k")]
        {
            assert!(earlier(&claim(facts, text, ASKED)).await.is_none(), "{text} of {:?}", facts.id);
        }
    });
}

#[test]
fn a_claim_that_nobody_settled_runs_for_its_time_and_is_unknown_then() {
    run(async |room, _| {
        let claim = room.claim(&who(Kind::App, "a"), &key("k"), ASKED, RequestId([1; 16]));
        room.begin(&claim, &TERMS, at(0)).await.unwrap();
        let told = async |second| room.earlier(&claim, at(second)).await.unwrap().unwrap().kept;
        assert!(matches!(told(59).await, Err(Fault::Running)));
        assert!(matches!(room.begin(&claim, &TERMS, at(59)).await, Err(Fault::Running)));
        assert!(matches!(told(60).await, Err(Fault::Unknown)));
        assert_eq!(room.abandon().await.unwrap(), 1);
        assert!(matches!(told(1).await, Err(Fault::Unknown)), "no process is at it any more");
        room.settle(&claim, Ended::Nothing).await.unwrap();
        assert!(room.earlier(&claim, at(1)).await.unwrap().is_none());
    });
}

#[test]
fn what_is_kept_cannot_be_read_in_the_store_nor_moved_to_another_request() {
    run(async |room, path| {
        let facts = who(Kind::App, "a");
        let of = |text: &str, n| room.claim(&facts, &key(text), ASKED, RequestId([n; 16]));
        for (claim, id) in [(of("first-key", 1), "first"), (of("other-key", 2), "other")] {
            room.begin(&claim, &TERMS, at(0)).await.unwrap();
            let kept = Kept { id: Some(id.into()), ..kept() };
            room.settle(&claim, Ended::Done(&kept)).await.unwrap();
        }
        let file = rusqlite::Connection::open(&path).unwrap();
        file.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for clear in ["Ewa Lis", "first-key", "/v1/customers", "{\"status\""] {
            assert!(memchr::memmem::find(&bytes, clear.as_bytes()).is_none(), "{clear}");
        }
        // The answer of one row in the place of the other's is none.
        file.execute(
            "UPDATE repeats SET answer = (SELECT answer FROM repeats WHERE request = ?2) WHERE request = ?1",
            [[1_u8; 16], [2_u8; 16]],
        )
        .unwrap();
        let told = room.earlier(&of("first-key", 3), at(1)).await.unwrap().unwrap().kept;
        assert!(matches!(told, Err(Fault::Unknown)), "{told:?}");
        let told = room.earlier(&of("other-key", 3), at(1)).await.unwrap().unwrap().kept.unwrap();
        assert_eq!(told.id.as_deref(), Some("other"));
    });
}
