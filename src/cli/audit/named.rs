//! How whoever runs a verb names somebody or something: as statements and answers do.

use compact_str::CompactString;

use crate::{
    cli::{error::VerbError, ids},
    crosswalk::Crosswalk,
    store::Store,
    words::{EntityName, Kind, SystemName},
};

/// A name of somebody or something in entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Whose {
    pub(super) kind: String,
    pub(super) id: String,
}

/// Whose data is meant; a system's key of a record stands for the id that callers see.
pub(super) async fn whose_of(
    named: &str,
    key: Option<&(SystemName, CompactString)>,
    store: &Store,
) -> Result<Whose, VerbError> {
    let Some((system, native)) = key else {
        return whose(named).map_err(VerbError::Misused);
    };
    let entity = EntityName::new(named);
    let id = ids::known(&Crosswalk::new(store.clone(), 0), &entity, system, native).await?;
    Ok(Whose { kind: named.to_owned(), id: id.to_string() })
}

/// `Customer/42`, `App/crm-sync` or `App::"crm-sync"`.
pub(super) fn whose(text: &str) -> Result<Whose, String> {
    let expected = || "expected Entity/id or Kind/id, as in Customer/42 or App/crm-sync".to_owned();
    let (kind, id) = match text.split_once("::\"") {
        Some((kind, rest)) => (kind, rest.strip_suffix('"').ok_or_else(expected)?),
        None => text.split_once('/').ok_or_else(expected)?,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if kind.is_empty() || !kind.chars().all(plain) || id.is_empty() {
        return Err(expected());
    }
    let kind = sort(kind).map_or_else(|| kind.to_owned(), |kind| kind.as_str().to_owned());
    Ok(Whose { kind, id: id.to_owned() })
}

/// A sort of principal by its name.
pub(super) fn sort(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
}

impl std::fmt::Display for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_in_either_notation_and_a_kind_in_either_case() {
        let named = |kind: &str, id: &str| Ok(Whose { kind: kind.to_owned(), id: id.to_owned() });
        assert_eq!(whose("Customer/42"), named("Customer", "42"));
        assert_eq!(whose("app/crm-sync"), named("App", "crm-sync"));
        assert_eq!(whose("App::\"crm-sync\""), named("App", "crm-sync"));
        assert_eq!(whose("User/corp|a/b"), named("User", "corp|a/b"));
        for wrong in ["", "Customer", "Customer/", "/42", "App::\"\"", "App::\"x", "a b/c"] {
            assert!(whose(wrong).is_err(), "{wrong}");
        }
    }
}
