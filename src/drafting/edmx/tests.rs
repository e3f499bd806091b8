//! What a `$metadata` becomes, in every version of OData, and that nothing in one leaves its place or grows.

use proptest::prelude::*;

use super::*;
use crate::{
    drafting::{Draft, Places, matched, tests::shipped},
    mapping::System,
    words::{Diagnostics, SystemName, tree},
};

/// A service of OData 4 in the shape of an ERP's: aliases, annotations beside what they annotate and apart from it.
const FOUR: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
 <Schema Namespace="Shop.Data" Alias="self" xmlns="http://docs.oasis-open.org/odata/ns/edm">
  <EnumType Name="State"><Member Name="Open" Value="0"/><Member Name="Closed" Value="1"/></EnumType>
  <ComplexType Name="Place"><Property Name="city" Type="Edm.String" MaxLength="30"/><Property Name="postCode" Type="Edm.String"/></ComplexType>
  <ComplexType Name="Tag"><Property Name="word" Type="Edm.String"/></ComplexType>
  <EntityType Name="Base" Abstract="true"><Key><PropertyRef Name="id"/></Key>
   <Property Name="id" Type="Edm.Guid" Nullable="false"><Annotation Term="Org.OData.Core.V1.Computed"/></Property></EntityType>
  <EntityType Name="SalesOrder" BaseType="self.Base">
   <Property Name="number" Type="Edm.String" MaxLength="20"/>
   <Property Name="orderDate" Type="Edm.Date"/>
   <Property Name="requestedOn" Type="Edm.Date"/>
   <Property Name="lastModifiedDateTime" Type="Edm.DateTimeOffset"/>
   <Property Name="currencyCode" Type="Edm.String" MaxLength="3"><Annotation Term="Core.Immutable" Bool="true"/></Property>
   <Property Name="status" Type="self.State"/>
   <Property Name="taxTotal" Type="Edm.Decimal" Scale="2"/>
   <Property Name="shipTo" Type="Shop.Data.Place"/>
   <Property Name="photo" Type="Edm.Stream"/>
   <NavigationProperty Name="customer" Type="self.Customer"/>
   <NavigationProperty Name="salesOrderLines" Type="Collection(Shop.Data.SalesOrderLine)"/>
  </EntityType>
  <EntityType Name="SalesOrderLine" BaseType="self.Base"><Property Name="sku" Type="Edm.String"/>
   <Property Name="quantity" Type="Edm.Decimal" Scale="variable"/><Property Name="netPrice" Type="Edm.Decimal"/></EntityType>
  <EntityType Name="Customer" BaseType="self.Base"><Property Name="displayName" Type="Edm.String"/></EntityType>
  <EntityContainer Name="Container">
   <EntitySet Name="salesOrders" EntityType="self.SalesOrder">
    <Annotation Term="Org.OData.Capabilities.V1.FilterRestrictions"><Record><PropertyValue Property="NonFilterableProperties">
     <Collection><PropertyPath>number</PropertyPath></Collection></PropertyValue></Record></Annotation></EntitySet>
   <EntitySet Name="salesOrderLines" EntityType="Shop.Data.SalesOrderLine"/>
   <EntitySet Name="customers" EntityType="self.Customer"/>
  </EntityContainer>
  <Annotations Target="self.SalesOrder/lastModifiedDateTime"><Annotation Term="Core.Computed" Bool="true"/></Annotations>
  <Annotations Target="self.Container/salesOrders"><Annotation Term="Org.OData.Core.V1.OptimisticConcurrency"><Collection/></Annotation></Annotations>
 </Schema></edmx:DataServices></edmx:Edmx>"#;

