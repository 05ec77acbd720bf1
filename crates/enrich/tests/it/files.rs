//! Inventories, directories and rules in files.

use affiant_enrich::config::{List, Origin};
use affiant_entry::Fact;
use affiant_entry::record::{ContextKind, Subject};

use super::world::{World, facts, file, no_list, server, settings, user};

const CSV: &str = "\u{feff}name, Owner ,env,phone\ncrm,\"red, team\",prod,555-0100\nfiles,blue,,555-0101\n,nobody,,\ncrm,second,,\n";

fn csv(dir: &tempfile::TempDir, text: &str) -> World {
    let path = file(dir.path(), "assets.csv", text);
    let wanted = [("owner", "Owner"), ("env", "env")];
    World::start(settings(ContextKind::Asset, Origin::Csv(path), &wanted))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_inventory_gives_the_named_columns_alone() {
    let dir = tempfile::tempdir().unwrap();
    let world = csv(&dir, CSV);
    world.read().await;
    let crm = [("owner", "red, team"), ("env", "prod")];
    assert_eq!(world.fact(&server("crm")), facts(&crm));
    assert_eq!(world.fact(&server("files")), facts(&[("owner", "blue")]));
    assert_eq!(world.fact(&server("CRM")), None);
    // Users are not asked about there.
    assert_eq!(world.fact(&user("crm")), None);
    let state = world.state();
    assert_eq!((state.rows, state.passed_over, state.stale), (2, 2, false));
    let Fact::Known(version) = world.source().version else {
        panic!("no version");
    };
    assert!(version.starts_with("sha256:"), "{version}");
    // What was not asked for is nowhere.
    world.until("it is kept", |_| world.cache().exists()).await;
    let cached = fs_err::read_to_string(world.cache()).unwrap();
    assert!(
        cached.contains("blue") && !cached.contains("555-01"),
        "{cached}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_is_read_again_and_a_broken_one_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let world = csv(&dir, CSV);
    world.read().await;
    let before = world.source().version;
    for broken in [
        "name,Owner,env\ncrm,red\n",
        "name,env\ncrm,prod\n",
        "",
        "name,Owner,env\ncrm,\u{0},\"",
    ] {
        let failures = world.state().failures;
        file(dir.path(), "assets.csv", broken);
        if !broken.ends_with('"') {
            world
                .until("it fails", |state| state.failures > failures)
                .await;
            assert_eq!(world.source().version, before);
            assert!(world.fact(&server("crm")).is_some());
        }
    }
    file(dir.path(), "assets.csv", "name,Owner,env\ncrm,green,test\n");
    let green = facts(&[("owner", "green"), ("env", "test")]);
    world
        .until("it is read again", |_| world.fact(&server("crm")) == green)
        .await;
    assert_ne!(world.source().version, before);
    // What is gone there is gone here.
    assert_eq!(world.fact(&server("files")), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    for path in [
        "/dev/zero".into(),
        dir.path().to_owned(),
        dir.path().join("none"),
    ] {
        let world = World::start(settings(
            ContextKind::Asset,
            Origin::Csv(path),
            &[("a", "b")],
        ));
        world.failed().await;
        assert!(world.state().stale);
        assert_eq!(world.source().version, Fact::absent("never read"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_directory_is_read_by_name_and_by_pointer() {
    let dir = tempfile::tempdir().unwrap();
    let text = r#"{"data":{"a/b":[
        {"name":"ada","org":{"unit":"research"},"roles":["admin","ops",{"x":1}],"active":true,"level":4,"home":"x"},
        {"name":"bob","org":null,"roles":[]},
        {"org":"nobody"}]}}"#;
    let path = file(dir.path(), "users.json", text);
    let list = List(vec!["data".to_owned(), "a/b".to_owned()]);
    let wanted = [
        ("unit", "/org/unit"),
        ("roles", "roles"),
        ("active", "active"),
        ("level", "level"),
    ];
    let world = World::start(settings(
        ContextKind::User,
        Origin::Json(path, list),
        &wanted,
    ));
    world.read().await;
    let ada = [
        ("unit", "research"),
        ("roles", "admin, ops"),
        ("active", "true"),
        ("level", "4"),
    ];
    assert_eq!(world.fact(&user("ada")), facts(&ada));
    assert_eq!(world.fact(&user("bob")), facts(&[]));
    assert_eq!(world.state().passed_over, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_come_in_three_forms_and_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let toml = "[[rule]]\nid = \"crm-pii\"\nserver = \"crm*\"\ntool = \"search_*\"\nlevel = \"restricted\"\n\
                [[rule]]\nid = \"rest\"\nlevel = \"internal\"\n";
    let json = r#"[{"rule":"crm-pii","server":"crm*","tool":"search_*","level":"restricted"},{"id":"rest","level":"internal"}]"#;
    let csv = "server,tool,level,rule\ncrm*,search_*,restricted,crm-pii\n*,*,internal,rest\n";
    let tool = |server: &str, tool: &str| Subject::Tool(server.to_owned(), tool.to_owned());
    for origin in [
        Origin::Rules(file(dir.path(), "rules.toml", toml)),
        Origin::Json(file(dir.path(), "rules.json", json), no_list()),
        Origin::Csv(file(dir.path(), "rules.csv", csv)),
    ] {
        let world = World::start(settings(ContextKind::Classification, origin, &[]));
        world.read().await;
        let restricted = facts(&[("level", "restricted"), ("rule", "crm-pii")]);
        assert_eq!(world.fact(&tool("crm-eu", "search_people")), restricted);
        let internal = facts(&[("level", "internal"), ("rule", "rest")]);
        assert_eq!(world.fact(&tool("files", "read")), internal);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_cannot_be_meant_are_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    for text in [
        "[[rule]]\nid = \"a\"\n",
        "[[rule]]\nid = \"a\"\nlevel = \"x\"\n[[rule]]\nid = \"b\"\nlevel = \"\"\n",
        "[[rule]]\nid = \"a\"\nlevel = \"x\"\nsever = \"crm\"\n",
        "rule = 1\n",
    ] {
        let path = file(dir.path(), "rules.toml", text);
        let world = World::start(settings(
            ContextKind::Classification,
            Origin::Rules(path),
            &[],
        ));
        world.failed().await;
        assert_eq!(world.state().rows, 0, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_than_are_kept_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = String::from("name,owner\n");
    (0..=affiant_enrich::ROWS_MAX).for_each(|n| text.push_str(&format!("s{n},o\n")));
    let path = file(dir.path(), "many.csv", &text);
    let mut one = settings(ContextKind::Asset, Origin::Csv(path), &[("owner", "owner")]);
    one.timeout = std::time::Duration::from_secs(60);
    let world = World::start(one);
    world.failed().await;
    assert_eq!(world.state().rows, 0);
}
