//! A path into a native record or into an entity: `a.b[0].c`, with `\` taking the next character as it is
//! (`'@odata\.etag'`).

use std::{fmt, sync::Arc};

/// Most steps of a path.
const STEPS_MAX: usize = 16;
/// Largest index of a step.
const INDEX_MAX: u16 = 255;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Step {
    /// Into an object.
    Key(Arc<str>),
    /// Into a list, from 0.
    Index(u16),
}

/// Some steps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Path(pub(super) Vec<Step>);

impl Path {
    /// Reads a path; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut chars = text.chars().peekable();
        if text.is_empty() {
            return Err("a path must not be empty".into());
        }
        loop {
            steps.push(Step::Key(key(&mut chars, text)?));
            while chars.next_if_eq(&'[').is_some() {
                steps.push(Step::Index(index(&mut chars, text)?));
            }
            match chars.next() {
                None => break,
                Some('.') => {}
                Some(other) => return Err(format!("`{other}` is not expected after `]` in path `{text}`")),
            }
        }
        if steps.len() > STEPS_MAX {
            return Err(format!("path `{text}` has more than {STEPS_MAX} steps"));
        }
        Ok(Self(steps))
    }

    /// The steps.
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The steps after a prefix, when it is one.
    pub(super) fn under(&self, prefix: &Self) -> Option<&[Step]> {
        self.0.strip_prefix(prefix.0.as_slice()).filter(|rest| !rest.is_empty())
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn key(chars: &mut Chars<'_>, text: &str) -> Result<Arc<str>, String> {
    let mut name = String::new();
    let mut bare = true;
    while let Some(next) = chars.next_if(|c| !matches!(c, '.' | '[')) {
        match next {
            '\\' => name.push(chars.next().ok_or_else(|| format!("path `{text}` ends in `\\`"))?),
            '$' if name.is_empty() && bare => {
                return Err(format!("root `${}` is not known here", chars.collect::<String>()));
            }
            ']' | '{' | '}' => {
                return Err(format!("`{next}` in path `{text}` must be escaped with `\\`"));
            }
            next => name.push(next),
        }
        bare = false;
    }
    if name.is_empty() {
        return Err(format!("path `{text}` has an empty step"));
    }
    Ok(name.into())
}

fn index(chars: &mut Chars<'_>, text: &str) -> Result<u16, String> {
    let mut digits = String::new();
    while let Some(next) = chars.next_if(|c| *c != ']') {
        digits.push(next);
    }
    let closed = chars.next().is_some();
    digits.parse().ok().filter(|n| closed && *n <= INDEX_MAX).ok_or_else(|| {
        format!("`[{digits}]` in path `{text}` is not an index; write `[0]` to `[{INDEX_MAX}]`")
    })
}

/// The last name on the way, as messages and selections show it.
pub(super) fn joined(steps: &[Step], between: char) -> String {
    let mut out = String::new();
    for step in steps {
        match step {
            Step::Key(key) => {
                if !out.is_empty() {
                    out.push(between);
                }
                out.push_str(key);
            }
            Step::Index(index) => out.push_str(&format!("[{index}]")),
        }
    }
    out
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&joined(&self.0, '.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_keys_indexes_and_escapes() {
        let path = Path::parse(r"a.b[0].@odata\.etag").unwrap();
        let key = |k: &str| Step::Key(k.into());
        assert_eq!(path.0, [key("a"), key("b"), Step::Index(0), key("@odata.etag")]);
    }

    #[test]
    fn what_is_no_path_is_told() {
        for (text, word) in [
            ("", "empty"),
            ("a..b", "empty step"),
            ("a[x]", "not an index"),
            ("a[0", "not an index"),
            ("a[0]b", "not expected"),
            ("$up.a", "not known"),
            ("a\\", "ends in"),
            ("a[999]", "not an index"),
        ] {
            let told = Path::parse(text).unwrap_err();
            assert!(told.contains(word), "{text}: {told}");
        }
    }
}
