//! What a filter may be made of, and what it costs at most.

use super::*;

fn refused(text: &str) -> String {
    Program::load(text).err().unwrap_or_else(|| panic!("`{text}` is let through"))
}

fn gives(text: &str, json: &str) -> Result<Gave, &'static str> {
    Program::load(text).unwrap_or_else(|why| panic!("{text}: {why}")).scalar(json)
}

fn text(text: &str) -> Result<Gave, &'static str> {
    Ok(Gave::Text(text.to_owned()))
}

#[test]
fn a_filter_that_could_run_on_or_reach_out_is_refused_by_its_name() {
    for (filter, name) in [
        ("def f: f; f", "`def`"),
        ("def f: 1; f", "`def`"),
        ("recurse", "`recurse`"),
        ("recurse(.a)", "`recurse`"),
        ("..", "`..`"),
        (".. | .a", "`..`"),
        ("repeat(.)", "`repeat`"),
        ("while(true; .)", "`while`"),
        ("until(false; .)", "`until`"),
        ("range(0; 1; 0)", "`range`"),
        ("range(1000000000)", "`range`"),
        ("limit(1; repeat(.))", "`limit`"),
        ("env", "`env`"),
        ("env.HOME", "`env`"),
        ("$ENV.HOME", "`$ENV`"),
        ("input", "`input`"),
        ("[inputs]", "`inputs`"),
        ("halt", "`halt`"),
        ("halt_error", "`halt_error`"),
        ("debug", "`debug`"),
        ("stderr", "`stderr`"),
        ("now", "`now`"),
        ("$__loc__", "`$__loc__`"),
        ("reduce .[] as $x (null; $x)", "`reduce`"),
        ("foreach .[] as $x (null; $x)", "`foreach`"),
        (".a as $x | .b", "`as`"),
        ("label $out | break $out", "`label`"),
        ("try error catch .", "`catch`"),
        (".a = 1", "`=`"),
        (".a |= .b", "`|=`"),
        (".a //= 1", "`//=`"),
        ("@base64", "`@base64`"),
        ("@text \"\\(.a)\"", "`@text`"),
        ("walk(.)", "`walk`"),
        ("test(\"(a*)*b\")", "`test`"),
        ("gsub(\"a\"; \"b\")", "`gsub`"),
        ("combinations", "`combinations`"),
        ("map(env)", "`env`"),
        ("{ a: [.b[] | select(.c == \"d\") | input] }", "`input`"),
        ("if env then . else . end", "`env`"),
        ("\"\\(env)\"", "`env`"),
        ("first(repeat(.))", "`repeat`"),
    ] {
        let told = refused(filter);
        assert!(told.starts_with(name) && told.contains("is not allowed"), "{filter}: {told}");
    }
}

#[test]
fn a_filter_that_computes_or_orders_is_refused() {
    for (filter, word) in [
        (".a + .b", "does not compute"),
        (".a * 100", "does not compute"),
        (".a - .b", "does not compute"),
        (".a / 2", "does not compute"),
        (".a % 2", "does not compute"),
        ("-(.a)", "does not compute"),
        (".a += 1", "does not compute"),
        (".a < 10", "does not order"),
        (".a >= .b", "does not order"),
        ("select(.amount == 10)", "written out"),
        ("select(.amount == .other)", "written out"),
        ("tonumber", "is not allowed"),
        ("add", "is not allowed"),
        ("sort", "is not allowed"),
        ("max_by(.a)", "is not allowed"),
        ("length", "is not allowed"),
        ("unique", "is not allowed"),
        ("floor", "is not allowed"),
        ("nan", "is not allowed"),
    ] {
        let told = refused(filter);
        assert!(told.contains(word), "{filter}: {told}");
    }
}

#[test]
fn a_filter_that_multiplies_what_it_reads_is_refused() {
    for (filter, word) in [
        ("\"\\(.[])\\(.[])\"", "several values"),
        ("{ a: .[], b: .[] }", "several values"),
        ("[.[] == \"a\"]", "several values"),
        (".[] and .[]", "several values"),
        ("if .[] then 1 else 2 end", "several values"),
        (".[.[]]", "written out"),
        ("{ (.a): 1 }", "written out"),
        ("map(select(.[] == \"a\"))", "several values"),
        ("[., .] | [., .] | [., .] | [., .] | [., .] | [., .] | [., .] | [., .]", "256 times"),
        ("map(map(map(map(map(map(.))))))", "256 times"),
        (
            "join(\"========================================================================================\")",
            "256 times",
        ),
    ] {
        let told = refused(filter);
        assert!(told.contains(word), "{filter}: {told}");
    }
}

#[test]
fn a_filter_that_is_long_or_deep_is_refused_before_it_is_parsed() {
    assert!(refused(&format!("\"{}\"", "a".repeat(1100))).contains("1024 bytes"));
    for deep in ["(".repeat(500), "[".repeat(500), "{a:".repeat(300), "-".repeat(1000), "if ".repeat(300)] {
        assert!(refused(&deep).contains("levels deep"), "{deep}");
    }
    for bad in ["", ".a |", "map(", "{a", ".a b", "import \"a\" as a; .", "include \"a\"; ."] {
        assert!(Program::load(bad).is_err(), "{bad}");
    }
}

