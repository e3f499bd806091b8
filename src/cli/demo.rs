//! `bramka demo`: the whole gate in one command, over stand-ins that answer as the real systems do.

use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use clap::Args;
use compact_str::CompactString;
use jiff::SignedDuration;
use tokio::sync::oneshot;

use super::{Came, out, serve};
use crate::{
    admin::{self, ActError, Acting, Sort},
    certs::DevelopmentCerts,
    clock,
    config::{Env, ProcessEnv},
    crosswalk::CrosswalkError,
    demo::{self, erp, seed, standin},
    gateway::{self, Options, Ready},
    store::{AdminRole, Doing, NativeKey, Swap, private_folder},
    tokens::{Order, TokenError},
    words::{EntityName, Kind, PrincipalId, SystemName},
};

/// The credential the gate shows to the CRM stand-in.
const CRM_TOKEN: &str = "pat-demo-0b1c2d3e";
/// The client the gate is to the ERP stand-in.
const ERP_CLIENT: (&str, &str) = ("bramka-demo", "erp-demo-secret");
/// The first contact of the CRM stand-in.
const FIRST_CONTACT: &str = "701000000001";

/// Start the gate over two stand-in systems and print ready curl lines.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bramka demo\n  bramka demo --listen 127.0.0.1:0 --data /tmp/demo")]
pub(super) struct Arguments {
    /// Where callers come in
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where operators come in
    #[arg(long, default_value = "127.0.0.1:9443")]
    admin: SocketAddr,
    /// The folder of keys, certificates, store and journal; `data`, with certificates in `certs`, by default
    #[arg(long)]
    data: Option<PathBuf>,
    /// The folder of the policies
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
}