/// A service of OData 2 in the shape of another: associations, labels and what cannot be done as attributes.
const TWO: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata" xmlns:n="urn:notes">
 <edmx:DataServices m:DataServiceVersion="2.0"><Schema Namespace="ORDERS" xmlns="http://schemas.microsoft.com/ado/2008/09/edm">
  <EntityType Name="A_SalesOrderType"><Key><PropertyRef Name="SalesOrder"/></Key>
   <Property Name="SalesOrder" Type="Edm.String" Nullable="false" MaxLength="10" n:display-format="UpperCase" n:creatable="false" n:updatable="false"/>
   <Property Name="SoldToParty" Type="Edm.String" MaxLength="10" n:display-format="UpperCase" n:label="Sold-to Party"/>
   <Property Name="PurchaseOrder" Type="Edm.String" MaxLength="35" n:label="Buyer reference" n:updatable="false"/>
   <Property Name="TransactionCurrency" Type="Edm.String" MaxLength="5" n:label="Currency" n:sortable="false"/>
   <Property Name="TaxTotal" Type="Edm.Decimal" Precision="16" Scale="3" n:creatable="false" n:updatable="false"/>
   <Property Name="SalesOrderDate" Type="Edm.DateTime" n:display-format="Date"/>
   <Property Name="UpdatedAt" Type="Edm.DateTimeOffset" ConcurrencyMode="Fixed"/>
   <NavigationProperty Name="to_Item" Relationship="ORDERS.has" FromRole="order" ToRole="item"/>
  </EntityType>
  <EntityType Name="A_SalesOrderItemType"><Key><PropertyRef Name="SalesOrder"/><PropertyRef Name="SalesOrderItem"/></Key>
   <Property Name="SalesOrder" Type="Edm.String"/><Property Name="SalesOrderItem" Type="Edm.String"/>
   <Property Name="Material" Type="Edm.String" MaxLength="40"/><Property Name="Quantity" Type="Edm.Decimal" Scale="3"/></EntityType>
  <Association Name="has"><End Role="order" Type="ORDERS.A_SalesOrderType" Multiplicity="1"/><End Role="item" Type="ORDERS.A_SalesOrderItemType" Multiplicity="*"/></Association>
  <EntityContainer Name="C"><EntitySet Name="A_SalesOrder" EntityType="ORDERS.A_SalesOrderType"/>
   <EntitySet Name="A_SalesOrderItem" EntityType="ORDERS.A_SalesOrderItemType"/></EntityContainer>
 </Schema></edmx:DataServices></edmx:Edmx>"#;

/// A service of OData 3, whose lists are part of the record.
const THREE: &str = r#"<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">
 <edmx:DataServices m:DataServiceVersion="3.0" m:MaxDataServiceVersion="3.0"><Schema Namespace="B" xmlns="http://schemas.microsoft.com/ado/2009/11/edm">
  <EnumType Name="Kind"><Member Name="k_Goods" Value="G"/><Member Name="k_Service" Value="S"/></EnumType>
  <ComplexType Name="Line"><Property Name="Sku" Type="Edm.String"/><Property Name="Quantity" Type="Edm.Double"/></ComplexType>
  <EntityType Name="Document"><Key><PropertyRef Name="DocEntry"/></Key>
   <Property Name="DocEntry" Type="Edm.Int32" Writable="false"/><Property Name="OrderDate" Type="Edm.DateTime"/>
   <Property Name="Email" Type="Edm.String"/><Property Name="DocumentLines" Type="Collection(B.Line)"/></EntityType>
  <EntityType Name="Item"><Key><PropertyRef Name="Code"/></Key><Property Name="Code" Type="Edm.String"/>
   <Property Name="Kind" Type="B.Kind"/><Property Name="Name" Type="Edm.String"/></EntityType>
  <EntityType Name="Price"><Key><PropertyRef Name="Item"/><PropertyRef Name="List"/></Key><Property Name="Item" Type="Edm.String"/>
   <Property Name="List" Type="Edm.Int32"/><Property Name="Currency" Type="Edm.String"/></EntityType>
  <EntityContainer Name="C"><EntitySet Name="Orders" EntityType="B.Document"/><EntitySet Name="Items" EntityType="B.Item"/>
   <EntitySet Name="Prices" EntityType="B.Price"/></EntityContainer>
 </Schema></edmx:DataServices></edmx:Edmx>"#;

fn drafted(metadata: &str, entity: &str, set: Option<&str>) -> String {
    let schema = shipped();
    let entity = schema.entity(entity).unwrap();
    let described = described_edmx(metadata.as_bytes(), entity.name.as_str(), set).unwrap();
    let lines = matched(entity, &described.natives);
    let at = format!("/{}", described.set);
    let odata = Some(described.odata(&lines));
    let natives = &described.natives;
    let draft = Draft {
        system: "erp",
        entity,
        base: None,
        at: Some(&at),
        places: Places::default(),
        natives,
        lines: &lines,
        odata,
    };
    draft.write(&[]).text
}

