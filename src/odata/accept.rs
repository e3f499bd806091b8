//! Which form of answer a caller takes: `Accept`, `$format`, `Prefer`.

use super::{
    fault::{Fault, Unmet},
    options,
};

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// How much is told beside values.
    pub level: Level,
    /// Whether decimals and 64-bit numbers are texts, for readers that hold numbers as floats.
    pub numbers_as_text: bool,
}

/// How much of `@odata.…` is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Only what a reader cannot do without: the next page and the count.
    None,
    /// The context too.
    Minimal,
    /// Types and addresses too.
    Full,
}

/// The form of `$metadata`. There is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataForm;

/// LIMIT: forms looked at of one `Accept`.
const FORMS_MAX: usize = 16;

impl Style {
    /// The form a caller likes best of those that are ours, the first where it likes several alike; `$format` goes
    /// before the header.
    ///
    /// # Errors
    /// None is.
    pub fn choose(accept: Option<&str>, query: &str) -> Result<Self, Fault> {
        let taken =
            chosen(
                accept,
                query,
                |form| {
                    if form == "json" { style("application/json") } else { style(form) }
                },
            );
        taken.ok_or(Fault::Unmet(Unmet::NotAcceptable("answers here are `application/json`")))
    }

    /// `Content-Type` of an answer in this style.
    pub fn content_type(self) -> &'static str {
        match (self.level, self.numbers_as_text) {
            (Level::None, false) => "application/json;odata.metadata=none",
            (Level::None, true) => "application/json;odata.metadata=none;IEEE754Compatible=true",
            (Level::Minimal, false) => "application/json;odata.metadata=minimal",
            (Level::Minimal, true) => "application/json;odata.metadata=minimal;IEEE754Compatible=true",
            (Level::Full, false) => "application/json;odata.metadata=full",
            (Level::Full, true) => "application/json;odata.metadata=full;IEEE754Compatible=true",
        }
    }
}

/// Whether `$metadata` is taken as XML.
///
/// # Errors
/// It is not.
pub fn metadata_form(accept: Option<&str>, query: &str) -> Result<MetadataForm, Fault> {
    let xml = |form: &str| {
        let name = form.split(';').next().unwrap_or_default().trim();
        let ours = ["application/xml", "application/*", "*/*", "xml"];
        ours.iter().any(|ours| name.eq_ignore_ascii_case(ours)).then_some(MetadataForm)
    };
    chosen(accept, query, xml).ok_or(Fault::Unmet(Unmet::NotAcceptable("`$metadata` is `application/xml`")))
}

/// Whether a caller's version is one that is spoken here. Older clients name themselves behind it: `4.0;NetFx`.
pub fn is_spoken(version: &str) -> bool {
    matches!(version.split(';').next().unwrap_or_default().trim(), "4.0" | "4.01")
}

/// The page size a caller prefers: `odata.maxpagesize=100`.
pub fn max_page_size(prefer: Option<&str>) -> Option<u32> {
    prefer?.split(',').find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        let name = name.trim();
        let ours = name.eq_ignore_ascii_case("odata.maxpagesize") || name.eq_ignore_ascii_case("maxpagesize");
        let value = value.split(';').next().unwrap_or_default().trim().trim_matches('"');
        ours.then(|| value.parse().ok()).flatten().filter(|size| *size > 0)
    })
}

/// The form liked best that `ours` takes. Nothing named is anything taken.
fn chosen<T>(accept: Option<&str>, query: &str, ours: impl Fn(&str) -> Option<T>) -> Option<T> {
    if let Some(format) = options::format(query) {
        return ours(&format);
    }
    let accept = accept.filter(|accept| !accept.trim().is_empty()).unwrap_or("*/*");
    let mut forms: Vec<(u16, &str)> =
        accept.split(',').take(FORMS_MAX).map(|form| (quality(form), form)).filter(|(q, _)| *q > 0).collect();
    forms.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    forms.into_iter().find_map(|(_, form)| ours(form))
}

/// How much a form is liked, in thousandths (RFC 9110, §12.4.2). What is no weight is none.
fn quality(form: &str) -> u16 {
    let weight = form.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then_some(value.trim())
    });
    let Some(weight) = weight else { return 1000 };
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    match (whole, format!("{part:0<3}").parse()) {
        ("1", Ok(0)) => 1000,
        ("0", Ok(thousandths)) if digits => thousandths,
        _ => 1000,
    }
}

