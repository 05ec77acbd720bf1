//! What both configuration files have in common: places, suggestions, bounds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use affiant_config::{At, ConfigError, Place};

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    id: At<String>,
    listen: At<String>,
    mode: At<String>,
    wait_ms: At<u64>,
    idle_s: At<u64>,
}

#[derive(Debug, PartialEq)]
struct Checked {
    id: Option<u8>,
    port: Option<u16>,
    mode: Option<char>,
    wait: Option<Duration>,
    idle: Option<Duration>,
}

fn check(text: &str) -> Result<Checked, ConfigError> {
    let at = Place::new(Path::new("/etc/x/x.toml"), text);
    let file: File = at.parse()?;
    Ok(Checked {
        id: at.id("id", file.id, str::parse)?,
        port: at
            .address("listen", file.listen, 7300)?
            .map(|address| address.port()),
        mode: at.word("mode", file.mode, &[("fast", 'f'), ("slow", 's')])?,
        wait: at.millis("wait_ms", file.wait_ms, 1..=10)?,
        idle: at.seconds("idle_s", file.idle_s, 0..=1)?,
    })
}

fn refused(text: &str) -> String {
    check(text).expect_err("refused").to_string()
}

#[test]
fn silence_leaves_every_default_to_the_caller() {
    let Checked {
        id: None,
        port: None,
        mode: None,
        wait: None,
        idle: None,
    } = check("").unwrap()
    else {
        panic!("something was made up");
    };
}

#[test]
fn what_is_good_comes_through_at_both_bounds() {
    let text = "id = \"7\"\nlisten = \"[::1]:80\"\nmode = \"slow\"\nwait_ms = 10\nidle_s = 0";
    let expected = Checked {
        id: Some(7),
        port: Some(80),
        mode: Some('s'),
        wait: Some(Duration::from_millis(10)),
        idle: Some(Duration::ZERO),
    };
    assert_eq!(check(text).unwrap(), expected);
}

#[test]
fn what_is_wrong_is_one_line_with_its_place() {
    for (text, expected) in [
        (
            "\n\nwait = 1",
            ":3: unknown key `wait`; did you mean `wait_ms`?",
        ),
        ("zzz = 1", ":1: unknown key `zzz`"),
        (
            "\nid = \"A\"",
            ":2: `id` takes 1 to 64 of `a-z`, `0-9`, `.`, `_`, `-`, a letter or digit first",
        ),
        (
            "listen = \"here\"",
            ":1: `listen` is not an address and port such as `127.0.0.1:7300` or `[::1]:7300`",
        ),
        (
            "mode = \"mad\"",
            ":1: `mode` is `mad`; it takes `fast`, `slow`",
        ),
        ("wait_ms = 11", ":1: `wait_ms` is 11; it takes 1 to 10"),
        (
            "idle_s = \"1\"",
            ":1: invalid type: string \"1\", expected u64",
        ),
    ] {
        assert_eq!(refused(text), format!("/etc/x/x.toml{expected}"), "{text}");
    }
    let broken = refused("id = \n[");
    assert!(
        broken.starts_with("/etc/x/x.toml:1: ") && !broken.contains('\n'),
        "{broken}"
    );
}

#[test]
fn paths_start_from_the_files_directory_and_absolute_ones_stay() {
    let at = |path| Place::new(Path::new(path), "");
    assert_eq!(at("/etc/x/x.toml").resolve("k"), PathBuf::from("/etc/x/k"));
    assert_eq!(at("x.toml").resolve("k"), PathBuf::from("k"));
    assert_eq!(at("/etc/x/x.toml").resolve("/k"), PathBuf::from("/k"));
}

#[test]
fn the_digest_is_of_the_bytes_as_they_are() {
    let digest = Place::new(Path::new("x"), "abc").digest();
    let fips_180 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest, format!("sha256:{fips_180}"));
}
