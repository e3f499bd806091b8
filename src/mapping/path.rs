//! A path into a native record or into an entity: `a.b[0].c`, with `\` taking the next character as it is
//! (`'@odata\.etag'`), and `[key=vat_id]` for the element of a list that says so of itself.

use std::{fmt, sync::Arc};

/// Most steps of a path.
pub(super) const STEPS_MAX: usize = 16;
/// Largest index of a step.
const INDEX_MAX: u16 = 255;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Step {
    /// Into an object.
    Key(Arc<str>),
    /// Into a list, from 0.
    Index(u16),
    /// From a list's element up to what holds the list.
    Up,
    /// From a record up to the answer it came in.
    Answer,
    /// From a record to the header fields of the answer it came in.
    Head,
    /// From a record to the key that it was asked for by.
    Asked,
    /// From a record to the moment at which the answer it came in was received.
    Received,
    /// Into the element of a list whose member of that name has that text.
    Find(Arc<str>, Arc<str>),
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
        // A document that is a list has no name to begin with: `[0].code`.
        let mut is_list = chars.peek() == Some(&'[');
        loop {
            if !std::mem::take(&mut is_list) {
                steps.push(Step::Key(key(&mut chars, text)?));
            }
            while chars.next_if_eq(&'[').is_some() {
                steps.push(bracket(&mut chars, text)?);
            }
            match chars.next() {
                None => break,
                Some('.') => {}
                Some(other) => return Err(format!("`{other}` is not expected after `]` in path `{text}`")),
            }
        }
        if let Some(Step::Find(..)) = steps.last() {
            return Err(format!("path `{text}` names an element, not a value in it; write `[…=…].name`"));
        }
        if steps.len() > STEPS_MAX {
            return Err(format!("path `{text}` has more than {STEPS_MAX} steps"));
        }
        Ok(Self(steps))
    }

    /// Reads the path of a source, which may begin at a root: `$up.` from an element of a native list, `$answer.`
    /// or `$head.` from a record; or is `$key` or `$received`.
    pub(super) fn source(text: &str) -> Result<Self, String> {
        match text {
            "$key" => return Ok(Self(vec![Step::Asked])),
            "$received" => return Ok(Self(vec![Step::Received])),
            _ => {}
        }
        for (root, step) in [("$up.", Step::Up), ("$answer.", Step::Answer), ("$head.", Step::Head)] {
            let Some(rest) = text.strip_prefix(root) else { continue };
            let mut steps = vec![step];
            match steps.first() {
                Some(Step::Head) => steps.push(Step::Key(rest.to_ascii_lowercase().into())),
                Some(Step::Up) if steps_up(text) <= STEPS_MAX => steps.extend(Self::source(rest)?.0),
                Some(_) | None => steps.extend(Self::parse(rest)?.0),
            }
            return Ok(Self(steps));
        }
        Self::parse(text)
    }

    /// Whether it begins at a root: outside of what it is read for.
    pub(super) fn is_rooted(&self) -> bool {
        self.0.first().is_some_and(Step::is_root)
    }

    /// How many lists it goes up.
    pub(super) fn ups(&self) -> usize {
        self.0.iter().take_while(|step| **step == Step::Up).count()
    }

    /// The steps.
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether it goes through an element that is found by what it says of itself.
    pub(super) fn finds(&self) -> bool {
        self.0.iter().any(|step| matches!(step, Step::Find(..)))
    }

    /// Whether two paths may lead to one place, or one of them to a part of what the other leads to.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| match (a, b) {
            (Step::Find(key, is), Step::Find(k, i)) => key != k || is == i,
            // An element's place may be that of one that is found.
            (Step::Index(_), Step::Find(..)) | (Step::Find(..), Step::Index(_)) => true,
            (a, b) => a == b,
        })
    }

    /// The steps after a prefix, when it is one.
    pub(super) fn under(&self, prefix: &Self) -> Option<&[Step]> {
        self.0.strip_prefix(prefix.0.as_slice()).filter(|rest| !rest.is_empty())
    }
}

