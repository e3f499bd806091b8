//! What is made and changed in them.

use super::*;

#[test]
fn a_new_record_goes_to_the_system_whose_records_are_like_it() {
    let two = Two::usual();
    let firm = json!({ "kind": "company", "name": "Lis SA", "website": "https://lis.example" });
    let made = two.send(Method::POST, "/v1/customers", &firm).expect(201);
    let (firms, people) = two.asked();
    assert!(people.is_empty() && firms[0].body.contains("Lis SA"), "{firms:?}");
    assert!(systems(&two.entry(&made)).iter().all(|system| *system == "firms"));
    let person = json!({ "kind": "person", "name": "Jan Lis", "given_name": "Jan", "family_name": "Lis" });
    let made = two.send(Method::POST, "/v1/customers", &person).expect(201);
    let (firms, people) = two.asked();
    assert!(firms.is_empty() && people[0].body.contains("Jan"), "{people:?}");
    let at = made.header("location").unwrap().to_owned();
    assert_eq!(two.get(&at).expect(200).json(), made.json());
    assert_eq!(two.names("/v1/customers?name=Jan%20Lis"), ["Jan Lis"]);
}

#[test]
fn a_body_that_no_system_takes_is_told_what_it_has_to_be() {
    let two = Two::usual();
    let post = |body: &Value| two.send(Method::POST, "/v1/customers", body);
    let answer = post(&json!({ "name": "Lis SA" })).refused(422);
    let (places, told) = faults(&answer);
    assert_eq!(places, ["/kind"]);
    assert!(told.contains("`company`, `person`"), "{told}");
    // What the one that is meant does not take is told by its own measure.
    let (places, _) =
        faults(&post(&json!({ "kind": "company", "name": "Lis", "job_title": "x" })).refused(422));
    assert_eq!(places, ["/job_title"]);
    let (places, _) = faults(&post(&json!({ "kind": "company" })).refused(422));
    assert_eq!(places, ["/name"]);
    let (places, _) = faults(&post(&json!({ "kind": "robot", "name": "x" })).refused(422));
    assert_eq!(places, ["/kind"]);
    assert_eq!(two.asked_times(), (0, 0));
}

#[test]
fn what_a_record_is_stays_and_another_systems_field_is_none_of_its_own() {
    let two = Two::filled(with(OPEN));
    let firm = two.path_of("Firm 1");
    let (places, _) = faults(&two.send(Method::PATCH, &firm, &json!({ "kind": "person" })).refused(422));
    assert_eq!(places, ["/kind"]);
    let (places, _) = faults(&two.send(Method::PATCH, &firm, &json!({ "job_title": "boss" })).refused(422));
    assert_eq!(places, ["/job_title"]);
    let named = json!({ "kind": "company", "name": "Firm One" });
    two.send(Method::PUT, &firm, &named).expect(200);
    assert_eq!(two.of_firms.0.lock()[0]["title"], "Firm One");
    // A reference is one of the system's own.
    let (other, person) = (two.path_of("Firm 2"), two.path_of("Ewa Nowak 2"));
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    two.send(Method::PATCH, &firm, &json!({ "parent": id(&other) })).expect(200);
    assert_eq!(two.of_firms.0.lock()[0]["owner"], "2");
    let (places, _) = faults(&two.send(Method::PATCH, &firm, &json!({ "parent": id(&person) })).refused(422));
    assert_eq!(places, ["/parent"]);
    two.asked();
    two.stage.ask(line::bare(Method::DELETE, &person, Some(&two.stage.shop))).expect(204);
    assert!(two.asked().0.is_empty());
    two.get(&person).refused(404);
    assert_eq!((two.of_firms.0.lock().len(), two.of_people.0.lock().len()), (5, 3));
}

#[test]
fn whose_a_record_is_is_told_to_nobody_who_may_not_change_it() {
    let no_firms = "@id(\"no-firms\")\nforbid (principal in Group::\"apps\", action in [Action::\"update\", Action::\"delete\"], resource is Customer)\nwhen { resource has kind && resource.kind == \"company\" };\n";
    let two = Two::filled(with(&format!("{OPEN}{no_firms}")));
    let (firm, person) = (two.path_of("Firm 1"), two.path_of("Ewa Nowak 1"));
    let nobody = "/v1/customers/0000000000000000000000000a";
    let told = |path: &str, body: &Value| {
        let answer = two.send(Method::PATCH, path, body);
        let mut json = answer.json();
        json.as_object_mut().unwrap().retain(|name, _| name != "request_id" && name != "instance");
        (answer.status, json)
    };
    for (body, status) in [
        (json!({ "job_title": "x" }), 404),
        (json!({ "website": "https://x.example" }), 404),
        (json!({ "parent": firm.rsplit('/').next().unwrap() }), 404),
        (json!({ "name": 1 }), 422),
        (json!({ "vat_id": "PL1" }), 422),
    ] {
        let (firm, nobody) = (told(&firm, &body), told(nobody, &body));
        assert_eq!((firm.0, &firm), (status, &nobody), "{body}");
    }
    two.send(Method::PATCH, &person, &json!({ "website": "https://x.example" })).refused(422);
    two.stage.ask(line::bare(Method::DELETE, &firm, Some(&two.stage.shop))).refused(404);
}

