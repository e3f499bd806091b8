//! `bramka token list`: what was issued, to whom, until when.

use clap::Args;
use serde_json::Value as Json;

use super::{
    VerbError, Where,
    holder::{Holder, Named},
    principal,
};
use crate::{
    admin::{Credential, Whose},
    cli::{Came, out, own::Data},
    clock::{self, Now},
    words::{GroupName, Kind, PrincipalId},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bramka token list\n  bramka token list --principal App/shop-backend --json"
)]
pub(in crate::cli) struct List {
    /// Only what this principal holds: Kind/id
    #[arg(long, value_name = "KIND/ID", value_parser = principal)]
    principal: Option<(Kind, PrincipalId)>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

pub(super) async fn run(arguments: &List) -> Result<Came, VerbError> {
    let now = clock::now();
    let data = Data::existing(&arguments.place.data)?;
    let tokens = data.tokens(now).await?;
    let all = Credential::all(tokens.store(), arguments.principal.clone(), now).await?;
    if arguments.json {
        let told: Vec<Json> = all.iter().map(|credential| credential.json(now)).collect();
        out::say(&Json::from(told).to_string());
    } else {
        out::table(&["sort", "id", "whose", "state", "issued", "until", "note"], &rows(&all, now));
    }
    if !all.is_empty() {
        return Ok(Came::Right);
    }
    if let Some(whose) = &arguments.principal {
        let named = Named::new(whose, &arguments.place.policies);
        if let Holder::Nobody(near) = named.holder(tokens.store(), now).await? {
            return Err(named.nobody(near.as_deref()));
        }
    }
    out::note("nothing was issued");
    Ok(Came::Right)
}

fn rows(all: &[Credential], now: Now) -> Vec<Vec<String>> {
    all.iter().map(|credential| row(credential, now)).collect()
}

fn row(credential: &Credential, now: Now) -> Vec<String> {
    let whose = match &credential.whose {
        Whose::Principal(kind, id) => format!("{kind}/{id}"),
        Whose::Operator(role) => format!("operators: {}", role.as_str()),
    };
    let mut notes: Vec<String> = Vec::new();
    if let Some(groups) = &credential.groups {
        let names: Vec<&str> = groups.iter().map(GroupName::as_str).collect();
        notes.push(format!("only {}", names.join(" ")));
    }
    if !credential.scopes.is_empty() {
        notes.push(format!("scopes {}", credential.scopes.join(" ")));
    }
    notes.extend(credential.note.as_deref().map(str::to_owned));
    vec![
        credential.sort.as_str().to_owned(),
        credential.id.to_string(),
        whose,
        credential.state(now).to_owned(),
        out::moment(credential.issued_at),
        credential.expires_at.map_or_else(|| "without end".to_owned(), out::moment),
        notes.join("; "),
    ]
}
