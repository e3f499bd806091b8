//! `bramka token`: issue, list, take back and rotate; each act is an entry of the journal.
//!
//! The text of a credential goes to standard output alone, so that `$(bramka token issue …)` is it.

mod holder;
mod list;

use std::{io, path::PathBuf};

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use serde_json::Value as Json;

use holder::{Holder, Named};

use super::{
    Came,
    error::VerbError,
    out,
    own::{self, Data, Record},
};
use crate::{
    admin::{ActError, Acting, Credential, Sort, Whose},
    clock::{self, Now},
    explaining::{kind, principal},
    store::AdminRole,
    tokens::{Order, TokenError, Tokens},
    words::{GroupName, Kind, Period, PrincipalId, Secret},
};

/// How long an operator's token lives where nothing is said.
const ADMIN_TTL: &str = "30d";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Issue a token, an API key, or an operator's token; its text goes to standard output, once
    Issue(Issue),
    /// List what was issued; the texts are kept nowhere
    List(list::List),
    /// Take back a token, an API key, everything of a principal, an operator's token or a signing key
    Revoke(Revoke),
    /// Make a new signing key; tokens signed by the old one stay good until they end
    Rotate(Rotate),
}

/// Where the bundle and the gate's own data are.
#[derive(Debug, Args)]
pub(super) struct Where {
    /// The folder of keys, store and journal
    #[arg(long, default_value = "data")]
    pub(super) data: PathBuf,
    /// The folder of the policies
    #[arg(long, default_value = "policies")]
    pub(super) policies: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  TOKEN=$(bramka token issue --kind App --id shop-backend --ttl 7d)\n  \
    bramka token issue --kind Partner --id acme-portal --api-key --note \"their ticket 4711\"\n  \
    bramka token issue --admin prometheus --role read --ttl 90d")]