/// The style of a media type, where it is one of ours with parameters that are met.
fn style(form: &str) -> Option<Style> {
    let mut parts = form.split(';').map(str::trim);
    let name = parts.next()?;
    if !["application/json", "application/*", "*/*"].iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
        return None;
    }
    let mut style = Style { level: Level::Minimal, numbers_as_text: false };
    for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("odata.metadata") || is("metadata") {
            style.level = match value {
                "none" => Level::None,
                "minimal" => Level::Minimal,
                "full" => Level::Full,
                _ => return None,
            };
        } else if is("ieee754compatible") {
            style.numbers_as_text = value.eq_ignore_ascii_case("true");
        } else if is("charset") && !value.eq_ignore_ascii_case("utf-8") || is("odata") {
            // `odata=verbose` and the like are earlier versions.
            return None;
        }
    }
    Some(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(accept: &str) -> Option<(Level, bool)> {
        Style::choose(Some(accept), "").ok().map(|style| (style.level, style.numbers_as_text))
    }

    #[test]
    fn the_first_form_that_is_met_is_taken() {
        let minimal = Some((Level::Minimal, false));
        assert_eq!(style("*/*"), minimal);
        assert_eq!(style(""), minimal);
        assert_eq!(style("application/json;odata.metadata=none"), Some((Level::None, false)));
        assert_eq!(
            style("application/json; odata.metadata=full; IEEE754Compatible=true"),
            Some((Level::Full, true))
        );
        assert_eq!(style("application/json;metadata=minimal;odata.streaming=true;charset=utf-8"), minimal);
        // As Power Query asks.
        let asked = "application/json;odata.metadata=minimal;q=1.0,application/json;odata=minimalmetadata;q=0.9,\
                     application/atomsvc+xml;q=0.8,application/atom+xml;q=0.8,application/xml;q=0.7,text/plain;q=0.7";
        assert_eq!(style(asked), minimal);
        for none in
            ["application/atom+xml", "application/json;odata=verbose", "application/json;q=0", "text/html"]
        {
            assert_eq!(style(none), None, "{none}");
        }
        let by_format = |query: &str| Style::choose(Some("text/html"), query).map(|style| style.level);
        assert_eq!(by_format("$top=1&%24format=json"), Ok(Level::Minimal));
        assert_eq!(by_format("$format=application/json;odata.metadata=none"), Ok(Level::None));
        assert!(by_format("$format=atom").is_err());
    }

    #[test]
    fn the_form_that_is_liked_best_is_taken() {
        let liked = "application/json;odata.metadata=full;q=0.1, application/json;odata.metadata=none;q=0.25";
        assert_eq!(style(liked), Some((Level::None, false)));
        assert_eq!(style("application/json;odata.metadata=full;Q=0.5,*/*;q=0.3"), Some((Level::Full, false)));
        assert_eq!(style("application/json;q=0.0, */*;q=0.000"), None);
        // What is no weight is none.
        for odd in ["q=2", "q=0.1234", "q=x", "q=-1", "q=", "q=1.5"] {
            let accept = format!("application/json;odata.metadata=full;{odd}, */*;q=0.9");
            assert_eq!(style(&accept), Some((Level::Full, false)), "{odd}");
        }
    }

    #[test]
    fn a_version_is_spoken_whoever_names_itself_behind_it() {
        for (version, spoken) in [
            ("4.0", true),
            (" 4.01 ", true),
            ("4.0;NetFx", true),
            ("3.0;NetFx", false),
            ("", false),
            ("4", false),
        ] {
            assert_eq!(is_spoken(version), spoken, "{version}");
        }
    }

    #[test]
    fn metadata_is_xml_or_nothing() {
        for (accept, query, taken) in [
            (None, "", true),
            (Some("application/xml"), "", true),
            (Some("application/json, */*;q=0.1"), "", true),
            (Some("application/json"), "", false),
            (Some("application/json"), "$format=xml", true),
            (None, "$format=json", false),
        ] {
            assert_eq!(metadata_form(accept, query).is_ok(), taken, "{accept:?} {query}");
        }
    }

    #[test]
    fn a_page_size_is_read_from_among_preferences() {
        assert_eq!(max_page_size(Some("return=minimal, odata.maxpagesize=50")), Some(50));
        assert_eq!(max_page_size(Some("maxpagesize=\"7\"; x=y")), Some(7));
        for none in ["odata.maxpagesize=0", "odata.maxpagesize=-1", "odata.maxpagesize", "respond-async"] {
            assert_eq!(max_page_size(Some(none)), None, "{none}");
        }
    }
}
