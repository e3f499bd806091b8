//! Names as words: `firstname`, `FirstName` and `given_name` are the same two.

/// Words of a name that mean the same as another's.
const SAME: &[(&str, &str)] = &[
    ("add", "created"),
    ("added", "created"),
    ("amount", "total"),
    ("barcode", "gtin"),
    ("buyer", "customer"),
    ("changed", "updated"),
    ("client", "customer"),
    ("contractor", "customer"),
    ("create", "created"),
    ("curr", "currency"),
    ("date", "on"),
    ("datetime", "at"),
    ("desc", "description"),
    ("display", "name"),
    ("ean", "gtin"),
    ("first", "given"),
    ("gross", "inclusive"),
    ("identifier", "id"),
    ("inventory", "hand"),
    ("item", "product"),
    ("last", "family"),
    ("lastname", "family"),
    ("mail", "email"),
    ("article", "product"),
    ("merchandise", "product"),
    ("mobile", "phone"),
    ("modified", "updated"),
    ("net", "exclusive"),
    ("nip", "vat"),
    ("no", "number"),
    ("nr", "number"),
    ("num", "number"),
    ("placed", "ordered"),
    ("postal", "post"),
    ("province", "subdivision"),
    ("qty", "quantity"),
    ("reference", "number"),
    ("region", "subdivision"),
    ("state", "subdivision"),
    ("street", "line1"),
    ("address1", "line1"),
    ("address2", "line2"),
    ("sum", "total"),
    ("surname", "family"),
    ("tel", "phone"),
    ("telephone", "phone"),
    ("time", "at"),
    ("timestamp", "at"),
    ("title", "name"),
    ("town", "city"),
    ("uom", "unit"),
    ("upc", "gtin"),
    ("update", "updated"),
    ("url", "website"),
    ("uuid", "id"),
    ("guid", "id"),
    ("web", "website"),
    ("billing", "bill"),
    ("billed", "invoiced"),
    ("delivered", "shipped"),
    ("label", "kind"),
    ("lang", "language"),
    ("locality", "city"),
    ("partner", "customer"),
    ("shipping", "ship"),
    ("type", "kind"),
    ("route", "line1"),
    ("ref", "number"),
    ("write", "updated"),
    ("written", "updated"),
];
/// Names that run their words together.
const RUN_TOGETHER: &[(&str, &[&str])] = &[
    ("firstname", &["given", "name"]),
    ("lastname", &["family", "name"]),
    ("fullname", &["name"]),
    ("displayname", &["name"]),
    ("jobtitle", &["job", "title"]),
    ("createdate", &["created", "at"]),
    ("createdat", &["created", "at"]),
    ("updatedat", &["updated", "at"]),
    ("lastmodified", &["updated", "at"]),
    ("lastmodifieddate", &["updated", "at"]),
    ("lastmodifieddatetime", &["updated", "at"]),
    ("postcode", &["post", "code"]),
    ("zip", &["post", "code"]),
    ("zipcode", &["post", "code"]),
    ("mobilephone", &["mobile", "phone"]),
    ("phonenumber", &["phone"]),
    ("orderdate", &["ordered", "on"]),
    ("orderdatetime", &["ordered", "at"]),
    ("duedate", &["due", "date"]),
    ("issuedate", &["issue", "date"]),
    ("unitprice", &["net", "price"]),
    ("taxid", &["vat", "id"]),
    ("taxno", &["vat", "id"]),
    ("vatnumber", &["vat", "id"]),
    ("vatno", &["vat", "id"]),
    ("sku", &["sku"]),
    ("itemno", &["sku"]),
    ("itemnumber", &["sku"]),
    ("itemcode", &["sku"]),
    ("productcode", &["sku"]),
    ("articlenumber", &["sku"]),
    ("articleno", &["sku"]),
    ("countrycode", &["country"]),
    ("currencycode", &["currency"]),
    ("currencyiso", &["currency"]),
    ("companyname", &["company"]),
    ("emailaddress", &["email"]),
    ("businesspartner", &["customer"]),
    ("businesspartners", &["customer"]),
    ("soldtoparty", &["customer"]),
    ("material", &["sku"]),
    ("salesorderdate", &["ordered", "on"]),
    ("adminarealevel1", &["subdivision"]),
    ("amounttotal", &["tax", "inclusive", "total"]),
    ("amountuntaxed", &["tax", "exclusive", "total"]),
    ("cardcode", &["customer"]),
    ("cardname", &["customer", "name"]),
    ("dateorder", &["ordered", "on"]),
    ("docdate", &["ordered", "on"]),
    ("docnum", &["number"]),
    ("doctotal", &["tax", "inclusive", "total"]),
    ("vatsum", &["tax", "total"]),
    ("defaultcode", &["sku"]),
    ("deliverystatus", &["fulfillment", "status"]),
    ("function", &["job", "title"]),
    ("housenumber", &["house", "number"]),
    ("pricesubtotal", &["line", "exclusive", "total"]),
    ("pricetax", &["tax", "amount"]),
    ("pricetotal", &["line", "tax", "inclusive", "total"]),
    ("priceunit", &["net", "price"]),
    ("standardprice", &["unit", "cost"]),
    ("streetnumber", &["house", "number"]),
];

