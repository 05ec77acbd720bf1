//! Twelve of twelve.

use affiant_entry::call::Input;
use affiant_entry::completeness::{Completeness, Field, State};
use affiant_entry::{Body, BootId, Decoded, Fact, Seq, SourceId, Stamp, encode};

use crate::world::{NOW_US, SOURCE, World, call, commit_key, ending};

fn end_with(change: impl FnOnce(&mut affiant_entry::call::Call)) -> String {
    let mut world = World::new();
    let (_, mut end) = world.call_pair();
    let mut call = call(r#"{"q":1}"#);
    change(&mut call);
    end.body = Body::CallEnd(Box::new(call), Box::new(ending()));
    let source = SourceId::new(SOURCE).unwrap();
    let stamp = Stamp {
        source: &source,
        boot: BootId::from_parts(NOW_US, 1),
        seq: Seq(3),
    };
    String::from_utf8(encode(stamp, &end).unwrap().into_vec()).unwrap()
}

#[track_caller]
fn check(entry: &str, field: Field, expected: &State<'_>) {
    let entry = Decoded::parse(entry.as_bytes()).unwrap();
    let fields = Completeness::of(&entry).unwrap();
    assert_eq!(fields.state(field), expected);
    assert_eq!(
        fields.complete(),
        *expected != State::Missing,
        "only {field} was changed"
    );
}

#[test]
fn all_twelve_are_present() {
    let entry = end_with(|_| {});
    for field in Field::ALL {
        check(&entry, field, &State::Present);
    }
}

#[test]
fn what_is_absent_gives_its_reason() {
    let absent = |text: &'static str| State::Absent(text.into());
    let entry = end_with(|c| c.head.classification = Fact::absent("no scheme"));
    check(&entry, Field::Classification, &absent("no scheme"));
    let entry = end_with(|c| c.head.policy = Fact::absent("no policy"));
    check(&entry, Field::Policy, &absent("no policy"));
    let entry = end_with(|c| c.head.agent.token = Fact::absent("no token on stdio"));
    check(&entry, Field::Agent, &absent("token: no token on stdio"));
    let entry = end_with(|c| {
        c.head.agent.role = Fact::absent("a");
        c.head.agent.user = Fact::absent("b");
    });
    check(&entry, Field::Agent, &absent("role: a; user: b"));
    let entry = end_with(|c| c.head.server.version = Fact::absent("not yet known"));
    check(&entry, Field::Server, &absent("version: not yet known"));
    let entry = end_with(|c| c.head.tool.name = Fact::absent("no name"));
    check(&entry, Field::Tool, &absent("no name"));
}

#[test]
fn an_input_is_read_by_its_form_alone() {
    // What a client sent may look like our own words.
    for json in [
        r#"{"absent":"me"}"#,
        r#"{"blob":"sha256:0","bytes":1,"commit":"x"}"#,
        "null",
        "[]",
    ] {
        check(
            &end_with(|c| c.input = crate::world::input(json)),
            Field::Input,
            &State::Present,
        );
    }
    check(
        &end_with(|c| c.input = Input::absent("no arguments")),
        Field::Input,
        &State::Absent("no arguments".into()),
    );
    let commit = commit_key().commit("input", b"x");
    let withheld = end_with(|c| c.input = Input::withheld("redactor failed".into(), 1, commit));
    check(
        &withheld,
        Field::Input,
        &State::Absent("withheld: redactor failed".into()),
    );
    let blob = end_with(|c| {
        c.input = crate::world::input(&format!(r#""{}""#, "x".repeat(100)));
        c.input.take_blob(10, &commit_key()).unwrap();
    });
    check(&blob, Field::Input, &State::Present);
}

#[test]
fn what_says_nothing_is_missing() {
    let entry = end_with(|_| {});
    let cases = [
        (
            r#""session":{"id":"s-1""#,
            r#""session":{"id":"""#,
            Field::Session,
        ),
        (r#""role":"support","#, "", Field::Agent),
        (r#""token":"#, r#""token_":"#, Field::Agent),
        (r#""version":"1.4.2""#, r#""version":null"#, Field::Server),
        (r#""in_manifest":true,"#, "", Field::Tool),
        (
            r#""input_form":"value""#,
            r#""input_form":"magic""#,
            Field::Input,
        ),
        (
            r#""input_form":"value""#,
            r#""input_form":"absent""#,
            Field::Input,
        ),
        (r#""code":"success""#, r#""code":"great""#, Field::Status),
        (r#""bytes":1234"#, r#""bytes":-1"#, Field::Response),
        (
            r#""latency_us":12345"#,
            r#""latency_us":"fast""#,
            Field::Latency,
        ),
        (r#""latency_us":12345,"#, "", Field::Latency),
        (
            r#""level":"restricted""#,
            r#""level":7"#,
            Field::Classification,
        ),
        (
            r#""policy":{"decision":"allow""#,
            r#""policy":{"absent":"""#,
            Field::Policy,
        ),
        (
            r#""request_id":"1""#,
            r#""request_id":1"#,
            Field::Correlation,
        ),
    ];
    for (from, to, field) in cases {
        let changed = entry.replacen(from, to, 1);
        assert_ne!(changed, entry, "{from}");
        check(&changed, field, &State::Missing);
    }
}

#[test]
fn fields_have_their_names() {
    let names: Vec<&str> = Field::ALL.iter().map(|field| field.id()).collect();
    assert_eq!(
        names,
        [
            "F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10", "F11", "F12"
        ]
    );
    assert_eq!(Field::Latency.to_string(), "F9 latency_us");
}
