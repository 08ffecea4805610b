//! The program backs a store up and brings it back, and says what it did.

use super::support::shell::Shell;

#[test]
fn a_store_comes_back_from_a_directory_and_from_an_archive() {
    let shell = Shell::with_points();
    let path = |name: &str| shell.path(name).to_str().unwrap().to_owned();
    let (archive, directory) = (path("a.tar"), path("copy"));
    let told = shell.run(&["S", &format!("backup to '{archive}' verify")]).done();
    assert!(told.starts_with("backed up to ") && told.contains(", verified (LSN 1)"), "{told}");
    let told = shell.json(&format!("backup to '{directory}' copy"));
    assert_eq!((told["linked_bytes"].as_u64(), told["verified"].as_bool()), (Some(0), Some(false)));
    for (number, backup) in [&archive, &directory].into_iter().enumerate() {
        let again = path(&format!("again {number}"));
        let told = shell.run(&["restore", backup, &again]).done();
        assert!(told.contains("3 records in 1 collection") && told.contains("verified (LSN 1)"), "{told}");
        assert_eq!(shell.run(&[&again, "count points"]).done(), "3\n");
    }
}

#[test]
fn what_cannot_be_backed_up_or_restored_is_refused() {
    let shell = Shell::with_points();
    let taken = shell.file("a.tar", "no archive");
    let new = shell.path("new").to_str().unwrap().to_owned();
    shell.run(&["S", &format!("backup to '{taken}'")]).refused(1, &["a.tar", "remove it"]);
    shell.run(&["restore", &taken, &new]).refused(4, &["archive"]);
    shell.run(&["restore", "nothing.tar", &new]).refused(3, &["nothing.tar"]);
    shell.run(&["S", "restore a.tar"]).refused(2, &["driftline restore"]);
    assert!(!shell.path("new").exists());
}

#[test]
fn a_store_is_migrated() {
    let shell = Shell::with_points();
    let new = shell.path("new").to_str().unwrap().to_owned();
    let told = shell.run(&["migrate", shell.store().to_str().unwrap(), &new]).done();
    assert!(told.contains("3 records in 1 collection") && told.contains("verified (LSN 1)"), "{told}");
    assert_eq!(shell.run(&[&new, "count points"]).done(), "3\n");
    shell.run(&["migrate", "nothing.drift", &new]).refused(3, &["nothing.drift"]);
}

#[test]
fn a_damaged_store_is_salvaged_and_the_exit_code_tells() {
    let shell = Shell::with_points();
    let path = |name: &str| shell.path(name).to_str().unwrap().to_owned();
    let store = shell.store().to_str().unwrap().to_owned();
    let told = shell.run(&["salvage", &store, &path("whole")]).done();
    assert!(told.contains("3 records saved, 0 lost"), "{told}");
    let names = std::fs::read_dir(shell.store()).unwrap().map(|entry| entry.unwrap().path());
    let segment = names.into_iter().find(|path| path.to_str().unwrap().contains("/seg-")).unwrap();
    std::fs::remove_file(segment).unwrap();
    let ended = shell.run(&["salvage", &store, &path("part"), "--format", "json"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["collections"][0]["lost"], 3);
    shell.run(&["salvage", &path("nothing"), &path("new")]).refused(3, &["nothing"]);
}
