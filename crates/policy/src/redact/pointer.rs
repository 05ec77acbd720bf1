//! Places in JSON: RFC 6901 pointers, patterns of them, and the path a walk is on.

use super::limit::POINTER_BYTES_MAX;

/// A pointer with `*` for any one segment and `**` for any number of them. `#` steps into JSON that
/// stands in a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Name(String),
    One,
    Any,
}

/// Most segments of a pattern, so that matching stays cheap.
const SEGMENTS_MAX: usize = 32;

impl Pattern {
    /// `None` unless the text starts with `/` and has at most 32 segments.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let segments: Vec<_> = text
            .strip_prefix('/')?
            .split('/')
            .map(|segment| match segment {
                "*" => Segment::One,
                "**" => Segment::Any,
                name => Segment::Name(name.replace("~1", "/").replace("~0", "~")),
            })
            .collect();
        (segments.len() <= SEGMENTS_MAX).then_some(Self(segments))
    }

    /// Whether a path is at this place. Cost: segments times steps.
    pub(crate) fn matches(&self, path: &Path) -> bool {
        let mut reached = vec![false; self.0.len().saturating_add(1)];
        if let Some(start) = reached.first_mut() {
            *start = true;
        }
        self.skip_any(&mut reached);
        for (at, step) in path.steps.iter().enumerate() {
            let mut next = vec![false; reached.len()];
            for (place, segment) in self
                .0
                .iter()
                .enumerate()
                .filter(|(place, _)| reached.get(*place) == Some(&true))
            {
                let to = if matches!(segment, Segment::Any) {
                    place
                } else {
                    place.saturating_add(1)
                };
                if path.step_matches(at, step, segment)
                    && let Some(slot) = next.get_mut(to)
                {
                    *slot = true;
                }
            }
            reached = next;
            self.skip_any(&mut reached);
        }
        reached.last() == Some(&true)
    }

    /// `**` may stand for nothing.
    fn skip_any(&self, reached: &mut [bool]) {
        for (place, segment) in self.0.iter().enumerate() {
            if matches!(segment, Segment::Any)
                && reached.get(place) == Some(&true)
                && let Some(slot) = reached.get_mut(place.saturating_add(1))
            {
                *slot = true;
            }
        }
    }
}

/// Where a walk is.
#[derive(Debug, Default)]
pub(crate) struct Path {
    steps: Vec<Step>,
    names: String,
}

#[derive(Debug)]
enum Step {
    /// A member: where its name starts in `names`, and the marker shown instead of a name that was cut.
    Key {
        start: usize,
        shown: Option<String>,
    },
    Index(usize),
    Nested,
}

impl Path {
    pub(crate) fn push_key(&mut self, name: &str, shown: Option<String>) {
        self.steps.push(Step::Key {
            start: self.names.len(),
            shown,
        });
        self.names.push_str(name);
    }

    pub(crate) fn push_index(&mut self, index: usize) {
        self.steps.push(Step::Index(index));
    }

    pub(crate) fn push_nested(&mut self) {
        self.steps.push(Step::Nested);
    }

    /// Leaves the last step.
    pub(crate) fn pop(&mut self) {
        if let Some(Step::Key { start, .. }) = self.steps.pop() {
            self.names.truncate(start);
        }
    }

    /// How deep the walk is, to come back to with [`Path::rewind`].
    pub(crate) const fn depth(&self) -> usize {
        self.steps.len()
    }

    /// Leaves every step beyond a depth.
    pub(crate) fn rewind(&mut self, depth: usize) {
        while self.steps.len() > depth {
            self.pop();
        }
    }

    /// The pointer, clipped at [`POINTER_BYTES_MAX`].
    pub(crate) fn pointer(&self) -> String {
        let mut pointer = String::new();
        for (place, step) in self.steps.iter().enumerate() {
            pointer.push('/');
            match step {
                Step::Index(index) => pointer.push_str(&index.to_string()),
                Step::Nested => pointer.push('#'),
                Step::Key {
                    shown: Some(marker),
                    ..
                } => pointer.push_str(marker),
                Step::Key { start, shown: None } => escape(self.name(place, *start), &mut pointer),
            }
            if pointer.len() > POINTER_BYTES_MAX {
                break;
            }
        }
        affiant_entry::limits::clip(&pointer, POINTER_BYTES_MAX)
    }

    /// The name of the member at `place`: its bytes reach to where the next member's name starts.
    fn name(&self, place: usize, start: usize) -> &str {
        let next = self
            .steps
            .iter()
            .skip(place.saturating_add(1))
            .find_map(|step| match step {
                Step::Key { start, .. } => Some(*start),
                Step::Index(_) | Step::Nested => None,
            });
        self.names
            .get(start..next.unwrap_or(self.names.len()))
            .unwrap_or_default()
    }

    fn step_matches(&self, at: usize, step: &Step, segment: &Segment) -> bool {
        match (segment, step) {
            (Segment::One | Segment::Any, _) => true,
            (Segment::Name(name), Step::Nested) => name == "#",
            (Segment::Name(name), Step::Index(index)) => *name == index.to_string(),
            (Segment::Name(name), Step::Key { start, .. }) => name == self.name(at, *start),
        }
    }
}

/// RFC 6901 section 3, of a prefix long enough for any clipped pointer.
fn escape(name: &str, out: &mut String) {
    for (place, char) in name.chars().enumerate() {
        match char {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            other => out.push(other),
        }
        if place > POINTER_BYTES_MAX {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Path, Pattern};

    fn path(steps: &[&str]) -> Path {
        let mut path = Path::default();
        for step in steps {
            match (*step, step.parse()) {
                ("#", _) => path.push_nested(),
                (_, Ok(index)) => path.push_index(index),
                (name, Err(_)) => path.push_key(name, None),
            }
        }
        path
    }

    #[test]
    fn patterns_match_places() {
        for (pattern, steps, expected) in [
            ("/a", &["a"][..], true),
            ("/a", &["b"], false),
            ("/a", &["a", "b"], false),
            ("/a/*", &["a", "b"], true),
            ("/a/*", &["a"], false),
            ("/**/b", &["b"], true),
            ("/**/b", &["a", "0", "b"], true),
            ("/**/b", &["a", "b", "c"], false),
            ("/a/**", &["a"], true),
            ("/a/**", &["a", "x", "1"], true),
            ("/a/**/c/*", &["a", "b", "c", "d"], true),
            ("/a~1b/~0", &["a/b", "~"], true),
            ("/body/#/p", &["body", "#", "p"], true),
            ("/0", &["0"], true),
        ] {
            let pattern_parsed = Pattern::parse(pattern).expect("a pattern");
            assert_eq!(
                pattern_parsed.matches(&path(steps)),
                expected,
                "{pattern} on {steps:?}"
            );
        }
    }

    #[test]
    fn pointers_escape_and_hide_cut_names() {
        let mut path = path(&["a/b", "3", "#", "c~"]);
        assert_eq!(path.pointer(), "/a~1b/3/#/c~0");
        path.push_key("secret", Some("[redacted:x]".to_owned()));
        assert_eq!(path.pointer(), "/a~1b/3/#/c~0/[redacted:x]");
        path.rewind(1);
        assert_eq!(path.pointer(), "/a~1b");
    }

    #[test]
    fn text_without_a_slash_is_no_pointer() {
        assert!(Pattern::parse("a").is_none());
        assert!(Pattern::parse("").is_none());
    }
}