#[test]
fn a_version_is_the_records_own_and_a_write_that_is_sent_again_is_answered_again() {
    let two = Two::filled(with(OPEN));
    let person = two.path_of("Ewa Nowak 1");
    let send = |method: Method, path: &str, body: &Value, (name, value): (&str, &str)| {
        let request = line::asking(method, path, Some(&two.stage.shop));
        let request = request.header("content-type", "application/json").header(name, value);
        two.stage.ask(request.body(body.to_string().into()).unwrap())
    };
    let tag = two.get(&person).expect(200).header("etag").unwrap().to_owned();
    let body = json!({ "job_title": "boss" });
    let changed = send(Method::PATCH, &person, &body, ("if-match", &tag)).expect(200);
    send(Method::PATCH, &person, &json!({ "job_title": "x" }), ("if-match", &tag)).refused(412);
    assert_eq!(changed.header("etag"), two.get(&person).expect(200).header("etag"));
    let (_, people) = two.asked();
    let sent = people.iter().find(|seen| seen.method == "PATCH").unwrap();
    assert_eq!(sent.if_match.as_deref(), Some("1"), "it is guarded by the version that was judged");
    // Sent again it is done once, in the system of its kind.
    let new = json!({ "kind": "person", "name": "Jan Lis", "given_name": "Jan", "family_name": "Lis" });
    let first = send(Method::POST, "/v1/customers", &new, ("idempotency-key", "k-1")).expect(201);
    let again = send(Method::POST, "/v1/customers", &new, ("idempotency-key", "k-1")).expect(201);
    assert_eq!((first.json(), first.header("etag")), (again.json(), again.header("etag")));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(two.of_people.0.lock().len(), 5);
}

#[test]
fn a_repeat_is_answered_by_what_the_system_tells_that_has_the_record() {
    let two = Two::filled(|policies| {
        // What companies are watched by, nobody sees and persons are not asked for.
        change(
            policies,
            "systems/firms.yaml",
            "    read: {}\n",
            "    read: {}\n    stale: { after: 90d, by: created_at }\n",
        );
        let file = policies.join("access/apps.cedar");
        let text = fs::read_to_string(&file).unwrap();
        let fields = text.lines().find(|line| line.starts_with("@fields(\"*, name, given_name")).unwrap();
        fs::write(&file, text.replace(fields, "@fields(\"id, kind, name, job_title, status\")")).unwrap();
    });
    let new = json!({ "kind": "person", "name": "Jan Lis", "given_name": "Jan", "family_name": "Lis" });
    let send = || {
        let request = line::asking(Method::POST, "/v1/customers", Some(&two.stage.shop));
        let request = request.header("content-type", "application/json").header("idempotency-key", "k-1");
        two.stage.ask(request.body(new.to_string().into()).unwrap()).expect(201)
    };
    let (first, again) = (send(), send());
    assert!(first.header("etag").is_some());
    assert_eq!((first.body.clone(), first.header("etag")), (again.body.clone(), again.header("etag")));
}

#[test]
fn what_one_system_cannot_do_is_refused_for_its_records_alone() {
    let two = Two::filled(|policies| {
        with(OPEN)(policies);
        for line in
            ["    create: {}\n", "    update: { send: changed }\n", "    delete: { means: removed }\n"]
        {
            change(policies, "systems/people.yaml", line, "");
        }
    });
    let (firm, person) = (two.path_of("Firm 1"), two.path_of("Ewa Nowak 1"));
    let new = json!({ "kind": "person", "name": "Jan Lis" });
    let (places, told) = faults(&two.send(Method::POST, "/v1/customers", &new).refused(422));
    assert!(places == ["/kind"] && told.contains("`company`") && !told.contains("`person`"), "{told}");
    let delete = |path: &str| two.stage.ask(line::bare(Method::DELETE, path, Some(&two.stage.shop)));
    let none = two.send(Method::PATCH, &person, &json!({ "name": "x" })).refused(405);
    assert_eq!(none.header("allow"), Some("GET, HEAD"));
    delete(&person).refused(405);
    delete("/v1/customers/0000000000000000000000000a").refused(404);
    two.send(Method::PATCH, &firm, &json!({ "name": "x" })).expect(200);
    delete(&firm).expect(204);
    assert!(two.people.seen().iter().all(|seen| seen.method == "GET"));
}
