//! Recorded answers of a system: bodies, or whole answers with their heads, as `curl -i` writes them.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{cli::error::VerbError, mapping::NativeAnswer};

/// LIMIT: bytes of a sample; an answer of a system is no longer.
const SAMPLE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// LIMIT: heads before a body: of a proxy, of a redirection, of `100 Continue`.
const HEADS_MAX: usize = 8;

/// The answer that a file holds; `-` is standard input.
pub(super) fn answer(path: &Path) -> Result<NativeAnswer, VerbError> {
    let whole = bytes(path)?;
    if whole.trim_ascii().is_empty() {
        return Err(VerbError::NotThere(format!("`{}` is empty", path.display())));
    }
    with_head(&whole).map_err(|why| VerbError::NotThere(format!("`{}`: {why}", path.display())))
}

/// An answer that went well, of which nothing but the body is known.
pub(super) fn of_body(body: Bytes) -> NativeAnswer {
    NativeAnswer { status: StatusCode::OK, headers: HeaderMap::new(), body, received: None, over: None }
}

fn bytes(path: &Path) -> Result<Bytes, VerbError> {
    let mut bytes = Vec::new();
    let limit = SAMPLE_BYTES_MAX.saturating_add(1);
    let read = if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(VerbError::file(path))?;
    if bytes.len() as u64 > SAMPLE_BYTES_MAX {
        let message = format!("`{}` is larger than {SAMPLE_BYTES_MAX} bytes", path.display());
        return Err(VerbError::Misused(message));
    }
    Ok(bytes.into())
}

/// The answer, of which the last head counts; a body alone is one that went well.
fn with_head(whole: &Bytes) -> Result<NativeAnswer, &'static str> {
    let mut answer = of_body(whole.clone());
    for _ in 0..HEADS_MAX {
        if !answer.body.starts_with(b"HTTP/") {
            return Ok(answer);
        }
        let (head, rest) =
            parted(&answer.body).ok_or("its head does not end: an empty line stands behind it")?;
        let head = String::from_utf8_lossy(head).into_owned();
        let mut lines = head.lines();
        let code = lines.next().and_then(|line| line.split_whitespace().nth(1));
        let status =
            code.and_then(|code| code.parse().ok()).ok_or("the first line of its head has no status")?;
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or("a line of its head is no header field")?;
            let name: HeaderName =
                name.trim().parse().map_err(|_ignored| "a line of its head has no name")?;
            let value = HeaderValue::from_str(value.trim());
            headers.append(name, value.map_err(|_ignored| "a header field holds what none can")?);
        }
        answer =
            NativeAnswer { status, headers, body: answer.body.slice_ref(rest), received: None, over: None };
    }
    Err("it has more heads than an answer has")
}

/// The head before the first empty line, and what is behind it.
fn parted(whole: &[u8]) -> Option<(&[u8], &[u8])> {
    let ends = [&b"\r\n\r\n"[..], b"\n\n"];
    let end = |mark: &&[u8]| whole.windows(mark.len()).position(|at| at == *mark).map(|at| (at, mark.len()));
    let (at, length) = ends.iter().filter_map(end).min()?;
    Some((whole.get(..at)?, whole.get(at.saturating_add(length)..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_alone_went_well_and_of_several_heads_the_last_one_counts() {
        let read = |text: &'static str| with_head(&Bytes::from_static(text.as_bytes()));
        let bare = read("[]").unwrap();
        assert_eq!((bare.status, bare.headers.len(), &bare.body[..]), (StatusCode::OK, 0, &b"[]"[..]));
        let whole = read("HTTP/1.1 100 Continue\r\n\r\nHTTP/2 404\r\nX-Pages: 3\r\nx-pages: 4\r\n\r\n{\n\n}")
            .unwrap();
        assert_eq!((whole.status.as_u16(), &whole.body[..]), (404, &b"{\n\n}"[..]));
        assert_eq!(whole.headers.get_all("x-pages").iter().collect::<Vec<_>>(), ["3", "4"]);
        assert_eq!(&read("HTTP/1.1 200 OK\nA: b\n\n1").unwrap().body[..], b"1");
        for bad in
            ["HTTP/1.1 200 OK\r\nA: b", "HTTP/1.1\n\n", "HTTP/1.1 200\nA\n\n", "HTTP/1.1 200\nA b: c\n\n"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(with_head(&Bytes::from("HTTP/1.1 100\n\n".repeat(9))).is_err());
    }
}