/// The draft, which loads as it is.
#[track_caller]
fn loaded(metadata: &str, entity: &str) -> String {
    let text = drafted(metadata, entity, None);
    let node = tree::parse(&"drafted.yaml".into(), &text).unwrap();
    let mut found = Diagnostics::default();
    // What belongs to those who connect is not asked here.
    let system = System::load(&SystemName::new("erp"), &node, &[], &shipped(), &mut found);
    assert!(system.is_some(), "{found}\n{text}");
    text
}

#[track_caller]
fn holds(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|other| other == *line), "{line}\n{text}");
    }
}

#[test]
fn odata_4_tells_keys_types_lists_and_what_is_refused() {
    let text = loaded(FOUR, "Order");
    holds(
        &text,
        &[
            "speaks: odata4",
            "    at: /salesOrders",
            "    key: { at: id, form: guid }",
            r"    version: { at: '@odata\.etag', send: If-Match }",
            r"    list: { page: { link: '@odata\.nextLink', prefer: odata.maxpagesize } } # ? how it pages",
            "    read: {}",
            // What annotations refuse.
            "      number: { at: number, most: 20, filter_at: never } # Edm.String",
            "      currency: { at: currencyCode, write: create } # Edm.String",
            "      updated_at: { at: lastModifiedDateTime, write: never } # Edm.DateTimeOffset",
            // Types.
            "      ordered_on: orderDate # Edm.Date",
            "      tax_total: { at: taxTotal, as: { scale: 2 } } # Edm.Decimal",
            "      status: { at: status, values: { Open: open, Closed: closed }, else: unknown, filter_at: never } # as in Open",
            "      ship_to.city: { at: shipTo.city, most: 30 } # Edm.String",
            // Lists.
            "      lines:",
            "        each: salesOrderLines",
            "          sku: sku # Edm.String",
            "          quantity: quantity # Edm.Decimal",
        ],
    );
    assert!(!text.contains("photo"), "{text}");
}

#[test]
fn odata_2_tells_lists_by_associations_and_refusals_by_attributes() {
    let text = loaded(TWO, "Order");
    holds(
        &text,
        &[
            "    at: /A_SalesOrder",
            "    key: SalesOrder",
            "    version: { at: __metadata.etag, send: If-Match }",
            "      customer: { at: SoldToParty, ref: Customer, norm: upper } # Edm.String; Sold-to Party",
            "      buyer_reference: { at: PurchaseOrder, most: 35, write: create } # ? Edm.String; Buyer reference",
            "      currency: { at: TransactionCurrency, filter_at: never } # ? Edm.String; Currency",
            "      tax_total: { at: TaxTotal, as: { wire: text }, write: never } # Edm.Decimal",
            "        each: to_Item.results",
            "          sku: { at: Material, most: 40 } # Edm.String",
            "          quantity: { at: Quantity, as: { wire: text, scale: 3 } } # Edm.Decimal",
        ],
    );
}

#[test]
fn a_draft_of_odata_2_reads_moments_lists_and_single_records() {
    let text = loaded(TWO, "Order");
    holds(
        &text,
        &[
            "speaks: odata2",
            "    list: { page: { link: d.__next } } # ? how it pages",
            "    read: {}",
            "      ordered_on: SalesOrderDate # Edm.DateTime",
            "        each: to_Item.results",
        ],
    );
}

#[test]
fn odata_3_reads_lists_that_are_part_of_the_record() {
    let text = loaded(THREE, "Order");
    holds(
        &text,
        &[
            "speaks: json",
            "    key: { at: DocEntry, form: digits }",
            r"    list: { rows: value, page: { link: 'odata\.nextLink' } } # ? how it pages",
            "    read: { get: \"({key})\" }",
            "      ordered_on: OrderDate # ? Edm.DateTime; a time without a zone",
            "        each: DocumentLines",
            "          quantity: Quantity # ? Edm.Double; a binary float: digits may be lost",
        ],
    );
    // A text in quotes cannot be told safely: such a key is not read by.
    let text = loaded(THREE, "Product");
    holds(
        &text,
        &[
            "    key: Code",
            "    # read: by a key that is no word of this grammar yet",
            "      kind: { at: Kind, values: { k_Goods: goods, k_Service: service }, else: unknown, filter_at: never } # as in k_Goods",
        ],
    );
}

