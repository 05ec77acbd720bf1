//! Which header fields belong to one connection and which travel to the other end.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// Copies the fields that travel on, each value and each duplicate in its order.
///
/// Left behind are the fields of one connection ([RFC 9110 section 7.6.1]): `Connection` and what it
/// names, `Keep-Alive`, `Proxy-*`, `TE`, `Upgrade`. `Transfer-Encoding` stays where it stands, since
/// the body is sent on in the framing it came in; `Trailer` stays because trailers are sent on.
///
/// A new map is made, because removing from a [`HeaderMap`] changes the order of the rest.
///
/// [RFC 9110 section 7.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
pub(super) fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named = named_by_connection(headers);
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        // RFC 9112 section 6.3: a length beside a transfer coding counts for nothing.
        let void_length = chunked && name == CONTENT_LENGTH;
        if !void_length && !is_hop_by_hop(name) && !named.contains(name) {
            kept.append(name, value.clone());
        }
    }
    kept
}

/// Puts `host` in the place of the `Host` field.
pub(super) fn replace_host(headers: &mut HeaderMap, host: &HeaderValue) {
    headers.insert(HOST, host.clone());
}

/// The first value of a field as text, if it is text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The media type of a body without its parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = text(headers, "content-type")?;
    let essence = value.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    [
        CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        UPGRADE,
    ]
    .contains(name)
        || matches!(
            name.as_str(),
            "keep-alive" | "proxy-connection" | "proxy-authentication-info"
        )
}

/// What `Connection` names, without the fields no sender may take away.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok())
        .filter(|name| ![HOST, CONTENT_LENGTH, TRANSFER_ENCODING, TRAILER].contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    fn lines(map: &HeaderMap) -> Vec<String> {
        map.iter()
            .map(|(n, v)| format!("{n}: {}", v.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn only_fields_of_the_connection_stay_behind() {
        let kept = end_to_end(&map(&[
            ("host", "a"),
            ("connection", "keep-alive, X-Mine"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("authorization", "Bearer t"),
            ("x-dup", "1"),
            ("x-dup", "2"),
            ("trailer", "x-sum"),
            ("x-last", ""),
        ]));
        assert_eq!(
            lines(&kept),
            [
                "host: a",
                "authorization: Bearer t",
                "x-dup: 1",
                "x-dup: 2",
                "trailer: x-sum",
                "x-last: "
            ]
        );
    }

    #[test]
    fn connection_cannot_take_away_host_or_framing() {
        let kept = end_to_end(&map(&[
            ("connection", "host, content-length, transfer-encoding"),
            ("host", "a"),
            ("content-length", "3"),
        ]));
        assert_eq!(lines(&kept), ["host: a", "content-length: 3"]);
    }

    #[test]
    fn a_length_beside_a_transfer_coding_is_void() {
        let kept = end_to_end(&map(&[
            ("content-length", "3"),
            ("transfer-encoding", "chunked"),
        ]));
        assert_eq!(lines(&kept), ["transfer-encoding: chunked"]);
    }
}
