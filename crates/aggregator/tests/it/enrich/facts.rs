//! What stands in a context leaf.

use affiant_enrich::config::Origin;
use affiant_entry::Fact;
use affiant_entry::limits::{CONTEXT_BYTES_MAX, CONTEXT_SUBJECT_BYTES_MAX};
use affiant_entry::record::{ContextKind, Subject};

use super::said::{
    contexts, file, index_of, ready, says, send, session, settled, shows, source, whole_call, world,
};

fn server(name: &str) -> Subject {
    Subject::Server(name.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_a_directory_and_rules_say_what_they_know() {
    let dir = tempfile::tempdir().unwrap();
    let assets = file(
        dir.path(),
        "assets.csv",
        "name,owner,phone\ncrm,red,x-555-x\n",
    );
    let people = r#"[{"name":"alice@example.com","unit":"sales","home":"1 Road"}]"#;
    let people = file(dir.path(), "people.json", people);
    let rules = "[[rule]]\nid = \"crm-pii\"\nserver = \"crm\"\ntool = \"search_*\"\nlevel = \"restricted\"\n";
    let rules = file(dir.path(), "rules.toml", rules);
    let list = affiant_enrich::config::List::default();
    let sources = [
        source(
            "assets",
            ContextKind::Asset,
            Origin::Csv(assets),
            &[("owner", "owner")],
        ),
        source(
            "people",
            ContextKind::User,
            Origin::Json(people, list),
            &[("unit", "unit")],
        ),
        source(
            "rules",
            ContextKind::Classification,
            Origin::Rules(rules),
            &[],
        ),
    ];
    let (world, mut gw, mut client) = world(&sources).await;
    ready(&world, &["assets", "people", "rules"]).await;
    let mut bodies = whole_call();
    bodies.push(session("files", "alice@example.com"));
    let group = gw.group_of(bodies);
    send(&mut client, &gw, std::slice::from_ref(&group)).await;
    let end = &group.entries[1];
    says(&world, end, &server("crm"), &[("assets", "owner", "red")]).await;
    let alice = Subject::User("alice@example.com".to_owned());
    says(&world, end, &alice, &[("people", "unit", "sales")]).await;
    let tool = Subject::Tool("crm".to_owned(), "search_customers".to_owned());
    let level = [
        ("rules", "level", "restricted"),
        ("rules", "rule", "crm-pii"),
    ];
    says(&world, end, &tool, &level).await;
    says(&world, &group.entries[2], &server("files"), &[]).await;
    let leaves = settled(&world).await;
    let all = contexts(&leaves);
    assert_eq!(all.len(), 1, "{all:?}");
    let (at, said) = &all[0];
    assert!(said.first <= u64::try_from(index_of(&leaves, &group.entries[0])).unwrap());
    assert!(said.end <= u64::try_from(*at).unwrap());
    assert_eq!(said.unknown.as_deref(), Some(&[server("files")][..]));
    let ids: Vec<&str> = said.sources.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["assets", "people", "rules"]);
    for one in &said.sources {
        assert!(!one.stale && matches!(one.age_s, Fact::Known(age) if age < 60));
        assert!(matches!(&one.version, Fact::Known(version) if version.starts_with("sha256:")));
    }
    // What was not asked for by name is nowhere in the log.
    let text = String::from_utf8(leaves.concat()).unwrap();
    assert!(!text.contains("x-555") && !text.contains("1 Road"));
    shows(&world, "affiant_enrich_stale{source=\"assets\"} 0").await;
    shows(&world, "affiant_enrich_source_rows{source=\"rules\"} 1").await;
    shows(&world, "affiant_enrich_context_leaves_total 1").await;
    shows(&world, "affiant_view_lag_leaves{view=\"enrich\"} 0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_that_were_said_are_referred_to() {
    let dir = tempfile::tempdir().unwrap();
    let assets = file(
        dir.path(),
        "assets.csv",
        "name,owner\ncrm,red\nfiles,blue\n",
    );
    let one = source(
        "assets",
        ContextKind::Asset,
        Origin::Csv(assets),
        &[("owner", "owner")],
    );
    let (world, mut gw, mut client) = world(&[one]).await;
    ready(&world, &["assets"]).await;
    let mut entries = Vec::new();
    for servers in [&["crm", "files"][..], &["crm"], &["files", "crm"]] {
        let bodies = servers
            .iter()
            .map(|server| session(server, "nobody"))
            .collect();
        let group = gw.group_of(bodies);
        send(&mut client, &gw, std::slice::from_ref(&group)).await;
        says(
            &world,
            &group.entries[0],
            &server(servers[0]),
            &[(
                "assets",
                "owner",
                if servers[0] == "crm" { "red" } else { "blue" },
            )],
        )
        .await;
        entries.push(group.entries[0].clone());
    }
    let leaves = settled(&world).await;
    let all = contexts(&leaves);
    let first = u64::try_from(all[0].0).unwrap();
    let same: Vec<_> = all.iter().map(|(_, said)| said.same_as).collect();
    assert_eq!(same, [None, Some(first), Some(first)]);
    // Another version is said anew, though the facts are the same.
    file(
        dir.path(),
        "assets.csv",
        "name,owner\ncrm,red\nfiles,blue\nnew,green\n",
    );
    shows(&world, "affiant_enrich_source_rows{source=\"assets\"} 3").await;
    let group = gw.group_of(vec![session("crm", "nobody")]);
    send(&mut client, &gw, std::slice::from_ref(&group)).await;
    says(
        &world,
        &group.entries[0],
        &server("crm"),
        &[("assets", "owner", "red")],
    )
    .await;
    let leaves = settled(&world).await;
    assert_eq!(contexts(&leaves).last().unwrap().1.same_as, None);
    // Users and tools are asked of nobody here, and so they are not even unknown.
    assert!(
        contexts(&leaves)
            .iter()
            .all(|(_, said)| said.unknown.as_ref().is_none_or(Vec::is_empty))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_range_is_split_and_a_long_name_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = String::from("name,owner\n");
    let name = |n: usize| format!("server-{n:04}-{}", "x".repeat(200));
    for n in 0..400 {
        text.push_str(&format!("{},{}\n", name(n), "o".repeat(120)));
    }
    let assets = file(dir.path(), "assets.csv", &text);
    let one = source(
        "assets",
        ContextKind::Asset,
        Origin::Csv(assets),
        &[("owner", "owner")],
    );
    let (world, mut gw, mut client) = world(&[one]).await;
    ready(&world, &["assets"]).await;
    let mut bodies: Vec<_> = (0..800)
        .map(|n| session(&name(n % 400), "nobody"))
        .collect();
    bodies.push(session(&"y".repeat(CONTEXT_SUBJECT_BYTES_MAX), "nobody"));
    let group = gw.group_of(bodies);
    send(&mut client, &gw, std::slice::from_ref(&group)).await;
    shows(&world, "affiant_enrich_names_passed_over_total 1").await;
    let leaves = settled(&world).await;
    let all = contexts(&leaves);
    assert!(all.len() > 2, "{}", all.len());
    assert!(
        all.iter()
            .all(|(at, _)| leaves[*at].len() <= CONTEXT_BYTES_MAX)
    );
    assert!(all.windows(2).all(|pair| pair[0].1.end == pair[1].1.first));
    for (at, entry) in group.entries.iter().take(800).enumerate() {
        let said = super::said::said_of(&all, index_of(&leaves, entry), &server(&name(at % 400)));
        assert_eq!(said.map(|said| said.len()), Some(1), "{at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_had_no_context_gets_it_in_few_leaves() {
    const GROUPS: usize = 4;
    let dir = tempfile::tempdir().unwrap();
    let assets = file(dir.path(), "assets.csv", "name,owner\ncrm,red\n");
    let one = source(
        "assets",
        ContextKind::Asset,
        Origin::Csv(assets),
        &[("owner", "owner")],
    );
    let (mut world, mut gw, mut client) = world(&[]).await;
    let mut entries = Vec::new();
    for _ in 0..GROUPS {
        let bodies = (0..2500).map(|_| session("crm", "nobody")).collect();
        let group = gw.group_of(bodies);
        send(&mut client, &gw, std::slice::from_ref(&group)).await;
        entries.extend(group.entries);
    }
    assert!(contexts(&world.leaves()).is_empty());
    world.stop().await;
    world
        .start_again_with(|settings| settings.enrich = vec![one])
        .await;
    shows(&world, "affiant_view_lag_leaves{view=\"enrich\"} 0").await;
    let leaves = settled(&world).await;
    let all = contexts(&leaves);
    // One for each batch of 4,096 leaves; together they leave nothing out.
    assert!(all.len() <= entries.len() / 4096 + 4, "{}", all.len());
    assert!(all.windows(2).all(|pair| pair[0].1.end <= pair[1].1.first));
    for entry in entries.iter().step_by(997) {
        let said = super::said::said_of(&all, index_of(&leaves, entry), &server("crm"));
        assert_eq!(said.map(|said| said.len()), Some(1));
    }
}
