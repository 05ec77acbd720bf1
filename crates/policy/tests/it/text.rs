//! Free text of peers, and command lines.

use affiant_entry::limits::PEER_TEXT_BYTES_MAX;
use affiant_policy::redact::limit::TEXT_BYTES_MAX;

use crate::builtin;

fn check_text(text: &str, expected: &str) {
    assert_eq!(builtin().redact_text(text, None), expected);
}

#[test]
fn text_is_redacted_as_a_string_of_an_input_is() {
    check_text(
        "user said password=hunter2 \"x\"\nbye",
        "user said password=[redacted:key-password] \"x\"\nbye",
    );
    check_text(
        r#"{"token":"abc","n":1}"#,
        r#"{"token":"[redacted:key-token]","n":1}"#,
    );
    check_text("plain – text", "plain – text");
    check_text("", "");
}

#[test]
fn long_text_is_clipped_after_redaction_and_huge_text_withheld() {
    let text = format!(
        "{} AKIAIOSFODNN7EXAMPLE {}",
        "a".repeat(PEER_TEXT_BYTES_MAX - 10),
        "b".repeat(500)
    );
    let redacted = builtin().redact_text(&text, None);
    assert!(!redacted.contains("AKIA"), "{redacted}");
    assert!(redacted.contains("bytes)"));
    let huge = "a".repeat(TEXT_BYTES_MAX + 1);
    assert_eq!(
        builtin().redact_text(&huge, None),
        "[withheld: 65537 bytes]"
    );
}

#[test]
fn secrets_of_the_call_are_found_in_its_texts() {
    let input =
        br#"{"login":{"password":"letmein"},"t":"x","credentials":{"a":["s3cr t&1"],"n":424242}}"#;
    let (_, echoes) = builtin().redact_bytes(input, "crm", None);
    let redact = |text: &str| builtin().redact_text(text, Some(&echoes));
    assert_eq!(redact("letmein is wrong"), "[redacted:echo] is wrong");
    assert_eq!(redact("bad \"s3cr t&1\"!"), "bad \"[redacted:echo]\"!");
    assert_eq!(redact("GET /?a=s3cr%20t%261"), "GET /?a=[redacted:echo]");
    assert_eq!(redact("code 424242"), "code [redacted:echo]");
    assert_eq!(redact("base64 czNjciB0JjE= x"), "base64 [redacted:echo] x");
    assert_eq!(redact("fine"), "fine");
}

#[test]
fn command_lines_are_redacted_argument_by_argument() {
    let argv = [
        "server",
        "--api-key",
        "abc",
        "--token=two words",
        "--password",
        "--verbose",
        "DB_PASSWORD=my secret x",
        "-H",
        "Authorization: Bearer abcdef12",
        "https://ann:pw1@h.example/?token=abc&x=1",
        "--max-tokens",
        "5",
        "-secret",
        "s1",
        "--flag",
    ];
    let expected = [
        "server",
        "--api-key",
        "[redacted:key-api-key]",
        "--token=[redacted:key-token]",
        "--password",
        "--verbose",
        "DB_PASSWORD=[redacted:key-password]",
        "-H",
        "Authorization: [redacted:key-authorization]",
        "https://ann:[redacted:url-password]@h.example/?token=[redacted:key-token]&x=1",
        "--max-tokens",
        "5",
        "-secret",
        "[redacted:key-secret]",
        "--flag",
    ];
    assert_eq!(builtin().redact_argv(&argv.map(str::to_owned)), expected);
}
