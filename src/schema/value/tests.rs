//! What is a value and what is not.

use proptest::prelude::*;

use super::*;
use crate::schema::Spelling;

fn printed(value: &Value) -> String {
    let mut out = Vec::new();
    print(value, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn decimals_are_exact_and_keep_their_scale() {
    for text in [
        "0",
        "0.00",
        "-0.5",
        "12.50",
        "1397.3",
        "7922816251426433759354395033.5",
        "0.0000000000000000000000000001",
    ] {
        assert_eq!(printed(&Value::Decimal(decimal(text).unwrap())), text);
    }
    for text in ["", "-", "1.", ".5", "+1", "01", "1e2", "1_0", " 1", "NaN", "1,5", "--1", "٣"] {
        assert_eq!(decimal(text), Err(BadValue::Decimal), "{text}");
    }
    for text in ["123456789012345678901234567890", "0.00000000000000000000000000001"] {
        assert_eq!(decimal(text), Err(BadValue::Digits), "{text}");
    }
    assert_eq!(printed(&Value::Decimal(decimal("-0.00").unwrap())), "0.00");
}

#[test]
fn an_exponent_moves_the_point_exactly() {
    for (text, expected) in
        [("1e2", "100"), ("1.5E1", "15"), ("1.25e1", "12.5"), ("5e-3", "0.005"), ("-2e0", "-2")]
    {
        assert_eq!(printed(&Value::Decimal(number(text).unwrap())), expected, "{text}");
    }
    for text in ["1e29", "1e-29", "1e999999999999999999999", "9e28"] {
        assert_eq!(number(text), Err(BadValue::Digits), "{text}");
    }
    assert_eq!(number("1e"), Err(BadValue::Decimal));
}

#[test]
fn days_and_moments_are_strict() {
    for text in ["2026-1-31", "2026-02-30", "20260131", "2026-01-31 ", "2026-01-31T00:00:00Z", "+2026-01-31"]
    {
        assert_eq!(date(text), None, "{text}");
    }
    for text in [
        "2026-01-31",
        "2026-01-31T12:00Z",
        "2026-01-31 12:00:00Z",
        "2026-01-31T12:00:00",
        "2026-01-31t12:00:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00.1234567890Z",
        "2026-01-31T12:00:00+1:00",
        "2026-01-31T12:00:00+25:00",
        "2026-01-31T12:00:00Z[UTC]",
    ] {
        assert_eq!(instant(text), None, "{text}");
    }
    let told = |text: &str| printed(&Value::Instant(instant(text).unwrap()));
    assert_eq!(told("2026-01-31T12:00:00.500+01:00"), "2026-01-31T11:00:00.5Z");
    assert_eq!(told("0000-01-01T00:00:00Z"), "0000-01-01T00:00:00Z");
    assert_eq!(told("2026-01-31T12:00:00.000000001-00:30"), "2026-01-31T12:30:00.000000001Z");
}

#[test]
fn a_wrong_code_is_told_with_the_list() {
    let codes = LeafKind::Code(["open", "closed"].map(std::sync::Arc::from).into());
    assert_eq!(parse_text(&codes, "opn").unwrap_err().to_string(), "expected one of: open, closed");
}

#[test]
fn text_is_counted_in_characters() {
    let kind = LeafKind::Text { chars_max: 4, spelling: Spelling::Free };
    assert!(parse_text(&kind, "żółw").is_ok());
    assert_eq!(parse_text(&kind, "żółwi"), Err(BadValue::TooLong { chars_max: 4 }));
    assert_eq!(parse_text(&LeafKind::Id, ""), Err(BadValue::Empty));
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(mantissa in any::<i64>(), wide in 0_i64..10_000_000_000, scale in 0_u32..=28, second in -62_167_219_200_i64..253_402_300_799, nanos in 0_i32..1_000_000_000) {
        let wide = i128::from(mantissa) * i128::from(wide);
        for number in [i128::from(mantissa), wide] {
            if let Ok(value) = Decimal::try_from_i128_with_scale(number, scale) {
                let text = printed(&Value::Decimal(value));
                prop_assert_eq!(&text, &value.to_string());
                prop_assert_eq!(decimal(&text).unwrap().to_string(), text);
            }
        }
        let text = printed(&Value::Integer(mantissa));
        prop_assert_eq!(integer(&text), Ok(mantissa));
        let moment = Timestamp::new(second, nanos).unwrap();
        let text = printed(&Value::Instant(moment));
        prop_assert_eq!(instant(&text), Some(moment), "{}", text);
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,40}") {
        let kinds = [LeafKind::Decimal, LeafKind::Integer, LeafKind::Boolean, LeafKind::Date, LeafKind::Instant, LeafKind::Id];
        for kind in kinds {
            drop(parse_text(&kind, &text));
        }
        drop(number(&text));
    }
}

#[test]
fn currencies_and_countries_are_closed_lists_that_no_file_spells_out() {
    for (format, one, none) in
        [("currency", "PLN", "zl"), ("currency", "HRK", "EURO"), ("country", "XK", "EL")]
    {
        let standard = Standard::of_format(format).unwrap();
        let kind = LeafKind::Code(standard.codes());
        assert!(parse_text(&kind, one).is_ok(), "{one}");
        let told = parse_text(&kind, none).unwrap_err().to_string();
        assert_eq!(told, format!("expected {}", standard.what));
        let codes = standard.codes();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{format}");
        let own = LeafKind::Code(codes.iter().cloned().collect());
        assert_ne!(parse_text(&own, none).unwrap_err().to_string(), told, "a list of a file's own is told");
    }
}

#[test]
fn time_zones_are_those_of_the_program_and_not_of_the_machine() {
    let zones = Standard::of_format("time-zone").unwrap();
    let kind = LeafKind::Code(zones.codes());
    for known in ["Europe/Warsaw", "UTC", "America/Argentina/Buenos_Aires", "Europe/Kiev"] {
        assert_eq!(parse_text(&kind, known), Ok(Value::Text(known.into())));
    }
    for wrong in ["CET+1", "europe/warsaw", "Warsaw", "GMT+01:00", "Central European Standard Time", ""] {
        let error = parse_text(&kind, wrong).unwrap_err();
        assert_eq!(error.to_string(), "expected a time zone of the IANA database, as in `Europe/Warsaw`");
    }
    let codes = zones.codes();
    assert!(codes.len() > 500 && codes.is_sorted());
    for name in codes.iter() {
        assert!(jiff::tz::TimeZone::get(name).is_ok(), "{name}");
    }
    assert!(format!("{:?}", jiff::tz::db()).contains("Bundled(available)"), "{:?}", jiff::tz::db());
    assert!(!format!("{:?}", jiff::tz::db()).contains("ZoneInfo"), "{:?}", jiff::tz::db());
}
