//! What a line of the table says of a body, and how lines are written.

/// A body in `tests/fixtures`.
pub(super) struct Line {
    pub(super) file: &'static str,
    pub(super) is: Is,
}

/// What a body is.
pub(super) enum Is {
    /// The answer to a read of one record.
    Record(Of),
    /// The answer to a list.
    Page(Of),
    /// The answer to a create.
    Made(Of),
    /// No record of this entity, and not to be read as one.
    Foreign(Of),
    /// A no, with the status that the vendor documents where none was saved.
    Error { of: Of, status: u16, on: On },
    /// What makes a record: the record that a caller writes for the same, and how what the gate sends is apart.
    /// Inside what the gate puts around it, where `of` has that.
    Create { of: Of, record: &'static str, apart: &'static [(Apart, &'static str, &'static str)] },
    /// Not used, and why.
    None(&'static str),
}

/// The shipped file and its entity.
pub(super) struct Of {
    pub(super) system: &'static str,
    pub(super) entity: &'static str,
    /// Header fields of the answer that its reading needs.
    pub(super) heads: &'static [(&'static str, &'static str)],
    /// What stood around the body, where it was saved without.
    pub(super) within: Option<(&'static str, &'static str)>,
    /// Texts of the body, and what stands for them: a system has other addresses and settings than the file.
    pub(super) turned: &'static [(&'static str, &'static str)],
}

/// What the gate asked when it was told no.
#[derive(Clone, Copy)]
pub(super) enum On {
    Read,
    List,
    Write,
}

impl On {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
        }
    }
}

/// How what is sent is apart from what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Apart {
    /// The gate sends it and the recorded request does not.
    More,
    /// The recorded request has it and the gate does not send it.
    Less,
    /// Both have it and say different things.
    Other,
}

pub(super) const fn of(system: &'static str, entity: &'static str) -> Of {
    Of { system, entity, heads: &[], within: None, turned: &[] }
}

pub(super) const fn record(file: &'static str, system: &'static str, entity: &'static str) -> Line {
    Line { file, is: Is::Record(of(system, entity)) }
}

pub(super) const fn page(file: &'static str, system: &'static str, entity: &'static str) -> Line {
    Line { file, is: Is::Page(of(system, entity)) }
}

pub(super) const fn headed(
    file: &'static str,
    system: &'static str,
    entity: &'static str,
    heads: &'static [(&'static str, &'static str)],
) -> Line {
    Line { file, is: Is::Page(Of { system, entity, heads, within: None, turned: &[] }) }
}

/// A body that was saved without what stands around it.
pub(super) const fn within(
    file: &'static str,
    system: &'static str,
    entity: &'static str,
    around: (&'static str, &'static str),
) -> Line {
    Line { file, is: Is::Page(Of { system, entity, heads: &[], within: Some(around), turned: &[] }) }
}

/// A body of a system with other addresses or settings than the file's.
pub(super) const fn turned(
    file: &'static str,
    system: &'static str,
    entity: &'static str,
    turned: &'static [(&'static str, &'static str)],
) -> Line {
    Line { file, is: Is::Page(Of { system, entity, heads: &[], within: None, turned }) }
}

pub(super) const fn made(file: &'static str, system: &'static str, entity: &'static str) -> Line {
    Line { file, is: Is::Made(of(system, entity)) }
}

pub(super) const fn foreign(file: &'static str, system: &'static str, entity: &'static str) -> Line {
    Line { file, is: Is::Foreign(of(system, entity)) }
}

pub(super) const fn error(
    file: &'static str,
    system: &'static str,
    entity: &'static str,
    status: u16,
    on: On,
) -> Line {
    Line { file, is: Is::Error { of: of(system, entity), status, on } }
}

pub(super) const fn create(
    file: &'static str,
    system: &'static str,
    entity: &'static str,
    record: &'static str,
    apart: &'static [(Apart, &'static str, &'static str)],
) -> Line {
    Line { file, is: Is::Create { of: of(system, entity), record, apart } }
}

pub(super) const fn none(file: &'static str, why: &'static str) -> Line {
    Line { file, is: Is::None(why) }
}
