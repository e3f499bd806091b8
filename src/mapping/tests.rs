//! Facts of the whole room, told over the shipped files.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::*;
use crate::{
    schema::{self, Body, Entity, FieldSet, Record, Schema, View},
    words::{Diagnostics, SystemName, tree},
};

mod abilities;
mod actions;
mod addresses;
mod also;
mod batch;
mod calls;
mod carriers;
mod catalogue;
mod cells;
mod choices;
mod codes;
mod elements;
mod entries;
mod erps;
mod fixed;
mod forks;
mod forms;
mod graph;
mod jq;
mod keyed;
mod keys;
mod keyset;
mod lines;
mod live;
mod load;
mod merge;
mod moments;
mod money;
mod months;
mod named;
mod needs;
mod nested;
mod over;
mod paging;
mod parted;
mod parts;
mod pinned;
mod pushed;
mod query;
mod read;
mod refs;
mod refused;
mod settled;
mod shelved;
mod shops;
mod standin;
mod tryton;
mod tuples;
mod unread;
mod values;
mod write;

pub(super) fn shipped_schema() -> Schema {
    let files = [
        ("customer.yaml", include_str!("../../policies/schema/customer.yaml")),
        ("product.yaml", include_str!("../../policies/schema/product.yaml")),
        ("stock_level.yaml", include_str!("../../policies/schema/stock_level.yaml")),
        ("order.yaml", include_str!("../../policies/schema/order.yaml")),
        ("price.yaml", include_str!("../../policies/schema/price.yaml")),
        ("invoice.yaml", include_str!("../../policies/schema/invoice.yaml")),
        ("payment.yaml", include_str!("../../policies/schema/payment.yaml")),
        ("shipment.yaml", include_str!("../../policies/schema/shipment.yaml")),
        ("metric.yaml", include_str!("../../policies/schema/metric.yaml")),
        ("campaign.yaml", include_str!("../../policies/schema/campaign.yaml")),
        ("subscription.yaml", include_str!("../../policies/schema/subscription.yaml")),
    ];
    let files: Vec<_> = files
        .map(|(name, text)| {
            let name: Arc<str> = name.into();
            (name.clone(), tree::parse(&name, text).unwrap())
        })
        .into();
    schema::load::schema(&files).unwrap().0
}

pub(super) fn load_text(name: &str, text: &str, base: &str) -> (Option<System>, String) {
    let mut found = Diagnostics::default();
    let node = match tree::parse(&format!("{name}.yaml").into(), text) {
        Ok(node) => node,
        Err(found) => return (None, found.to_string()),
    };
    let bases = [base.parse().unwrap()];
    let system = System::load(&SystemName::from(name), &node, &bases, &shipped_schema(), &mut found);
    (system, found.to_string())
}

pub(super) fn crm() -> &'static System {
    static CRM: LazyLock<System> = LazyLock::new(load_crm);
    &CRM
}

pub(super) fn erp() -> &'static System {
    static ERP: LazyLock<System> = LazyLock::new(load_erp);
    &ERP
}

fn load_crm() -> System {
    let text = include_str!("../../policies/systems/crm.yaml");
    let (system, told) = load_text("crm", text, "https://api.hubapi.com");
    system.unwrap_or_else(|| panic!("{told}"))
}

fn load_erp() -> System {
    let text = include_str!("../../policies/systems/erp.yaml");
    let (system, told) = load_text("erp", text, "https://erp.example/api/v2.0/companies(1)");
    system.unwrap_or_else(|| panic!("{told}"))
}

pub(super) fn answer(status: u16, body: &str) -> NativeAnswer {
    NativeAnswer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        received: None,
        over: None,
    }
}

pub(super) fn json(entity: &Entity, record: &Record) -> serde_json::Value {
    let mut out = Vec::new();
    schema::json::write(entity, record, None, &mut out);
    serde_json::from_slice(&out).unwrap()
}

pub(super) fn record(mapping: &Mapping, text: &str) -> Record {
    let entity = mapping.entity();
    let view = View { writable: entity.all(), required: FieldSet::EMPTY, ..View::of(entity, Body::Create) };
    schema::json::read(entity, text.as_bytes(), &view).unwrap().record
}

#[test]
fn the_shipped_files_load_and_their_samples_hold_both_ways() {
    for system in [crm(), erp()] {
        let found = system.check();
        assert!(found.0.is_empty(), "{found}");
        assert!(system.mappings().all(|mapping| !mapping.samples.is_empty()));
    }
}
