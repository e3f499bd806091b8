//! Texts that are worked out to sign in or to sign a request: `Session base64({user}:{id}:{token})`.
//!
//! A recipe is text, names in braces, and functions of a closed list. It is read and typed once, at load; what it
//! costs is bounded by the file's length and the request's. Nothing in it prints.

use std::fmt;

use aws_lc_rs::{
    cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey},
    digest, hmac,
    rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey},
};
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::words::Secret;

/// Deepest nesting of functions.
const DEPTH_MAX: usize = 8;

/// How a text is made.
#[derive(Clone)]
pub(super) struct Recipe(Vec<Piece>);

#[derive(Clone)]
enum Piece {
    Text(Box<str>),
    Value(Secret),
    /// What a login's answer gave under this name.
    Taken(Box<str>),
    Now(Unit),
    Method,
    Url,
    Body,
    Call(Function, Vec<Recipe>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Milliseconds,
}

/// The closed list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Function {
    Base64,
    Hex,
    Unhex,
    Sha1,
    Sha256,
    HmacSha1,
    HmacSha256,
    /// RSA-OAEP with SHA-256 (RFC 8017 §7.1), under a public key.
    RsaOaep,
    /// AES-256 in CBC mode with PKCS#7 padding (NIST SP 800-38A §6.2, RFC 5652 §6.3).
    AesCbc,
    /// How many bytes, in digits.
    Length,
}

const FUNCTIONS: [(&str, Function); 10] = [
    ("base64", Function::Base64),
    ("hex", Function::Hex),
    ("unhex", Function::Unhex),
    ("sha1", Function::Sha1),
    ("sha256", Function::Sha256),
    ("hmac-sha1", Function::HmacSha1),
    ("hmac-sha256", Function::HmacSha256),
    ("rsa-oaep", Function::RsaOaep),
    ("aes-cbc", Function::AesCbc),
    ("length", Function::Length),
];

/// What names in braces mean.
pub(super) struct Names<'a> {
    /// Values of the file.
    pub(super) values: &'a [(String, Secret)],
    /// What is taken from a login's answer.
    pub(super) taken: &'a [Box<str>],
    /// Whether the request is there to be signed.
    pub(super) request: bool,
}

/// What is known when a text is made.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) now: Timestamp,
    pub(super) method: &'a str,
    /// Scheme, host and path, without a query.
    pub(super) url: &'a str,
    /// None where the body is streamed.
    pub(super) body: Option<&'a [u8]>,
}

/// Why no text could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmade {
    /// The body is streamed, and the recipe needs it.
    Streamed,
    /// A key in hexadecimal is none.
    NotHex,
    /// A key is none, or too small for the text.
    NotKey,
}

impl Recipe {
    pub(super) fn of(secret: Secret) -> Self {
        Self(vec![Piece::Value(secret)])
    }

    /// Reads a text. The message says what to write instead.
    pub(super) fn parse(text: &str, names: &Names<'_>) -> Result<Self, String> {
        let mut rest = text;
        let recipe = Self::read(&mut rest, names, 0)?;
        if recipe.is_binary() {
            return Err("bytes cannot be sent as they are: put them into `hex(…)` or `base64(…)`".into());
        }
        Ok(recipe)
    }

    /// With what a login's answer gave in its place; None where one is missing.
    pub(super) fn bind(&self, taken: &[(Box<str>, Secret)]) -> Option<Self> {
        let bound = self.0.iter().map(|piece| {
            Some(match piece {
                Piece::Taken(name) => Piece::Value(taken.iter().find(|(n, _)| n == name)?.1.clone()),
                Piece::Call(function, given) => {
                    Piece::Call(*function, given.iter().map(|one| one.bind(taken)).collect::<Option<_>>()?)
                }
                Piece::Text(_)
                | Piece::Value(_)
                | Piece::Now(_)
                | Piece::Method
                | Piece::Url
                | Piece::Body => piece.clone(),
            })
        });
        Some(Self(bound.collect::<Option<_>>()?))
    }

    /// Whether it makes the same text for every request.
    pub(super) fn is_fixed(&self) -> bool {
        self.0.iter().all(|piece| match piece {
            Piece::Text(_) | Piece::Value(_) | Piece::Taken(_) => true,
            Piece::Now(_) | Piece::Method | Piece::Url | Piece::Body => false,
            // Never twice the same.
            Piece::Call(Function::RsaOaep, _) => false,
            Piece::Call(_, given) => given.iter().all(Self::is_fixed),
        })
    }