#[command(group = clap::ArgGroup::new("whom").required(true).args(["kind", "admin"]))]
pub(super) struct Issue {
    /// What sort of principal: App, Partner or User
    #[arg(long, value_parser = kind, requires = "id")]
    kind: Option<Kind>,
    /// Which principal, as in principals/*.yaml
    #[arg(long, requires = "kind")]
    id: Option<String>,
    /// An operator's token of this name instead
    #[arg(long, value_name = "NAME", requires = "role", conflicts_with_all = ["group", "scope", "note", "api_key"])]
    admin: Option<String>,
    /// What the operator may do: read, audit, issue or operate
    #[arg(long, value_parser = role, requires = "admin")]
    role: Option<AdminRole>,
    /// How long it lives, as in 12h or 7d; by default as long as gateway.yaml allows, an API key without end,
    /// an operator's token 30d
    #[arg(long, value_parser = ttl)]
    ttl: Option<SignedDuration>,
    /// Only this group of the principal's; may be given several times
    #[arg(long)]
    group: Vec<String>,
    /// A scope it asserts; may be given several times
    #[arg(long)]
    scope: Vec<String>,
    /// What to note beside it
    #[arg(long)]
    note: Option<String>,
    /// An API key instead of a token
    #[arg(long)]
    api_key: bool,
    /// Print all of it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bramka token revoke 3f2a…        (a jti or a key's prefix, from `bramka token list`)\n  \
    bramka token revoke --principal Partner/acme-portal\n  bramka token revoke --admin prometheus"
)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["name", "principal", "admin", "signing_key"]))]
pub(super) struct Revoke {
    /// The `jti` of a token or the prefix of an API key
    name: Option<String>,
    /// Everything this principal holds: Kind/id
    #[arg(long, value_name = "KIND/ID", value_parser = principal)]
    principal: Option<(Kind, PrincipalId)>,
    /// The operator's token of this name
    #[arg(long, value_name = "NAME")]
    admin: Option<String>,
    /// A signing key (`kid`), and with it every token it signed
    #[arg(long, value_name = "KID")]
    signing_key: Option<String>,
    #[command(flatten)]
    place: Where,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bramka token rotate --data data")]
pub(super) struct Rotate {
    #[command(flatten)]
    place: Where,
}

/// Does it.
pub(super) fn run(command: &Command) -> Result<Came, VerbError> {
    own::runtime()?.block_on(async {
        match command {
            Command::Issue(arguments) => issue(arguments).await,
            Command::List(arguments) => list::run(arguments).await,
            Command::Revoke(arguments) => revoke(arguments).await,
            Command::Rotate(arguments) => rotate(arguments).await,
        }
    })
}

async fn issue(arguments: &Issue) -> Result<Came, VerbError> {
    let data = Data::existing(&arguments.place.data)?;
    let said = match (&arguments.admin, arguments.role, arguments.kind, &arguments.id) {
        (Some(name), Some(role), _, _) => {
            let gate = data.acting_gate(&arguments.place.policies)?;
            let ttl = arguments.ttl.map_or_else(|| ttl(ADMIN_TTL), Ok).map_err(VerbError::Misused)?;
            with(&data, &gate, async |acting, now| {
                let (text, credential) = acting.issue_admin(name.as_str().into(), role, ttl, now).await?;
                handed_over(arguments, acting, &text, credential).await
            })
            .await?
        }
        (_, _, Some(kind), Some(id)) => {
            let (gate, sources) = own::sources(&arguments.place.policies)?;
            let order = order(arguments, kind, id);
            let sort = if arguments.api_key { Sort::ApiKey } else { Sort::Token };
            with(&data, &gate, async |acting, now| {
                let (text, credential) = acting.issue(&sources, order, sort, now).await?;
                handed_over(arguments, acting, &text, credential).await
            })
            .await?
        }
        _ => return Err(VerbError::Misused("say for whom: `--kind` and `--id`, or `--admin`".into())),
    };
    said?;
    Ok(Came::Right)
}

/// Says what was issued. What nobody got is taken back.
async fn handed_over(
    arguments: &Issue,
    acting: Acting<'_>,
    text: &Secret,
    credential: Credential,
) -> Result<Result<(), VerbError>, ActError> {
    let Err(source) = tell_issued(arguments.json, text, &credential) else { return Ok(Ok(())) };
    match credential.sort {
        Sort::Admin => acting.revoke_admin(&credential.id, clock::now()).await?,
        Sort::Token | Sort::ApiKey => acting.revoke(&credential.id, clock::now()).await?,
    };
    let id = format!("{} {}", credential.sort.as_str(), credential.id);
    Ok(Err(VerbError::Unsaid { id, source }))
}

fn order(arguments: &Issue, kind: Kind, id: &str) -> Order {
    let groups: Vec<GroupName> = arguments.group.iter().map(|group| GroupName::new(group.as_str())).collect();
    Order {
        kind,
        id: PrincipalId::new(id),
        ttl: arguments.ttl,
        groups: (!groups.is_empty()).then_some(groups),
        scopes: arguments.scope.iter().map(|scope| scope.as_str().into()).collect(),
        note: arguments.note.as_deref().map(Into::into),
    }
}

fn tell_issued(json: bool, text: &Secret, credential: &Credential) -> io::Result<()> {
    let now = clock::now();
    if json {
        let mut told = credential.json(now);
        if let Some(map) = told.as_object_mut() {
            map.insert("text".into(), Json::from(text.expose()));
        }
        return out::hand_over(&told.to_string());
    }
    let whose = match &credential.whose {
        Whose::Principal(kind, id) => format!("{kind}/{id}"),
        Whose::Operator(role) => format!("operators ({})", role.as_str()),
    };
    let until = credential
        .expires_at
        .map_or_else(|| "without end".to_owned(), |end| format!("until {}", out::moment(end)));
    out::note(&format!("{} {} for {whose}, {until}", credential.sort.as_str(), credential.id));
    out::note("its text is shown this once and kept nowhere");
    out::hand_over(text.expose())
}

async fn revoke(arguments: &Revoke) -> Result<Came, VerbError> {
    let data = Data::existing(&arguments.place.data)?;
    let gate = data.acting_gate(&arguments.place.policies)?;
    if let Some(whose) = &arguments.principal {
        return revoke_all(&data, &gate, &Named::new(whose, &arguments.place.policies), whose).await;
    }
    let (what, see, was_alive) = with_room(&data, &gate, async |acting, now| {
        let list = "`bramka token list` tells what there is";
        if let Some(name) = &arguments.admin {
            Ok((format!("admin token {name}"), list, acting.revoke_admin(name, now).await?))
        } else if let Some(kid) = &arguments.signing_key {
            let there = acting.revoke_key(kid, now).await?;
            Ok((format!("signing key {kid}"), "`/.well-known/jwks.json` tells what there is", there))
        } else {
            let name = arguments.name.as_deref().unwrap_or_default();
            Ok((name.to_owned(), list, acting.revoke(name, now).await?))
        }
    })
    .await?;
    if !was_alive {
        return Err(VerbError::NotThere(format!("nothing alive is called `{what}`; {see}")));
    }
    out::note(&format!("{what}: taken back"));
    Ok(Came::Right)
}

async fn revoke_all(
    data: &Data,
    gate: &str,
    named: &Named<'_>,
    (kind, id): &(Kind, PrincipalId),
) -> Result<Came, VerbError> {
    // ORDER: taken back first, so that no doubt about a name keeps anything alive.
    let (count, holder) = with_room(data, gate, async |acting, now| {
        let count = acting.revoke_all(*kind, id.clone(), now).await?;
        Ok((count, named.holder(acting.tokens.store(), now).await.map_err(TokenError::from)?))
    })
    .await?;
    match holder {
        Holder::Issued(_) if count > 0 => out::note(&format!("{named}: {count} taken back")),
        Holder::Issued(all) => {
            out::note(&format!("{named}: nothing left to take back; {all} were taken back before"));
        }
        Holder::Listed => out::note(&format!("{named}: nothing to take back; nothing issued to it is alive")),
        Holder::Outside => out::note(&format!("{named}: what its issuer gave it until now is taken back")),
        Holder::Nobody(near) => return Err(named.nobody(near.as_deref())),
    }
    named.tell_certificates();
    Ok(Came::Right)
}

async fn rotate(arguments: &Rotate) -> Result<Came, VerbError> {
    let data = Data::existing(&arguments.place.data)?;
    let gate = data.acting_gate(&arguments.place.policies)?;
    let kid = with(&data, &gate, async |acting, now| acting.rotate(now).await).await?;
    out::say(&kid);
    out::note("new tokens are signed by it; those of the old key stay good until they end");
    Ok(Came::Right)
}

/// Does something with the issuer, and closes the journal whatever came of it.
async fn with<T>(
    data: &Data,
    gate: &str,
    act: impl AsyncFnOnce(Acting<'_>, Now) -> Result<T, ActError>,
) -> Result<T, VerbError> {
    let tokens = data.tokens(clock::now()).await?;
    let record = Record::open(data, gate, clock::now())?;
    done(&tokens, record, act).await
}

/// The same for taking back, which a full disk must not prevent.
async fn with_room<T>(
    data: &Data,
    gate: &str,
    act: impl AsyncFnOnce(Acting<'_>, Now) -> Result<T, ActError>,
) -> Result<T, VerbError> {
    let tokens = data.tokens(clock::now()).await?;
    let record = Record::open_with_room(data, tokens.store(), gate, clock::now())?;
    done(&tokens, record, act).await
}

async fn done<T>(
    tokens: &Tokens,
    record: Record,
    act: impl AsyncFnOnce(Acting<'_>, Now) -> Result<T, ActError>,
) -> Result<T, VerbError> {
    // ORDER: now, so that the act stands after the start of its session.
    let done = act(record.acting(tokens), clock::now()).await;
    record.close(tokens.store()).await?;
    Ok(done?)
}

fn role(text: &str) -> Result<AdminRole, String> {
    AdminRole::named(text).ok_or_else(|| "expected read, audit, issue or operate".to_owned())
}

fn ttl(text: &str) -> Result<SignedDuration, String> {
    let period: Period = text.parse()?;
    SignedDuration::try_from(period.0).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Line::try_parse_from(line.split(' ')).map(|line| line.command)
    }

    #[test]
    fn a_credential_is_for_a_principal_or_for_an_operator_never_for_both_or_nobody() {
        for line in [
            "token issue",
            "token issue --kind App",
            "token issue --id shop",
            "token issue --admin a",
            "token issue --role read",
            "token issue --admin a --role chief",
            "token issue --kind Anonymous --id a",
            "token issue --kind App --id a --admin b --role read",
            "token issue --admin a --role read --scope x",
            "token issue --kind App --id a --ttl 7",
            "token revoke",
            "token revoke a --admin b",
            "token revoke --principal acme",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        for line in [
            "token issue --kind app --id shop --ttl 7d --group a --group b --scope s",
            "token issue --admin a --role issue",
            "token revoke abc",
            "token revoke --principal Partner/acme-portal",
            "token rotate",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
        }
    }

    #[test]
    fn an_id_may_hold_a_slash() {
        assert_eq!(principal("User/a/b"), Ok((Kind::User, PrincipalId::new("a/b"))));
        assert!(principal("User/").is_err());
    }
}
