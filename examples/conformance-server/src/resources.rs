//! Three static resources and one template.

use rmcp::ErrorData;
use rmcp::model::{
    CacheScope, ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, Resource,
    ResourceContents, ResourceTemplate,
};
use serde_json::json;

use crate::fixture::CACHE_TTL_MS;
use crate::tools::content::PIXEL_PNG;

const TEXT: &str = "test://static-text";
const BINARY: &str = "test://static-binary";
const WATCHED: &str = "test://watched-resource";
pub(crate) const TEMPLATE: &str = "test://template/{id}/data";

pub(crate) fn list() -> ListResourcesResult {
    let resource = |uri: &str, name: &str, description: &str, mime: &str| {
        Resource::new(uri, name)
            .with_description(description)
            .with_mime_type(mime)
    };
    ListResourcesResult::with_all_items(vec![
        resource(
            TEXT,
            "Static text",
            "A text that never changes",
            "text/plain",
        ),
        resource(
            BINARY,
            "Static image",
            "An image that never changes",
            "image/png",
        ),
        resource(
            WATCHED,
            "Watched text",
            "A text one may subscribe to",
            "text/plain",
        ),
    ])
    .with_ttl_ms(CACHE_TTL_MS)
    .with_cache_scope(CacheScope::Public)
}

pub(crate) fn templates() -> ListResourceTemplatesResult {
    let template = ResourceTemplate::new(TEMPLATE, "Data by id")
        .with_description("The data of one id")
        .with_mime_type("application/json");
    ListResourceTemplatesResult::with_all_items(vec![template])
        .with_ttl_ms(CACHE_TTL_MS)
        .with_cache_scope(CacheScope::Public)
}

/// Reads one resource; an unknown URI is an error that names it (SEP-2164).
pub(crate) fn read(uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let text = |text: String, mime: &str| ResourceContents::text(text, uri).with_mime_type(mime);
    let contents = match uri {
        TEXT => text(
            "This is the content of the static text resource.".to_owned(),
            "text/plain",
        ),
        BINARY => ResourceContents::blob(PIXEL_PNG, uri).with_mime_type("image/png"),
        WATCHED => text(
            "This is the content of the watched resource.".to_owned(),
            "text/plain",
        ),
        _ => match template_id(uri) {
            Some(id) => text(
                json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")})
                    .to_string(),
                "application/json",
            ),
            None => {
                return Err(ErrorData::resource_not_found(
                    format!("no resource {uri}"),
                    Some(json!({"uri": uri})),
                ));
            }
        },
    };
    Ok(ReadResourceResult::new(vec![contents])
        .with_ttl_ms(CACHE_TTL_MS)
        .with_cache_scope(CacheScope::Public))
}

/// The `{id}` of a URI made from [`TEMPLATE`].
fn template_id(uri: &str) -> Option<&str> {
    let id = uri
        .strip_prefix("test://template/")?
        .strip_suffix("/data")?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::{read, template_id};

    #[test]
    fn template_ids_are_one_segment() {
        assert_eq!(template_id("test://template/123/data"), Some("123"));
        assert_eq!(template_id("test://template//data"), None);
        assert_eq!(template_id("test://template/1/2/data"), None);
    }

    #[test]
    fn unknown_uri_is_named_in_the_error() {
        let error = read("test://nowhere").unwrap_err();
        assert_eq!(
            error.data,
            Some(serde_json::json!({"uri": "test://nowhere"}))
        );
    }
}
