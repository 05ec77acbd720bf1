//! Names with `*`, as rules spell servers and tools.

/// Whether `pattern` fits all of `name`; `*` stands for any number of characters, every other character for
/// itself. Time is bounded by the product of both lengths.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stands, and how much of the name it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while let Some(at) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(one) if one == at => {
                p += 1;
                n += 1;
            }
            _ => match &mut star {
                Some((behind, taken)) => {
                    *taken += 1;
                    p = *behind + 1;
                    n = *taken;
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .is_none_or(|rest| rest.iter().all(|b| *b == b'*'))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, wanted) in [
            ("*", "", true),
            ("*", "crm", true),
            ("crm", "crm", true),
            ("crm", "crm2", false),
            ("crm*", "crm2", true),
            ("*.read", "files.read", true),
            ("*.read", "files.reader", false),
            ("get_*_by_*", "get_user_by_id", true),
            ("get_*_by_*", "get_user_to_id", false),
            ("a*b*c", "aXbXbXc", true),
            ("", "x", false),
            ("", "", true),
            ("ä*", "äö", true),
            ("?", "x", false),
        ] {
            assert_eq!(fits(pattern, name), wanted, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*a".repeat(200);
        assert!(!fits(&pattern, &format!("{}b", "a".repeat(2000))));
    }
}
