//! Facts about numbers of tax authorities.

use super::*;

#[test]
fn a_vat_number_has_one_spelling() {
    for (told, wanted) in [
        ("PL5260250274", "PL5260250274"),
        ("pl 526-025-02-74", "PL5260250274"),
        ("PL\u{a0}526.025.02.74 ", "PL5260250274"),
        ("GR 094259216", "EL094259216"),
        ("ie1s23456l", "IE1S23456L"),
        ("5260250274", "5260250274"),
        ("\u{420}L5260250274", "\u{420}L5260250274"),
        ("", ""),
    ] {
        let normal = Spelling::VatId.normal(told);
        assert_eq!(normal, wanted, "{told}");
        assert_eq!(Spelling::VatId.normal(&normal), normal, "{told}: the same again");
    }
}

#[test]
fn a_tax_number_is_told_without_the_country_of_a_vat_number() {
    for (told, wanted) in [
        ("123-456-32-18", "1234563218"),
        ("PL 123-456-32-18", "1234563218"),
        ("1234563218", "1234563218"),
        // What would be cut twice stays.
        ("FREE123456789", "FREE123456789"),
        // What only begins like a VAT number is another number.
        ("PL1234563219", "PL1234563219"),
        ("rssmra85t10a562s", "RSSMRA85T10A562S"),
    ] {
        let normal = Spelling::TaxNumber.normal(told);
        assert_eq!(normal, wanted, "{told}");
        assert_eq!(Spelling::TaxNumber.normal(&normal), normal, "{told}: the same again");
    }
}

/// Numbers of firms and authorities that are printed everywhere, and some that fit by other implementations of the rules.
const RIGHT: &[&str] = &[
    "PL5260250274",
    "PL8567346215",
    "PL1234563218",
    "DE136695976",
    "IT00743110157",
    "FR40303265045",
    "FRK7399859412",
    "BE0428759497",
    "BE0403019261",
    "ATU13585627",
    "CZ25123891",
    "CZ7103192745",
    "EL094259216",
    "NL004495445B01",
    "US123456789",
    "CHE107787577",
    "XI123456789",
    "ATU58202938",
    "ATU29962626",
    "ATU85753514",
    "ATU66627625",
    "ATU71366283",
    "ATU36230636",
    "ATU93555402",
    "ATU98134544",
    "ATU77570629",
    "ATU51780050",
    "ATU10815439",
    "ATU73744576",
    "BE0115948850",
    "BE1628484993",
    "BE1422653864",
    "BE0919850307",
    "BE0583944750",
    "BE1152337333",
    "BE0300043863",
    "BE1086504126",
    "BE1487530830",
    "BE1832335047",
    "BE0621887388",
    "BE0677748797",
    "CZ73716154",
    "CZ06573568",
    "CZ46125647",
    "CZ87619725",
    "CZ40377563",
    "CZ89775015",
    "CZ21697230",
    "CZ27900177",
    "CZ12226475",
    "CZ42854075",
    "CZ49433105",
    "CZ77078659",
    "DE291006448",
    "DE429235953",
    "DE478736802",
    "DE136630450",
    "DE863556074",
    "DE995173203",
    "DE566786878",
    "DE987756698",
    "DE767748630",
    "DE567207488",
    "DE323756025",
    "DE692107818",
    "FR52325286862",
    "FR30637942525",
    "FR36706357985",
    "FR43315100404",
    "FR67734173974",
    "FR30331596155",
    "FR80039300090",
    "FR90552722225",
    "FR95945770139",
    "FR84871945440",
    "FR19412582389",
    "FR27074234105",
    "IT05080480816",
    "IT54995680417",
    "IT14106710271",
    "IT06211450140",
    "IT79651970307",
    "IT06414930773",
    "IT95046290466",
    "IT61191050592",
    "IT47529010218",
    "IT67861240793",
    "IT79348710249",
    "IT78059870317",
    "PL7327426782",
    "PL9597626724",
    "PL7496902475",
    "PL3282892820",
    "PL5322237762",
    "PL8921777153",
    "PL1065402500",
    "PL7311424131",
    "PL1178882996",
    "PL3993625384",
    "PL4164468633",
    "PL1437255893",
];

