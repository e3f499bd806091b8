//! From settings to an [`Upstream`] that can be called. Everything wrong with them is told at once.

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Weak},
};

use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use tower::retry::budget::TpsBudget;
use url::Url;

use super::{
    Settings, Upstream, balance::Balance, breaker::Breaker, forward, pace::Pace, settings::ours,
    sign_in::Home,
};
use crate::{
    clock::Now,
    mapping::Refusals,
    wire::{Certificate, Clocks, Keep, Local, Origin, Own, TlsClient, Trust, Versions},
    words::{
        Diagnostic, Diagnostics, Digest, Period, Place, Secret, SystemName,
        tree::{Node, Value},
        yaml::Spanned,
    },
};

/// What configuring needs from outside: who resolves secrets and reads files, and what our own sockets are.
pub struct Means<'a> {
    /// Resolves `${env:NAME}` and `${file:PATH}`, tells what it cannot.
    pub secret: &'a Finder<'a, String, Secret>,
    /// Reads a file named by the bundle, tells what it cannot.
    pub file: &'a Finder<'a, PathBuf, Vec<u8>>,
    /// Our own listeners, which no system may lead to, new or kept.
    pub own: Arc<[SocketAddr]>,
    /// Where live state is kept over a reload.
    pub registry: &'a Registry,
    /// Now.
    pub now: Now,
}

/// Finds what a file names, or tells why it cannot.
pub type Finder<'a, Named, Found> = dyn Fn(&Spanned<Named>, &mut Diagnostics) -> Option<Found> + 'a;

/// The systems that are alive. A system whose name, settings and secrets did not change stays the same one over
/// a reload, with its breaker, health, tokens and idle connections.
#[derive(Debug, Default)]
pub struct Registry {
    alive: Mutex<HashMap<Digest, Weak<Upstream>>>,
    /// Our own listeners are a fact of the process and no setting of a system: other ones hold for the systems
    /// that are alive too, and change none.
    own: Own,
}

impl Upstream {
    /// Builds a system from its whole file, or finds the one that is alive under the same settings.
    ///
    /// Returns nothing when something is wrong, which `found` then holds.
    pub fn configure(
        name: &SystemName,
        file: &Node,
        means: &Means<'_>,
        found: &mut Diagnostics,
    ) -> Option<Arc<Self>> {
        let settings = Settings::of_file(file, found)?;
        named_entities(&settings, file, found);
        means.registry.own.are(&means.own);
        let mut build = Build { means, found, digest: Canon::new(name, file), errors: file.get("errors") };
        let built = build.upstream(name, &settings);
        let digest = build.digest.finish();
        Some(means.registry.keep(digest, built?))
    }
}

/// An entity that the file does not map is one that no call is about.
fn named_entities(settings: &Settings, file: &Node, found: &mut Diagnostics) {
    let mapped = file.get("entities").and_then(Node::as_map).unwrap_or_default();
    let mapped = || mapped.iter().map(|(key, _)| key.text.as_str());
    for name in settings.sign_in.some.iter().flat_map(|(terms, _)| &terms.entities) {
        if !mapped().any(|known| known == name.value) {
            let told = format!("this file maps no `{}`: a sign-in for it is for no call", name.value);
            found.push(Diagnostic::error(&name.place, told).suggest(&name.value, mapped()));
        }
    }
}

impl Registry {
    fn keep(&self, digest: Digest, built: Upstream) -> Arc<Upstream> {
        let mut alive = self.alive.lock();
        if let Some(same) = alive.get(&digest).and_then(Weak::upgrade) {
            return same;
        }
        alive.retain(|_, weak| weak.strong_count() > 0);
        let built = Arc::new(built);
        alive.insert(digest, Arc::downgrade(&built));
        built
    }
}

/// Most retries a second that are granted besides; the budget's own arithmetic ends far above it.
const PER_SECOND_MAX: u32 = 1_000_000;

