//! A path into a native record or into an entity: `a.b[0].c`, with `\` taking the next character as it is
//! (`'@odata\.etag'`), and `[key=vat_id]` for the element of a list that says so of itself.

use std::{fmt, sync::Arc};

use super::also;

/// Most steps of a path.
pub(super) const STEPS_MAX: usize = 16;
/// Largest index of a step.
const INDEX_MAX: u16 = 255;
/// Most texts of which an element says one.
const AMONG_MAX: usize = 32;

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
    /// From a record to the parent that its list was asked for.
    Over,
    /// Into the element of a list whose member of that name has that text.
    Find(Arc<str>, Arc<str>),
}

/// Some steps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Path(pub(super) Vec<Step>);

/// Which elements of a list are meant: those whose member has one of these texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Among {
    pub(super) at: Path,
    pub(super) of: Vec<Box<str>>,
}

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

    /// Reads the path of a source, which may begin at a root: `$up.` from an element of a native list, `$answer.`,
    /// `$head.`, `$over.` or `$also.` from a record; or is `$key`, `$received` or `$over`.
    pub(super) fn source(text: &str) -> Result<Self, String> {
        match text {
            "$key" => return Ok(Self(vec![Step::Asked])),
            "$received" => return Ok(Self(vec![Step::Received])),
            "$over" => return Ok(Self(vec![Step::Over])),
            _ => {}
        }
        if let Some(rest) = text.strip_prefix("$also.") {
            let mut steps = vec![Step::Key(also::NAME.into())];
            steps.extend(Self::parse(rest)?.0);
            return Ok(Self(steps));
        }
        let roots =
            [("$up.", Step::Up), ("$answer.", Step::Answer), ("$head.", Step::Head), ("$over.", Step::Over)];
        for (root, step) in roots {
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

    /// Reads a path that goes through the elements of a list: `lines[].price`, or those of which something holds:
    /// `stock[type=01][owner in A|B].quantity`. Where the list stands, which elements are meant, where in one of
    /// them; `None` where it goes through no list.
    pub(super) fn of_elements(text: &str) -> Result<Option<(Self, Vec<Among>, Self)>, String> {
        let groups = groups(text);
        let inside = |span: &Span| text.get(span.start + 1..span.end - 1).unwrap_or_default();
        let is_all = |group: &&Vec<Span>| group.first().is_some_and(|first| inside(first).is_empty());
        let is_some = |group: &&Vec<Span>| group.first().is_some_and(|first| is_condition(inside(first)));
        let Some(group) = groups.iter().find(is_all).or_else(|| groups.iter().find(is_some)) else {
            return Ok(None);
        };
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return Ok(None) };
        let list = Self::source(text.get(..first.start).unwrap_or_default())?;
        let among = group.iter().map(inside).filter(|inside| !inside.is_empty());
        let among = among.map(|inside| Among::parse(inside, text)).collect::<Result<_, _>>()?;
        match text.get(last.end..).and_then(|rest| rest.strip_prefix('.')) {
            Some(rest) => Ok(Some((list, among, Self::source(rest)?))),
            None => Err(format!("path `{text}` names elements, not a value in it; write `{text}.name`")),
        }
    }

    /// Whether it begins at a root: outside of what it is read for.
    pub(super) fn is_rooted(&self) -> bool {
        self.0.first().is_some_and(Step::is_root) || self.also().is_some()
    }

    /// Which sort of other records it goes to, where it goes to what they tell of a record.
    pub(super) fn also(&self) -> Option<&Arc<str>> {
        match self.0.as_slice() {
            [Step::Key(root), Step::Key(name), ..] if **root == *also::NAME => Some(name),
            _ => None,
        }
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
            Self::Up | Self::Answer | Self::Head | Self::Asked | Self::Received | Self::Over => true,
            Self::Key(_) | Self::Index(_) | Self::Find(..) => false,
        }
    }
}

impl Among {
    /// What stands in brackets: `type=01`, or `type in 01|02`.
    fn parse(inside: &str, text: &str) -> Result<Self, String> {
        let Some((at, sign)) = sign_of(inside) else {
            return Err(format!("`[{inside}]` is not expected in `{text}`, which is of all such elements"));
        };
        let (key, value) = (inside.get(..at).unwrap_or_default(), inside.get(at + sign.len()..));
        let value = value.unwrap_or_default();
        if key.trim().is_empty() {
            return Err(format!("a name is missing in `[{inside}]`; write `[name=text]` or `[name in a|b]`"));
        }
        let mut of: Vec<Box<str>> = vec![Box::default()];
        let mut chars = value.chars();
        while let Some(next) = chars.next() {
            match next {
                '|' if sign == IN => of.push(Box::default()),
                next => {
                    let next = if next == '\\' { chars.next() } else { Some(next) };
                    if let Some(last) = of.last_mut() {
                        *last = last.chars().chain(next).collect::<String>().into();
                    }
                }
            }
        }
        if of.len() > AMONG_MAX {
            return Err(format!("`[{inside}]` names more than {AMONG_MAX} texts"));
        }
        if let Some(twice) = of.iter().enumerate().find(|(at, text)| of.iter().take(*at).any(|t| t == *text))
        {
            return Err(format!("`[{inside}]` names `{}` twice", twice.1));
        }
        Ok(Self { at: Path::parse(key)?, of })
    }
}

/// Between a name and several texts.
const IN: &str = " in ";

/// Where the sign of a condition stands, and which it is.
fn sign_of(inside: &str) -> Option<(usize, &'static str)> {
    let is_escaped = |at: usize| inside.get(..at).is_some_and(|before| before.ends_with('\\'));
    let equals = inside.match_indices('=').map(|(at, _)| at).find(|at| !is_escaped(*at));
    match (equals, inside.find(IN)) {
        (Some(equals), among) if among.is_none_or(|among| equals < among) => Some((equals, "=")),
        (_, Some(among)) => Some((among, IN)),
        (_, None) => None,
    }
}

fn is_condition(inside: &str) -> bool {
    sign_of(inside).is_some()
}

type Span = std::ops::Range<usize>;

/// The brackets of a path, those that stand behind one another together.
fn groups(text: &str) -> Vec<Vec<Span>> {
    let (mut groups, mut open, mut is_escaped): (Vec<Vec<Span>>, Option<usize>, bool) =
        (Vec::new(), None, false);
    for (at, char) in text.char_indices() {
        match (std::mem::take(&mut is_escaped), char, open) {
            (false, '\\', _) => is_escaped = true,
            (false, '[', None) => open = Some(at),
            (false, ']', Some(start)) => {
                let span = start..at + 1;
                match groups.last_mut().filter(|group| group.last().is_some_and(|last| last.end == start)) {
                    Some(group) => group.push(span),
                    None => groups.push(vec![span]),
                }
                open = None;
            }
            _ => {}
        }
    }
    // What is not closed is no path, and told as such.
    if open.is_some() { Vec::new() } else { groups }
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
            Step::Over => out.push_str("$over"),
            Step::Key(key) if out.is_empty() && **key == *also::NAME => out.push_str("$also"),
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
