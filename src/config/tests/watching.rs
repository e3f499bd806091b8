//! Which edits are noticed, and how soon.

use super::*;

#[tokio::test]
async fn a_changed_file_is_noticed_and_a_touched_one_is_not() {
    let dir = written(&bundle());
    let mut watch = Watch::new(dir.path(), Files::read(dir.path()).unwrap().digest());
    let limits = dir.path().join("limits.yaml");
    fs::write(&limits, LIMITS_TEXT).unwrap();
    let touched = tokio::time::timeout(std::time::Duration::from_millis(400), watch.changed()).await;
    assert!(touched.is_err(), "the same content is no change");
    // As editors do: a new file takes the old one's place.
    fs::write(dir.path().join(".new"), LIMITS_TEXT.replace("10/s", "20/s")).unwrap();
    fs::rename(dir.path().join(".new"), &limits).unwrap();
    watch.changed().await;
    // A folder that does not load any more is a change too, and so is its return.
    fs::write(dir.path().join("stray.yaml"), "").unwrap();
    watch.changed().await;
    // Broken in another way, it has another report.
    fs::write(dir.path().join("other.yaml"), "").unwrap();
    watch.changed().await;
    for stray in ["stray.yaml", "other.yaml"] {
        fs::remove_file(dir.path().join(stray)).unwrap();
    }
    watch.changed().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_config_map_that_swaps_its_link_is_noticed() {
    use std::os::unix::fs::symlink;
    let dir = written(&[
        ("..v1/limits.yaml", LIMITS_TEXT.into()),
        ("..v2/limits.yaml", LIMITS_TEXT.replace("10/s", "20/s")),
    ]);
    symlink("..v1", dir.path().join("..data")).unwrap();
    symlink("..data/limits.yaml", dir.path().join("limits.yaml")).unwrap();
    let mut watch = Watch::new(dir.path(), Files::read(dir.path()).unwrap().digest());
    symlink("..v2", dir.path().join("..data_tmp")).unwrap();
    fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
    watch.changed().await;
    assert!(Files::read(dir.path()).unwrap().text("limits.yaml").unwrap().contains("20/s"));
}

/// How soon an edit is noticed.
const SOON: std::time::Duration = std::time::Duration::from_secs(1);

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_is_a_link_and_turned_to_another_is_noticed_within_a_second() {
    use std::os::unix::fs::symlink;
    let dir = written(&[
        ("one/limits.yaml", LIMITS_TEXT.into()),
        ("two/limits.yaml", LIMITS_TEXT.replace("10/s", "20/s")),
    ]);
    let policies = dir.path().join("policies");
    symlink("one", &policies).unwrap();
    let mut watch = Watch::new(&policies, Files::read(&policies).unwrap().digest());
    for target in ["two", "one", "two"] {
        symlink(target, dir.path().join("fresh")).unwrap();
        fs::rename(dir.path().join("fresh"), &policies).unwrap();
        tokio::time::timeout(SOON, watch.changed()).await.expect(target);
    }
    // Where it leads now, edits are noticed too.
    fs::write(dir.path().join("two/limits.yaml"), LIMITS_TEXT.replace("10/s", "30/s")).unwrap();
    tokio::time::timeout(SOON, watch.changed()).await.expect("an edit behind the link");
    // So it is with a folder that is moved away and made again.
    fs::remove_file(&policies).unwrap();
    tokio::time::timeout(SOON, watch.changed()).await.expect("it is gone");
    fs::create_dir(&policies).unwrap();
    fs::write(policies.join("limits.yaml"), LIMITS_TEXT).unwrap();
    tokio::time::timeout(SOON, watch.changed()).await.expect("it is there again");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_is_being_written_is_waited_for_as_long_as_one_may_be() {
    use std::io::Write as _;
    let dir = written(&bundle());
    let limits = dir.path().join("limits.yaml");
    let mut watch = Watch::new(dir.path(), Files::read(dir.path()).unwrap().digest());
    let mut file = fs::File::create(&limits).unwrap();
    file.write_all(&LIMITS_TEXT.as_bytes()[..40]).unwrap();
    let half = tokio::time::timeout(SOON, watch.changed()).await;
    assert!(half.is_err(), "half of it is no edit");
    file.write_all(&LIMITS_TEXT.replace("10/s", "20/s").as_bytes()[40..]).unwrap();
    drop(file);
    tokio::time::timeout(SOON, watch.changed()).await.expect("the whole of it");
    assert!(Files::read(dir.path()).unwrap().text("limits.yaml").unwrap().contains("20/s"));
    // Whoever never closes it does not keep an edit back.
    let mut file = fs::File::options().append(true).open(&limits).unwrap();
    file.write_all(b"# more\n").unwrap();
    tokio::time::timeout(SOON * 4, watch.changed()).await.expect("in the end it is looked at");
    drop(file);
}
