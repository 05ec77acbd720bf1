//! What holds for every input.

use affiant_policy::redact::Redactor;
use proptest::prelude::*;
use serde_json::value::RawValue;

use crate::builtin;

/// A secret no generator makes by chance: no substring of it of four bytes is a word.
const CANARY: &str = "Qz7#xW9!vK2";

/// JSON without secrets by name or form: short lower-case names and texts.
fn harmless() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (-1_000_000_i64..1_000_000).prop_map(Into::into),
        "[b-h é\"\\\\\n😀]{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map("[b-h]{1,3}", inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// How a secret gets into an input.
#[derive(Debug, Clone)]
enum Plant {
    UnderKey(&'static str),
    InList(&'static str),
    InText(&'static str),
    NestedTimes(usize),
    InBase64,
}

fn plant() -> impl Strategy<Value = Plant> {
    let key = prop::sample::select(vec![
        "password",
        "apiKey",
        "X-Auth-Token",
        "client_secret",
        "credentials",
        "Authorization",
    ]);
    let text = prop::sample::select(vec![
        "password={}",
        "x token: {} y",
        "--api-key {} z",
        "https://u:{}@h/",
        "{\"secret\":\"{}\"",
        "<password>{}</password>",
    ]);
    prop_oneof![
        key.clone().prop_map(Plant::UnderKey),
        key.prop_map(Plant::InList),
        text.prop_map(Plant::InText),
        (1_usize..6).prop_map(Plant::NestedTimes),
        Just(Plant::InBase64),
    ]
}

fn planted(plant: &Plant) -> serde_json::Value {
    use base64::Engine as _;
    use serde_json::json;
    match plant {
        Plant::UnderKey(key) => json!({*key: CANARY}),
        Plant::InList(key) => json!({*key: [{"a": CANARY}, CANARY]}),
        // `#` ends the password of a URL.
        Plant::InText(text) if text.contains("://") => json!(text.replace("{}", "Qz7xW9vK2")),
        Plant::InText(text) => json!(text.replace("{}", CANARY)),
        Plant::NestedTimes(times) => (0..*times)
            .fold(json!({"b": 1, "password": CANARY}), |inner, _| {
                json!(inner.to_string())
            }),
        Plant::InBase64 => {
            json!(
                base64::engine::general_purpose::STANDARD
                    .encode(json!({"password": CANARY}).to_string())
            )
        }
    }
}

/// Spells every character of every string as an escape.
fn escaped(json: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    let mut chars = json.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' => {
                inside = !inside;
                out.push(char);
            }
            '\\' => {
                out.push(char);
                out.extend(chars.next());
            }
            char if inside && char.is_ascii_alphanumeric() && !out.ends_with("\\u") => {
                // The digits of an escape are part of it.
                let tail: String = out.chars().rev().take(6).collect();
                let in_escape = tail
                    .chars()
                    .rev()
                    .collect::<String>()
                    .rfind("\\u")
                    .is_some_and(|at| tail.len() - at < 6);
                if in_escape {
                    out.push(char)
                } else {
                    out.push_str(&format!("\\u{:04x}", u32::from(char)))
                }
            }
            char => out.push(char),
        }
    }
    out
}

/// The canary in any form the output could hold it.
fn leaks(redactor: &Redactor, json: &str) -> Option<String> {
    use base64::Engine as _;
    let (input, _) = redactor.redact_bytes(json.as_bytes(), "crm", Some("t"));
    let out = input.json()?.to_owned();
    let mut plain = out.clone();
    // Take escapes off, level by level, with no regard for where strings end.
    for _ in 0..8 {
        for form in [
            CANARY,
            "Qz7xW9vK2",
            "Qz7",
            "vK2",
            &base64::engine::general_purpose::STANDARD.encode(CANARY),
        ] {
            if plain.contains(form) {
                return Some(out);
            }
        }
        plain = unescape(&plain);
    }
    None
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let code = rest
            .strip_prefix('u')
            .and_then(|rest| u32::from_str_radix(rest.get(..4)?, 16).ok());
        if let Some(char) = code.and_then(char::from_u32) {
            out.push(char);
            rest = &rest[5..];
        } else if let Some(char) = rest.chars().next() {
            out.push(char);
            rest = &rest[char.len_utf8()..];
        }
    }
    out + rest
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn harmless_json_stays_as_it_is_spelled(json in harmless(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) }.expect("JSON");
        let (input, _) = builtin().redact_bytes(text.as_bytes(), "crm", Some("t"));
        let expected = text.replace('\n', "");
        prop_assert_eq!(input.json(), Some(expected.as_str()));
    }

    #[test]
    fn a_planted_secret_is_nowhere_in_the_output(
        around in prop::collection::vec(harmless(), 0..4),
        plant in plant(),
        place in 0_usize..4,
        spelled in 0_usize..3,
    ) {
        let mut list = around;
        list.insert(place.min(list.len()), planted(&plant));
        let json = serde_json::json!({"c": list, "f": {"g": planted(&plant)}});
        let text = match spelled {
            0 => json.to_string(),
            1 => serde_json::to_string_pretty(&json).expect("JSON"),
            _ => escaped(&json.to_string()),
        };
        let same: serde_json::Value = serde_json::from_str(&text).expect("still JSON");
        prop_assert_eq!(same, json);
        prop_assert_eq!(leaks(builtin(), &text), None);
    }

    #[test]
    fn output_is_json_on_one_line_and_settled(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (input, _) = builtin().redact_bytes(&bytes, "crm", None);
        if let Some(json) = input.json() {
            prop_assert!(!json.contains(['\n', '\r', '\t']));
        }
    }

    #[test]
    fn texts_of_any_kind_give_json(text in "[a-z =:&\"'\\\\{}\\[\\],%<>/@-]{0,60}", key in "[a-z_]{0,8}") {
        let redactor = builtin();
        for word in ["password", "token"] {
            let json = serde_json::json!({key.as_str(): format!("{word}{text}"), "list": [format!("--{word}"), text]}).to_string();
            let (input, _) = redactor.redact_bytes(json.as_bytes(), "crm", None);
            let out = input.json().expect("redacted").to_owned();
            prop_assert!(serde_json::from_str::<&RawValue>(&out).is_ok());
            let _ = redactor.redact_text(&text, None);
        }
    }
}