#[test]
fn a_list_that_is_part_of_an_odata_4_record_is_not_expanded() {
    let four = FOUR
        .replace(
            r#"<NavigationProperty Name="salesOrderLines" Type="Collection(Shop.Data.SalesOrderLine)"/>"#,
            r#"<Property Name="Lines" Type="Collection(self.Line)"/>"#,
        )
        .replace(
            r#"<ComplexType Name="Tag">"#,
            r#"<ComplexType Name="Line"><Property Name="sku" Type="Edm.String"/><Property Name="quantity" Type="Edm.Decimal"/></ComplexType><ComplexType Name="Tag">"#,
        );
    let text = loaded(&four, "Order");
    holds(
        &text,
        &[
            "    select: never # its lists are part of the record, and not to be expanded",
            "        each: Lines",
            "          sku: sku # Edm.String",
        ],
    );
}

#[test]
fn a_key_of_several_parts_is_told_whole_and_read_by() {
    let four = FOUR
        .replace(r#"<PropertyRef Name="id"/>"#, r#"<PropertyRef Name="id"/><PropertyRef Name="number"/>"#);
    holds(&loaded(&four, "Order"), &["    key: [{ at: id, form: guid }, number]", "    read: {}"]);
    let two = TWO.replace(
        r#"<PropertyRef Name="SalesOrder"/></Key>"#,
        r#"<PropertyRef Name="SalesOrder"/><PropertyRef Name="SoldToParty"/></Key>"#,
    );
    holds(&loaded(&two, "Order"), &["    key: [SalesOrder, SoldToParty]", "    read: {}"]);
    let text = loaded(THREE, "Price");
    holds(
        &text,
        &[
            "    key: [Item, { at: List, form: digits }]",
            // No file that is not OData's own names the parts in parentheses.
            "    # read: by a key that is no word of this grammar yet",
        ],
    );
    // Nor is one of which a part is no name.
    let text =
        loaded(&THREE.replace(r#"<PropertyRef Name="Item"/>"#, r#"<PropertyRef Name="It em"/>"#), "Price");
    holds(&text, &["    key: id # ? what names a record"]);
    assert!(!text.contains("\n    read:"), "{text}");
}

#[test]
fn a_set_is_named_or_called_like_the_entity() {
    let set = |entity: &str, set: Option<&str>| {
        described_edmx(FOUR.as_bytes(), entity, set).map(|described| described.set).map_err(|e| e.to_string())
    };
    assert_eq!(set("Order", None).unwrap(), "salesOrders");
    assert_eq!(set("Customer", None).unwrap(), "customers");
    assert_eq!(set("Order", Some("salesOrderLines")).unwrap(), "salesOrderLines");
    assert_eq!(
        set("Invoice", None).unwrap_err(),
        "no entity set is called like `Invoice`; name one with `--set`, of: customers, salesOrderLines, salesOrders"
    );
    assert!(set("Order", Some("nothing")).is_err());
}

#[test]
fn what_is_no_metadata_or_grows_is_refused() {
    let told = |text: &str| described_edmx(text.as_bytes(), "Order", None).unwrap_err().to_string();
    assert_eq!(told("{}"), "it is not read: the answer is not well-formed XML at byte 2");
    for other in ["<a/>", r#"<Edmx Version="4.0"/>"#, "<Schema/>"] {
        assert_eq!(
            told(other),
            "it is no `$metadata` of OData: its root is no `Edmx` with an entity set in it"
        );
    }
    let bomb = r#"<!DOCTYPE Edmx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Edmx Version="4.0">&b;</Edmx>"#;
    assert_eq!(told(bomb), "it is not read: the answer declares a document type");
    let deep = format!("{}{}", "<Edmx>".repeat(70), "</Edmx>".repeat(70));
    assert_eq!(told(&deep), "it is not read: the answer is nested deeper than 64 levels");
    let many = |part: &str, times: usize| FOUR.replacen(part, &part.repeat(times), 1);
    let sets = r#"<EntitySet Name="customers" EntityType="self.Customer"/>"#;
    assert_eq!(told(&many(sets, 10_001)), "it holds more than the bound of: entity sets");
    let types = r#"<ComplexType Name="Tag"><Property Name="word" Type="Edm.String"/></ComplexType>"#;
    assert_eq!(told(&many(types, 20_001)), "it holds more than the bound of: types");
    let properties = r#"<Property Name="photo" Type="Edm.Stream"/>"#;
    assert_eq!(told(&many(properties, 400_001)), "it holds more than the bound of: properties");
    let annotation = r#"<Annotation Term="Core.Immutable" Bool="true"/>"#;
    assert_eq!(told(&many(annotation, 200_001)), "it holds more than the bound of: annotations");
}

#[test]
fn a_type_that_holds_or_descends_from_itself_ends() {
    let turns = FOUR
        .replace(r#"Name="city" Type="Edm.String" MaxLength="30""#, r#"Name="city" Type="self.Place""#)
        .replace(
            r#"<EntityType Name="Base" Abstract="true">"#,
            r#"<EntityType Name="Base" BaseType="self.SalesOrder">"#,
        );
    let text = loaded(&turns, "Order");
    holds(&text, &["    key: { at: id, form: guid }", "      ordered_on: orderDate # Edm.Date"]);
    // Every property of it the same type again: more than anyone could look at.
    let wide: String = (0..40).map(|n| format!(r#"<Property Name="p{n}" Type="self.Place"/>"#)).collect();
    let wide = FOUR.replace(r#"<Property Name="postCode" Type="Edm.String"/>"#, &wide);
    let described = described_edmx(wide.as_bytes(), "Order", None).unwrap();
    assert!(described.left_out > 0 && described.natives.iter().count() <= 2_000);
}

fn escaped(text: &str) -> String {
    text.chars()
        .filter(
            |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..),
        )
        .map(|c| format!("&#{};", u32::from(c)))
        .collect()
}

proptest! {
    /// Names, labels and members of a description are data: whatever stands in them, the draft is one file of the same
    /// shape, and it loads.
    #[test]
    fn nothing_in_a_description_leaves_its_place(
        name in "\\PC{0,12}|[a-z_]{1,6}", label in ".{0,30}", member in ".{0,12}", set in "\\PC{0,8}|[A-Z][a-z]{1,8}", own in "[#:'\"{}&*!|>%@\n-]{0,8}",
    ) {
        let [name, label, member, set, own] = [&name, &label, &member, &set, &own].map(|text| escaped(text));
        let schema = shipped();
        for (metadata, entity) in [(FOUR, "Order"), (TWO, "Order"), (THREE, "Product")] {
            let hostile = metadata
                .replace(r#"Name="number""#, &format!(r#"Name="number{name}""#))
                .replace(r#"Name="Material""#, &format!(r#"Name="{name}{own}""#))
                .replace(r#"Name="to_Item""#, &format!(r#"Name="to_Item{own}""#))
                .replace("Sold-to Party", &label)
                .replace(r#"Name="Open""#, &format!(r#"Name="Open{member}""#))
                .replace(r#"Name="k_Goods""#, &format!(r#"Name="k_Goods_{member}""#))
                .replace(r#"EntitySet Name="Items""#, &format!(r#"EntitySet Name="Items{set}""#))
                .replace(r#"EntitySet Name="salesOrders""#, &format!(r#"EntitySet Name="salesOrders{own}""#))
                .replace(r#"PropertyRef Name="SalesOrder""#, &format!(r#"PropertyRef Name="SalesOrder{own}""#));
            let Ok(_) = described_edmx(hostile.as_bytes(), entity, None) else { continue };
            let text = drafted(&hostile, entity, None);
            let node = tree::parse(&"drafted.yaml".into(), &text).map_err(|found| TestCaseError::fail(format!("{found}\n{text}")))?;
            let keys: Vec<&str> = node.as_map().unwrap().iter().map(|(key, _)| key.text.as_str()).collect();
            prop_assert_eq!(keys, ["system", "base", "sign_in", "speaks", "errors", "entities"]);
            let entities: Vec<&str> = node.get("entities").unwrap().as_map().unwrap().iter().map(|(key, _)| key.text.as_str()).collect();
            prop_assert_eq!(entities, [entity]);
            let mut found = Diagnostics::default();
            let system = System::load(&SystemName::new("erp"), &node, &[], &schema, &mut found);
            prop_assert!(system.is_some(), "{}\n{}", found, text);
        }
    }
}
