use std::path::Path;

use super::check;

fn error(text: &str) -> String {
    check(Path::new("serve.toml"), text)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_name_is_enough() {
    let settings = check(
        Path::new("serve.toml"),
        "[log]\nname = \"log.example/eu-1\"\n",
    )
    .unwrap();
    assert_eq!(settings.log_name, "log.example/eu-1");
    assert_eq!(settings.ingest_listen.port(), 7443);
    assert!(settings.api_listen.ip().is_loopback());
}

#[test]
fn a_key_that_is_not_known_is_refused_with_the_one_that_is_near() {
    assert_eq!(
        error("[log]\nname = \"l\"\nintervall_ms = 5\n"),
        "serve.toml:3: unknown key `intervall_ms`; did you mean `interval_ms`?"
    );
}

#[test]
fn values_out_of_bounds_are_refused_by_line() {
    for (text, wanted) in [
        ("", "serve.toml:1: `log.name` is missing"),
        (
            "[log]\nname = \"a b\"\n",
            "serve.toml:2: `name` is not a URL without schema such as `log.example/eu-1`",
        ),
        (
            "[log]\nname = \"l\"\nidle_s = 61\n",
            "serve.toml:3: `idle_s` is 61; it takes 1 to 60",
        ),
        (
            "[log]\nname = \"l\"\n[ca]\nkey_file = \"k\"\n",
            "serve.toml:4: `ca.certificate_file` is missing",
        ),
        (
            "[log]\nname = \"l\"\n[roster]\nadmin_keys = [\"x\"]\n",
            "serve.toml:4: `admin_keys` has a text that is not a verifier key (name+id+base64)",
        ),
    ] {
        assert_eq!(error(text), wanted);
    }
}

#[test]
fn what_belongs_together_is_asked_for_together() {
    for (text, wanted) in [
        (
            "[log.key]\npkcs11_module = \"m\"\ntoken_label = \"t\"\nkey_label = \"k\"\n",
            "serve.toml:3: `log.key.pin_file` is missing",
        ),
        (
            "[[anchor]]\nname = \"a\"\nurl = \"https://tsa.example/\"\n",
            "serve.toml:3: `anchor.roots_file` is missing",
        ),
        (
            "[[anchor]]\nname = \"a\"\nurl = \"tsa.example\"\nroots_file = \"r\"\n",
            "serve.toml:5: `url` is not an `http` or `https` URL",
        ),
        (
            "[[anchor]]\nname = \"a\"\nurl = \"http://t/\"\nroots_file = \"r\"\nevery_s = 0\n",
            "serve.toml:7: `every_s` is 0; it takes 1 to 31622400",
        ),
        (
            "[[anchor]]\nrots_file = \"r\"\n",
            "serve.toml:4: unknown key `rots_file`; did you mean `roots_file`?",
        ),
    ] {
        assert_eq!(error(&format!("[log]\nname = \"l\"\n{text}")), wanted);
    }
    let twice = "[[anchor]]\nname = \"a\"\nurl = \"http://t/\"\nroots_file = \"r\"\n".repeat(2);
    let text = format!("[log]\nname = \"l\"\n{twice}");
    assert!(error(&text).ends_with("`anchor` `a` stands there twice"));
}

#[test]
fn sources_of_facts_are_judged_with_the_rest() {
    let asset =
        "[[enrich.asset]]\nid = \"a\"\ncsv = \"a.csv\"\nkey = \"k\"\nattributes = { o = \"o\" }\n";
    let text = format!("[log]\nname = \"l\"\n{asset}");
    let settings = check(Path::new("/etc/serve.toml"), &text).unwrap();
    assert_eq!(settings.enrich.len(), 1);
    assert_eq!(
        error(&text.replace("attributes", "atributes")),
        "serve.toml:7: unknown key `atributes`; did you mean `attributes`?"
    );
    assert_eq!(
        error(&text.replace("[[enrich.asset]]", "[[enrich.assets]]")),
        "serve.toml:3: unknown key `assets`; did you mean `asset`?"
    );
}

#[test]
fn paths_start_from_the_file() {
    let text = "[log]\nname = \"l\"\n[ca]\nkey_file = \"k\"\ncertificate_file = \"/c\"\n";
    let ca = check(Path::new("/etc/affiant/serve.toml"), text)
        .unwrap()
        .ca
        .unwrap();
    assert_eq!(ca.key, Path::new("/etc/affiant/k"));
    assert_eq!(ca.certificate, Path::new("/c"));
}

/// Every key stands in the example file, and the file is valid.
#[test]
fn the_example_file_is_a_configuration() {
    let text = include_str!("../../../../config/serve.toml");
    check(Path::new("config/serve.toml"), text).unwrap();
}
