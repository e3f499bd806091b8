//! Tags of languages (BCP 47, RFC 5646): one spelling of each, so that records of several systems compare.
//!
//! A tag is a language, and behind it, where they are said, a script and a region: `pl`, `pt-BR`, `sr-Latn-RS`. Systems write
//! `pl_PL`, `EN` and `pol` for the same. Whether a language of three letters is one that somebody speaks is not known here;
//! variants, extensions and private tags are none of what a company writes to people in, and no value.

use std::{collections::HashMap, sync::LazyLock};

use super::numbers::is_country;

/// Longest tag in characters.
pub(super) const TAG_CHARS_MAX: u32 = 11;

/// A text as a tag in its one spelling; none of what is no tag.
pub(super) fn tag(text: &str) -> Option<String> {
    let is_short =
        text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let mut parts = text.split(['-', '_']).filter(|_| is_short);
    let mut tag = language(parts.next()?)?;
    let mut part = parts.next();
    if let Some(script) = part.filter(|part| part.len() == 4 && is_alphabetic(part)) {
        tag.push('-');
        for (at, c) in script.chars().enumerate() {
            tag.push(if at == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
        }
        part = parts.next();
    }
    if let Some(region) = part {
        let region = region.to_ascii_uppercase();
        // UN M.49 says `419` for Latin America.
        let is_area = region.len() == 3 && region.bytes().all(|byte| byte.is_ascii_digit());
        (is_area || is_country(&region)).then_some(())?;
        tag.push('-');
        tag.push_str(&region);
    }
    parts.next().is_none().then_some(tag)
}

/// Whether a text is a tag in its one spelling.
pub(super) fn is_tag(text: &str) -> bool {
    tag(text).as_deref() == Some(text)
}

/// A language, by the shortest of its codes (RFC 5646, 2.2.1).
fn language(text: &str) -> Option<String> {
    let code = text.to_ascii_lowercase();
    let short = SHORTEST.get(code.as_str()).copied();
    match code.len() {
        2 => short.map(|_| code),
        3 if is_alphabetic(&code) => Some(short.map_or(code, str::to_owned)),
        _ => None,
    }
}

/// The shortest code of a language by each that it has.
static SHORTEST: LazyLock<HashMap<&str, &str, foldhash::fast::RandomState>> = LazyLock::new(|| {
    let all = LANGUAGES.split(' ').filter_map(|codes| Some((codes, codes.split(':').next()?)));
    all.flat_map(|(codes, short)| codes.split(':').map(move |code| (code, short))).collect()
});

fn is_alphabetic(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Languages of ISO 639-1, each with its code of ISO 639-3 and, where it is another one, of ISO 639-2/B.
const LANGUAGES: &str = "aa:aar ab:abk ae:ave af:afr ak:aka am:amh an:arg ar:ara as:asm av:ava ay:aym az:aze ba:bak be:bel bg:bul \
    bi:bis bm:bam bn:ben bo:bod:tib br:bre bs:bos ca:cat ce:che ch:cha co:cos cr:cre cs:ces:cze cu:chu \
    cv:chv cy:cym:wel da:dan de:deu:ger dv:div dz:dzo ee:ewe el:ell:gre en:eng eo:epo es:spa et:est \
    eu:eus:baq fa:fas:per ff:ful fi:fin fj:fij fo:fao fr:fra:fre fy:fry ga:gle gd:gla gl:glg gn:grn gu:guj \
    gv:glv ha:hau he:heb hi:hin ho:hmo hr:hrv ht:hat hu:hun hy:hye:arm hz:her ia:ina id:ind ie:ile ig:ibo \
    ii:iii ik:ipk io:ido is:isl:ice it:ita iu:iku ja:jpn jv:jav ka:kat:geo kg:kon ki:kik kj:kua kk:kaz \
    kl:kal km:khm kn:kan ko:kor kr:kau ks:kas ku:kur kv:kom kw:cor ky:kir la:lat lb:ltz lg:lug li:lim ln:lin \
    lo:lao lt:lit lu:lub lv:lav mg:mlg mh:mah mi:mri:mao mk:mkd:mac ml:mal mn:mon mr:mar ms:msa:may mt:mlt \
    my:mya:bur na:nau nb:nob nd:nde ne:nep ng:ndo nl:nld:dut nn:nno no:nor nr:nbl nv:nav ny:nya oc:oci \
    oj:oji om:orm or:ori os:oss pa:pan pi:pli pl:pol ps:pus pt:por qu:que rm:roh rn:run ro:ron:rum ru:rus \
    rw:kin sa:san sc:srd sd:snd se:sme sg:sag sh:hbs si:sin sk:slk:slo sl:slv sm:smo sn:sna so:som \
    sq:sqi:alb sr:srp ss:ssw st:sot su:sun sv:swe sw:swa ta:tam te:tel tg:tgk th:tha ti:tir tk:tuk tl:tgl \
    tn:tsn to:ton tr:tur ts:tso tt:tat tw:twi ty:tah ug:uig uk:ukr ur:urd uz:uzb ve:ven vi:vie vo:vol wa:wln \
    wo:wol xh:xho yi:yid yo:yor za:zha zh:zho:chi zu:zul";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tag_has_one_spelling_whichever_a_system_has() {
        for (text, expected) in [
            ("pl", "pl"),
            ("PL", "pl"),
            ("pl_PL", "pl-PL"),
            ("EN-us", "en-US"),
            ("pol", "pl"),
            ("ger", "de"),
            ("deu_at", "de-AT"),
            ("zh_hant_tw", "zh-Hant-TW"),
            ("sr-LATN", "sr-Latn"),
            ("es-419", "es-419"),
            ("csb-PL", "csb-PL"),
            ("sq-XK", "sq-XK"),
        ] {
            assert_eq!(tag(text).as_deref(), Some(expected), "{text}");
            assert!(is_tag(expected) && u32::try_from(expected.len()).unwrap() <= TAG_CHARS_MAX);
            assert_eq!(is_tag(text), text == expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_language_is_no_tag() {
        // Countries that are taken for languages, words, other parts of BCP 47, and what is not there.
        for text in [
            "cz",
            "gr",
            "xx",
            "Polish",
            "polski",
            "pl-",
            "-pl",
            "pl--PL",
            "pl-XX",
            "pl-PL-PL",
            "pl PL",
            "pl.UTF-8",
            "de-CH-1996",
            "ca-valencia",
            "x-klingon",
            "i-klingon",
            "en-u-ca-gregory",
            "1",
            "",
            "p",
            "pl-Łódź",
            "żó",
        ] {
            assert_eq!(tag(text), None, "{text}");
        }
    }

    #[test]
    fn every_language_has_one_short_code_and_others_that_are_no_other_s() {
        let all: Vec<&str> = LANGUAGES.split([' ', ':']).collect();
        let mut once = all.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!((once.len(), LANGUAGES.split(' ').count()), (all.len(), 184));
    }

    proptest! {
        #[test]
        fn a_tag_of_a_tag_is_itself(text in "\\PC{0,12}|[a-zA-Z]{2,3}([-_][a-zA-Z]{4})?([-_]([a-zA-Z]{2}|[0-9]{3}))?") {
            if let Some(tag) = tag(&text) {
                prop_assert_eq!(super::tag(&tag), Some(tag));
            }
        }
    }
}
