//! Numbers from the tokens that systems write: exact, never through a float.

use compact_str::{CompactString, format_compact};
use rust_decimal::Decimal;

use super::scan::Scanner;

/// Whether text is the token of a JSON number.
pub(super) fn is_number(text: &str) -> bool {
    Scanner::of_text(text).reads_as_number()
}

/// A whole number of 64 bits from its token.
pub(super) fn integer(text: &str) -> Result<i64, &'static str> {
    match text.parse() {
        Ok(number) if !text.starts_with('+') => Ok(number),
        // `3.0` and `3e0` are whole numbers too.
        _ => {
            let exact = decimal(text)?.normalize();
            i64::try_from(exact).ok().filter(|_| exact.scale() == 0).ok_or("not a whole number of 64 bits")
        }
    }
}

/// A decimal from its token: exact, scale kept, exponent accepted.
#[inline]
pub(super) fn decimal(text: &str) -> Result<Decimal, &'static str> {
    match short_decimal(text.as_bytes()) {
        Some(short) => Ok(short),
        None => long_decimal(text),
    }
}

fn long_decimal(text: &str) -> Result<Decimal, &'static str> {
    const NO_DECIMAL: &str = "not a decimal number";
    let bytes = text.as_bytes();
    let (mut mantissa, mut scale, mut digits, mut point): (i128, i64, u32, bool) = (0, 0, 0, false);
    let negative = bytes.first() == Some(&b'-');
    let mut rest = bytes.iter().skip(usize::from(negative)).enumerate().peekable();
    while let Some((_, byte)) = rest.peek() {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + i128::from(**byte - b'0');
                digits += 1;
                scale += i64::from(point);
                if mantissa > 79_228_162_514_264_337_593_543_950_335 {
                    return Err("more digits than can be kept exactly");
                }
            }
            b'.' if !point && digits > 0 => point = true,
            _ => break,
        }
        rest.next();
    }
    if digits == 0 || (point && scale == 0) {
        return Err(NO_DECIMAL);
    }
    if let Some((at, _)) = rest.next_if(|(_, byte)| matches!(byte, b'e' | b'E')) {
        let exponent = text.get(at + usize::from(negative) + 1..).ok_or(NO_DECIMAL)?;
        let plain = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if plain.is_empty() || plain.len() > 4 || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NO_DECIMAL);
        }
        scale -= exponent.parse::<i64>().map_err(|_| NO_DECIMAL)?;
    } else if rest.next().is_some() {
        return Err(NO_DECIMAL);
    }
    exact(if negative { -mantissa } else { mantissa }, scale)
}

/// A plain decimal of at most 18 digits, as nearly all are: without wide arithmetic.
#[inline]
fn short_decimal(text: &[u8]) -> Option<Decimal> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (mut mantissa, mut scale, mut point): (i64, u32, bool) = (0, 0, false);
    if digits.len() > 18 || !digits.first()?.is_ascii_digit() || !digits.last()?.is_ascii_digit() {
        return None;
    }
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + i64::from(byte - b'0');
                scale += u32::from(point);
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    Some(Decimal::new(if negative { -mantissa } else { mantissa }, scale))
}

/// A decimal as its type shows it, mostly without wide arithmetic.
pub(super) fn spelt(value: Decimal) -> CompactString {
    let (Ok(mut rest), Ok(scale @ 0..=18)) =
        (u64::try_from(value.mantissa().unsigned_abs()), usize::try_from(value.scale()))
    else {
        return format_compact!("{value}");
    };
    // Twenty digits at most, a point and a sign.
    let mut buffer = [b'-'; 24];
    let (mut places, mut length, mut is_pointed) = (0, 0, scale == 0);
    for byte in buffer.iter_mut().rev() {
        length += 1;
        if !is_pointed && places == scale {
            (*byte, is_pointed) = (b'.', true);
            continue;
        }
        *byte = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        places += 1;
        if rest == 0 && places > scale {
            break;
        }
    }
    length += usize::from(value.is_sign_negative());
    let spelt = buffer.get(buffer.len().saturating_sub(length)..).unwrap_or_default();
    std::str::from_utf8(spelt).map_or_else(|_| format_compact!("{value}"), CompactString::from)
}