    /// Whether it is a time or a length and nothing else: a number in JSON.
    pub(super) fn is_number(&self) -> bool {
        matches!(*self.0, [Piece::Now(_) | Piece::Call(Function::Length, _)])
    }

    /// Whether the request's body stands in it.
    pub(super) fn uses_body(&self) -> bool {
        self.0.iter().any(|piece| match piece {
            Piece::Body => true,
            Piece::Call(_, given) => given.iter().any(Self::uses_body),
            Piece::Text(_)
            | Piece::Value(_)
            | Piece::Taken(_)
            | Piece::Now(_)
            | Piece::Method
            | Piece::Url => false,
        })
    }

    /// Whether what was taken under a name stands in it.
    pub(super) fn needs(&self, name: &str) -> bool {
        self.0.iter().any(|piece| match piece {
            Piece::Taken(taken) => **taken == *name,
            Piece::Call(_, given) => given.iter().any(|one| one.needs(name)),
            Piece::Text(_) | Piece::Value(_) | Piece::Now(_) | Piece::Method | Piece::Url | Piece::Body => {
                false
            }
        })
    }

    pub(super) fn make(&self, scene: &Scene<'_>) -> Result<Secret, Unmade> {
        let mut bytes = self.bytes(scene)?;
        // Checked at load: the whole is text.
        String::from_utf8(std::mem::take(&mut *bytes)).map(Secret::new).map_err(|_| Unmade::Streamed)
    }

    fn bytes(&self, scene: &Scene<'_>) -> Result<Zeroizing<Vec<u8>>, Unmade> {
        let mut out = Zeroizing::new(Vec::new());
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Value(secret) => out.extend_from_slice(secret.expose().as_bytes()),
                // Bound before it is made.
                Piece::Taken(_) => {}
                Piece::Now(Unit::Seconds) => {
                    out.extend_from_slice(scene.now.as_second().to_string().as_bytes());
                }
                Piece::Now(Unit::Milliseconds) => {
                    out.extend_from_slice(scene.now.as_millisecond().to_string().as_bytes());
                }
                Piece::Method => out.extend_from_slice(scene.method.as_bytes()),
                Piece::Url => out.extend_from_slice(scene.url.as_bytes()),
                Piece::Body => out.extend_from_slice(scene.body.ok_or(Unmade::Streamed)?),
                Piece::Call(function, given) => {
                    let given = given.iter().map(|one| one.bytes(scene)).collect::<Result<Vec<_>, _>>()?;
                    out.extend_from_slice(&function.call(&given)?);
                }
            }
        }
        Ok(out)
    }

    fn is_binary(&self) -> bool {
        self.0.iter().any(|piece| match piece {
            Piece::Call(Function::Base64 | Function::Hex | Function::Length, _) => false,
            Piece::Call(..) | Piece::Body => true,
            Piece::Text(_)
            | Piece::Value(_)
            | Piece::Taken(_)
            | Piece::Now(_)
            | Piece::Method
            | Piece::Url => false,
        })
    }

    /// Up to the end, or inside a function up to its `,` or `)`.
    fn read(rest: &mut &str, names: &Names<'_>, depth: usize) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        while let Some(c) = rest.chars().next() {
            if depth > 0 && matches!(c, ',' | ')') {
                break;
            }
            *rest = rest.strip_prefix(c).unwrap_or_default();
            match c {
                '{' => {
                    flush(&mut text, &mut pieces);
                    let (name, after) =
                        rest.split_once('}').ok_or("a `{` has no `}`; write `\\{` for the character")?;
                    pieces.push(names.piece(name)?);
                    *rest = after;
                }
                '}' => return Err("a `}` has no `{`; write `\\}` for the character".into()),
                '\\' => {
                    let taken = rest.chars().next().ok_or("a `\\` stands at the end")?;
                    *rest = rest.strip_prefix(taken).unwrap_or_default();
                    text.push(taken);
                }
                '(' => {
                    let function = called(&mut text)?;
                    flush(&mut text, &mut pieces);
                    pieces.push(Self::call(function, rest, names, depth + 1)?);
                }
                c => text.push(c),
            }
        }
        flush(&mut text, &mut pieces);
        Ok(Self(pieces))
    }

    fn call(function: Function, rest: &mut &str, names: &Names<'_>, depth: usize) -> Result<Piece, String> {
        if depth > DEPTH_MAX {
            return Err(format!("functions stand in each other at most {DEPTH_MAX} deep"));
        }
        let mut given = vec![Self::read(rest, names, depth)?];
        while let Some(after) = rest.strip_prefix(',') {
            *rest = after.strip_prefix(' ').unwrap_or(after);
            given.push(Self::read(rest, names, depth)?);
        }
        *rest = rest.strip_prefix(')').ok_or("a `(` has no `)`; write `\\(` for the character")?;
        if given.len() != function.wants() {
            return Err(match function.wants() {
                1 => "this function takes one text; write `\\,` for a comma in it".to_owned(),
                3 => "`aes-cbc` takes a key, an initialisation vector and a text, as in \
                      `aes-cbc(unhex({$key}), unhex({$iv}), {$body})`"
                    .to_owned(),
                _ if function == Function::RsaOaep => {
                    "`rsa-oaep` takes a public key and a text, as in `rsa-oaep({key}, {token})`".to_owned()
                }
                _ => "`hmac-…` takes a key and a text, as in `hmac-sha256({key}, {$body})`".to_owned(),
            });
        }
        Ok(Piece::Call(function, given))
    }
}