/// Most streams on a connection; it keeps room for what each of them buffers.
const STREAMS_MAX: u32 = 1000;

/// First parts of the gate's own paths.
const OWN_PATHS: [&str; 3] = ["v1", "systems", "odata"];

/// A system being built.
pub(super) struct Build<'a, 'm> {
    means: &'a Means<'m>,
    pub(super) found: &'a mut Diagnostics,
    digest: Canon,
    errors: Option<&'a Node>,
}

impl Build<'_, '_> {
    /// By what a login's answer says why it failed. The system is another one where that is.
    pub(super) fn refusals(&mut self) -> Refusals {
        if let Some(errors) = self.errors {
            self.digest.node(errors);
        }
        Refusals::of(self.errors)
    }

    fn upstream(&mut self, name: &SystemName, settings: &Settings) -> Option<Upstream> {
        let urls = self.urls(settings);
        let tls = match &urls {
            Some(urls) if urls.iter().any(|(url, _)| url.scheme() == "https") => self.tls(settings).map(Some),
            Some(_) | None => Some(None),
        };
        let home = Home {
            url: urls.as_ref().and_then(|urls| Some(&urls.first()?.0)),
            tls: tls.as_ref().and_then(Option::as_ref),
        };
        let sign_ins = self.sign_ins(settings, home);
        let delivery = self.delivery(settings, home);
        let headers = self.headers(settings);
        let health = self.health(settings);
        let services = self.services(settings);
        let pace = Pace::of(&settings.limits, self.found);
        let (urls, tls) = (urls?, tls?);
        let (origins, prefix) = self.origins(settings, &urls, tls.as_ref())?;
        let sign_ins = sign_ins?;
        let mut balance = Balance::new(origins, self.means.now.mono);
        for _ in 1..sign_ins.len() {
            balance.reach_again(self.origins(settings, &urls, tls.as_ref())?.0);
        }
        let retries = &settings.retries;
        if retries.percent > 1000
            || retries.per_second > PER_SECOND_MAX
            || settings.breaker.failures_percent > 100
            || settings.limits.concurrency == 0
            || !(1..=STREAMS_MAX).contains(&settings.limits.streams)
            || settings.timeouts.ping.is_some_and(|ping| ping < Period::secs(1))
        {
            let place = &settings.base.0.first()?.place;
            self.found.error(
                place,
                format!(
                    "`retries.percent` is at most 1000, `retries.per_second` at most {PER_SECOND_MAX}, \
                     `breaker.failures_percent` at most 100, `limits.concurrency` at least 1, `limits.streams` \
                     from 1 to {STREAMS_MAX}, `timeouts.ping` at least 1s"
                ),
            );
            return None;
        }
        let share = f32::from(u16::try_from(retries.percent).unwrap_or(1000)) / 100.0;
        Some(Upstream {
            name: name.clone(),
            balance,
            breaker: Breaker::new(&settings.breaker),
            health: health?,
            budget: TpsBudget::new(std::time::Duration::from_secs(10), retries.per_second, share),
            sign_ins,
            delivery: delivery?,
            headers: headers?,
            services: services?,
            prefix,
            clocks: Clocks {
                connect: settings.timeouts.connect.0,
                first_byte: settings.timeouts.first_byte.0,
                call: settings.timeouts.call.0,
            },
            tries_max: retries.tries_max,
            concurrency_max: settings.limits.concurrency,
            pace: pace.ok()?,
            answer_bytes_max: settings.limits.answer_bytes.0,
            in_flight: Default::default(),
        })
    }

