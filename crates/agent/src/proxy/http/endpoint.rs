//! What joins the GET of an HTTP+SSE connection (2024-11-05) with its POSTs.

/// The text that identifies a connection: the `sessionId` in the endpoint URI, else its path and
/// query. `base` is the path and query of the request that named the endpoint.
pub(super) fn key(uri: &str, base: &str) -> String {
    let target = resolve(uri, base);
    match session(&target) {
        Some(id) => id.to_owned(),
        None => target,
    }
}

/// Resolves `uri` against `base` as far as endpoints need it
/// ([RFC 3986 section 5.2](https://www.rfc-editor.org/rfc/rfc3986#section-5.2)), without dot segments.
fn resolve(uri: &str, base: &str) -> String {
    let uri = uri.split('#').next().unwrap_or_default();
    if let Some((_, rest)) = uri.split_once("://") {
        let path = rest
            .find(['/', '?'])
            .and_then(|at| rest.get(at..))
            .unwrap_or("/");
        return if path.starts_with('?') {
            format!("/{path}")
        } else {
            path.to_owned()
        };
    }
    if uri.starts_with('/') {
        return uri.to_owned();
    }
    let base = base.split('?').next().unwrap_or_default();
    let directory = match base.rfind('/') {
        Some(_) if uri.starts_with('?') => base,
        Some(at) => base.get(..=at).unwrap_or("/"),
        None => "/",
    };
    format!("{directory}{uri}")
}

fn session(target: &str) -> Option<&str> {
    let (_, query) = target.split_once('?')?;
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, value)| matches!(*name, "sessionId" | "session_id") && !value.is_empty())
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_and_the_post_to_it_have_one_key() {
        for (endpoint, get, post) in [
            ("/message?sessionId=a1", "/sse", "/message?sessionId=a1"),
            (
                "/messages/?session_id=a1",
                "/sse",
                "/messages/?session_id=a1",
            ),
            (
                "http://127.0.0.1:1/m?sessionId=a1",
                "/sse",
                "/m?sessionId=a1",
            ),
            ("message/42", "/a/sse?x=1", "/a/message/42"),
            ("/m/42", "/sse", "/m/42"),
            ("https://h.example", "/sse", "/"),
            ("?id=7", "/sse", "/sse?id=7"),
        ] {
            assert_eq!(key(endpoint, get), key(post, post), "{endpoint}");
        }
        assert_eq!(key("/message?sessionId=a1", "/sse"), "a1");
    }
}
