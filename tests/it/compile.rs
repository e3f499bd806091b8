//! A station of the story cannot be left out, made up or used twice: the files under `tests/compile` do not
//! compile, and the compiler's reasons stand beside them, one line an error. Where a reason changed and is right,
//! `OVERWRITE_REASONS=1` writes what is said now.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

/// The library these tests are linked with: its file is the last that was built beside the program.
fn library(built: &Path) -> PathBuf {
    let files = fs::read_dir(built).expect("what was built").map(|entry| entry.expect("an entry").path());
    let ours = files.filter(|file| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("libbramka-") && name.ends_with(".rlib")
    });
    let age = |file: &PathBuf| {
        fs::metadata(file).and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    ours.max_by_key(age).expect("a built library")
}

/// Why the compiler refuses a story, one line an error; nothing where it does not.
fn reasons(story: &Path, built: &Path, library: &Path, out: &Path) -> String {
    let ran = Command::new("rustc")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["--edition=2024", "--crate-type=bin", "--crate-name=story", "--emit=metadata"])
        .args(["--error-format=short", "--cap-lints=allow", "--out-dir"])
        .arg(out)
        .arg("-L")
        .arg(format!("dependency={}", built.display()))
        .arg("--extern")
        .arg(format!("bramka={}", library.display()))
        .arg(story)
        .output()
        .expect("rustc");
    let said = String::from_utf8(ran.stderr).expect("text");
    said.lines().filter(|line| line.contains(": error")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_story_without_one_of_its_stations_does_not_compile() {
    let built = Path::new(env!("CARGO_BIN_EXE_bramka")).parent().expect("a directory").join("deps");
    let library = library(&built);
    let out = tempfile::tempdir().expect("a directory");
    let stories = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile");
    let mut told = 0;
    for story in fs::read_dir(&stories).expect("the stories") {
        let name = story.expect("an entry").file_name().into_string().expect("a name");
        if !name.ends_with(".rs") {
            continue;
        }
        let story = Path::new("tests/compile").join(&name);
        let beside = stories.join(&name).with_extension("stderr");
        let said = reasons(&story, &built, &library, out.path());
        assert!(!said.is_empty(), "{name} compiles");
        if env::var_os("OVERWRITE_REASONS").is_some() {
            fs::write(&beside, &said).expect("written");
        }
        let wanted = fs::read_to_string(&beside).unwrap_or_default();
        assert_eq!(said, wanted, "{name} is refused for other reasons");
        told += 1;
    }
    assert!(told >= 24, "there are {told} stories");
}