/// The function whose name stands before a `(`.
fn called(text: &mut String) -> Result<Function, String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let start = text.trim_end_matches(is_word).len();
    let name = text.split_off(start);
    match FUNCTIONS.iter().find(|(known, _)| *known == name) {
        Some((_, function)) => Ok(*function),
        None => Err(format!(
            "`{name}` is no function; known are {}; write `\\(` for the character",
            FUNCTIONS.map(|(name, _)| format!("`{name}`")).join(", ")
        )),
    }
}

fn flush(text: &mut String, pieces: &mut Vec<Piece>) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text).into()));
    }
}

impl Names<'_> {
    fn piece(&self, name: &str) -> Result<Piece, String> {
        let of_request = |piece| match self.request {
            true => Ok(piece),
            false => {
                Err(format!("`{{{name}}}` stands in `headers` beside the way to sign in, and nowhere else"))
            }
        };
        match name {
            "$now" => return Ok(Piece::Now(Unit::Seconds)),
            "$now_ms" => return Ok(Piece::Now(Unit::Milliseconds)),
            "$method" => return of_request(Piece::Method),
            "$url" => return of_request(Piece::Url),
            "$body" => return of_request(Piece::Body),
            _ => {}
        }
        if let Some(taken) = self.taken.iter().find(|taken| ***taken == *name) {
            return Ok(Piece::Taken(taken.clone()));
        }
        match self.values.iter().find(|(known, _)| known == name) {
            Some((_, secret)) => Ok(Piece::Value(secret.clone())),
            None => Err(format!(
                "`{{{name}}}` is unknown here: name something under `values`{}, or `$now`, `$now_ms`",
                if self.taken.is_empty() { "" } else { " or `take`" }
            )),
        }
    }
}

impl Function {
    fn wants(self) -> usize {
        match self {
            Self::AesCbc => 3,
            Self::HmacSha1 | Self::HmacSha256 | Self::RsaOaep => 2,
            Self::Length | Self::Base64 | Self::Hex | Self::Unhex | Self::Sha1 | Self::Sha256 => 1,
        }
    }

