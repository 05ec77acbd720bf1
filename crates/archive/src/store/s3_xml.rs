//! The two XML answers of S3 that are read: a list of versions, and an error.

use quick_xml::de::from_reader;
use serde::Deserialize;

use super::Version;

/// The longest text of an error that is told.
const MESSAGE_CHARS_MAX: usize = 200;

/// One page of versions.
pub(super) struct Page {
    /// Newest first.
    pub(super) versions: Vec<Version>,
    /// Where the next page begins: key and version.
    pub(super) next: Option<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListVersions {
    #[serde(default, rename = "$value")]
    items: Vec<Item>,
}

#[derive(Deserialize)]
enum Item {
    Version(Listed),
    DeleteMarker(Listed),
    IsTruncated(bool),
    NextKeyMarker(String),
    NextVersionIdMarker(String),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    key: String,
    version_id: String,
    #[serde(default)]
    is_latest: bool,
    #[serde(default)]
    last_modified: String,
}

/// Reads a page, and keeps what is of this key alone.
pub(super) fn versions(xml: &[u8], key: &str) -> Result<Page, String> {
    let list: ListVersions = from_reader(xml).map_err(|error| error.to_string())?;
    let mut found: Vec<(bool, String, Version)> = Vec::new();
    let (mut truncated, mut next_key, mut next_version) = (false, None, String::new());
    for item in list.items {
        let (listed, is_delete_marker) = match item {
            Item::Version(listed) => (listed, false),
            Item::DeleteMarker(listed) => (listed, true),
            Item::IsTruncated(yes) => {
                truncated = yes;
                continue;
            }
            Item::NextKeyMarker(text) => {
                next_key = Some(text);
                continue;
            }
            Item::NextVersionIdMarker(text) => {
                next_version = text;
                continue;
            }
            Item::Other => continue,
        };
        if listed.key == key {
            let version = Version {
                id: listed.version_id,
                is_delete_marker,
            };
            found.push((listed.is_latest, listed.last_modified, version));
        }
    }
    // Versions and delete markers come in two lists from some servers.
    found.sort_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
    Ok(Page {
        versions: found.into_iter().map(|(_, _, version)| version).collect(),
        next: next_key
            .filter(|_| truncated)
            .map(|key| (key, next_version)),
    })
}

/// The message of an error, clipped to one line.
pub(super) fn message(xml: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Error {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let text = match from_reader::<_, Error>(xml) {
        Ok(error) => format!("{}: {}", error.code, error.message),
        Err(_) => String::from_utf8_lossy(xml).into_owned(),
    };
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = r#"<?xml version="1.0"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
      <Name>b</Name><Prefix>a</Prefix><KeyMarker></KeyMarker><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>
      <NextKeyMarker>a/x</NextKeyMarker><NextVersionIdMarker>v9</NextVersionIdMarker>
      <Version><Key>a</Key><VersionId>v1</VersionId><IsLatest>false</IsLatest><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"e"</ETag><Size>3</Size><Owner><ID>o</ID></Owner></Version>
      <Version><Key>a-other</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest><LastModified>2026-01-03T00:00:00.000Z</LastModified></Version>
      <DeleteMarker><Key>a</Key><VersionId>v3</VersionId><IsLatest>true</IsLatest><LastModified>2026-01-02T00:00:00.000Z</LastModified></DeleteMarker>
    </ListVersionsResult>"#;

    #[test]
    fn versions_are_of_one_key_newest_first() {
        let page = versions(XML.as_bytes(), "a").unwrap();
        let ids: Vec<_> = page
            .versions
            .iter()
            .map(|v| (v.id.as_str(), v.is_delete_marker))
            .collect();
        assert_eq!(ids, [("v3", true), ("v1", false)]);
        assert_eq!(page.next, Some(("a/x".to_owned(), "v9".to_owned())));
    }

    #[test]
    fn what_is_no_xml_is_an_error_and_a_short_message() {
        assert!(versions(b"<html", "a").is_err());
        assert_eq!(
            message(b"<Error><Code>AccessDenied</Code><Message>no\nway</Message></Error>"),
            "AccessDenied: no way"
        );
        assert_eq!(message(&[b'x'; 5000]).len(), MESSAGE_CHARS_MAX);
    }
}
