//! One small world for the room's tests: an entity, some principals, and a line a fact.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use http::Method;
use jiff::Timestamp;

use crate::{
    catalog::{Action, Call, Operation, RecordId, UpdateMode},
    identity::{Attribute, Caller, CredentialId, Facts},
    policy::{
        AttributeType, Context, Denied, Given, Hours, Judged, Memo, PlanRef, Policies, PrincipalAttribute,
        PrincipalTypes, Prospect, SystemInfo, prospect, show,
    },
    schema::{self, Body, Entity, Record, Related, Schema, View},
    words::{
        Channel, Diagnostics, Digest, EntityName, GroupName, Kind, ListenerName, PrincipalId, SecretBytes,
        SystemName, TlsFacts, tree,
    },
};

const ORDER: &str = r#"
$schema: https://json-schema.org/draft/2020-12/schema
title: Order
description: An order
x-collection: orders
type: object
required: [customer]
properties:
  id: { type: string, readOnly: true, x-class: internal, description: id }
  customer: { type: string, x-ref: Customer, x-class: internal, description: who }
  status: { type: string, enum: [draft, open, shipped], x-class: internal, description: state }
  country: { type: string, maxLength: 2, x-class: public, description: land }
  note: { type: string, maxLength: 200, x-class: internal, description: note }
  total: { type: string, format: decimal, x-class: internal, description: total }
  margin: { type: string, format: decimal, x-class: confidential, description: margin }
  quantity: { type: integer, x-class: internal, description: how many }
  paid: { type: boolean, x-class: internal, description: paid }
  phone: { type: string, maxLength: 30, x-class: personal, description: phone }
  email: { type: string, maxLength: 90, x-class: personal, description: mail }
  born: { type: string, format: date, x-class: personal, description: born }
  created_on: { type: string, format: date, x-class: internal, description: day }
  created_at: { type: string, format: date-time, x-class: internal, description: moment }
  tags: { type: array, x-unordered: true, description: tags, items: { type: string, x-class: internal, description: tag } }
  ship:
    type: object
    description: where to
    properties:
      country: { type: string, maxLength: 2, x-class: internal, description: land }
      street: { type: string, maxLength: 90, x-class: personal, description: street }
  lines:
    type: array
    description: lines
    items:
      type: object
      properties:
        sku: { type: string, maxLength: 20, x-class: internal, description: sku }
        cost: { type: string, format: decimal, x-class: confidential, description: cost }
"#;

pub(super) const CUSTOMER: &str = r#"
$schema: https://json-schema.org/draft/2020-12/schema
title: Customer
description: A customer
x-collection: customers
type: object
properties:
  id: { type: string, readOnly: true, x-class: internal, description: id }
  name: { type: string, maxLength: 90, x-class: internal, description: name }
  tier: { type: string, maxLength: 9, x-class: internal, description: how good }
  credit: { type: string, format: decimal, x-class: confidential, description: limit }
  blocked: { type: boolean, x-class: internal, description: no business }
  since: { type: string, format: date-time, x-class: internal, description: since when }
  parent: { type: string, x-ref: Customer, x-class: internal, description: of whom }
  limits: { type: array, x-unordered: true, description: limits, items: { type: string, format: decimal, x-class: internal, description: limit } }
"#;

