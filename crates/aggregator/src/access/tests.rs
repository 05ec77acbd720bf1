use http::HeaderValue;

use super::*;

#[test]
fn a_cookie_that_is_there_twice_is_nobodys() {
    let headers = |lines: &[&str]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
        }
        headers
    };
    assert_eq!(cookie(&headers(&["a=1; s=2"]), "s"), Some("2"));
    assert_eq!(cookie(&headers(&["a=1", "s=2"]), "s"), Some("2"));
    assert_eq!(cookie(&headers(&["s=1; s=2"]), "s"), None);
    assert_eq!(cookie(&headers(&["s=1", "s=1"]), "s"), None);
    assert_eq!(cookie(&headers(&["xs=1"]), "s"), None);
}

#[test]
fn every_route_is_there_once() {
    let mut seen = Vec::new();
    for route in &ROUTES {
        let key = (route.method.method(), route.path);
        assert!(!seen.contains(&key), "{key:?}");
        seen.push(key);
    }
}
