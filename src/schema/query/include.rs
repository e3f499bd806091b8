//! `?include=orders,customer`: what a caller wants beside its records.
//!
//! A name that is unknown and one that this caller may not name give the very same fault, the one of a field.

use super::{QueryFault, QueryFaultKind, decode, pairs, shortened, unknown_field};

/// The parameter.
const INCLUDE: &str = "include";
/// LIMIT: collections that one request may include.
pub const INCLUDES_MAX: usize = 4;

/// Whether a query asks for anything beside its records. Cheap, for the many that do not.
pub fn has_include(raw: &str) -> bool {
    pairs(raw).any(|(key, _)| is_include(key))
}

/// The pairs of a query without `include`.
pub fn without_include(raw: &str) -> impl Iterator<Item = (&str, &str)> {
    pairs(raw).filter(|(key, _)| !is_include(key))
}

/// Which of some names a query includes, by their places among them.
///
/// # Errors
/// All faults of the parameter; never empty.
pub fn include(raw: &str, names: &[&str]) -> Result<Vec<usize>, Vec<QueryFault>> {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    let mut fault = |kind, message| {
        faults.push(QueryFault { parameter: INCLUDE.to_owned(), kind, message });
    };
    for (n, (_, value)) in pairs(raw).filter(|(key, _)| is_include(key)).enumerate() {
        let Some(value) = decode(value) else {
            fault(QueryFaultKind::Encoding, "percent-encoding is broken, or not of UTF-8".to_owned());
            continue;
        };
        if n > 0 {
            fault(QueryFaultKind::Repeated, "stands here a second time".to_owned());
            break;
        }
        if value.split(',').nth(INCLUDES_MAX).is_some() {
            fault(QueryFaultKind::TooMany, format!("at most {INCLUDES_MAX} collections"));
            continue;
        }
        for name in value.split(',') {
            match names.iter().position(|known| *known == name) {
                Some(at) if found.contains(&at) => {
                    fault(QueryFaultKind::Repeated, format!("`{}` stands here twice", shortened(name)));
                }
                Some(at) => found.push(at),
                None => fault(QueryFaultKind::Unknown, unknown_field(name, names)),
            }
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

fn is_include(key: &str) -> bool {
    decode(key).as_deref() == Some(INCLUDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["customer", "invoices", "orders"];

    fn told(raw: &str) -> String {
        let faults = include(raw, &NAMES).unwrap_err();
        faults.iter().map(|fault| format!("{:?} {fault}\n", fault.kind)).collect()
    }

    #[test]
    fn names_are_read_in_the_order_they_are_asked_for() {
        assert_eq!(include("limit=1&include=orders,customer", &NAMES), Ok(vec![2, 0]));
        assert_eq!(include("%69nclude=orders%2Ccustomer", &NAMES), Ok(vec![2, 0]));
        assert_eq!(include("limit=1", &NAMES), Ok(vec![]));
        let rest: Vec<_> = without_include("a=1&include=orders&%69nclude=x&b=2").collect();
        assert_eq!(rest, [("a", "1"), ("b", "2")]);
        assert!(has_include("%69nclude=x") && !has_include("includes=x"));
    }

    #[test]
    fn what_is_unknown_is_told_as_an_unknown_field() {
        assert_eq!(
            told("include=ordres"),
            "Unknown include: unknown field `ordres`, did you mean `orders`?\n"
        );
        assert_eq!(told("include="), "Unknown include: unknown field ``\n");
        assert_eq!(include("include=orders", &[]).unwrap_err()[0].message, "unknown field `orders`");
    }

    #[test]
    fn what_is_too_much_or_twice_is_refused() {
        assert_eq!(told("include=orders,orders"), "Repeated include: `orders` stands here twice\n");
        assert_eq!(told("include=orders&include=customer"), "Repeated include: stands here a second time\n");
        assert_eq!(told("include=a,b,c,d,e"), "TooMany include: at most 4 collections\n");
        assert_eq!(told("include=%FF"), "Encoding include: percent-encoding is broken, or not of UTF-8\n");
        let long = "x".repeat(10_000);
        assert!(told(&format!("include={long}")).len() < 400);
    }
}
