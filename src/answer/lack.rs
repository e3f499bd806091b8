//! What an answer lacks because a system could not be asked, or because no more may be shown, told under `partial`.

use std::sync::Arc;

use crate::schema::{json, load::PARTIAL};

/// Fields, or records, that an answer lacks, and why.
#[derive(Debug)]
pub struct Lack {
    /// Records that were left out, where it is about those.
    pub left_out: Option<u64>,
    /// Whole fields of the entity; none where whole records are left out.
    pub fields: Vec<Arc<str>>,
    /// The problem document.
    pub problem: Vec<u8>,
}

/// Writes what is lacking into an object that has just been written.
pub(super) fn write_into(lacks: &[Lack], out: &mut Vec<u8>) {
    if lacks.is_empty() || out.pop() != Some(b'}') {
        return;
    }
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    json::text(PARTIAL, out);
    out.push(b':');
    write(lacks, out);
    out.push(b'}');
}

/// Writes a list of it.
pub(super) fn write(lacks: &[Lack], out: &mut Vec<u8>) {
    out.push(b'[');
    for (n, lack) in lacks.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"fields\":[");
        for (n, field) in lack.fields.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            json::text(field, out);
        }
        out.push(b']');
        if let Some(count) = lack.left_out {
            out.extend_from_slice(b",\"left_out\":");
            out.extend_from_slice(count.to_string().as_bytes());
        }
        out.extend_from_slice(b",\"problem\":");
        out.extend_from_slice(&lack.problem);
        out.push(b'}');
    }
    out.push(b']');
}
