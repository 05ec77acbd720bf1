//! LDAP and LDAPS (RFC 4511), in pages (RFC 2696) where the directory has them.
//!
//! Asked for are the key and the attributes that become facts, and nothing else. An entry with several keys is
//! known by each of them. Referrals are not followed. Rows and time are bounded; the bytes of one message are not,
//! as the library reads it whole.

use std::collections::HashMap;
use std::sync::Arc;

use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry};
use tokio::task::JoinSet;

use super::{Found, ReadError, digested, file};
use crate::config::{Attributes, Ldap};
use crate::table::FactRows;
use crate::tls;

/// Entries in a page: what most directories give at most.
const PAGE: i32 = 500;

/// Reads all entries below the base that the filter lets through.
pub(super) async fn read(at: &Ldap, attributes: &Attributes) -> Result<Found, ReadError> {
    let mut settings = LdapConnSettings::new();
    if at.url.starts_with("ldaps:") {
        settings = settings.set_config(Arc::new(tls::client(at.ca_file.as_deref())?));
    }
    let (connection, mut ldap) = LdapConnAsync::with_settings(settings, &at.url)
        .await
        .map_err(|error| net(&error))?;
    // Ends with this read, however that ends: a dropped set aborts its tasks.
    let mut driving = JoinSet::new();
    driving.spawn(connection.drive());
    if let Some((name, password_file)) = &at.bind {
        let password = file::secret(password_file).await?;
        let bound = ldap
            .simple_bind(name, &password)
            .await
            .map_err(|error| net(&error))?;
        refused("bind", bound.rc)?;
    }
    let adapters: Vec<Box<dyn Adapter<'_, String, Vec<String>>>> = vec![
        Box::new(EntriesOnly::new()),
        Box::new(PagedResults::new(PAGE)),
    ];
    let mut names: Vec<String> = attributes.facts.values().cloned().collect();
    names.push(attributes.key.clone());
    let mut search = ldap
        .streaming_search_with(adapters, &at.base, Scope::Subtree, &at.filter, names)
        .await
        .map_err(|error| net(&error))?;
    let mut rows = FactRows::new(attributes);
    while let Some(entry) = search.next().await.map_err(|error| net(&error))? {
        add(&mut rows, attributes, SearchEntry::construct(entry))?;
    }
    refused("search", search.finish().await.rc)?;
    // What it says to that does not matter any more.
    let _ = ldap.unbind().await;
    Ok(digested(rows))
}

fn add(
    rows: &mut FactRows<'_>,
    attributes: &Attributes,
    entry: SearchEntry,
) -> Result<(), ReadError> {
    // Directories may answer in another case than was asked in (RFC 4512 section 2.5).
    let values: HashMap<String, Vec<String>> = entry
        .attrs
        .into_iter()
        .map(|(name, values)| (name.to_ascii_lowercase(), values))
        .collect();
    let of = |name: &str| values.get(&name.to_ascii_lowercase());
    let names = of(&attributes.key).cloned().unwrap_or_default();
    rows.add(names, |name| {
        // Their order has no meaning; the same values must give the same version.
        let mut values = of(name)?.clone();
        values.sort();
        Some(values.join(", "))
    })
}

fn refused(operation: &'static str, code: u32) -> Result<(), ReadError> {
    match code {
        0 => Ok(()),
        code => Err(ReadError::Refused { operation, code }),
    }
}

fn net(error: &LdapError) -> ReadError {
    ReadError::Net {
        reason: error.to_string(),
    }
}
