//! What a power cut leaves of an erasure, and that it is finished.

use super::{blank::for_tests::begun, *};

/// A closed journal in which an entry says that line 1 is erased, and it is not yet.
async fn announced() -> Bench {
    let bench = Bench::new();
    let journal = bench.open();
    answered(&journal).await.unwrap();
    answered(&journal).await.unwrap();
    let mut fields = Vec::new();
    text::text(&mut fields, "act", "erase");
    text::texts(&mut fields, "erased", ["0:1"]);
    journal.append_administrative(&fields, clock::now()).unwrap().await.unwrap();
    journal.close(clock::now()).await.unwrap();
    drop(journal);
    bench
}

fn is_settled(bench: &Bench, erased: u64, what: &str) {
    assert!(lists(bench).is_empty(), "{what}");
    let report = bench.verify();
    assert!(report.is_whole(), "{what}: {report}");
    assert_eq!(report.lanes[0].erased, erased, "{what}");
}

fn lists(bench: &Bench) -> Vec<PathBuf> {
    let all = fs::read_dir(bench.lane()).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.to_string_lossy().contains("erasing-")).collect()
}

#[tokio::test]
async fn a_list_torn_at_any_byte_erases_nothing_and_the_lane_opens() {
    let bench = announced().await;
    let begun = begun(&bench.lane(), 1);
    let (list, bytes) = &begun.list;
    for cut in 0..bytes.len() {
        fs::write(list, &bytes[..cut]).unwrap();
        blank::finish(&bench.lane()).unwrap();
        is_settled(&bench, 0, &format!("cut at {cut}"));
    }
    fs::write(list, [bytes.as_slice(), b"more"].concat()).unwrap();
    drop(bench.open());
    is_settled(&bench, 0, "with something behind it");
}

#[tokio::test]
async fn a_line_torn_at_any_byte_is_blanked_when_the_lane_is_opened() {
    let bench = announced().await;
    let begun = begun(&bench.lane(), 1);
    let (list, listed) = &begun.list;
    let path = bench.segment();
    let whole = fs::read(&path).unwrap();
    let end = begun.offset + begun.blanked.len();
    // A disk writes some of a line's parts and not the others, from either end.
    for cut in 0..=begun.blanked.len() {
        for from_start in [true, false] {
            let mut torn = whole.clone();
            let at = begun.offset + cut;
            match from_start {
                true => torn[begun.offset..at].copy_from_slice(&begun.blanked[..cut]),
                false => torn[at..end].copy_from_slice(&begun.blanked[cut..]),
            }
            fs::write(&path, &torn).unwrap();
            fs::write(list, listed).unwrap();
            blank::finish(&bench.lane()).unwrap();
            assert_eq!(fs::read(&path).unwrap()[begun.offset..end], begun.blanked, "{cut}");
        }
    }
    is_settled(&bench, 1, "at the end");
    let torn = [&whole[..end - 9], &begun.blanked[begun.blanked.len() - 9..], &whole[end..]].concat();
    fs::write(&path, torn).unwrap();
    assert!(matches!(bench.try_open(), Err(JournalError::Damaged { .. })), "without its list it is damage");
    fs::write(list, listed).unwrap();
    drop(bench.open());
    is_settled(&bench, 1, "opened");
}

#[tokio::test]
async fn erasing_again_finishes_what_was_left_undone_in_lanes_of_others_too() {
    let bench = announced().await;
    let begun = begun(&bench.lane(), 1);
    let (list, listed) = &begun.list;
    fs::write(list, listed).unwrap();
    let gate = bench.open();
    assert!(lists(&bench).is_empty());
    fs::write(list, listed).unwrap();
    let tool = bench.open();
    let mila = bench.keys.digest("Partner", "mila");
    assert_eq!(erase(&tool, mila, "anna", clock::now()).unwrap(), Erased { lines: 1 });
    for journal in [gate, tool] {
        journal.close(clock::now()).await.unwrap();
    }
    is_settled(&bench, 2, "erased again");
}

#[test]
fn a_list_that_names_no_such_line_overwrites_nothing() {
    let bench = Bench::new();
    drop(bench.open());
    let path = bench.segment();
    let whole = fs::read(&path).unwrap();
    let listed = "0\n3 10 10\n";
    let list = bench.lane().join("erasing-0000000000000000");
    fs::write(&list, format!("{listed}{:08x}\n", crc32fast::hash(listed.as_bytes()))).unwrap();
    assert!(blank::finish(&bench.lane()).is_err());
    assert_eq!(fs::read(&path).unwrap(), whole);
}
