//! A station of the story cannot be left out, made up or used twice: the files under `tests/compile` do not
//! compile, and the compiler's reasons stand beside them.

#[test]
fn a_story_without_one_of_its_stations_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile/*.rs");
}