/// A decimal times ten to a power, exactly.
pub(super) fn shifted(value: Decimal, by: i32) -> Result<Decimal, &'static str> {
    if by == 0 {
        return Ok(value);
    }
    exact(value.mantissa(), i64::from(value.scale()).saturating_sub(i64::from(by)))
}

fn exact(mut mantissa: i128, mut scale: i64) -> Result<Decimal, &'static str> {
    const TOO_MANY: &str = "more digits than can be kept exactly";
    if mantissa == 0 {
        scale = scale.clamp(0, 28);
    }
    while scale < 0 && scale > -30 {
        mantissa = mantissa.checked_mul(10).ok_or(TOO_MANY)?;
        scale += 1;
    }
    while scale > 28 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    let scale = u32::try_from(scale).map_err(|_| TOO_MANY)?;
    Decimal::try_from_i128_with_scale(mantissa, scale).map_err(|_| TOO_MANY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mapping::scan::Raw;

    #[test]
    fn decimals_are_exact_keep_their_scale_and_take_exponents() {
        for (text, shown) in [
            ("19.99", "19.99"),
            ("5000.00", "5000.00"),
            ("-0.10", "-0.10"),
            ("1e2", "100"),
            ("1.5E-3", "0.0015"),
            ("1.50e1", "15.0"),
            ("0", "0"),
            ("0e99", "0"),
            ("29.949999999999999", "29.949999999999999"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
        ] {
            assert_eq!(decimal(text).unwrap().to_string(), shown, "{text}");
        }
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "1_0",
            "+1",
            "1e",
            "1e99999",
            "1e29",
            "1e-40",
            "0x1",
            "1.2.3",
            "NaN",
            "79228162514264337593543950336",
            "0.00000000000000000000000000001",
        ] {
            assert!(decimal(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_shift_is_exact_or_refused() {
        let at = |text: &str, by| shifted(decimal(text).unwrap(), by).map(|n| n.to_string());
        assert_eq!(at("1990000", -6).unwrap(), "1.990000");
        assert_eq!(at("19.99", 6).unwrap(), "19990000");
        assert_eq!(at("0.06", 2).unwrap(), "6");
        assert_eq!(at("-0.5", 1).unwrap(), "-5");
        assert!(at("79228162514264337593543950335", 1).is_err());
        assert!(at("0.0000000000000000000000000001", -1).is_err());
    }

    proptest! {
        #[test]
        fn a_decimal_is_spelt_as_its_type_shows_it(mantissa in any::<i128>(), by in 0..128_u32, scale in 0..29_u32, negative in any::<bool>()) {
            // As many short ones as long ones.
            let mantissa = (mantissa >> by) % 79_228_162_514_264_337_593_543_950_335;
            let mut value = Decimal::from_i128_with_scale(mantissa, scale);
            value.set_sign_negative(negative);
            let text = spelt(value);
            prop_assert_eq!(text.as_str(), value.to_string());
        }

        #[test]
        fn what_a_scanner_takes_for_a_number_is_one(text in "[-+0-9.eE ]{0,8}|[0-9]{1,3}(\\.[0-9]{1,3})?") {
            let scanned = Scanner::new(text.as_bytes()).and_then(|mut scan| scan.scalar());
            prop_assert_eq!(is_number(&text), scanned == Ok(Raw::Number(&text)));
        }
    }

    proptest! {
        #[test]
        fn decimal_text_never_panics_and_agrees_with_the_library(text in "-?[0-9]{1,14}(\\.[0-9]{1,13})?") {
            prop_assert_eq!(decimal(&text).unwrap(), Decimal::from_str_exact(&text).unwrap());
        }
    }
}
