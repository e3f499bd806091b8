//! Which of a system's sign-ins a call goes under: the first that is for it, else the last, which is for all.
//!
//! What is looked at is what the policy sees: whether the call only looks or changes something, the entity it is about,
//! and the groups of whoever asks. Each sign-in has its own connections: an address that is reached under two is two
//! origins.

use std::slice;

use http::HeaderName;

use super::{SignedIn, settings::CallKind};
use crate::{upstream::UpstreamError, words::GroupName};

/// For whom a system is called, and what about.
#[derive(Clone, Copy, Debug)]
pub(in crate::upstream) struct About<'a> {
    /// The entity; none where a call is passed through.
    pub(in crate::upstream) entity: Option<&'a str>,
    /// The caller's groups.
    pub(in crate::upstream) groups: &'a [GroupName],
}

/// The sign-ins of a system.
#[derive(Debug)]
pub(in crate::upstream) struct SignIns {
    /// Those that are for some calls, in the order of the file.
    some: Vec<(Terms, SignedIn)>,
    all: SignedIn,
    struck: Box<[HeaderName]>,
}

/// For which calls a sign-in is. What is empty is for all; what is there must fit.
#[derive(Debug, Default)]
pub(super) struct Terms {
    pub(super) calls: Option<CallKind>,
    pub(super) entities: Vec<String>,
    pub(super) groups: Vec<String>,
}

/// A sign-in, and which of the system's it is.
#[derive(Clone, Copy, Debug)]
pub(in crate::upstream) struct Chosen<'a> {
    pub(in crate::upstream) signed_in: &'a SignedIn,
    pub(in crate::upstream) number: usize,
}

impl SignIns {
    pub(super) fn new(some: Vec<(Terms, SignedIn)>, all: SignedIn) -> Self {
        let each = some.iter().map(|(_, signed_in)| signed_in).chain([&all]);
        let struck = each.flat_map(|signed_in| signed_in.struck.iter().cloned()).collect();
        Self { some, all, struck }
    }

    /// How many there are.
    pub(in crate::upstream) fn len(&self) -> usize {
        self.some.len() + 1
    }

    /// The one that a call goes under.
    pub(in crate::upstream) fn choose(&self, kind: CallKind, about: About<'_>) -> Chosen<'_> {
        let fit = self.some.iter().enumerate().find(|(_, (terms, _))| terms.fit(kind, about));
        match fit {
            Some((number, (_, signed_in))) => Chosen { signed_in, number },
            None => self.last(),
        }
    }

    /// The one for all.
    pub(in crate::upstream) fn last(&self) -> Chosen<'_> {
        Chosen { signed_in: &self.all, number: self.some.len() }
    }

    fn each(&self) -> impl Iterator<Item = &SignedIn> {
        self.some.iter().map(|(_, signed_in)| signed_in).chain(slice::from_ref(&self.all))
    }

    /// Whether any of them may use up a secret.
    pub(in crate::upstream) fn may_use_up_a_secret(&self) -> bool {
        self.each().any(SignedIn::may_use_up_a_secret)
    }

    /// Fields that no caller may set, whichever is chosen.
    pub(in crate::upstream) fn struck(&self) -> &[HeaderName] {
        &self.struck
    }

    /// Whether a field of an answer is not a caller's to see.
    pub(in crate::upstream) fn is_kept_back(&self, name: &HeaderName) -> bool {
        self.each().any(|signed_in| signed_in.kept_back.contains(name))
    }

    /// Whether a caller's own request can be signed in, whichever is chosen.
    ///
    /// # Errors
    /// [`UpstreamError::BadRequest`].
    pub(in crate::upstream) fn permits(&self, query: Option<&str>) -> Result<(), UpstreamError> {
        self.each().try_for_each(|signed_in| signed_in.permits(query))
    }
}

impl Terms {
    fn fit(&self, kind: CallKind, about: About<'_>) -> bool {
        let calls = self.calls.is_none_or(|calls| calls == kind);
        let is_named = |entity: &str| self.entities.iter().any(|named| named == entity);
        let entity = self.entities.is_empty() || about.entity.is_some_and(is_named);
        let is_in = |group: &GroupName| self.groups.iter().any(|named| named == group.as_str());
        let group = self.groups.is_empty() || about.groups.iter().any(is_in);
        calls && entity && group
    }
}