#[test]
fn filters_move_select_and_put_texts_together() {
    let json = r#"{"a":{"b":[{"k":"x","v":"1"},{"k":"y","v":"2"},{"k":"x","v":null}]},"t":" Ab,c ","e":"","n":12.50,"o":{"p":1,"q":2}}"#;
    for (filter, gave) in [
        (".a.b[] | select(.k == \"y\") | .v", text("2")),
        (".a.b | map(.v | values) | join(\"; \")", text("1; 2")),
        (".a.b | map(select(.k == \"x\")) | first | .v", text("1")),
        ("first(.a.b[] | select(.k == \"x\" and .v != null) | .v)", text("1")),
        (".t | trim | ascii_downcase | split(\",\") | .[1]", text("c")),
        (".a.b[-1].k // \"none\"", text("x")),
        (".x.y.z // .t | ltrimstr(\" \") | rtrimstr(\" \")", text("Ab,c")),
        ("\"\\(.n) EUR\"", text("12.50 EUR")),
        ("[.o | to_entries[] | .key] | join(\"+\")", text("p+q")),
        ("if .e == \"\" then \"empty\" else .e end", text("empty")),
        (".a.b | any(.k == \"z\") | not", Ok(Gave::Boolean(true))),
        (".o | has(\"p\")", Ok(Gave::Boolean(true))),
        ("[.t | startswith(\" A\"), endswith(\"x\")] | .[0] | tostring", text("true")),
        (".a.b[1:] | reverse | .[0].k", text("x")),
        (".n", Ok(Gave::Number("12.50".to_owned()))),
        (".q?", Ok(Gave::Nothing)),
        (".a.b[] | select(.k == \"z\")", Ok(Gave::Nothing)),
        (".a.b[] | .v", Err("the filter gives more than one value")),
        (".a", Err("the filter gives no single value")),
        (".t.u", Err("the filter fails on it")),
    ] {
        assert_eq!(gives(filter, json), gave, "{filter}");
    }
}

#[test]
fn a_number_comes_out_as_it_was_told() {
    for number in [
        "0",
        "-1",
        "19.99",
        "1397.30",
        "29.949999999999999",
        "1e-7",
        "123456789012345678901234567890.10",
        "98765432109876543210",
    ] {
        assert_eq!(
            gives(".a | [.] | first", &format!("{{\"a\":{number}}}")),
            Ok(Gave::Number(number.into()))
        );
        assert_eq!(gives(".a | tostring", &format!("{{\"a\":{number}}}")), text(number));
    }
}

#[test]
fn what_is_larger_than_the_bound_or_no_json_is_not_read() {
    let fits = format!("\"{}\"", "a".repeat(INPUT_BYTES_MAX - 2));
    assert_eq!(gives("startswith(\"a\")", &fits), Ok(Gave::Boolean(true)));
    let larger = format!("\"{}\"", "a".repeat(INPUT_BYTES_MAX - 1));
    assert_eq!(gives("startswith(\"a\")", &larger), Err("larger than a filter may read"));
    // jaq would read each of these.
    for bad in ["NaN", "Infinity", "[1,]", "# a\n1", "b\"a\"", "+1", "{1:2}", "1 2", &"[".repeat(10_000)] {
        assert_eq!(gives("\"read\"", bad), Err("not the JSON that a filter reads"), "{bad}");
    }
}

/// About the costliest that is let through, on the largest that is read.
#[test]
fn the_costliest_filter_on_the_largest_input_ends() {
    let list = |item: &str| {
        let items: Vec<_> = (0..INPUT_BYTES_MAX / (item.len() + 1) - 1).map(|_| item).collect();
        format!("[{}]", items.join(","))
    };
    for filter in [
        "map(\"\\(.)\\(.)\\(.)\\(.)\") | join(\", \")",
        "map({ a: ., b: . }) | map(tostring) | join(\"\")",
        "map(tostring) | reverse | map(split(\"\") | join(\"\")) | join(\"\")",
        "map(tostring | ascii_upcase | trim) | map(select(. != \"x\" and . != null)) | join(\"-\")",
    ] {
        for item in ["1", "\"\"", "\"\\\\\"", "[]", "[1,[2,{\"a\":\"b\"}]]"] {
            let program = Program::load(filter).unwrap_or_else(|why| panic!("{filter}: {why}"));
            let _ = program.scalar(&list(item));
        }
    }
}

#[test]
fn what_a_filter_goes_through_is_told_by_its_text() {
    let works = |filter: &str| Program::load(filter).unwrap_or_else(|why| panic!("{filter}: {why}")).works;
    let told = [
        ".a",
        ".a.b // .c",
        "first(.[]? | select(.k == \"x\") | .v)",
        "map(tostring) | join(\", \")",
        "map(tostring) | reverse | map(split(\"\") | join(\"\")) | join(\"\")",
    ]
    .map(works);
    assert!(told.is_sorted() && told[0] < told[1] && told[3] < told[4], "{told:?}");
    // What a branch may do counts, whichever is taken.
    assert!(works("if .a then map(tostring) else 1 end") > works("map(tostring)"));
}
