//! Secrets: `${env:NAME}` and `${file:/path}`, only in keys of secret type, only those assigned to the system.
//!
//! A secret never stands in a file of the bundle. A diagnostic names the reference, never the value, and not
//! the text that stood where a reference was expected: it may be the secret itself.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use parking_lot::Mutex;

use crate::words::{
    Diagnostic, Diagnostics, Place, Secret, secret_file,
    tree::{Node, Value},
    yaml::{Named, Spanned},
};

/// Where variables come from. The process's own environment is [`ProcessEnv`]; tests and the demo bring
/// their own.
pub trait Env {
    /// The value of a variable.
    fn var(&self, name: &str) -> Option<String>;

    /// The secret in a file.
    ///
    /// # Errors
    /// Why it cannot be used.
    fn secret_file(&self, path: &Path) -> Result<String, String> {
        secret_file(path)
    }
}

/// The environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    #[expect(clippy::disallowed_methods, reason = "config is the one room that reads the environment")]
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Answers every reference: for whoever checks a bundle on a machine without its secrets.
#[derive(Clone, Copy, Debug)]
pub struct Placeholders;

impl Env for Placeholders {
    fn var(&self, _: &str) -> Option<String> {
        Some("placeholder".to_owned())
    }

    fn secret_file(&self, _: &Path) -> Result<String, String> {
        Ok("placeholder".to_owned())
    }
}

impl Env for HashMap<String, String> {
    fn var(&self, name: &str) -> Option<String> {
        self.get(name).cloned()
    }
}

/// A key file is lines of text; everything else goes into a header or a form and is one line.
fn is_pem(value: &str) -> bool {
    let line_end = |c: char| c == '\n' || c == '\r';
    value.starts_with("-----BEGIN ") && !value.chars().any(|c| c.is_control() && !line_end(c))
}

/// What a secret's text refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reference<'a> {
    Variable(&'a str),
    File(&'a str),
}

/// Resolves the references of a bundle, each system by its own list.
pub struct Secrets<'e> {
    env: &'e dyn Env,
    assigned: HashMap<String, HashSet<String>>,
    /// Where references were read as secrets; a reference anywhere else is a mistake.
    taken: Mutex<HashSet<(String, u32)>>,
}

impl std::fmt::Debug for Secrets<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl<'e> Secrets<'e> {
    /// The lists of `gateway.yaml`: `secrets: { crm: [CRM_TOKEN] }`.
    pub(super) fn new(
        env: &'e dyn Env,
        lists: &Named<Vec<Spanned<String>>>,
        found: &mut Diagnostics,
    ) -> Self {
        let mut assigned: HashMap<String, HashSet<String>> = HashMap::new();
        for (system, names) in lists.iter() {
            for name in names {
                if !is_variable(&name.value) && !name.value.strip_prefix("file:").is_some_and(is_absolute) {
                    found.error(
                        &name.place,
                        "name a variable (`CRM_TOKEN`) or a file (`file:/run/secrets/crm`)",
                    );
                }
            }
            let names = names.iter().map(|name| name.value.clone());
            assigned.entry(system.value.clone()).or_default().extend(names);
        }
        Self { env, assigned, taken: Mutex::default() }
    }

    /// The secret that a text of a system's file refers to.
    pub fn resolve(&self, system: &str, text: &Spanned<String>, found: &mut Diagnostics) -> Option<Secret> {
        let place = &text.place;
        self.taken.lock().insert((place.file.to_string(), place.start));
        let Some(reference) = reference(&text.value) else {
            found.push(
                Diagnostic::error(place, "a secret never stands in a file; this is no reference to one")
                    .help("write `${env:NAME}` or `${file:/path}`, and nothing around it"),
            );
            return None;
        };
        let name = match reference {
            Reference::Variable(name) => name.to_owned(),
            Reference::File(path) => format!("file:{path}"),
        };
        if !self.assigned.get(system).is_some_and(|names| names.contains(&name)) {
            found.push(
                Diagnostic::error(place, format!("the secret `{name}` is not assigned to system `{system}`"))
                    .help(format!("`secrets: {{ {system}: [{name}] }}` in `gateway.yaml` would assign it")),
            );
            return None;
        }
        let value = match reference {
            Reference::Variable(name) => {
                self.env.var(name).ok_or_else(|| format!("the variable `{name}` is not set"))
            }
            Reference::File(path) => self.env.secret_file(Path::new(path)),
        };
        match value {
            Ok(value) if value.is_empty() => found.error(place, format!("the secret `{name}` is empty")),
            Ok(value) if !is_pem(&value) && value.chars().any(char::is_control) => {
                found.error(place, format!("the secret `{name}` has control characters in it"));
            }
            Ok(value) => return Some(Secret::new(value)),
            Err(why) => {
                found.push(Diagnostic::error(place, why).help(
                    "where there are no secrets, `bramka policy check --without-secrets` checks the rest",
                ))
            }
        }
        None
    }

    /// Tells every reference that no key of secret type has read. To be called for each tree once all rooms
    /// have read theirs: what is left would have been taken for plain text and shown somewhere.
    pub fn strays(&self, node: &Node, found: &mut Diagnostics) {
        match &node.value {
            Value::Scalar(scalar) => {
                let place = &node.place;
                let taken = || self.taken.lock().contains(&(place.file.to_string(), place.start));
                if looks_like_reference(&scalar.text) && !taken() {
                    stray(place, found);
                }
            }
            Value::Null => {}
            Value::List(items) => items.iter().for_each(|item| self.strays(item, found)),
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    if looks_like_reference(&key.text) {
                        stray(&key.place, found);
                    }
                    self.strays(value, found);
                }
            }
        }
    }
}

fn stray(place: &Place, found: &mut Diagnostics) {
    found.push(
        Diagnostic::error(place, "a reference to a secret stands where no secret is read")
            .help("`${env:…}` and `${file:…}` are for keys of secret type, as under `sign_in`"),
    );
}

fn looks_like_reference(text: &str) -> bool {
    text.contains("${env:") || text.contains("${file:")
}

fn reference(text: &str) -> Option<Reference<'_>> {
    let inner = text.strip_prefix("${")?.strip_suffix('}')?;
    match inner.split_once(':')? {
        ("env", name) if is_variable(name) => Some(Reference::Variable(name)),
        ("file", path) if is_absolute(path) => Some(Reference::File(path)),
        _ => None,
    }
}

fn is_variable(name: &str) -> bool {
    let fit = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    name.bytes().all(fit) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

fn is_absolute(path: &str) -> bool {
    Path::new(path).is_absolute() && !path.contains(['$', '{', '}'])
}
