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
    /// The first form of those a caller takes that is one of ours; `$format` goes before the header.
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

/// The first form that `ours` takes. Nothing named is anything taken.
fn chosen<T>(accept: Option<&str>, query: &str, ours: impl Fn(&str) -> Option<T>) -> Option<T> {
    if let Some(format) = options::format(query) {
        return ours(&format);
    }
    let accept = accept.filter(|accept| !accept.trim().is_empty()).unwrap_or("*/*");
    accept.split(',').take(FORMS_MAX).filter(|form| !is_refused(form)).find_map(ours)
}

/// `q=0` says what is not taken.
fn is_refused(form: &str) -> bool {
    form.split(';').skip(1).any(|parameter| {
        parameter.trim().strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0))
    })
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
