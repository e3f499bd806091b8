//! A gate over the company's ERP, by the shipped file of it; its caller may do everything with what is served.

use std::{fs, ops::Deref, path::Path};

use serde_json::Value;

use crate::{
    company::{Company, PASSWORD},
    kit::{copy_all, root},
    served::Served,
};

/// The fields of each entity that a star does not open; those that nobody writes last.
const CLOSED: [(&str, &str, &str, &str); 4] = [
    (
        "customers",
        "Customer",
        ", name, vat_id, tax_ids.value, emails.value, phones.value, addresses.name, addresses.line1, addresses.city, addresses.post_code",
        "",
    ),
    ("products", "Product", ", list_price, list_price.net_price, unit_cost", ""),
    (
        "orders",
        "Order",
        ", lines.net_price, bill_to.name, bill_to.line1, bill_to.city, bill_to.post_code, ship_to.name, ship_to.line1, ship_to.city, ship_to.post_code",
        ", customer_name, lines.line_net_total, tax_exclusive_total, tax_total, tax_inclusive_total",
    ),
    ("stock-levels", "StockLevel", "", ", on_hand, available"),
];

/// A running gate.
pub(crate) struct Gate(Served);

impl Gate {
    /// Starts it.
    pub(crate) fn over(company: &Company) -> Self {
        let dir = tempfile::tempdir().unwrap();
        bundle(&dir.path().join("policies"), company);
        Self(Served::over(dir, &[("TRYTON_PASSWORD", PASSWORD)]))
    }

    /// The one record of a list.
    pub(crate) fn one(&self, path: &str) -> Value {
        let mut all = self.whole(path);
        assert_eq!(all.len(), 1, "{path}: {all:?}");
        all.remove(0)
    }
}

impl Deref for Gate {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.0
    }
}

/// A bundle of the shipped schema and limits, the shipped file, and statements that permit everything.
fn bundle(policies: &Path, company: &Company) {
    let shipped = root().join("policies");
    for folder in ["systems", "access", "principals"] {
        fs::create_dir_all(policies.join(folder)).unwrap();
    }
    copy_all(&shipped.join("schema"), &policies.join("schema"));
    for file in ["limits.yaml", "principals/attributes.yaml"] {
        fs::copy(shipped.join(file), policies.join(file)).unwrap();
    }
    let gateway = fs::read_to_string(shipped.join("gateway.yaml")).unwrap();
    let gateway = gateway.replace("127.0.0.1:8443", "127.0.0.1:0").replace("127.0.0.1:9443", "127.0.0.1:0");
    let serves = CLOSED.map(|(collection, ..)| format!("  {collection}: erp\n")).concat();
    let gateway = with_section(&gateway, "serves:", &serves);
    let gateway = with_section(&gateway, "secrets:", "  erp: [TRYTON_PASSWORD]\n");
    fs::write(policies.join("gateway.yaml"), gateway).unwrap();
    let file = fs::read_to_string(shipped.join("systems/catalogue/tryton.yaml")).unwrap();
    let base = file.lines().find(|line| line.starts_with("base:")).unwrap().to_owned();
    let file = file.replace(&base, &format!("base: \"http://{}/erp\"\nallow_local: true", company.address));
    // The shipped file has a user of the gate's own.
    let file = file.replace("user: gate", "user: admin").replace("params: [gate,", "params: [admin,");
    fs::write(policies.join("systems/erp.yaml"), file).unwrap();
    fs::write(policies.join("access/everything.cedar"), everything()).unwrap();
}

/// Gives a section of YAML other lines.
fn with_section(text: &str, head: &str, lines: &str) -> String {
    let (before, rest) = text.split_once(&format!("\n{head}\n")).unwrap();
    let after = rest.lines().skip_while(|line| line.starts_with(' ')).collect::<Vec<_>>().join("\n");
    format!("{before}\n{head}\n{lines}{after}\n")
}

fn everything() -> String {
    let of = |(collection, entity, written, seen): (&str, &str, &str, &str)| {
        format!(
            "@id(\"see-{collection}\")\n@fields(\"*{written}{seen}\")\n@plan(\"internal\")\n\
             permit (principal in Group::\"apps\", action in [Action::\"list\", Action::\"read\"], resource is {entity});\n\n\
             @id(\"write-{collection}\")\n@writes(\"*{written}\")\n@plan(\"internal\")\n\
             permit (principal in Group::\"apps\", action in [Action::\"create\", Action::\"update\"], resource is {entity});\n\n"
        )
    };
    CLOSED.map(of).concat()
}