/// What systems would tell of the customers that orders name.
pub(super) const CUSTOMERS: [(&str, &str); 3] = [
    ("acme", r#"{"id":"acme","tier":"gold","credit":"49.5","blocked":false,"since":"2026-03-01T12:00:00Z"}"#),
    ("zeta", r#"{"id":"zeta","tier":"silver","parent":"acme","blocked":true,"credit":"50"}"#),
    ("other", r#"{"id":"other"}"#),
];

pub(super) fn schema() -> Schema {
    let files: Vec<(Arc<str>, tree::Node)> =
        [("schema/order.yaml", ORDER), ("schema/customer.yaml", CUSTOMER)]
            .into_iter()
            .map(|(file, text)| (Arc::from(file), tree::parse(&Arc::from(file), text).unwrap()))
            .collect();
    schema::load::schema(&files).unwrap_or_else(|found| panic!("{found}")).0
}

pub(super) fn principals() -> PrincipalTypes {
    let attribute = |name: &str, holds, kinds: &[Kind]| PrincipalAttribute {
        name: name.into(),
        holds,
        kinds: kinds.to_vec(),
        required: false,
    };
    PrincipalTypes {
        attributes: vec![
            attribute("customer", AttributeType::Reference(EntityName::new("Customer")), &[Kind::Partner]),
            attribute("country", AttributeType::Text, &[Kind::User, Kind::Partner]),
            attribute("countries", AttributeType::Texts, &[Kind::User]),
            attribute("limit", AttributeType::Decimal, &[Kind::User]),
            attribute("level", AttributeType::Integer, &[Kind::User]),
        ],
        groups: ["staff", "apps"].map(GroupName::new).to_vec(),
    }
}

/// A gate's policy and what it was made of.
pub(super) struct World {
    pub(super) schema: Schema,
    pub(super) policies: Arc<Policies>,
    pub(super) memo: Memo,
}

pub(super) fn load(text: &str) -> Result<World, String> {
    load_in(schema(), text)
}

pub(super) fn load_in(schema: Schema, text: &str) -> Result<World, String> {
    let principals = principals();
    let plan = |name: &str, rank| PlanRef { name: name.into(), rank };
    let plans = [plan("gold", 1), plan("silver", 2), plan("twin", 2)];
    let system = |name: &str, serves: &[&str]| SystemInfo {
        name: SystemName::new(name),
        serves: serves.iter().map(|name| EntityName::new(*name)).collect(),
    };
    let systems = [system("erp", &["Order"]), system("bi", &[])];
    let given = Given {
        bundle: Digest::of(text.as_bytes()),
        schema: &schema,
        principals: &principals,
        plans: &plans,
        systems: &systems,
        hours: &hours(),
        pseudonyms: &SecretBytes::new(vec![7; 32]),
    };
    let mut found = Diagnostics::default();
    let file = (Arc::from("access/a.cedar"), Arc::from(text));
    match Policies::load(&[file], &given, &mut found) {
        Some(policies) => Ok(World { policies: Arc::new(policies), memo: Memo::default(), schema }),
        None => Err(found.to_string()),
    }
}

/// Two named hours: office hours of weekdays, and nights that end on the next day.
pub(super) fn hours() -> Arc<Hours> {
    let file = Arc::from("hours.yaml");
    let text = "hours:\n  office: { zone: Europe/Warsaw, days: [mon, tue, wed, thu, fri], from: \"08:00\", to: \"17:00\", except: [2026-12-24] }\n  night: { zone: America/New_York, days: [fri], from: \"22:00\", to: \"06:00\" }\n";
    let mut found = Diagnostics::default();
    let hours = Hours::load(&tree::parse(&file, text).unwrap(), &mut found);
    Arc::new(hours.unwrap_or_else(|| panic!("{found}")))
}

pub(super) fn world(text: &str) -> World {
    load(text).unwrap_or_else(|found| panic!("{found}"))
}

pub(super) fn facts(kind: Kind, id: &str, groups: &[&str], attributes: &[(&str, Attribute)]) -> Arc<Facts> {
    let attributes: BTreeMap<Arc<str>, Attribute> =
        attributes.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect();
    let digest = Digest::of(format!("{kind}{id}{groups:?}{attributes:?}").as_bytes());
    Arc::new(Facts {
        kind,
        id: PrincipalId::new(id),
        partner: None,
        groups: groups.iter().map(|group| GroupName::new(*group)).collect(),
        attributes,
        plan: None,
        scopes: vec!["orders".into()],
        credential: CredentialId::None,
        issued_at: (kind == Kind::User).then(|| "2026-05-05T11:00:00Z".parse().unwrap()),
        expires_at: None,
        digest,
    })
}

pub(super) fn partner(customer: &str) -> Arc<Facts> {
    let customer = Attribute::Reference(EntityName::new("Customer"), customer.into());
    facts(Kind::Partner, "acme-portal", &["partners"], &[("customer", customer)])
}

pub(super) fn app() -> Arc<Facts> {
    facts(Kind::App, "shop", &["apps"], &[])
}

pub(super) fn context(tls: bool) -> Context {
    context_of(tls, "10.1.2.3", "2026-05-05T12:00:00Z", None)
}

pub(super) fn context_of(tls: bool, address: &str, time: &str, purpose: Option<&str>) -> Context {
    let address: IpAddr = address.parse().unwrap();
    let channel = Channel {
        listener: ListenerName::new("data"),
        peer: (address, 4444).into(),
        address,
        tls: tls.then(|| TlsFacts {
            version: "1.3",
            server_name: None,
            certificate: Some(Digest::of(b"c")),
            standing: Default::default(),
        }),
    };
    let time = time.parse::<Timestamp>().unwrap();
    Context::new(&channel, (time, &hours()), (Method::GET, Some(0)), (purpose.map(Arc::from), None))
}

fn caller(facts: &Arc<Facts>) -> Caller {
    Caller::assumed(Facts {
        kind: facts.kind,
        id: facts.id.clone(),
        partner: facts.partner.clone(),
        groups: facts.groups.clone(),
        attributes: facts.attributes.clone(),
        plan: facts.plan.clone(),
        scopes: facts.scopes.clone(),
        credential: facts.credential.clone(),
        issued_at: facts.issued_at,
        expires_at: facts.expires_at,
        digest: facts.digest,
    })
}

impl World {
    pub(super) fn entity(&self, name: &str) -> Arc<Entity> {
        self.schema.entity(name).unwrap().clone()
    }

    pub(super) fn order(&self, json: &str) -> Record {
        record(&self.entity("Order"), json)
    }

    /// An order with what was fetched of the customer that it names.
    pub(super) fn stored(&self, json: &str) -> Record {
        self.related(self.order(json))
    }

    pub(super) fn related(&self, order: Record) -> Record {
        let (entity, customer) = (self.entity("Order"), self.entity("Customer"));
        let by = entity.leaf_at("customer").unwrap();
        let id = order.first(&entity, by).and_then(schema::Value::as_text).unwrap_or_default().to_owned();
        let known = CUSTOMERS.iter().filter(|(known, _)| *known == id);
        let related = known.map(|(id, json)| Related {
            by,
            id: (*id).into(),
            record: Arc::new(record(&customer, json)),
        });
        order.with_related(related.collect())
    }

    pub(super) fn prospect(&self, facts: &Arc<Facts>, action: Action) -> Result<Prospect, Denied> {
        self.prospect_in(facts, action, context(true))
    }

    pub(super) fn prospect_in(
        &self,
        facts: &Arc<Facts>,
        action: Action,
        context: Context,
    ) -> Result<Prospect, Denied> {
        let entity = self.entity("Order");
        let id = RecordId("1".into());
        let operation = match action {
            Action::Read => Operation::Read(entity, id),
            Action::List => Operation::List(entity),
            Action::Create => Operation::Create(entity),
            Action::Update => Operation::Update(entity, id, UpdateMode::Merge),
            Action::Delete => Operation::Delete(entity, id),
            Action::Call => Operation::Call(Call {
                system: SystemName::new("erp"),
                method: Method::GET,
                path: "/orders".into(),
                query: None,
            }),
        };
        prospect(&self.policies, &self.memo, caller(facts), operation, context)
    }

    /// The record as JSON, as it is shown; or why it is not.
    pub(super) fn read(&self, facts: &Arc<Facts>, json: &str) -> String {
        self.read_in(facts, json, context(true))
    }

    pub(super) fn read_in(&self, facts: &Arc<Facts>, json: &str, context: Context) -> String {
        let prospect = match self.prospect_in(facts, Action::Read, context) {
            Ok(prospect) => prospect,
            Err(denied) => return format!("{denied}"),
        };
        let record = self.stored(json);
        assert_eq!(self.policies.recheck(prospect.outlook(), Some(&record), None), Ok(()));
        match show(&prospect, record, None) {
            Judged::Shown(shown) => text(shown.entity(), shown.record()),
            Judged::Denied(_) => "not there".into(),
            Judged::Erroring { statement } => format!("error in {statement}"),
        }
    }
}

pub(super) fn record(entity: &Entity, json: &str) -> Record {
    let view = View { writable: entity.all(), required: Default::default(), ..View::of(entity, Body::Patch) };
    schema::json::read(entity, json.as_bytes(), &view)
        .unwrap_or_else(|faults| panic!("{json}: {faults:?}"))
        .record
}

pub(super) fn text(entity: &Entity, record: &Record) -> String {
    let mut out = Vec::new();
    schema::json::write(entity, record, None, &mut out);
    String::from_utf8(out).unwrap()
}
