//! Acts on credentials, each with its entry in the journal; the admin listener and the command line do them
//! here.
//!
//! What is issued is handed out only after its entry is synced, and taken back where the journal refuses.
//! What is taken back is written down first, except that a running gate ends it at once, whatever can be written;
//! a full disk gives up what the store set aside for it. A principal stands in an entry by its digest, as everywhere in
//! the journal.

use std::sync::Arc;

use jiff::SignedDuration;

use super::credential::{Credential, Sort};
use crate::{
    audit::{Journal, JournalError},
    clock::Now,
    identity::Sources,
    store::AdminRole,
    tokens::{Order, TokenError, Tokens},
    words::{Kind, PrincipalId, Secret},
};

/// LIMIT: characters of a note beside a credential.
const NOTE_CHARS_MAX: usize = 256;
/// LIMIT: bytes of what names a credential.
const NAME_BYTES_MAX: usize = 128;

/// Whoever acts, and with what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acting<'a> {
    pub(crate) tokens: &'a Tokens,
    pub(crate) journal: &'a Journal,
    /// Who, as the journal names it.
    pub(crate) by: &'a str,
}

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActError {
    /// It does not fit, or the store did not take it.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The journal did not take it, so it was not done.
    #[error("the journal did not take it")]
    Journal(#[from] JournalError),
    /// Worth nothing in this gate until it ends; what did not take it does not know.
    #[error("it is in force in this gate and not kept: repeat it, or a restart forgets it")]
    InForce(#[source] Box<ActError>),
    /// The note is no line of text.
    #[error("a note is a line of at most {NOTE_CHARS_MAX} characters")]
    Note,
    /// What should name a credential does not.
    #[error("`{0}` names no credential")]
    Name(String),
}

impl Acting<'_> {
    /// Issues a token or an API key.
    pub(crate) async fn issue(
        &self,
        sources: &Sources,
        order: Order,
        sort: Sort,
        now: Now,
    ) -> Result<(Secret, Credential), ActError> {
        let note = order.note.as_deref().unwrap_or_default();
        if note.chars().count() > NOTE_CHARS_MAX || note.chars().any(char::is_control) {
            return Err(ActError::Note);
        }
        let (kind, id) = (order.kind, order.id.clone());
        let (text, credential) = match sort {
            Sort::ApiKey => {
                let (text, row) = self.tokens.issue_api_key(sources, order, now).await?;
                (text, Credential::from(row))
            }
            Sort::Token | Sort::Admin => {
                let (text, row) = self.tokens.issue(sources, order, now).await?;
                (text, Credential::from(row))
            }
        };
        let whose = self.journal.keys().digest(kind.as_str(), id.as_str()).to_string();
        let expires = expires(&credential);
        let told = self
            .told(
                "credential-issue",
                &[
                    ("sort", credential.sort.as_str()),
                    ("id", &credential.id),
                    ("kind", kind.as_str()),
                    ("principal", &whose),
                    ("expires", &expires),
                ],
                now,
            )
            .await;
        if let Err(error) = told {
            // Nobody has its text; now it is worth nothing either.
            self.tokens.revoke(&credential.id, now).await?;
            return Err(error.into());
        }
        Ok((text, credential))
    }

    /// Makes an operator's token.
    pub(crate) async fn issue_admin(
        &self,
        name: Arc<str>,
        role: AdminRole,
        ttl: SignedDuration,
        now: Now,
    ) -> Result<(Secret, Credential), ActError> {
        let (text, record) = self.tokens.issue_admin(name, role, ttl, now).await?;
        let credential = Credential::from(record);
        let expires = expires(&credential);
        let details = [
            ("sort", credential.sort.as_str()),
            ("id", &*credential.id),
            ("role", role.as_str()),
            ("expires", &expires),
        ];
        if let Err(error) = self.told("credential-issue", &details, now).await {
            self.revoke_admin_unrecorded(&credential.id, now).await?;
            return Err(error.into());
        }
        Ok((text, credential))
    }

    /// Takes back a token by its `jti` or an API key by its prefix. True when it was alive.
    pub(crate) async fn revoke(&self, name: &str, now: Now) -> Result<bool, ActError> {
        check_name(name)?;
        self.told_with_room("credential-revoke", &[("id", name)], now).await?;
        Ok(self.tokens.revoke(name, now).await?)
    }

    /// The same in a running gate, where it is in force at once, also while neither journal nor store takes it: that
    /// is [`ActError::InForce`].
    pub(crate) async fn revoke_at_once(&self, name: &str, now: Now) -> Result<bool, ActError> {
        check_name(name)?;
        // ORDER: first, because whoever holds a stolen one is served until then.
        let is_ended = self.tokens.end_here(name, now).await;
        match self.revoke(name, now).await {
            Err(error) if is_ended => Err(ActError::InForce(Box::new(error))),
            kept => kept,
        }
    }

    /// Takes back everything a principal holds; how many of ours were alive.
    pub(crate) async fn revoke_all(&self, kind: Kind, id: PrincipalId, now: Now) -> Result<usize, ActError> {
        let whose = self.journal.keys().digest(kind.as_str(), id.as_str()).to_string();
        self.told_with_room("credential-revoke", &[("kind", kind.as_str()), ("principal", &whose)], now)
            .await?;
        Ok(self.tokens.revoke_all(kind, id, now).await?)
    }

    /// Takes back an operator's token. True when it was alive.
    pub(crate) async fn revoke_admin(&self, name: &str, now: Now) -> Result<bool, ActError> {
        check_name(name)?;
        let details = [("sort", Sort::Admin.as_str()), ("id", name)];
        self.told_with_room("credential-revoke", &details, now).await?;
        self.revoke_admin_unrecorded(name, now).await
    }

    async fn revoke_admin_unrecorded(&self, name: &str, now: Now) -> Result<bool, ActError> {
        let revoked = self.tokens.store().revoke_admin_token(name.to_owned(), now.wall).await;
        Ok(revoked.map_err(TokenError::from)?)
    }

    /// Makes a new signing key; tokens of the old one stay good until they end.
    pub(crate) async fn rotate(&self, now: Now) -> Result<Arc<str>, ActError> {
        self.told("signing-key-rotate", &[], now).await?;
        Ok(self.tokens.rotate(now).await?)
    }

    /// Takes back a signing key and with it every token it signed. True when it was there.
    pub(crate) async fn revoke_key(&self, kid: &str, now: Now) -> Result<bool, ActError> {
        check_name(kid)?;
        self.told_with_room("signing-key-revoke", &[("kid", kid)], now).await?;
        Ok(self.tokens.revoke_key(kid, now).await?)
    }

    /// The same for what takes something back: it may have the room that the store set aside, where both lie on one
    /// disk.
    async fn told_with_room(
        &self,
        act: &'static str,
        details: &[(&str, &str)],
        now: Now,
    ) -> Result<(), JournalError> {
        loop {
            match self.told(act, details, now).await {
                Err(JournalError::Full) if self.tokens.store().give_up_room() => {}
                told => return told,
            }
        }
    }

    async fn told(&self, act: &'static str, details: &[(&str, &str)], now: Now) -> Result<(), JournalError> {
        self.journal.administrative(act, self.by, details, now).await.map(drop)
    }
}

fn expires(credential: &Credential) -> String {
    credential.expires_at.map_or_else(|| "never".to_owned(), |moment| moment.to_string())
}

fn check_name(name: &str) -> Result<(), ActError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(plain) {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        return Err(ActError::Name(shown));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::{JournalKeys, JournalOptions, lanes, tail},
        clock,
        identity::{Revocations, Settings, principals},
        store::Store,
        words::{RequestId, tree, yaml::FromYaml},
    };

    struct World {
        _folder: tempfile::TempDir,
        tokens: Tokens,
        journal: Journal,
        sources: Arc<Sources>,
    }

    impl World {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("bramka.db")).unwrap();
            let keys = folder.path().join("keys");
            let tokens =
                Tokens::open(store, &keys, Arc::new(Revocations::default()), clock::now()).await.unwrap();
            let journal_keys = JournalKeys::open(&folder.path().join("journal")).unwrap();
            let options = JournalOptions::new(folder.path().join("audit"), "main", RequestId([7; 16]));
            let journal = Journal::open(options, journal_keys.into(), clock::now()).unwrap();
            Self { _folder: folder, tokens, journal, sources: sources() }
        }

        fn acting(&self) -> Acting<'_> {
            Acting { tokens: &self.tokens, journal: &self.journal, by: "ola" }
        }

        fn entries(&self) -> Vec<String> {
            let directory = self.journal.directory();
            let lanes = lanes(directory).unwrap();
            lanes
                .iter()
                .flat_map(|lane| tail(&directory.join(lane), 100, self.journal.keys().wrapping()).unwrap())
                .map(|line| line.leaf().to_owned())
                .collect()
        }
    }

    fn sources() -> Arc<Sources> {
        let parse = |text: &str| tree::parse(&"principals/a.yaml".into(), text).unwrap();
        let types = tree::parse(&"principals/attributes.yaml".into(), "groups: { apps: }").unwrap();
        let file = parse("principals: [{ kind: App, id: shop, groups: [apps], plan: p }]");
        let files = [("principals/attributes.yaml".into(), types), ("principals/a.yaml".into(), file)];
        let (registry, _) = principals::load(&files).unwrap();
        let mut found = Default::default();
        let settings =
            Settings::read(&parse("{ issuer: https://a.example, audience: a }"), &mut found).unwrap();
        Sources::assemble(&settings, registry, &mut found).unwrap()
    }

    fn order(note: &str) -> Order {
        Order {
            kind: Kind::App,
            id: PrincipalId::new("shop"),
            ttl: Some(SignedDuration::from_hours(1)),
            groups: None,
            scopes: Vec::new(),
            note: Some(note.into()),
        }
    }

    #[tokio::test]
    async fn every_act_on_a_credential_is_an_entry_that_names_neither_its_text_nor_its_principal() {
        let world = World::new().await;
        let now = clock::now();
        let acting = world.acting();
        let (text, credential) = acting.issue(&world.sources, order("x"), Sort::Token, now).await.unwrap();
        let (key_text, key) = acting.issue(&world.sources, order("x"), Sort::ApiKey, now).await.unwrap();
        let hour = SignedDuration::from_hours(1);
        let (admin_text, _) = acting.issue_admin("ola".into(), AdminRole::Read, hour, now).await.unwrap();
        assert!(acting.revoke(&credential.id, now).await.unwrap());
        assert_eq!(acting.revoke_all(Kind::App, PrincipalId::new("shop"), now).await.unwrap(), 1);
        assert!(acting.revoke_admin("ola", now).await.unwrap());
        acting.rotate(now).await.unwrap();
        let entries = world.entries();
        let of =
            |act: &str| entries.iter().filter(|leaf| leaf.contains(&format!("\"act\":\"{act}\""))).count();
        assert_eq!((of("credential-issue"), of("credential-revoke"), of("signing-key-rotate")), (3, 3, 1));
        let all = entries.concat();
        assert!(all.contains(&*credential.id) && all.contains(&*key.id) && all.contains("\"by\":\"ola\""));
        for secret in [text, key_text, admin_text] {
            assert!(!all.contains(secret.expose()));
        }
        assert!(!all.contains("\"shop\""), "{all}");
        assert!(all.contains(&world.journal.keys().digest("App", "shop").to_string()));
    }

    #[tokio::test]
    async fn what_the_journal_does_not_take_is_not_issued() {
        let world = World::new().await;
        let now = clock::now();
        world.journal.close(now).await.unwrap();
        let refused = world.acting().issue(&world.sources, order("x"), Sort::Token, now).await;
        assert!(matches!(refused, Err(ActError::Journal(_))));
        let refused = world
            .acting()
            .issue_admin("ola".into(), AdminRole::Read, SignedDuration::from_hours(1), now)
            .await;
        assert!(matches!(refused, Err(ActError::Journal(_))));
        let all = Credential::all(world.tokens.store(), None, now).await.unwrap();
        assert!(all.iter().all(|credential| credential.state(now) == "revoked"), "{all:?}");
    }

    #[tokio::test]
    async fn what_a_running_gate_takes_back_is_in_force_though_nothing_takes_it_and_is_said_not_to_be_kept() {
        let world = World::new().await;
        let now = clock::now();
        let acting = world.acting();
        let (_, credential) = acting.issue(&world.sources, order("x"), Sort::Token, now).await.unwrap();
        world.journal.close(now).await.unwrap();
        let told = acting.revoke_at_once(&credential.id, now).await.unwrap_err();
        assert!(matches!(&told, ActError::InForce(why) if matches!(**why, ActError::Journal(_))), "{told:?}");
        assert!(told.to_string().contains("in force"), "{told}");
        let nothing = acting.revoke_at_once("nothing", now).await;
        assert!(matches!(nothing, Err(ActError::Journal(_))), "{nothing:?}");
    }

    #[tokio::test]
    async fn names_and_notes_are_bounded() {
        let world = World::new().await;
        let now = clock::now();
        let noted = world.acting().issue(&world.sources, order(&"x".repeat(257)), Sort::Token, now).await;
        assert!(matches!(noted, Err(ActError::Note)));
        for name in ["", "a b", "a\u{1b}[2J", &"x".repeat(129)] {
            assert!(matches!(world.acting().revoke(name, now).await, Err(ActError::Name(_))), "{name:?}");
        }
    }
}
