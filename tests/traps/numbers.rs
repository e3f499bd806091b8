//! A number is the number that was sent, and an object says each thing once.

use http::Method;
use serde_json::json;

use crate::{
    ground::Ground,
    kit::{Answer, Demo, Who},
};

fn create(demo: &Demo, collection: &str, body: &str) -> Answer {
    demo.ask(Method::POST, &format!("/v1/{collection}"))
        .by(Who::App)
        .body("application/json", body.to_owned())
        .send()
}

#[test]
fn an_object_that_says_a_thing_twice_or_is_no_json_is_refused() {
    let ground = Ground::open();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_objects = format!("{}1{}", "{\"name\":".repeat(100_000), "}".repeat(100_000));
    let digits = "9".repeat(1_000_000);
    let mut answers = Vec::new();
    for body in [
        r#"{"kind":"person","name":"Ewa","name":"Ada"}"#,
        r#"{"kind":"person","name":"Ewa","n\u0061me":"Ada"}"#,
        r#"{"kind":"person","kind":"person","name":"Ewa"}"#,
        r#"{"kind":"person","name":"Ewa","emails":[{"value":"a@example.com","value":"b@example.com"}]}"#,
        r#"{"kind":"person","name":"Ewa"} {"name":"Ada"}"#,
        r#"{"kind":"person","name":"Ewa",}"#,
        r#"{"kind":"person","name":"\ud800"}"#,
        "{\"kind\":\"person\",\"name\":\"a\nb\"}",
        r#"{"kind":"person","name":NaN}"#,
        r#"{"kind":"person","name":12345678901234567890}"#,
        r#"{"kind":"person","Name":"Ewa","id":"7"}"#,
        &deep,
        &deep_objects,
        &format!("{{\"kind\":\"person\",\"name\":{digits}}}"),
        &format!("{{\"kind\":\"person\",\"name\":1e{digits}}}"),
    ] {
        let answer = create(&ground.demo, "customers", body);
        assert!([400, 422].contains(&answer.status), "{} to {}", answer.status, &body[..body.len().min(80)]);
        answers.push(answer);
    }
    for bytes in [
        b"{\"kind\":\"person\",\"name\":\"\xff\"}".as_slice(),
        b"\xef\xbb\xbf{\"kind\":\"person\",\"name\":\"E\"}",
    ] {
        let ask = ground.demo.ask(Method::POST, "/v1/customers").body("application/json", bytes.to_vec());
        let answer = ask.send();
        assert!([400, 422].contains(&answer.status), "{answer:?}");
        answers.push(answer);
    }
    ground.untouched(&answers);
}

#[test]
fn a_decimal_is_written_and_read_back_digit_by_digit() {
    let ground = Ground::with_books();
    for (quantity, price) in [
        ("3", "0.1"),
        ("0.3", "0.2"),
        ("1.10", "19.90"),
        ("2", "9007199254740993"),
        ("1", "123456789012.12345"),
        ("0.00001", "1"),
    ] {
        let body = json!({ "customer": "20000", "currency": "USD",
            "lines": [{ "sku": "1001", "quantity": quantity, "net_price": price }] });
        let created = create(&ground.demo, "orders", &body.to_string()).expect(201);
        let sent = ground.system.last();
        for (field, digits) in [("quantity", quantity), ("unitPrice", price)] {
            let field = format!("\"{field}\":{digits}");
            assert!(
                sent.contains(&format!("{field},")) || sent.contains(&format!("{field}}}")),
                "{field} in {sent}"
            );
        }
        let path = created.header("location").unwrap().to_owned();
        let line = ground.demo.get(&path).send().expect(200).json()["lines"][0].clone();
        assert_eq!((&line["quantity"], &line["net_price"]), (&json!(quantity), &json!(price)));
    }
}

#[test]
fn a_number_that_is_no_decimal_is_refused_and_never_rounded() {
    let ground = Ground::open();
    let mut answers = Vec::new();
    for quantity in [
        "\"1e3\"",
        "\"0x10\"",
        "\"+1\"",
        "\" 1\"",
        "\"1,5\"",
        "\"NaN\"",
        "\"Infinity\"",
        "\"\"",
        "\".5\"",
        "\"99999999999999999999999999999999999999999\"",
        "\"0.0000000000000000000000000000000000000001\"",
        "true",
        "[1]",
        "1e400",
        "99999999999999999999999999999999999999999",
    ] {
        let body = format!(
            r#"{{"customer":"20000","currency":"USD","lines":[{{"sku":"1001","quantity":{quantity}}}]}}"#
        );
        let answer = create(&ground.demo, "orders", &body);
        assert!([400, 422].contains(&answer.status), "{} to {quantity}", answer.status);
        answers.push(answer);
    }
    ground.untouched(&answers);
}
