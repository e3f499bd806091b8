//! What the ERP holds is read, filtered, put in order and paged through the gate.

use serde_json::{Value, json};

use crate::{company::Company, gate::Gate};

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[test]
fn customers_are_read_with_what_stands_in_lists_of_their_own() {
    let company = Company::open();
    let gate = Gate::over(&company);
    let baltic = gate.one("/v1/customers?number=C-2");
    let told = ["kind", "name", "status"].map(|field| baltic[field].as_str().unwrap());
    assert_eq!(told, ["company", "Baltic Sp. z o.o.", "active"]);
    assert_eq!(baltic["tax_ids"], json!([{ "scheme": "PL:NIP", "value": "5260250274" }]));
    assert_eq!(baltic["emails"], json!([{ "value": "c-2@example.com" }]));
    assert_eq!(baltic["phones"], json!([{ "value": "+48585550100" }]));
    let address = json!({ "line1": "Długa 1", "city": "Gdańsk", "post_code": "80-831", "country": "PL" });
    assert_eq!(baltic["addresses"], json!([address]));
    // A moment is the ERP's own, which says it in parts.
    let id = company.number("party.party", "code", "C-2");
    let made = company.record("party.party", id, &["create_date"])["create_date"].clone();
    assert_eq!(made["__class__"], "datetime");
    let moment: jiff::Timestamp = baltic["created_at"].as_str().unwrap().parse().unwrap();
    let moment = moment.to_zoned(jiff::tz::TimeZone::UTC);
    assert_eq!(
        [&made["day"], &made["hour"], &made["minute"], &made["second"], &made["microsecond"]],
        [
            &json!(moment.day()),
            &json!(moment.hour()),
            &json!(moment.minute()),
            &json!(moment.second()),
            &json!(moment.subsec_nanosecond() / 1000)
        ]
    );
    // By its own id it is the same, and an id of nobody is nobody.
    let id = baltic["id"].as_str().unwrap();
    assert_eq!(gate.get(&format!("/v1/customers/{id}")).expect(200).json(), baltic);
    gate.get("/v1/customers/00000000000000000000000000").refused(404);
}

#[test]
fn lists_are_filtered_ordered_and_paged_by_the_erp() {
    let company = Company::open();
    let gate = Gate::over(&company);
    let all = gate.whole("/v1/customers?limit=1");
    assert_eq!(names(&all).len(), 4, "{all:?}");
    let named = |path: &str| {
        let rows = gate.whole(path);
        let mut names: Vec<_> = names(&rows).into_iter().map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(named("/v1/customers?name=Anna%20Nowak"), ["Anna Nowak"]);
    assert_eq!(named("/v1/customers?addresses.city=Gda%C5%84sk"), ["Baltic Sp. z o.o.", "Cyan GmbH"]);
    assert_eq!(named("/v1/customers?tax_ids.value=5260250274"), ["Baltic Sp. z o.o."]);
    assert_eq!(named("/v1/customers?updated_at[lt]=2020-01-01T00:00:00Z"), [""; 0]);
    assert_eq!(named("/v1/customers?updated_at[gte]=2020-01-01T00:00:00Z").len(), 4);
    // What would be an operator of the ERP, or end a text elsewhere, is a text.
    for hostile in ["%25", "Anna%25", "%22%5D%2C%5B%22id%22", "OR", "Anna_Nowak"] {
        assert_eq!(named(&format!("/v1/customers?name={hostile}")), [""; 0], "{hostile}");
    }
}

#[test]
fn a_walk_in_the_order_of_changes_comes_by_everyone_though_some_change_meanwhile() {
    let company = Company::open();
    let gate = Gate::over(&company);
    let page = |cursor: Option<&str>| {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let path =
            format!("/v1/customers?updated_at[gte]=2020-01-01T00:00:00Z&sort=updated_at&limit=1{cursor}");
        gate.get(&path).expect(200).json()
    };
    let (mut came, mut cursor) = (Vec::new(), None::<String>);
    for n in 0.. {
        assert!(n < 20, "a list without end: {came:?}");
        let answer = page(cursor.as_deref());
        let items = answer["items"].as_array().unwrap();
        came.extend(items.iter().map(|item| (item["id"].clone(), item["updated_at"].clone())));
        let Some(next) = answer["next_cursor"].as_str() else { break };
        cursor = Some(next.to_owned());
        if n == 1 {
            // Who came first changes, and is the last now: rows that are counted would leave the third out.
            let path = format!("/v1/customers/{}", came[0].0.as_str().unwrap());
            gate.patch(&path, &json!({ "name": "Another name" })).expect(200);
        }
    }
    let ids: Vec<_> = came.iter().map(|(id, _)| id).collect();
    assert_eq!(came.len(), 5, "{came:?}");
    assert_eq!(ids[0], ids[4]);
    assert_eq!(gate.whole("/v1/customers").iter().filter(|row| ids.contains(&&row["id"])).count(), 4);
    let moments: Vec<jiff::Timestamp> =
        came.iter().map(|(_, at)| at.as_str().unwrap().parse().unwrap()).collect();
    assert!(moments.is_sorted(), "{moments:?}");
}

#[test]
fn products_and_stock_are_told_with_exact_numbers() {
    let company = Company::open();
    let gate = Gate::over(&company);
    let sand = gate.one("/v1/products?sku=SAND-1");
    assert_eq!(sand["list_price"], json!({ "net_price": "0.3333", "currency": "PLN" }));
    assert_eq!([&sand["unit"], &sand["kind"], &sand["unit_cost"]], ["KGM", "goods", "0.1"]);
    assert_eq!(gate.one("/v1/products?sku=HELP-1")["kind"], "service");

    let levels = gate.whole("/v1/stock-levels");
    assert_eq!(levels.len(), 4, "two goods in two warehouses, a service has no stock: {levels:?}");
    let level = gate.one("/v1/stock-levels?sku=SAND-1&location.code=WH");
    assert_eq!([&level["on_hand"], &level["available"], &level["unit"]], ["12.5", "12.5", "KGM"]);
    assert_eq!(level["product"], sand["id"]);
    // What stands in each warehouse, by itself.
    let lamps = gate.whole("/v1/stock-levels?sku=LAMP-1&limit=1");
    let told: Vec<_> = lamps.iter().map(|level| [&level["location"]["code"], &level["on_hand"]]).collect();
    assert_eq!(told, [["WH", "40.0"], ["WH2", "2.0"]]);
    assert_eq!(lamps[1]["location"]["name"], "Second warehouse");
    let id = lamps[1]["id"].as_str().unwrap();
    let read = gate.get(&format!("/v1/stock-levels/{id}")).expect(200).json();
    assert_eq!([&read["location"], &read["on_hand"]], [&lamps[1]["location"], &lamps[1]["on_hand"]]);
    assert_eq!(gate.whole("/v1/stock-levels?location.code[in]=WH2,none").len(), 2);
    assert_eq!(gate.whole("/v1/stock-levels?location.name=Nowhere"), [Value::Null; 0]);
}