    /// The services of gRPC: full names, none of which stands where the gate has paths of its own.
    fn services(&mut self, settings: &Settings) -> Option<Vec<Spanned<String>>> {
        let is_spoken = settings.http.as_ref().is_some_and(|http| http.value.0 != Versions::One);
        if let Some(first) = settings.grpc.first().filter(|_| !is_spoken) {
            self.found.error(&first.place, "gRPC needs HTTP/2: write `http: 2`, or `http: auto`");
            return None;
        }
        let is_word = |word: &str| {
            let mut bytes = word.bytes();
            bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let is_name = |name: &str| name.split('.').all(is_word) && !OWN_PATHS.contains(&name);
        let mut is_whole = true;
        for name in settings.grpc.iter().filter(|name| !is_name(&name.value)) {
            let told = "expected the full name of a service, as in `pricing.v1.Prices`";
            self.found.error(&name.place, told);
            is_whole = false;
        }
        is_whole.then(|| settings.grpc.clone())
    }

    /// The addresses; all share their path, which is the prefix of every target.
    fn urls(&mut self, settings: &Settings) -> Option<Vec<(Url, Place)>> {
        let mut urls = Vec::new();
        for base in &settings.base.0 {
            match Url::parse(&base.value) {
                Ok(url) if url.query().is_none() && url.fragment().is_none() => {
                    urls.push((url, base.place.clone()));
                }
                Ok(_) => self.found.error(&base.place, "an address has no query and no fragment"),
                Err(error) => {
                    let told = format!("expected an address as in `https://erp.example.com/api`: {error}");
                    self.found.error(&base.place, told);
                }
            }
        }
        let (first, _) = urls.first()?;
        let path = first.path().to_owned();
        for (url, place) in &urls {
            if url.path() != path {
                self.found.error(place, format!("equal addresses share their path, which is `{path}`"));
            }
        }
        let is_negotiable = self.is_negotiable(settings, &urls);
        let is_whole = urls.len() == settings.base.0.len() && urls.iter().all(|(url, _)| url.path() == path);
        (is_whole && is_negotiable).then_some(urls)
    }

    /// Whether a version that is to be negotiated can be.
    fn is_negotiable(&mut self, settings: &Settings, urls: &[(Url, Place)]) -> bool {
        let Some(http) = settings.http.as_ref().filter(|http| http.value.0 == Versions::Auto) else {
            return true;
        };
        let is_negotiable = urls.iter().all(|(url, _)| url.scheme() == "https");
        if !is_negotiable {
            let told = "`auto` negotiates the version by TLS, which `http://` has not: write `2` where the system \
                        speaks HTTP/2 without it, else `1`";
            self.found.error(&http.place, told);
        }
        is_negotiable
    }

    fn origins(
        &mut self,
        settings: &Settings,
        urls: &[(Url, Place)],
        tls: Option<&TlsClient>,
    ) -> Option<(Vec<Origin>, Box<str>)> {
        let keep = self.keep(settings);
        let server_name = settings.tls.server_name.as_ref().map(|name| name.value.as_str());
        let prefix = urls.first()?.0.path().trim_end_matches('/').into();
        let mut origins = Vec::with_capacity(urls.len());
        for (url, place) in urls {
            match Origin::new(url, tls, server_name, self.local(settings), keep) {
                Ok(origin) => origins.push(origin),
                Err(error) => self.found.error(place, error.to_string()),
            }
        }
        (origins.len() == urls.len()).then_some((origins, prefix))
    }

    pub(super) fn keep(&self, settings: &Settings) -> Keep {
        Keep {
            idle_max: settings.limits.idle_connections,
            idle_timeout: settings.limits.idle_timeout.0,
            lifetime: settings.limits.connection_lifetime.0,
            versions: settings.http.as_ref().map_or(Versions::One, |http| http.value.0),
            streams_max: settings.limits.streams,
            ping: settings.timeouts.ping.map(|ping| ping.0),
        }
    }

    pub(super) fn local(&self, settings: &Settings) -> Local {
        Local { allow: settings.allow_local, own: self.means.registry.own.clone() }
    }

    fn tls(&mut self, settings: &Settings) -> Option<TlsClient> {
        let base = &settings.base.0.first()?.place;
        let settings = &settings.tls;
        let ca = match &settings.ca {
            Some(path) => Some(self.file(path)?),
            None => None,
        };
        let certificate = match (&settings.client_certificate, &settings.client_key) {
            (Some(chain), Some(key)) => {
                let (chain, key) = (self.file(chain), self.secret(key));
                Some(Certificate { chain: chain?, key: key? })
            }
            (None, None) => None,
            (Some(Spanned { place, .. }), None) | (None, Some(Spanned { place, .. })) => {
                self.found.error(place, "`client_certificate` and `client_key` go together");
                return None;
            }
        };
        let place = [&settings.ca, &settings.client_certificate].into_iter().flatten().next();
        self.client(&Trust { ca, certificate }, place.map_or(base, |path| &path.place))
    }

    pub(super) fn client(&mut self, trust: &Trust, place: &Place) -> Option<TlsClient> {
        match TlsClient::new(trust) {
            Ok(client) => Some(client),
            Err(error) => {
                self.found.error(place, error.to_string());
                None
            }
        }
    }

    fn headers(&mut self, settings: &Settings) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let mut headers = Vec::new();
        for (name, value) in settings.headers.iter() {
            let Some(field) = self.field(name) else { continue };
            if value.value.contains("${") {
                self.found.error(&value.place, "a secret does not stand here: use `sign_in`");
                continue;
            }
            match HeaderValue::from_str(&value.value) {
                Ok(value) => headers.push((field, value)),
                Err(_) => self.found.error(&value.place, "this cannot stand in a header field"),
            }
        }
        (headers.len() == settings.headers.0.len()).then_some(headers)
    }

