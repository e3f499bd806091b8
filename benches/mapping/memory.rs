//! How much memory a list of records takes beside the answer it is read from, by what the process holds (Linux).

use std::fmt::Write as _;

use bramka::{
    mapping::{Mapping, NativeAnswer},
    schema::Filter,
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// Records in the list.
const COUNT: usize = 1_000;

/// Prints what a list of 1,000 such records takes.
pub(crate) fn of_a_list(mapping: &Mapping, record: &str) {
    let wanted = mapping.entity().all();
    let listing = mapping.list(&wanted, &Filter::everything(), &[], None, 100).expect("a list");
    // Each has a key of its own.
    // ORDER: in one piece, so that no freed memory is left for the records to hide in.
    let mut body = String::with_capacity((record.len() + 16) * COUNT);
    let (head, tail) = record.split_once("7010").expect("a key");
    for n in 0..COUNT {
        let open = if n == 0 { "{\"results\":[" } else { "," };
        write!(body, "{open}{head}7{n:04}10{tail}").expect("text");
    }
    body.push_str("]}");
    let body = Bytes::from(body);
    let answer =
        NativeAnswer { status: StatusCode::OK, headers: HeaderMap::new(), body, received: None, over: None };
    let Some(before) = held() else { return println!("memory: not told on this system") };
    let page = mapping.inward_list(&listing, &answer, &wanted).expect("a page");
    let after = held().unwrap_or(before);
    assert_eq!(page.rows.len(), COUNT);
    println!(
        "list of {COUNT}: {} KiB of answer, {} KiB of records beside it",
        answer.body.len() / 1024,
        after.saturating_sub(before)
    );
}

/// KiB that the process holds.
fn held() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