    fn call(self, given: &[Zeroizing<Vec<u8>>]) -> Result<Zeroizing<Vec<u8>>, Unmade> {
        let [first, rest @ ..] = given else { return Ok(Zeroizing::default()) };
        let second = rest.first().map_or(&[][..], |second| second);
        let hashed = |how| digest::digest(how, first).as_ref().to_vec();
        let keyed = |how| hmac::sign(&hmac::Key::new(how, first), second).as_ref().to_vec();
        Ok(Zeroizing::new(match self {
            Self::Base64 => BASE64.encode(first).into_bytes(),
            Self::Hex => HEXLOWER.encode(first).into_bytes(),
            Self::Unhex => HEXLOWER_PERMISSIVE.decode(first).map_err(|_| Unmade::NotHex)?,
            Self::Sha1 => hashed(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha256 => hashed(&digest::SHA256),
            Self::HmacSha1 => keyed(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Self::HmacSha256 => keyed(hmac::HMAC_SHA256),
            Self::RsaOaep => sealed(first, second)?,
            Self::AesCbc => enciphered(first, second, rest.get(1).map_or(&[][..], |third| third))?,
            Self::Length => first.len().to_string().into_bytes(),
        }))
    }
}

/// RSA-OAEP with SHA-256 under a public key: PEM, or the base64 of its DER (RFC 5280 §4.1.2.7).
fn sealed(key: &[u8], text: &[u8]) -> Result<Vec<u8>, Unmade> {
    let text_of_key = std::str::from_utf8(key).map_err(|_| Unmade::NotKey)?;
    let packed: String = text_of_key
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("-----") && !line.is_empty())
        .collect();
    let der = BASE64.decode(packed.as_bytes()).map_err(|_| Unmade::NotKey)?;
    let key = PublicEncryptingKey::from_der(&der).map_err(|_| Unmade::NotKey)?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| Unmade::NotKey)?;
    let mut out = vec![0; key.ciphertext_size()];
    let sealed = key.encrypt(&OAEP_SHA256_MGF1SHA256, text, &mut out, None);
    sealed.map(|sealed| sealed.to_vec()).map_err(|_| Unmade::NotKey)
}

/// AES-256-CBC with PKCS#7 padding.
fn enciphered(key: &[u8], iv: &[u8], text: &[u8]) -> Result<Vec<u8>, Unmade> {
    let key = UnboundCipherKey::new(&AES_256, key).and_then(PaddedBlockEncryptingKey::cbc_pkcs7);
    let iv: [u8; 16] = iv.try_into().map_err(|_| Unmade::NotKey)?;
    let mut out = text.to_vec();
    key.and_then(|key| key.less_safe_encrypt(&mut out, EncryptionContext::Iv128(iv.into())))
        .map_err(|_| Unmade::NotKey)?;
    Ok(out)
}