/// Why the demo did not start.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("the data folder")]
    Store(#[from] crate::store::StoreError),
    #[error("the certificates")]
    Certs(#[from] crate::certs::CertsError),
    #[error("the stand-ins")]
    StandIns(#[source] io::Error),
    #[error("cannot write `{0}`")]
    File(PathBuf, #[source] io::Error),
}

/// Where the demo's folders are.
struct Places {
    data: PathBuf,
    base: PathBuf,
}

impl Places {
    fn of(arguments: &Arguments) -> Self {
        match &arguments.data {
            Some(data) => Self { data: data.clone(), base: data.clone() },
            None => Self { data: PathBuf::from("data"), base: serve::base(&arguments.policies) },
        }
    }
}

/// The secrets of the stand-ins, and of every other system those of this process.
struct DemoEnv {
    own: HashMap<String, String>,
}

impl Env for DemoEnv {
    fn var(&self, name: &str) -> Option<String> {
        // ORDER: a stand-in knows its own secret, not the real system's.
        self.own.var(name).or_else(|| ProcessEnv.var(name))
    }
}

/// Runs the demo until it is told to stop.
pub(super) fn run(arguments: &Arguments) -> Came {
    let places = Places::of(arguments);
    let (certs, standins) = match prepare(&places) {
        Ok(prepared) => prepared,
        Err(error) => {
            out::failed(&error);
            return Came::Wrong;
        }
    };
    let erp_base = format!("http://{}{}", standins.erp, erp::ROOT);
    let [of_crm, of_erp] = demo::SECRETS;
    let own = [
        (of_crm.to_owned(), CRM_TOKEN.to_owned()),
        (of_erp.to_owned(), erp::token(ERP_CLIENT.0, ERP_CLIENT.1)),
    ]
    .into();
    let options = Arc::new(Options {
        policies: arguments.policies.clone(),
        data: places.data.clone(),
        base: places.base,
        listen: Some(arguments.listen),
        admin: Some(arguments.admin),
        redirects: vec![("crm".into(), format!("http://{}", standins.crm)), ("erp".into(), erp_base)],
        env: Arc::new(DemoEnv { own }),
        trust: None,
        cores: serve::cores(),
    });
    let ran = gateway::run(&options, admin::serve, async |ready| {
        if let Err(error) = tell(ready, &places.data, &certs).await {
            out::failed(&*error);
        }
    });
    match ran {
        Ok(()) => Came::Right,
        Err(error) => {
            out::run_failed(&error);
            Came::Wrong
        }
    }
}

/// Where the stand-ins listen.
struct StandIns {
    crm: SocketAddr,
    erp: SocketAddr,
}

fn prepare(places: &Places) -> Result<(DevelopmentCerts, StandIns), DemoError> {
    private_folder(&places.data)?;
    let certs = DevelopmentCerts::ensure(&places.base.join("certs"), clock::now().wall)?;
    let standins = stand_ins().map_err(DemoError::StandIns)?;
    Ok((certs, standins))
}

/// Starts the stand-ins on a thread of their own, as other machines would be.
fn stand_ins() -> io::Result<StandIns> {
    let (tell, told) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("stand-ins".into()).spawn(move || {
        runtime.block_on(async {
            let crm = standin::start(0, seed::crm(CRM_TOKEN)).await;
            let erp = standin::start(0, seed::erp(ERP_CLIENT.0, ERP_CLIENT.1)).await;
            let started = crm.and_then(|crm| Ok(StandIns { crm: crm.address, erp: erp?.address }));
            if tell.send(started).is_ok() {
                std::future::pending::<()>().await;
            }
        });
    })?;
    told.blocking_recv().map_err(|_| io::Error::other("they did not start"))?
}

/// Issues the demo's tokens, writes `demo.env`, and prints what to try.
async fn tell(
    ready: &Ready,
    data: &Path,
    certs: &DevelopmentCerts,
) -> Result<(), Box<dyn std::error::Error>> {
    let url = format!("https://{}", reachable(*ready.addresses.data.first().ok_or("no listener")?));
    let admin_url = format!("https://{}", reachable(ready.addresses.admin));
    let app = token(ready, Kind::App, "shop-backend").await?;
    let partner = token(ready, Kind::Partner, "acme-portal").await?;
    let admin = admin_token(ready).await?;
    let ca = fs::canonicalize(&certs.ca)?;
    let file = data.join("demo.env");
    let lines = [
        ("BRAMKA_URL", url.as_str()),
        ("BRAMKA_ADMIN_URL", &admin_url),
        ("BRAMKA_CA", &ca.to_string_lossy()),
        ("BRAMKA_APP_TOKEN", &app),
        ("BRAMKA_PARTNER_TOKEN", &partner),
        ("BRAMKA_ADMIN_TOKEN", &admin),
    ];
    write_private(&file, &lines).map_err(|error| DemoError::File(file.clone(), error))?;
    join_buyers(ready).await?;
    let contact = first_contact(ready).await?;
    print(&url, &admin_url, &fs::canonicalize(&file)?, &contact);
    Ok(())
}

/// Says which contacts of the CRM buy for which customers of the ERP, as `bramka ids join` would. Those that were told
/// before stay; a contact that has an id of its own already, from an earlier run without this, stays alone.
async fn join_buyers(ready: &Ready) -> Result<(), Box<dyn std::error::Error>> {
    if !ready.gate.live.snapshot().ids.are_opaque("Customer") {
        return Ok(());
    }
    let (entity, from, to) = (EntityName::new("Customer"), SystemName::new("erp"), SystemName::new("crm"));
    let pairs: Vec<_> = seed::buyers().map(|(contact, account)| (account.into(), contact.into())).collect();
    let key = |native: &CompactString| NativeKey {
        entity: entity.clone(),
        system: from.clone(),
        native: native.clone(),
    };
    let keys: Vec<NativeKey> = pairs.iter().map(|(account, _)| key(account)).collect();
    ready.gate.crosswalk.public(&keys).await?;
    let mut swap = Swap { entity, from: from.clone(), to, pairs };
    let rehearsed = ready.gate.crosswalk.swap(swap.clone(), Doing::Rehearsal).await?;
    let mut at = 0..;
    swap.pairs.retain(|_| at.next().is_some_and(|at| !rehearsed.refused.contains(&at)));
    if rehearsed.joined > 0 {
        let details =
            [("entity", swap.entity.as_str()), ("from", swap.from.as_str()), ("to", swap.to.as_str())];
        // ORDER: the entry of this act before what it does.
        ready.gate.journal.administrative("ids_joined", BY, &details, clock::now()).await?;
        ready.gate.crosswalk.swap(swap, Doing::Deed).await?;
    }
    Ok(())
}

/// The first contact of the CRM stand-in, as callers know it.
async fn first_contact(ready: &Ready) -> Result<String, CrosswalkError> {
    if !ready.gate.live.snapshot().ids.are_opaque("Customer") {
        return Ok(FIRST_CONTACT.to_owned());
    }
    let key = NativeKey { entity: "Customer".into(), system: "crm".into(), native: FIRST_CONTACT.into() };
    let ids = ready.gate.crosswalk.public(&[key]).await?;
    Ok(ids.first().map(ToString::to_string).unwrap_or_default())
}

/// Where a listener on all addresses is asked: on loopback, which the certificate names.
fn reachable(mut at: SocketAddr) -> SocketAddr {
    match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => at.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => at.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    at
}

/// Whoever started the demo, as the journal names it.
const BY: &str = "demo";

fn acting(ready: &Ready) -> Acting<'_> {
    Acting { tokens: &ready.gate.tokens, journal: &ready.gate.journal, by: BY }
}

async fn token(ready: &Ready, kind: Kind, id: &str) -> Result<String, ActError> {
    let order = Order {
        kind,
        id: PrincipalId::new(id),
        ttl: Some(SignedDuration::from_hours(7 * 24)),
        groups: None,
        scopes: Vec::new(),
        note: Some("demo".into()),
    };
    let sources = ready.gate.live.snapshot().sources.clone();
    let (text, _) = acting(ready).issue(&sources, order, Sort::Token, clock::now()).await?;
    Ok(text.expose().to_owned())
}

/// A fresh operator's token of every start; those of earlier starts are taken back.
async fn admin_token(ready: &Ready) -> Result<String, ActError> {
    let now = clock::now();
    let acting = acting(ready);
    let earlier = ready.gate.tokens.store().admin_tokens().await.map_err(TokenError::from)?;
    for record in earlier.iter().filter(|record| record.name.starts_with("demo-")) {
        if record.revoked_at.is_none() {
            acting.revoke_admin(&record.name, now).await?;
        }
    }
    let name = format!("demo-{}", now.wall.as_millisecond());
    let ttl = SignedDuration::from_hours(7 * 24);
    let (text, _) = acting.issue_admin(name.into(), AdminRole::Operate, ttl, now).await?;
    Ok(text.expose().to_owned())
}

/// Writes shell assignments that only their owner can read.
fn write_private(file: &Path, lines: &[(&str, &str)]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(file)?;
    #[cfg(unix)]
    out.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    for (name, value) in lines {
        writeln!(out, "{name}='{value}'")?;
    }
    Ok(())
}

fn print(url: &str, admin_url: &str, file: &Path, contact: &str) {
    let file = file.display();
    let ask = |who: &str, rest: &str| {
        format!(". {file}; curl -sS --cacert \"$BRAMKA_CA\" -H \"Authorization: Bearer ${who}\" {rest}; echo")
    };
    let app = |rest: &str| ask("BRAMKA_APP_TOKEN", rest);
    let partner = |rest: &str| ask("BRAMKA_PARTNER_TOKEN", rest);
    let created = r#"-H 'Content-Type: application/json' -d '{"kind":"person","name":"Ewa Nowak","given_name":"Ewa","family_name":"Nowak","emails":[{"value":"ewa@example.com"}]}' "$BRAMKA_URL/v1/customers""#;
    let native = r#"-H 'Content-Type: application/json' -d '{"filterGroups":[{"filters":[{"propertyName":"email","operator":"EQ","value":"ewa@example.com"}]}]}' "$BRAMKA_URL/systems/crm/crm/v3/objects/contacts/search""#;
    let text = [
        format!("bramka stands at {url}, for operators at {admin_url}."),
        format!("{} Paste a line:", demo::WHO),
        String::new(),
        "1. An app lists customers:".into(),
        app("\"$BRAMKA_URL/v1/customers?limit=3\""),
        "2. It reads one:".into(),
        app(&format!("\"$BRAMKA_URL/v1/customers/{contact}\"")),
        "3. It creates one, which then stands in the CRM in the CRM's own shape:".into(),
        app(created),
        app(native),
        "4. It filters orders:".into(),
        app("\"$BRAMKA_URL/v1/orders?status=open&ordered_on%5Bgte%5D=2026-06-01&sort=-ordered_on&limit=3\""),
        "5. It sees who ordered, as the CRM knows them, with what they may owe, which the ERP knows:".into(),
        app("\"$BRAMKA_URL/v1/orders?limit=1&include=customer\""),
        "6. A partner sees its own orders only, and of them only some fields:".into(),
        partner("\"$BRAMKA_URL/v1/orders?limit=3\""),
        "7. A partner is refused customers:".into(),
        partner("\"$BRAMKA_URL/v1/customers\""),
        String::new(),
        "ready (Ctrl-C stops it)".into(),
    ];
    for line in text {
        out::say(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_told_by_one_that_its_certificate_names() {
        let told = |at: &str| reachable(at.parse().unwrap()).to_string();
        assert_eq!(told("0.0.0.0:8443"), "127.0.0.1:8443");
        assert_eq!(told("[::]:8443"), "[::1]:8443");
        assert_eq!(told("192.0.2.7:8443"), "192.0.2.7:8443");
    }
}