    /// A field the file may set: none that frames a message, names its target or is rewritten anyway.
    pub(super) fn field(&mut self, name: &Spanned<String>) -> Option<HeaderName> {
        match HeaderName::from_bytes(name.value.as_bytes()) {
            Ok(field) if !forward::is_framing(&field) => Some(field),
            Ok(_) => {
                self.found.error(&name.place, format!("`{}` is set by the gate", name.value));
                None
            }
            Err(_) => {
                self.found.error(&name.place, format!("`{}` is no header field's name", name.value));
                None
            }
        }
    }

    pub(super) fn secret(&mut self, text: &Spanned<String>) -> Option<Secret> {
        let secret = (self.means.secret)(text, self.found)?;
        self.digest.add(secret.expose().as_bytes());
        Some(secret)
    }

    pub(super) fn file(&mut self, path: &Spanned<PathBuf>) -> Option<Vec<u8>> {
        let bytes = (self.means.file)(path, self.found)?;
        self.digest.add(&bytes);
        Some(bytes)
    }
}

/// Everything by which two systems differ, in one canonical run of bytes. It holds secrets: it is only digested.
struct Canon(zeroize::Zeroizing<Vec<u8>>);

impl Canon {
    fn new(name: &SystemName, file: &Node) -> Self {
        let mut this = Self(Default::default());
        this.add(name.as_str().as_bytes());
        this.node(&ours(file));
        this
    }

    fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// Text and shape, not places: a comment above changes nothing. The depth is bounded by the tree's reader.
    fn node(&mut self, node: &Node) {
        match &node.value {
            Value::Null => self.add(b"0"),
            Value::Scalar(scalar) => {
                self.add(b"s");
                self.add(scalar.text.as_bytes());
            }
            Value::List(items) => {
                self.add(format!("l{}", items.len()).as_bytes());
                items.iter().for_each(|item| self.node(item));
            }
            Value::Map(pairs) => {
                self.add(format!("m{}", pairs.len()).as_bytes());
                for (key, node) in pairs {
                    self.add(key.text.as_bytes());
                    self.node(node);
                }
            }
        }
    }

    fn finish(self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for Means<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Means({} own listeners)", self.own.len())
    }
}