#[test]
fn a_vat_number_with_a_wrong_digit_is_seen() {
    for right in RIGHT {
        assert_eq!(wrong_vat_id(right), None, "{right}");
    }
    let checked = ["PL", "DE", "IT", "BE", "AT"];
    for right in RIGHT.iter().filter(|right| checked.contains(&&right[..2])) {
        for (at, old) in right.char_indices().filter(|(at, old)| *at > 1 && old.is_ascii_digit()) {
            for digit in ('0'..='9').filter(|digit| *digit != old) {
                let wrong = format!("{}{digit}{}", &right[..at], &right[at + 1..]);
                assert!(wrong_vat_id(&wrong).is_some(), "{wrong}");
            }
        }
    }
    for (wrong, why) in [
        ("PL526025027", NO_FORM),
        ("PL52602502745", NO_FORM),
        ("PL5260250275", NO_CHECK),
        ("FR41303265045", NO_CHECK),
        ("CZ25123890", NO_CHECK),
        ("5260250274", NO_COUNTRY),
        ("ZZ5260250274", NO_COUNTRY),
        ("P", NO_COUNTRY),
        ("\u{17b}\u{f3}\u{142}w", NO_COUNTRY),
    ] {
        assert_eq!(wrong_vat_id(wrong), Some(why), "{wrong}");
    }
}

#[test]
fn a_tax_number_is_checked_by_its_scheme() {
    assert_eq!(wrong_tax_number("PL:NIP", "5260250274"), None);
    assert_eq!(wrong_tax_number("PL:NIP", "5260250275"), Some(NO_CHECK));
    assert_eq!(wrong_tax_number("PL:NIP", "52602"), Some(NO_FORM));
    assert_eq!(
        wrong_tax_number("US:EIN", "5260250275"),
        None,
        "of a scheme that is not known nothing is wrong"
    );
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd_for_a_number(text in proptest::prelude::any::<String>()) {
        for spelling in [Spelling::Free, Spelling::VatId, Spelling::TaxNumber] {
            let normal = spelling.normal(&text).into_owned();
            proptest::prop_assert_eq!(spelling.normal(&normal), normal.as_str());
            let _ = (wrong_vat_id(&normal), wrong_tax_number("PL:NIP", &normal));
        }
    }
}

#[test]
fn a_number_of_goods_places_and_packages_has_a_digit_that_checks_the_others() {
    let wrong = |spelling: Spelling, text: &str| wrong_gs1(spelling.lengths(), text);
    for (spelling, right) in [
        (Spelling::Gtin, "96385074"),
        (Spelling::Gtin, "036000291452"),
        (Spelling::Gtin, "5901234123457"),
        (Spelling::Gtin, "4006381333931"),
        (Spelling::Gtin, "00012345600012"),
        (Spelling::Gln, "5901234123457"),
        (Spelling::Sscc, "106141411234567897"),
    ] {
        assert_eq!(wrong(spelling, right), None, "{right}");
        // One digit wrong is always seen.
        for at in 0..right.len() {
            let other = (right.as_bytes()[at] - b'0' + 1) % 10;
            let text = format!("{}{other}{}", &right[..at], &right[at + 1..]);
            assert_eq!(wrong(spelling, &text), Some(NO_CHECK), "{text}");
        }
    }
    for (spelling, odd) in [
        (Spelling::Gtin, "590123412345"),
        (Spelling::Gln, "36000291452"),
        (Spelling::Gtin, "5901234-12345"),
        (Spelling::Sscc, "5901234123457"),
    ] {
        assert!(wrong(spelling, odd).is_some(), "{odd}");
    }
    assert_eq!(wrong(Spelling::Gtin, "59012341"), Some(NO_CHECK));
    assert_eq!(wrong(Spelling::Gtin, "590 1234"), Some(NO_DIGITS));
}
