//! What `$metadata` says, to the letter, and that it stays XML.

use super::*;
use crate::{
    odata::navigations,
    schema::testing::{order_entity, shipped},
};

fn described(entity: &Entity) -> Described<'_> {
    Described {
        listed: false,
        entity,
        columns: entity.all(),
        masked: FieldSet::EMPTY,
        clear: entity.all(),
        navigations: &[],
    }
}

#[test]
fn types_have_their_facets_and_groups_and_lists_their_own_types() {
    let entity = order_entity();
    let written = metadata(&[described(&entity)]);
    for part in [
        r#"<EntityType Name="Order"><Key><PropertyRef Name="id"/></Key>"#,
        r#"<Property Name="id" Type="Edm.String" Nullable="false" MaxLength="512">"#,
        r#"<Property Name="number" Type="Edm.String" MaxLength="20"><Annotation Term="Org.OData.Core.V1.Description" String="Its number"></Annotation></Property>"#,
        r#"<Property Name="urgent" Type="Edm.Boolean">"#,
        r#"<Property Name="priority" Type="Edm.Int64">"#,
        r#"<Property Name="status" Type="Edm.String" MaxLength="6">"#,
        r#"<Property Name="total" Type="Edm.Decimal" Precision="28" Scale="variable">"#,
        r#"<Property Name="ordered_on" Type="Edm.Date">"#,
        r#"<Property Name="updated_at" Type="Edm.DateTimeOffset" Precision="9">"#,
        r#"<Property Name="ship_to" Type="bramka.Order_ship_to">"#,
        r#"<Property Name="lines" Type="Collection(bramka.Order_lines)" Nullable="false">"#,
        r#"<Property Name="tags" Type="Collection(Edm.String)" Nullable="false" MaxLength="10">"#,
        r#"<ComplexType Name="Order_ship_to"><Property Name="city""#,
        r#"<ComplexType Name="Order_lines"><Property Name="id" Type="Edm.String" MaxLength="512">"#,
        r#"<EntitySet Name="orders" EntityType="bramka.Order">"#,
        r#"<PropertyPath>lines/sku</PropertyPath>"#,
    ] {
        let flat = written.replace('\n', "");
        assert!(flat.contains(part), "{part}\n{written}");
    }
    assert!(!written.contains("NonFilterableProperties"), "all of them may serve");
}

#[test]
fn only_what_a_caller_sees_stands_there() {
    let entity = order_entity();
    let all = entity.all();
    let hidden = entity.leaves_under("total").union(&entity.leaves_under("ship_to"));
    let masked = entity.leaves_under("number");
    let columns = all.minus(&hidden);
    let written =
        metadata(&[Described { columns, masked, clear: columns.minus(&masked), ..described(&entity) }]);
    for word in ["\"total\"", "ship_to", "\"city\"", "What it costs"] {
        assert!(!written.contains(word), "{word}");
    }
    assert!(written.contains("<Property Name=\"number\" Type=\"Edm.String\">"), "a mask has another length");
    assert!(
        written.contains(
            "NonFilterableProperties\"><Collection><PropertyPath>number</PropertyPath></Collection>"
        )
    );
    let keyless = Described { columns: all.minus(&FieldSet::ID), ..described(&entity) };
    let written = metadata(&[keyless]);
    assert!(!written.contains("Order"), "without its id there is no key");
}

#[test]
fn navigation_properties_stand_there_where_both_ends_do() {
    let schema = shipped();
    let entity = |name: &str| schema.entity(name).unwrap();
    let (order, customer) = (entity("Order"), entity("Customer"));
    let (of_order, of_customer) = (navigations(&schema, order), navigations(&schema, customer));
    let orders = Described { navigations: &of_order, ..described(order) };
    let customers = Described { navigations: &of_customer, ..described(customer) };
    let written = metadata(&[customers.clone(), orders.clone()]).replace('\n', "");
    for part in [
        r#"<NavigationProperty Name="customer_record" Type="bramka.Customer" Partner="orders"><ReferentialConstraint Property="customer" ReferencedProperty="id"></ReferentialConstraint>"#,
        r#"<NavigationProperty Name="orders" Type="Collection(bramka.Order)" Partner="customer_record"><Annotation"#,
        r#"<NavigationProperty Name="customers" Type="Collection(bramka.Customer)" Partner="parent_record">"#,
        r#"<NavigationPropertyBinding Path="customer_record" Target="customers"></NavigationPropertyBinding>"#,
        r#"<PropertyValue Property="Expandable" Bool="true"></PropertyValue><PropertyValue Property="MaxLevels" Int="1"/>"#,
    ] {
        assert!(written.contains(part), "{part}\n{written}");
    }
    assert!(!written.contains("invoices") && !written.contains("lines_product_records"));
    // An end that the caller does not see has no name, and no partner.
    let alone = metadata(std::slice::from_ref(&orders));
    assert!(!alone.contains("Navigation") && !alone.contains("Expandable\" Bool=\"true"), "{alone}");
    let one_way = metadata(&[Described { navigations: &[], ..customers }, orders]);
    assert!(one_way.contains("customer_record") && !one_way.contains("Partner"), "{one_way}");
}

#[test]
fn descriptions_cannot_leave_their_place() {
    let mut out = String::new();
    description("a \"<b>&'\u{1}\n", &mut out);
    let expected = "<Annotation Term=\"Org.OData.Core.V1.Description\" String=\"a &quot;&lt;b&gt;&amp;' \"></Annotation>";
    assert_eq!(out, expected);
}

#[test]
fn the_shipped_schema_is_described_without_a_name_twice() {
    let schema = shipped();
    let all: Vec<Described<'_>> = schema.entities().iter().map(|entity| described(entity)).collect();
    let written = metadata(&all);
    let mut names: Vec<&str> =
        written.split("Type Name=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    // What is opened is closed, in order.
    let mut open: Vec<&str> = Vec::new();
    for tag in written.split('<').skip(1).filter(|tag| !tag.starts_with('?')) {
        let (tag, _) = tag.split_once('>').unwrap();
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().unwrap()),
        }
    }
    assert!(open.is_empty());
}
