//! Texts of a system of which something is taken: the key of a record, the name of a field.

/// Text with holes: `{_}` is skipped, `{id}` is taken.
#[derive(Debug)]
pub(in crate::mapping) struct Pattern(Vec<Piece>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Skip,
    Take,
}

impl Pattern {
    pub(in crate::mapping) fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, length) = match rest {
                _ if rest.starts_with("{_}") => (Piece::Skip, 3),
                _ if rest.starts_with("{id}") => (Piece::Take, 4),
                _ => {
                    let end = rest.char_indices().skip(1).map(|(at, _)| at).find(|at| {
                        rest.get(*at..).is_some_and(|r| r.starts_with("{_}") || r.starts_with("{id}"))
                    });
                    let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
                    (Piece::Text(text.to_owned()), text.len())
                }
            };
            pieces.push(piece);
            rest = rest.get(length..).unwrap_or_default();
        }
        Self(pieces)
    }

    /// What stands in the `{id}` hole, as told to an operator.
    pub(in crate::mapping) fn take(&self, text: &str) -> Option<String> {
        let (id, _) = self.hole(text)?;
        Some(id.trim().chars().take(128).collect()).filter(|id: &String| !id.is_empty())
    }

    /// Whether there is something to take.
    pub(in crate::mapping) fn has_hole(&self) -> bool {
        self.0.contains(&Piece::Take)
    }

    /// What stands in the `{id}` hole, and what follows the pattern.
    pub(in crate::mapping) fn hole<'t>(&self, text: &'t str) -> Option<(&'t str, &'t str)> {
        let mut rest = text;
        let mut taken = None;
        let mut hole: Option<&Piece> = None;
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => {
                    let at = if hole.is_some() { rest.find(text.as_str())? } else { 0 };
                    let (before, after) = rest.split_at_checked(at)?;
                    if hole == Some(&Piece::Take) {
                        taken = Some(before);
                    }
                    rest = after.strip_prefix(text.as_str())?;
                    hole = None;
                }
                Piece::Skip | Piece::Take => hole = Some(piece),
            }
        }
        match hole {
            Some(Piece::Take) => Some((rest, "")),
            Some(Piece::Skip | Piece::Text(_)) => taken.map(|taken| (taken, "")),
            None => taken.map(|taken| (taken, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_what_stands_in_their_hole() {
        let take = |pattern: &str, text: &str| Pattern::parse(pattern).take(text);
        assert_eq!(take("{_}Existing ID: {id}", "Contact already exists. Existing ID: 377").unwrap(), "377");
        assert_eq!(take("No. {id} exists", "No. 10 exists").unwrap(), "10");
        assert_eq!(take("{_}Existing ID: {id}", "something else"), None);
        assert_eq!(take("{_}ID: {id}", "ID: "), None);
    }
}
