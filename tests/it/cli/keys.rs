//! Access keys of `serve`: where they come from, SIGHUP, files that cannot be read.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, thread, time::Duration};

use super::serve::{KNOWN, Process, fails};

#[test]
fn first_start_makes_a_key_that_later_starts_use() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[], &[]);
    let words: Vec<&str> = server.printed.split_whitespace().collect();
    let after = |word| words[words.iter().position(|found| *found == word).unwrap() + 1].to_owned();
    let (id, secret) = (after("id"), after("secret"));
    assert_eq!(server.code((&id, &secret)), KNOWN);
    assert_eq!(server.stop("INT").0, Some(0));

    let file = folder.path().join("flowledger.keys.toml");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(folder.path().join("flowledger.db").exists());
    let server = Process::serve(folder.path(), &[], &[]);
    assert!(!server.printed.contains(&secret), "it is shown once");
    assert_eq!(server.code((&id, &secret)), KNOWN);
    assert_eq!(server.code((&id, "other")), "SignatureNotMatch");
}

#[test]
fn key_in_the_environment_is_an_admin_key_and_no_file_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let key = [
        ("FLOWLEDGER_ACCESS_KEY_ID", "ops"),
        ("FLOWLEDGER_ACCESS_KEY_SECRET", "s3cret"),
    ];
    let server = Process::serve(
        folder.path(),
        &["--database-url", "sqlite://other.db"],
        &key,
    );
    assert_eq!(server.code(("ops", "s3cret")), KNOWN);
    assert!(!folder.path().join("flowledger.keys.toml").exists());
    assert!(folder.path().join("other.db").exists());
}

#[test]
fn sighup_reads_the_keys_again_and_an_invalid_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    let entry =
        |id: &str| format!("[[key]]\nid = \"{id}\"\nsecret = \"top-secret\"\nrole = \"reader\"\n");
    fs::write(&keys, entry("one")).unwrap();
    let server = Process::serve(folder.path(), &["--keys", "keys.toml"], &[]);
    assert_eq!(server.code(("one", "top-secret")), KNOWN);

    let reread = |text: &str, expected: &str| {
        fs::write(&keys, text).unwrap();
        let lines = || {
            fs::read_to_string(folder.path().join("log"))
                .unwrap()
                .matches(expected)
                .count()
        };
        let before = lines();
        server.signal("HUP");
        while lines() == before {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    let two = entry("two") + &entry("spare");
    reread(&two, r#""message":"keys read again","keys":2"#);
    assert_eq!(
        (
            server.code(("one", "top-secret")),
            server.code(("two", "top-secret"))
        ),
        ("InvalidAccessKeyID".to_owned(), KNOWN.to_owned())
    );
    reread(
        "[[key]]\nid = \"three\"\nsecret = \"top-secret\nrole = \"reader\"",
        "the keys stay as they were",
    );
    reread(
        &entry("four").replace("reader", "king"),
        "the keys stay as they were",
    );
    assert_eq!(server.code(("two", "top-secret")), KNOWN);
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains("top-secret"), "no secret in the log");
}

#[test]
fn keys_file_with_which_no_request_can_be_signed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let key = |id: &str, more: &str| {
        format!("[[key]]\nid = \"{id}\"\nsecret = \"hush\"\nrole = \"admin\"\n{more}\n")
    };
    let past = |day| format!("expires = \"2020-01-{day}T00:00:00Z\"");
    let admin = [
        ("FLOWLEDGER_ACCESS_KEY_ID", "ops"),
        ("FLOWLEDGER_ACCESS_KEY_SECRET", "s3cret"),
    ];
    for (text, expected) in [
        ("", "there is no key; add a [[key]] table"),
        ("# nothing\n", "there is no key; add a [[key]] table"),
        ("key = []\n", "there is no key; add a [[key]] table"),
        (
            &(key("a", &past("02")) + &key("b", &past("01"))),
            "all keys have expired, the last one at 2020-01-02T00:00:00.000Z",
        ),
        (
            &key("a", "").replace("hush", "hush "),
            "key 'a': the secret begins or ends with white space; remove it",
        ),
        (
            &key("a", "").replace("hush", "\\nhush"),
            "key 'a': the secret begins or ends with white space; remove it",
        ),
        (
            &key("a", "security_token = \"hush\\t\""),
            "key 'a': the security token begins or ends with white space; remove it",
        ),
        (
            &key("a", "flows = [\"order\", \"billing \"]"),
            "key 'a': no flow can have a name that matches 'billing '",
        ),
    ] {
        fs::write(here.join("keys.toml"), text).unwrap();
        fs::set_permissions(here.join("keys.toml"), fs::Permissions::from_mode(0o600)).unwrap();
        let expected = format!("flowledger: keys.toml: {expected}\n");
        let serve = ["serve", "--listen", "127.0.0.1:0", "--keys", "keys.toml"];
        assert_eq!(fails(here, &serve, &[]), (1, expected.clone()));
        let ls = ["ls", "--keys", "keys.toml"];
        assert_eq!(fails(here, &ls, &[]), (1, expected));
    }
    // Expired keys beside one that works stay what they are; a restart must not fail because time passed.
    fs::write(here.join("keys.toml"), key("a", &past("02"))).unwrap();
    let server = Process::serve(here, &["--keys", "keys.toml"], &admin);
    assert_eq!(server.code(("ops", "s3cret")), KNOWN);
    assert_eq!(server.code(("a", "hush")), "InvalidAccessKeyID");
    // A reload keeps the keys.
    fs::write(here.join("keys.toml"), "").unwrap();
    server.signal("HUP");
    wait_for_log(
        here,
        "keys.toml: there is no key; add a [[key]] table; the keys stay as they were",
    );
    assert_eq!(server.code(("ops", "s3cret")), KNOWN);
}

