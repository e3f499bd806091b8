//! `tests/*.yaml`: requests and the decision each must get.
//!
//! ```yaml
//! records:
//!   own-order: { id: "1", customer: "20000", status: open }
//! tests:
//!   - name: a partner reads its own order and no discount on it
//!     as: Partner/acme-portal
//!     action: read
//!     entity: Order
//!     record: own-order
//!     expect: { outcome: permitted, shows: [id, status], hides: [discount_total] }
//! ```

use crate::{
    config::Sheet,
    explaining::{ActionWord, CallSpec, OutcomeWord, Over, Who},
    identity::PrincipalRegistry,
    words::{
        Diagnostics,
        tree::Node,
        yaml::{FromYaml as _, Named, Spanned},
    },
    yaml_object,
};

yaml_object! {
    /// Requests and the decision each must get.
    pub(in crate::cli) struct TestFile {
        /// Records by names of this file's own.
        pub(super) records: Named<Node> = Named::default();
        /// The tests.
        pub(super) tests: Vec<Spanned<Case>>;
    }

    /// One request.
    pub(super) struct Case {
        /// The promise, as a sentence.
        pub(super) name: Spanned<String>;
        /// Who asks: `Kind/id`, or `Anonymous`.
        pub(super) r#as: Spanned<String>;
        /// Only these of its groups; of an outside issuer's principal, the groups it asserts.
        pub(super) groups: Option<Vec<Spanned<String>>> = None;
        /// The scopes its credential asserts.
        pub(super) scopes: Vec<String> = Vec::new();
        /// What it asks for.
        pub(super) action: ActionWord;
        /// Of which entity.
        pub(super) entity: Option<Spanned<String>> = None;
        /// The record as it is stored (for `create`: as it would be), or the name of one of `records`.
        pub(super) record: Option<Node> = None;
        /// What it names, by the field that names it, as in `{ customer: { tier: gold } }`; several where a change names
        /// another one, each with its `id`.
        pub(super) related: Named<Node> = Named::default();
        /// In an update: what is sent, as a merge-patch.
        pub(super) change: Option<Node> = None;
        /// In an update or delete: whether the system checks the version that was judged; it does where nothing is
        /// said.
        pub(super) guarded: Option<Spanned<bool>> = None;
        /// In a call: what is called.
        pub(super) call: Option<CallSpec> = None;
        /// Under which circumstances.
        pub(super) over: Over = Over::default();
        /// What must come of it.
        pub(super) expect: Expect;
    }

    /// What must come of a request.
    pub(super) struct Expect {
        /// How it ends.
        pub(super) outcome: Spanned<OutcomeWord>;
        /// In a read or list: the fields shown, these and no others.
        pub(super) fields: Option<Spanned<Vec<Spanned<String>>>> = None;
        /// In a read or list: fields that are shown, among others.
        pub(super) shows: Vec<Spanned<String>> = Vec::new();
        /// In a read or list: fields that are not shown.
        pub(super) hides: Vec<Spanned<String>> = Vec::new();
        /// Of a record that is read or listed: fields that are shown behind a mask.
        pub(super) masks: Vec<Spanned<String>> = Vec::new();
        /// Of a record that is read or listed: values as they are shown.
        pub(super) values: Named<Spanned<String>> = Named::default();
        /// In a create or update: the fields that change, these and no others.
        pub(super) changes: Option<Spanned<Vec<Spanned<String>>>> = None;
        /// In a create or update: fields for which the change is refused.
        pub(super) refused_for: Vec<Spanned<String>> = Vec::new();
        /// Statements that decide it, among others.
        pub(super) by: Vec<Spanned<String>> = Vec::new();
    }
}

/// Looks at tests without running them: whether they can be read, and whether there is who asks.
pub(super) fn check(sheets: &[Sheet], registry: &PrincipalRegistry) -> Diagnostics {
    let mut found = Diagnostics::default();
    for sheet in sheets {
        let Some(file) = TestFile::read(&sheet.node, &mut found) else { continue };
        for case in file.tests.iter().map(|case| &case.value) {
            let who = Who { name: &case.r#as, groups: case.groups.as_deref(), scopes: &case.scopes };
            drop(who.facts(registry, &mut found));
        }
    }
    found
}
