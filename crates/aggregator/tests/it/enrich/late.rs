//! Sources that are dead, frozen or not there yet: ingest waits for nothing, staleness is visible, and what is
//! learnt later is a later leaf.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use affiant_enrich::config::{Ldap, Origin};
use affiant_entry::Fact;
use affiant_entry::record::{ContextKind, Subject};

use super::said::{
    contexts, hasty, index_of, said_of, says, send, session, settled, shows, source, users, world,
};
use super::slapd::Slapd;
use super::stub::{Answer, Stub};

/// What a receipt takes when nobody is waited for, with all the patience that a busy machine needs: less than
/// the time-out of a source and much less than a frozen one takes.
const AT_ONCE: Duration = Duration::from_secs(8);

fn ada() -> Subject {
    Subject::User("ada".to_owned())
}

/// A directory that says nothing until it is told to.
fn silent() -> (Stub, Arc<AtomicBool>) {
    let speaks = Arc::<AtomicBool>::default();
    let at = Arc::clone(&speaks);
    let stub = Stub::start(move |_| {
        if at.load(Ordering::SeqCst) {
            Answer::json(r#"[{"name":"ada","unit":"research"}]"#)
        } else {
            Answer::Silence
        }
    });
    (stub, speaks)
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_that_come_late_are_a_later_leaf() {
    let (stub, speaks) = silent();
    let (world, mut gw, mut client) = world(&[users(&stub)]).await;
    let group = gw.group_of(vec![session("crm", "ada")]);
    assert!(send(&mut client, &gw, std::slice::from_ref(&group)).await < AT_ONCE);
    says(&world, &group.entries[0], &ada(), &[]).await;
    shows(&world, "affiant_enrich_stale{source=\"people\"} 1").await;
    let metrics = world.get("/metrics").await.text();
    assert!(
        !metrics.contains("affiant_enrich_source_age_seconds{"),
        "{metrics}"
    );
    let before = settled(&world).await;
    let all = contexts(&before);
    assert_eq!(all.len(), 1);
    assert!(all[0].1.sources[0].stale && !all[0].1.late);
    assert_eq!(all[0].1.sources[0].version, Fact::absent("never read"));
    speaks.store(true, Ordering::SeqCst);
    says(
        &world,
        &group.entries[0],
        &ada(),
        &[("people", "unit", "research")],
    )
    .await;
    shows(&world, "affiant_enrich_stale{source=\"people\"} 0").await;
    shows(&world, "affiant_enrich_context_leaves_late_total 1").await;
    shows(&world, "affiant_enrich_owed_leaves 0").await;
    let after = settled(&world).await;
    // Nothing was rewritten, and the later leaf says that it is one.
    assert_eq!(after[..before.len()], before[..]);
    let all = contexts(&after);
    assert_eq!(all.len(), 2, "{all:?}");
    let late = &all[1].1;
    assert!(late.late && !late.sources[0].stale);
    let at = u64::try_from(index_of(&after, &group.entries[0])).unwrap();
    assert!((late.first..late.end).contains(&at));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_owed_is_owed_after_a_restart() {
    let (stub, speaks) = silent();
    let (mut world, mut gw, mut client) = world(&[users(&stub)]).await;
    let group = gw.group_of(vec![session("crm", "ada"), session("crm", "bob")]);
    send(&mut client, &gw, std::slice::from_ref(&group)).await;
    says(&world, &group.entries[0], &ada(), &[]).await;
    world.stop().await;
    speaks.store(true, Ordering::SeqCst);
    let sources = vec![users(&stub)];
    world
        .start_again_with(|settings| settings.enrich = sources.clone())
        .await;
    says(
        &world,
        &group.entries[0],
        &ada(),
        &[("people", "unit", "research")],
    )
    .await;
    let leaves = settled(&world).await;
    let told = contexts(&leaves).len();
    // Everything was said: the next start has nothing to add.
    world.stop().await;
    world
        .start_again_with(|settings| settings.enrich = sources.clone())
        .await;
    let leaves = settled(&world).await;
    assert_eq!(contexts(&leaves).len(), told);
    // It goes on where it was.
    let mut client = world.client(&gw).await;
    let group = gw.group_of(vec![session("crm", "ada")]);
    send(&mut client, &gw, std::slice::from_ref(&group)).await;
    says(
        &world,
        &group.entries[0],
        &ada(),
        &[("people", "unit", "research")],
    )
    .await;
    let leaves = settled(&world).await;
    let all = contexts(&leaves);
    assert_eq!(all.len(), told + 1);
    assert!(all[told - 1].1.end <= all[told].1.first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_taken_out_of_the_configuration_is_not_waited_for() {
    let (stub, _) = silent();
    let dir = tempfile::tempdir().unwrap();
    let (mut world, mut gw, mut client) = world(&[users(&stub)]).await;
    let group = gw.group_of(vec![session("crm", "ada")]);
    send(&mut client, &gw, std::slice::from_ref(&group)).await;
    says(&world, &group.entries[0], &ada(), &[]).await;
    world.stop().await;
    let assets = super::said::file(dir.path(), "assets.csv", "name,owner\ncrm,red\n");
    let other = source(
        "assets",
        ContextKind::Asset,
        Origin::Csv(assets),
        &[("owner", "owner")],
    );
    world
        .start_again_with(|settings| settings.enrich = vec![other])
        .await;
    // What is there now is said of what was owed.
    let crm = Subject::Server("crm".to_owned());
    says(
        &world,
        &group.entries[0],
        &crm,
        &[("assets", "owner", "red")],
    )
    .await;
    shows(&world, "affiant_enrich_owed_leaves 0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_and_a_killed_directory_hold_up_nothing() {
    let mut slapd = Slapd::start(&[("ada", "departmentNumber: 7\n")]);
    let ldap = Ldap {
        url: slapd.tls_url(),
        bind: Some(("cn=admin,dc=example".to_owned(), slapd.password())),
        base: "ou=people,dc=example".to_owned(),
        filter: "(objectClass=inetOrgPerson)".to_owned(),
        ca_file: Some(slapd.ca()),
    };
    let mut people = source(
        "ldap",
        ContextKind::User,
        Origin::Ldap(ldap),
        &[("department", "departmentNumber")],
    );
    people.attributes.key = "uid".to_owned();
    let people = hasty(people);
    let (world, mut gw, mut client) = world(&[people]).await;
    let known = [("ldap", "department", "7")];
    for killed in [false, true] {
        let group = gw.group_of(vec![session("crm", "ada")]);
        send(&mut client, &gw, std::slice::from_ref(&group)).await;
        says(&world, &group.entries[0], &ada(), &known).await;
        if killed {
            slapd.kill();
        } else {
            slapd.freeze(true);
        }
        shows(&world, "affiant_enrich_stale{source=\"ldap\"} 1").await;
        let group = gw.group_of(vec![session("crm", "ada")]);
        assert!(send(&mut client, &gw, std::slice::from_ref(&group)).await < AT_ONCE);
        // The facts are the old ones, and the leaf says how old.
        says(&world, &group.entries[0], &ada(), &known).await;
        let leaves = world.leaves();
        let at = index_of(&leaves, &group.entries[0]);
        let (_, said) = contexts(&leaves).pop().unwrap();
        assert!(said.sources[0].stale, "{said:?}");
        assert!(matches!(said.sources[0].age_s, Fact::Known(_)));
        if killed {
            slapd.run();
        } else {
            slapd.freeze(false);
        }
        shows(&world, "affiant_enrich_stale{source=\"ldap\"} 0").await;
        let fresh = crate::world::eventually(|| {
            let leaves = world.leaves();
            let at = u64::try_from(at).unwrap();
            let all = contexts(&leaves);
            let last = all
                .into_iter()
                .rfind(|(_, said)| (said.first..said.end).contains(&at));
            last.map(|(_, said)| said)
                .filter(|said| said.late && !said.sources[0].stale)
        });
        fresh.await;
        assert_eq!(
            said_of(&contexts(&world.leaves()), at, &ada()).map(|said| said.len()),
            Some(1)
        );
    }
}