/// Waits until the log has this text.
fn wait_for_log(folder: &Path, text: &str) {
    while !fs::read_to_string(folder.join("log"))
        .unwrap()
        .contains(text)
    {
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn keys_file_that_became_a_named_pipe_delays_neither_requests_nor_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    let entry = "[[key]]\nid = \"one\"\nsecret = \"s\"\nrole = \"reader\"\n";
    fs::write(&keys, entry).unwrap();
    let server = Process::serve(folder.path(), &["--keys", "keys.toml"], &[]);
    fs::remove_file(&keys).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&keys)
            .status()
            .unwrap()
            .success()
    );
    server.signal("HUP");
    wait_for_log(
        folder.path(),
        "keys.toml: is not a regular file; the keys stay as they were",
    );
    assert_eq!(server.code(("one", "s")), KNOWN);
    fs::remove_file(&keys).unwrap();
    fs::write(&keys, entry.replace("one", "two")).unwrap();
    server.signal("HUP");
    wait_for_log(folder.path(), "keys read again");
    assert_eq!(server.code(("two", "s")), KNOWN);
    assert_eq!(server.stop("TERM").0, Some(0));
}

#[test]
fn keys_file_that_cannot_be_read_ends_the_start_with_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let fifo = Command::new("mkfifo").arg(here.join("pipe")).status();
    assert!(fifo.unwrap().success());
    fs::write(here.join("long.toml"), "#".repeat(1024 * 1024 + 1)).unwrap();
    for (file, fault) in [
        ("pipe", "is not a regular file"),
        (".", "is not a regular file"),
        ("/dev/zero", "is not a regular file"),
        ("long.toml", "is longer than 1048576 bytes"),
    ] {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--keys", file];
        let expected = format!("flowledger: {file}: {fault}\n");
        let (code, stderr) = fails(here, &arguments, &[]);
        assert_eq!(code, 1);
        assert!(stderr.ends_with(&expected), "{stderr}");
        let (code, stderr) = fails(here, &["ls", "--keys", file], &[]);
        assert_eq!((code, stderr), (1, expected));
    }
}

#[test]
fn keys_file_that_other_users_may_read_is_warned_about_at_start_and_on_reload() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.toml");
    fs::write(
        &keys,
        "[[key]]\nid = \"one\"\nsecret = \"s\"\nrole = \"reader\"\n",
    )
    .unwrap();
    let protect = |mode| fs::set_permissions(&keys, fs::Permissions::from_mode(mode)).unwrap();
    let warning =
        "keys.toml: other users may read this keys file (mode 0640); run: chmod 600 keys.toml";
    protect(0o600);
    let server = Process::serve(folder.path(), &["--keys", "keys.toml"], &[]);
    let log = || fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log().contains("other users"), "{}", log());
    protect(0o640);
    server.signal("HUP");
    wait_for_log(folder.path(), "keys read again");
    assert!(log().contains(warning), "{}", log());
    server.stop("TERM");

    fs::remove_file(folder.path().join("log")).unwrap();
    Process::serve(folder.path(), &["--keys", "keys.toml"], &[]).stop("TERM");
    assert!(log().contains(warning), "{}", log());
}