/// The words of a name, in one spelling.
pub(super) fn words(name: &str) -> Vec<String> {
    let flat = flat(name);
    if let Some((_, words)) = RUN_TOGETHER.iter().find(|(together, _)| *together == flat) {
        return words.iter().map(|word| spelt(word)).collect();
    }
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before = None;
    for c in name.chars() {
        let starts = c.is_uppercase() && before.is_some_and(|b: char| b.is_lowercase() || b.is_ascii_digit());
        if (!c.is_alphanumeric() || starts) && !word.is_empty() {
            words.push(spelt(&std::mem::take(&mut word)));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = Some(c);
    }
    if !word.is_empty() {
        words.push(spelt(&word));
    }
    // `address_1` is `address1`.
    let mut joined: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        match joined.last_mut() {
            Some(before) if word.bytes().all(|byte| byte.is_ascii_digit()) => {
                *before = spelt(&format!("{before}{word}"));
            }
            _ => joined.push(word),
        }
    }
    joined.dedup();
    joined
}

/// One spelling of a word: singular, and of those that mean the same the first.
fn spelt(word: &str) -> String {
    let same = |word: &str| SAME.iter().find(|(other, _)| *other == word).map(|(_, one)| (*one).to_owned());
    let singular = match word.strip_suffix("ies") {
        Some(stem) if stem.len() > 2 => format!("{stem}y"),
        _ => match word.strip_suffix('s') {
            Some(stem)
                if stem.len() > 2 && !matches!(word, "address" | "status" | "gross" | "class" | "terms") =>
            {
                stem.to_owned()
            }
            _ => word.to_owned(),
        },
    };
    same(&singular).unwrap_or(singular)
}

/// Words that half of all names hold: they say little.
const COMMON: [&str; 12] =
    ["at", "code", "id", "kind", "name", "number", "on", "status", "rate", "total", "value", "note"];
/// Words that make another thing of what they stand beside: what has left is not what was ordered.
const QUALIFIERS: [&str; 14] = [
    "available",
    "cancelled",
    "forecast",
    "incoming",
    "invoiced",
    "max",
    "min",
    "old",
    "outgoing",
    "paid",
    "received",
    "reserved",
    "returned",
    "shipped",
];

/// How alike two names are, 0 to 1: words in common against words in all.
pub(super) fn alike(a: &[String], b: &[String]) -> f32 {
    let weight = |word: &String| if COMMON.contains(&word.as_str()) { 0.3 } else { 1.0 };
    let of = |words: &[String]| words.iter().map(weight).sum::<f32>();
    let common: f32 = a.iter().filter(|word| b.contains(word)).map(weight).sum();
    let is_other = QUALIFIERS.iter().any(|word| {
        let there = |words: &[String]| words.iter().any(|one| one == word);
        there(a) != there(b)
    });
    match of(a) + of(b) {
        all if all > 0.0 => 2.0 * common / all * if is_other { 0.6 } else { 1.0 },
        _ => 0.0,
    }
}

/// Whether all words of a name are such that half of all names hold them.
pub(super) fn is_common(words: &[String]) -> bool {
    words.iter().all(|word| COMMON.contains(&word.as_str()))
}

/// A name without what tells its words apart.
pub(super) fn flat(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_one_name_however_it_is_spelt() {
        for (a, b) in [
            ("firstname", "given_name"),
            ("LastName", "family_name"),
            ("lastModifiedDateTime", "updated_at"),
            ("postal_code", "post_code"),
            ("zip", "post_code"),
            ("itemNumber", "sku"),
            ("qty", "quantity"),
            ("Emails", "email"),
            ("date_created", "created_on"),
            ("address_1", "line1"),
        ] {
            let alike = alike(&words(a), &words(b));
            assert!(alike > 0.99, "{a} {b}: {alike}, {:?} {:?}", words(a), words(b));
        }
        assert!(alike(&words("billToCity"), &words("city")) > 0.4);
        assert!(alike(&words("colour"), &words("quantity")) < 0.01);
        // A word that half of all names hold makes no two of them alike.
        for (a, b) in [("given_name", "name"), ("vat_id", "id"), ("requested_on", "date_modified")] {
            assert!(alike(&words(a), &words(b)) < 0.45, "{a} {b}");
        }
    }
}