impl Step {
    /// Whether it leads out of what it is read for.
    pub(super) fn is_root(&self) -> bool {
        match self {
            Self::Up | Self::Answer | Self::Head | Self::Asked | Self::Received => true,
            Self::Key(_) | Self::Index(_) | Self::Find(..) => false,
        }
    }
}

/// How often a path's text goes up.
fn steps_up(text: &str) -> usize {
    text.matches("$up.").count()
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

/// What stands in brackets: `[0]`, or `[key=text]`.
fn bracket(chars: &mut Chars<'_>, text: &str) -> Result<Step, String> {
    let (mut inside, mut key, mut closed) = (String::new(), None, false);
    while let Some(next) = chars.next() {
        match next {
            ']' => {
                closed = true;
                break;
            }
            '\\' => inside.extend(chars.next()),
            '=' if key.is_none() => key = Some(std::mem::take(&mut inside)),
            next => inside.push(next),
        }
    }
    match key {
        Some(key) if closed && !key.is_empty() && !inside.is_empty() => {
            Ok(Step::Find(key.into(), inside.into()))
        }
        Some(_) => Err(format!("path `{text}` finds an element by `[name=text]`; one of the three is missing")),
        None => inside.parse().ok().filter(|n| closed && *n <= INDEX_MAX).map(Step::Index).ok_or_else(|| {
            format!(
                "`[{inside}]` in path `{text}` is not an index; write `[0]` to `[{INDEX_MAX}]`, or `[name=text]`"
            )
        }),
    }
}

/// The last name on the way, as messages and selections show it.
pub(super) fn joined(steps: &[Step], between: char) -> String {
    let mut out = String::new();
    for step in steps {
        match step {
            Step::Up => out.push_str("$up."),
            Step::Answer => out.push_str("$answer."),
            Step::Head => out.push_str("$head."),
            Step::Asked => out.push_str("$key"),
            Step::Received => out.push_str("$received"),
            Step::Key(key) => {
                if !out.is_empty() && !out.ends_with('.') {
                    out.push(between);
                }
                out.push_str(key);
            }
            Step::Index(index) => out.push_str(&format!("[{index}]")),
            Step::Find(key, is) => out.push_str(&format!("[{key}={is}]")),
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
        assert_eq!(Path::parse("[0].code").unwrap().0, [Step::Index(0), key("code")]);
    }

    #[test]
    fn an_element_is_found_by_what_it_says_of_itself() {
        let path = Path::parse(r"a[type=x\]=y].b").unwrap();
        let key = |k: &str| Step::Key(k.into());
        assert_eq!(path.0, [key("a"), Step::Find("type".into(), "x]=y".into()), key("b")]);
        assert_eq!(path.to_string(), "a[type=x]=y].b");
    }

    #[test]
    fn paths_that_may_lead_to_one_place_meet() {
        let meet = |a: &str, b: &str| Path::parse(a).unwrap().meets(&Path::parse(b).unwrap());
        for (a, b) in
            [("a", "a.b"), ("a[0].b", "a[k=v].b"), ("a[k=v].b", "a[k=v].b"), ("a[k=v].b", "a[l=v].b")]
        {
            assert!(meet(a, b) && meet(b, a), "{a} {b}");
        }
        for (a, b) in [("a", "b"), ("a[0].b", "a[1].b"), ("a[k=v].b", "a[k=w].b"), ("a[k=v].b", "a[k=v].c")] {
            assert!(!meet(a, b) && !meet(b, a), "{a} {b}");
        }
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
            ("[x].a", "not an index"),
            ("a\\", "ends in"),
            ("a[999]", "not an index"),
            ("a[k=v]", "not a value in it"),
            ("a[=v].b", "is missing"),
            ("a[k=].b", "is missing"),
            ("a[k=v", "is missing"),
        ] {
            let told = Path::parse(text).unwrap_err();
            assert!(told.contains(word), "{text}: {told}");
        }
    }
}
