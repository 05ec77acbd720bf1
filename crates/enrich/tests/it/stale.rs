//! Age over restarts, and what a cache may say.

use std::time::Duration;

use affiant_enrich::config::Origin;
use affiant_entry::Fact;
use affiant_entry::record::ContextKind;

use super::world::{World, facts, file, server, settings};

async fn cached(dir: &tempfile::TempDir) -> World {
    let path = file(dir.path(), "assets.csv", "name,owner,phone\ncrm,red,555\n");
    let wanted = [("owner", "owner")];
    let world = World::start(settings(ContextKind::Asset, Origin::Csv(path), &wanted));
    world.read().await;
    world.until("it is kept", |_| world.cache().exists()).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_knows_what_was_known_and_how_old_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let before = cached(&dir).await;
    let version = before.source().version;
    let world = before.restarted(|_| {});
    assert_eq!(world.fact(&server("crm")), facts(&[("owner", "red")]));
    assert_eq!(world.source().version, version);
    assert!(!world.state().stale);
    // Nobody reads it any more.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let source = world.source();
    assert!(source.stale, "{source:?}");
    assert!(matches!(source.age_s, Fact::Known(age) if (2..60).contains(&age)));
    assert!(world.fact(&server("crm")).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_of_other_attributes_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let before = cached(&dir).await;
    let renamed = before.restarted(|settings| {
        let facts = &mut settings.attributes.facts;
        facts.insert("owner".to_owned(), "phone".to_owned());
    });
    assert_eq!(renamed.fact(&server("crm")), None);
    assert_eq!(renamed.source().version, Fact::absent("never read"));
    assert!(renamed.state().stale);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_cache_is_as_good_as_none() {
    let dir = tempfile::tempdir().unwrap();
    let before = cached(&dir).await;
    for damage in ["", "{", "{\"v\":1}", "\u{0}\u{0}"] {
        let path = before.cache();
        let cut = tempfile::tempdir().unwrap();
        let copy = cut.path().join("cache");
        fs_err::create_dir(&copy).unwrap();
        fs_err::write(copy.join(path.file_name().unwrap()), damage).unwrap();
        let source = file(dir.path(), "none", "x");
        fs_err::remove_file(&source).unwrap();
        let one = settings(
            ContextKind::Asset,
            Origin::Csv(source),
            &[("owner", "owner")],
        );
        let world = World::start_in(cut, one);
        assert_eq!(world.fact(&server("crm")), None);
        assert!(world.state().stale);
    }
}
