//! A real directory, `slapd`: plain, by TLS, frozen and killed.

use std::time::Duration;

use affiant_enrich::SourceSettings;
use affiant_enrich::config::{Ldap, Origin};
use affiant_entry::Fact;
use affiant_entry::record::ContextKind;

use super::slapd::Slapd;
use super::world::{World, facts, settings, user};

fn people() -> Vec<(String, String)> {
    let mut people = vec![
        (
            "ada".to_owned(),
            "departmentNumber: 7\nou: research\nou: emea\nmail: ada@example.com\nuid: al\n"
                .to_owned(),
        ),
        ("bob".to_owned(), "departmentNumber: 9\n".to_owned()),
    ];
    // More than one page, and more than a directory gives at once.
    people.extend((0..1200).map(|n| (format!("p{n}"), format!("departmentNumber: {n}\n"))));
    people
}

fn slapd() -> Slapd {
    let people = people();
    let people: Vec<(&str, &str)> = people
        .iter()
        .map(|(uid, lines)| (uid.as_str(), lines.as_str()))
        .collect();
    Slapd::start(&people)
}

fn directory(url: String) -> (Ldap, SourceSettings) {
    let ldap = Ldap {
        url,
        bind: None,
        base: "ou=people,dc=example".to_owned(),
        filter: "(objectClass=inetOrgPerson)".to_owned(),
        ca_file: None,
    };
    let wanted = [("department", "DepartmentNumber"), ("unit", "ou")];
    let mut one = settings(ContextKind::User, Origin::Ldap(ldap.clone()), &wanted);
    one.attributes.key = "uid".to_owned();
    one.timeout = Duration::from_secs(5);
    (ldap, one)
}

fn with(mut settings: SourceSettings, ldap: Ldap) -> SourceSettings {
    settings.origin = Origin::Ldap(ldap);
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_read_in_pages_with_the_named_attributes_alone() {
    let slapd = slapd();
    let (_, one) = directory(slapd.url());
    let world = World::start(one);
    world.read().await;
    let ada = facts(&[("department", "7"), ("unit", "emea, research")]);
    assert_eq!(world.fact(&user("ada")), ada);
    // Known by each of her names.
    assert_eq!(world.fact(&user("al")), ada);
    assert_eq!(world.fact(&user("p1199")), facts(&[("department", "1199")]));
    assert_eq!(world.state().rows, 1203);
    world.until("it is kept", |_| world.cache().exists()).await;
    let cached = fs_err::read_to_string(world.cache()).unwrap();
    assert!(!cached.contains("@example.com"));
    let (version, reads) = (world.source().version, world.state().reads);
    world
        .until("it is read again", |state| state.reads > reads)
        .await;
    assert_eq!(world.source().version, version);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_by_tls_must_have_a_certificate_of_the_named_root() {
    let (slapd, other) = (slapd(), Slapd::start(&[]));
    let (ldap, one) = directory(slapd.tls_url());
    let bound = |ca_file| Ldap {
        bind: Some(("cn=admin,dc=example".to_owned(), slapd.password())),
        ca_file,
        ..ldap.clone()
    };
    let world = World::start(with(one.clone(), bound(Some(slapd.ca()))));
    world.read().await;
    assert_eq!(world.fact(&user("bob")), facts(&[("department", "9")]));
    // Another root, and the system's.
    for ca_file in [Some(other.ca()), None] {
        let world = World::start(with(one.clone(), bound(ca_file)));
        world.failed().await;
        assert_eq!(world.source().version, Fact::absent("never read"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_refuses_is_a_failure() {
    let slapd = slapd();
    let (ldap, one) = directory(slapd.url());
    let wrong = [
        Ldap {
            bind: Some(("cn=other,dc=example".to_owned(), slapd.password())),
            ..ldap.clone()
        },
        Ldap {
            base: "ou=nowhere,dc=example".to_owned(),
            ..ldap.clone()
        },
        Ldap {
            filter: "(((".to_owned(),
            ..ldap
        },
    ];
    for ldap in wrong {
        let world = World::start(with(one.clone(), ldap));
        world.failed().await;
        assert!(world.state().stale);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_and_a_killed_directory_grow_stale_and_come_back() {
    let mut slapd = slapd();
    let (_, mut one) = directory(slapd.url());
    one.timeout = Duration::from_secs(1);
    let world = World::start(one);
    world.read().await;
    assert!(!world.state().stale);
    for killed in [false, true] {
        if killed {
            slapd.kill();
        } else {
            slapd.freeze(true);
        }
        world.until("it is stale", |state| state.stale).await;
        // Facts are still there, and say how old they are.
        assert!(world.fact(&user("ada")).is_some());
        let source = world.source();
        assert!(source.stale && matches!(source.age_s, Fact::Known(age) if age >= 1));
        assert!(world.state().failures > 0);
        if killed {
            slapd.run();
        } else {
            slapd.freeze(false);
        }
        world.until("it is fresh", |state| !state.stale).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_directory_harms_nobody() {
    // Nonsense, a message that ends in the middle, and one whose library reads it by panicking.
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\x30\x84\x7f\xff\xff\xff",
        b"\x30\x00",
        b"\x30\x03\x02\x01\x01",
        b"\x30\x07\x02\x01\x01\x64\x02\x04\x00",
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ldap://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                use std::io::{Read as _, Write as _};
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 512]);
                let _ = stream.write_all(answer);
                std::thread::sleep(Duration::from_secs(5));
            }
        });
        let (_, mut one) = directory(url);
        one.timeout = Duration::from_secs(1);
        let world = World::start(one);
        world
            .until("it fails twice", |state| state.failures > 1)
            .await;
    }
}