impl Unmade {
    /// In words for the operator.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Streamed => "the sign-in signs the body, and a streamed one cannot be signed",
            Self::NotHex => "the sign-in's key is not hexadecimal",
            Self::NotKey => "a key of the sign-in is none, or the text is too long for it",
        }
    }
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipe(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> Vec<(String, Secret)> {
        let value = |name: &str, text: &str| (name.to_owned(), Secret::new(text.to_owned()));
        vec![value("user", "admin"), value("key", "key"), value("hex", "6b6579"), value("bad", "xyz")]
    }

    fn parse(text: &str) -> Result<Recipe, String> {
        let taken = ["id".into(), "token".into()];
        Recipe::parse(text, &Names { values: &values(), taken: &taken, request: true })
    }

    fn made(text: &str) -> Result<String, String> {
        let taken = [("id".into(), Secret::new("7".into())), ("token".into(), Secret::new("t".into()))];
        let scene = Scene {
            now: Timestamp::from_millisecond(1_700_000_000_123).unwrap(),
            method: "POST",
            url: "https://a.example/x",
            body: Some(b"The quick brown fox jumps over the lazy dog"),
        };
        let recipe = parse(text)?.bind(&taken).unwrap();
        recipe.make(&scene).map(|made| made.expose().to_owned()).map_err(|why| why.as_str().to_owned())
    }

    #[test]
    fn a_text_is_made_of_names_and_functions_of_a_closed_list() {
        for (text, told) in [
            ("Session {token}", "Session t"),
            ("Session base64({user}:{id}:{token})", "Session YWRtaW46Nzp0"),
            ("{$now}.{$now_ms}", "1700000000.1700000000123"),
            ("{$method} {$url}", "POST https://a.example/x"),
            (r"\{user\} \(a\), b\)", "{user} (a), b)"),
            (r"base64(a\,b\))", "YSxiKQ=="),
            // RFC 3174 and FIPS 180-4 examples.
            ("hex(sha1(abc))", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("hex(sha256(abc))", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            // A known pair for both HMACs.
            ("hex(hmac-sha1({key}, {$body}))", "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9"),
            ("hex(hmac-sha1(unhex({hex}), {$body}))", "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9"),
            // NIST SP 800-38A F.2.5, with the padding of one more block.
            (
                "hex(aes-cbc(unhex(603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4), \
                 unhex(000102030405060708090a0b0c0d0e0f), unhex(6bc1bee22e409f96e93d7e117393172a)))",
                "f58c4c04d6e5f1ba779eabfb5f7bfbd6485a5c81519cf378fa36d42b8547edc0",
            ),
            ("length({$body})", "43"),
            (
                "hex(hmac-sha256({key}, {$body}))",
                "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
            ),
        ] {
            assert_eq!(made(text).as_deref(), Ok(told), "{text}");
        }
        assert_eq!(made("hex(unhex({bad}))"), Err("the sign-in's key is not hexadecimal".to_owned()));
    }

    #[test]
    fn a_recipe_that_cannot_be_meant_says_what_to_write() {
        for (text, told) in [
            ("md5({user})", "`md5` is no function; known are `base64`"),
            ("f (x)", "`` is no function"),
            ("{nobody}", "`{nobody}` is unknown here: name something under `values` or `take`"),
            ("{user", "a `{` has no `}`"),
            ("a}", "a `}` has no `{`"),
            ("base64({user}", "a `(` has no `)`"),
            ("base64(a,b)", "takes one text"),
            ("hex(hmac-sha1({key}))", "takes a key and a text"),
            ("base64(rsa-oaep({key}))", "takes a public key and a text"),
            ("rsa-oaep({key}, a)", "put them into `hex(…)`"),
            ("sha1({user})", "put them into `hex(…)`"),
            ("a\\", "stands at the end"),
        ] {
            let why = parse(text).map(|_| ()).unwrap_err();
            assert!(why.contains(told), "{text}: {why}");
        }
        let deep = format!("{}{}", "hex(".repeat(9), ")".repeat(9));
        assert!(parse(&deep).map(|_| ()).unwrap_err().contains("8 deep"));
        let names = Names { values: &[], taken: &[], request: false };
        assert!(Recipe::parse("{$body}", &names).is_err(), "there is no request to sign");
    }

    #[test]
    fn only_whoever_has_the_private_key_reads_what_is_sealed() {
        use aws_lc_rs::{
            encoding::{AsDer, PublicKeyX509Der},
            rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey},
        };
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        let packed = BASE64.encode(public.as_ref());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{packed}\n-----END PUBLIC KEY-----\n");
        let open = OaepPrivateDecryptingKey::new(key).unwrap();
        let scene = Scene { now: Timestamp::UNIX_EPOCH, method: "", url: "", body: None };
        let made = |key: &str, text: &str| {
            let value = |name: &str, text: &str| (name.to_owned(), Secret::new(text.to_owned()));
            let values = vec![value("key", key), value("t", text)];
            let names = Names { values: &values, taken: &[], request: false };
            let recipe = Recipe::parse("base64(rsa-oaep({key}, {t}|7))", &names).unwrap();
            assert!(!recipe.is_fixed());
            recipe.make(&scene).map(|made| made.expose().to_owned())
        };
        for key in [&packed, &pem] {
            let sealed = BASE64.decode(made(key, "secret").unwrap().as_bytes()).unwrap();
            let mut out = vec![0; open.min_output_size()];
            let text = open.decrypt(&OAEP_SHA256_MGF1SHA256, &sealed, &mut out, None).unwrap();
            assert_eq!(text, b"secret|7");
            assert_ne!(made(key, "secret"), made(key, "secret"), "never twice the same");
        }
        for (key, text) in [("", "a"), ("AAAA", "a"), ("no key", "a"), (packed.as_str(), &*"a".repeat(300))] {
            assert_eq!(made(key, text), Err(Unmade::NotKey));
        }
    }

    #[test]
    fn no_recipe_prints() {
        assert_eq!(format!("{:?}", parse("Session {key}").unwrap()), "Recipe(…)");
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_a_value_is_never_read_as_a_recipe(text: String, value: String) {
            drop(parse(&text));
            let values = [("v".to_owned(), Secret::new(value.clone()))];
            let names = Names { values: &values, taken: &[], request: false };
            let recipe = Recipe::parse("<{v}>", &names).unwrap();
            let scene = Scene { now: Timestamp::UNIX_EPOCH, method: "GET", url: "", body: None };
            let made = recipe.make(&scene).unwrap();
            prop_assert_eq!(made.expose(), format!("<{value}>"));
        }
    }
}
