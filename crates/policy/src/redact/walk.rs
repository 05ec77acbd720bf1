//! One pass over JSON that says what to cut, and leaves everything else as it is spelled.
//!
//! The walk makes no new JSON: it makes edits, byte ranges with what replaces them. JSON inside a
//! string is walked the same way, and its edits are carried back through the string's escapes to the
//! spelling they came from; so the client's own spelling stands wherever nothing is cut, at any depth.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;

use super::echo::Echoes;
use super::engine::{BASE64_STARTS, Cut, ECHO, Engine, LIMIT, Scan};
use super::hits::Hits;
use super::json::{Broken, Cursor, Plain, spell};
use super::key::fold;
use super::limit::{BASE64_BYTES_MAX, DEPTH_MAX, ENCODED_MAX, NESTED_MAX};
use super::pointer::Path;
use super::scope::Scope;

/// A byte range of a document, and what takes its place there.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) range: Range<usize>,
    pub(crate) text: String,
}

/// What the walk looks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Search<'a> {
    /// What the rules say.
    Rules,
    /// Only values found secret in an earlier pass.
    Echoes(&'a Echoes),
}

/// A walk over one input.
pub(crate) struct Walk<'a, 'k> {
    engine: &'a Engine,
    scope: &'a Scope,
    search: Search<'a>,
    path: Path,
    /// Levels of JSON in strings.
    nested: usize,
    /// Levels of JSON in base64.
    encoded: usize,
    folded: Vec<u8>,
    pub(crate) hits: Hits<'k>,
    pub(crate) echoes: Echoes,
}

/// State of the array or object the walk is in.
struct Place<'t, 'e> {
    cursor: Cursor<'t>,
    edits: &'e mut Vec<Edit>,
    depth: usize,
}

/// An object of the form `{"name": …, "value": …}`: its value is judged by its name.
#[derive(Default)]
struct NamedPair {
    rule: Option<usize>,
    value: Option<(Range<usize>, Range<usize>)>,
}

impl<'a, 'k> Walk<'a, 'k> {
    pub(crate) fn new(
        engine: &'a Engine,
        scope: &'a Scope,
        search: Search<'a>,
        hits: Hits<'k>,
    ) -> Self {
        Self {
            engine,
            scope,
            search,
            path: Path::default(),
            nested: 0,
            encoded: 0,
            folded: Vec::new(),
            hits,
            echoes: Echoes::default(),
        }
    }

    /// The edits of a document, sorted; none overlaps another.
    pub(crate) fn document(&mut self, text: &str, depth: usize) -> Result<Vec<Edit>, Broken> {
        let mut edits = Vec::new();
        let mut place = Place {
            cursor: Cursor::new(text, 0),
            edits: &mut edits,
            depth,
        };
        self.value(&mut place)?;
        place.cursor.end()?;
        edits.sort_by_key(|edit| edit.range.start);
        Ok(edits)
    }

    fn value(&mut self, place: &mut Place<'_, '_>) -> Result<(), Broken> {
        if self.searches_rules()
            && let Some(rule) = self.engine.rule_of_path(&self.path, self.scope)
        {
            return self.cut_value(place, rule);
        }
        match place.cursor.peek() {
            Some(b'{') => self.object(place),
            Some(b'[') => self.array(place),
            Some(b'"') => self.string(place),
            _ => self.scalar(place),
        }
    }

    const fn searches_rules(&self) -> bool {
        matches!(self.search, Search::Rules)
    }

    fn object(&mut self, place: &mut Place<'_, '_>) -> Result<(), Broken> {
        enter(place)?;
        let mut pair = NamedPair::default();
        if place.cursor.peek() == Some(b'}') {
            place.cursor.step();
        } else {
            loop {
                self.member(place, &mut pair)?;
                if !place.cursor.more(b'}')? {
                    break;
                }
            }
        }
        place.depth = place.depth.saturating_sub(1);
        self.close_pair(place, pair);
        Ok(())
    }

    fn member(&mut self, place: &mut Place<'_, '_>, pair: &mut NamedPair) -> Result<(), Broken> {
        place.cursor.peek();
        let spelled = place.cursor.string()?;
        let name = Plain::read(place.cursor.slice(&spelled));
        place.cursor.expect(b':')?;
        let scan = self.scan(&name.text);
        let shown = scan.cuts.first().map(|cut| self.engine.marker(cut.place));
        self.path.push_key(&name.text, shown);
        for cut in scan.cuts {
            self.cut_text(place, &name, spelled.start, &cut);
        }
        let outcome = self.member_value(place, &name.text, pair);
        self.path.pop();
        outcome
    }

    fn member_value(
        &mut self,
        place: &mut Place<'_, '_>,
        name: &str,
        pair: &mut NamedPair,
    ) -> Result<(), Broken> {
        if !self.searches_rules() {
            return self.value(place);
        }
        let mut folded = std::mem::take(&mut self.folded);
        fold(name, &mut folded);
        let rule = self.engine.rule_of_key(&folded, self.scope);
        let role = pair_role(&folded);
        self.folded = folded;
        if let Some(rule) = rule {
            return self.cut_value(place, rule);
        }
        place.cursor.peek();
        let (start, first_hit) = (place.cursor.at(), self.hits.len());
        if role == Some(Role::Name) && place.cursor.peek() == Some(b'"') {
            pair.rule = pair.rule.or(self.rule_of_name(place)?);
        }
        self.value(place)?;
        if role == Some(Role::Value) && pair.value.is_none() {
            pair.value = Some((start..place.cursor.at(), first_hit..self.hits.len()));
        }
        Ok(())
    }

    /// The rule of the name that the coming string spells.
    fn rule_of_name(&mut self, place: &Place<'_, '_>) -> Result<Option<usize>, Broken> {
        let mut ahead = place.cursor.clone();
        let range = ahead.string()?;
        fold(&Plain::read(ahead.slice(&range)).text, &mut self.folded);
        Ok(self.engine.rule_of_key(&self.folded, self.scope))
    }

    /// Cuts the value of a named pair whose name a rule knows.
    fn close_pair(&mut self, place: &mut Place<'_, '_>, pair: NamedPair) {
        let (Some(rule), Some((range, hits))) = (pair.rule, pair.value) else {
            return;
        };
        let raw = place.cursor.slice(&range);
        if self.says_nothing(raw) {
            return;
        }
        place
            .edits
            .retain(|edit| edit.range.start < range.start || edit.range.end > range.end);
        self.hits.forget(hits);
        self.path.push_key("value", None);
        self.replace(place, range, raw, rule);
        self.path.pop();
    }

    fn array(&mut self, place: &mut Place<'_, '_>) -> Result<(), Broken> {
        enter(place)?;
        if place.cursor.peek() == Some(b']') {
            place.cursor.step();
        } else {
            let mut flag = None;
            for index in 0.. {
                self.path.push_index(index);
                let outcome = self.element(place, &mut flag);
                self.path.pop();
                outcome?;
                if !place.cursor.more(b']')? {
                    break;
                }
            }
        }
        place.depth = place.depth.saturating_sub(1);
        Ok(())
    }

    /// An element; behind `"--token"` it is the token.
    fn element(
        &mut self,
        place: &mut Place<'_, '_>,
        flag: &mut Option<usize>,
    ) -> Result<(), Broken> {
        let is_string = place.cursor.peek() == Some(b'"');
        if !is_string || !self.searches_rules() {
            *flag = None;
            return self.value(place);
        }
        let mut ahead = place.cursor.clone();
        let range = ahead.string()?;
        let spelled = ahead.slice(&range);
        let own = if spelled.starts_with('-') {
            self.rule_of_flag(spelled)
        } else {
            None
        };
        match flag.take() {
            Some(rule) if own.is_none() && !spelled.starts_with("--") => {
                self.cut_value(place, rule)
            }
            _ => {
                *flag = own;
                self.value(place)
            }
        }
    }

    fn rule_of_flag(&mut self, spelled: &str) -> Option<usize> {
        let name = Plain::read(spelled);
        fold(name.text.trim_start_matches('-'), &mut self.folded);
        self.engine.rule_of_key(&self.folded, self.scope)
    }

    fn scalar(&mut self, place: &mut Place<'_, '_>) -> Result<(), Broken> {
        let range = place.cursor.scalar()?;
        let raw = place.cursor.slice(&range);
        let rule = match self.search {
            Search::Rules => self.engine.rule_of_number(raw, self.scope),
            Search::Echoes(echoes) => (!echoes.find_opaque(raw).is_empty()).then_some(ECHO),
        };
        if let Some(rule) = rule {
            self.replace(place, range, raw, rule);
        }
        Ok(())
    }

    fn string(&mut self, place: &mut Place<'_, '_>) -> Result<(), Broken> {
        let spelled = place.cursor.string()?;
        let plain = Plain::read(place.cursor.slice(&spelled));
        // A marker has brackets, and is no JSON.
        if looks_like_json(&plain.text)
            && !self.engine.is_marker(&plain.text)
            && self.nested_json(place, &plain, &spelled)
        {
            return Ok(());
        }
        for cut in self.scan(&plain.text).cuts {
            self.cut_text(place, &plain, spelled.start, &cut);
        }
        Ok(())
    }

    /// Walks JSON in a string. False: it is no JSON after all.
    fn nested_json(
        &mut self,
        place: &mut Place<'_, '_>,
        plain: &Plain<'_>,
        spelled: &Range<usize>,
    ) -> bool {
        let (steps, hits, echoes) = (self.path.depth(), self.hits.len(), self.echoes.len());
        let outcome = if self.nested < NESTED_MAX {
            self.inner(&plain.text, place.depth)
        } else {
            probe(&plain.text)
        };
        self.path.rewind(steps);
        match outcome {
            Ok(edits) => {
                let carried = edits.into_iter().map(|edit| Edit {
                    range: spelled_range(plain, spelled.start, &edit.range),
                    text: spell(&edit.text),
                });
                place.edits.extend(carried);
                true
            }
            Err(broken) => {
                self.hits.forget(hits..self.hits.len());
                self.echoes.forget_from(echoes);
                if broken == Broken::Deep {
                    let whole = spelled.start.saturating_sub(1)..spelled.end.saturating_add(1);
                    let raw = place.cursor.slice(&whole);
                    self.replace(place, whole, raw, LIMIT);
                }
                broken == Broken::Deep
            }
        }
    }

    fn inner(&mut self, text: &str, depth: usize) -> Result<Vec<Edit>, Broken> {
        self.path.push_nested();
        self.nested = self.nested.saturating_add(1);
        let outcome = self.document(text, depth.saturating_add(1));
        self.nested = self.nested.saturating_sub(1);
        outcome
    }

    /// What a text holds, JSON in base64 included.
    fn scan(&mut self, text: &str) -> Scan {
        let mut scan = match self.search {
            Search::Rules => self.engine.scan(text, self.scope, &mut self.folded),
            Search::Echoes(echoes) => Scan {
                cuts: echoes.find_opaque(text),
                base64: false,
            },
        };
        if scan.base64 && self.encoded < ENCODED_MAX {
            for token in base64_tokens(text) {
                let taken = scan
                    .cuts
                    .iter()
                    .any(|cut| cut.range.start < token.end && token.start < cut.range.end);
                if !taken
                    && let Some(place) =
                        self.rule_in_base64(text.get(token.clone()).unwrap_or_default())
                {
                    scan.cuts.push(Cut {
                        range: token,
                        place,
                    });
                }
            }
            scan.cuts = super::engine::join(scan.cuts);
        }
        scan
    }

    /// The rule that cuts something in the JSON a base64 token spells.
    fn rule_in_base64(&mut self, token: &str) -> Option<usize> {
        let json = decode(token)?;
        let mut inner = Walk::new(self.engine, self.scope, Search::Rules, Hits::uncommitted(1));
        inner.encoded = self.encoded.saturating_add(1);
        let edits = inner.document(&json, 0);
        match edits {
            Ok(edits) if edits.is_empty() => None,
            Ok(_) => inner.hits.first_rule(),
            Err(Broken::Deep) => Some(LIMIT),
            Err(Broken::Syntax) => None,
        }
    }

    /// Cuts the coming value whole, unless it says nothing.
    fn cut_value(&mut self, place: &mut Place<'_, '_>, rule: usize) -> Result<(), Broken> {
        let range = place.cursor.value(place.depth)?;
        let raw = place.cursor.slice(&range);
        if !self.says_nothing(raw) {
            self.replace(place, range, raw, rule);
        }
        Ok(())
    }

    /// `null`, `true`, `false`, an empty string, array or object, or a marker of ours.
    fn says_nothing(&self, raw: &str) -> bool {
        let inside = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
        matches!(raw, "null" | "true" | "false" | "\"\"" | "[]" | "{}")
            || inside.is_some_and(|text| text.ends_with(']') && self.engine.is_marker(text))
    }

    fn replace(&mut self, place: &mut Place<'_, '_>, range: Range<usize>, raw: &str, rule: usize) {
        self.hits.add(&self.path, rule, raw.as_bytes(), self.engine);
        if self.searches_rules() {
            self.echoes.note_json(raw, self.engine);
        }
        place.edits.push(Edit {
            range,
            text: format!("\"{}\"", self.engine.marker(rule)),
        });
    }

    /// Cuts part of a string or name, whose spelling starts at `start`.
    fn cut_text(&mut self, place: &mut Place<'_, '_>, plain: &Plain<'_>, start: usize, cut: &Cut) {
        let text = plain.text.get(cut.range.clone()).unwrap_or_default();
        self.hits
            .add(&self.path, cut.place, text.as_bytes(), self.engine);
        if self.searches_rules() {
            self.echoes.note(text, self.engine);
        }
        let range = spelled_range(plain, start, &cut.range);
        place.edits.push(Edit {
            range,
            text: self.engine.marker(cut.place),
        });
    }
}

#[derive(PartialEq, Eq)]
enum Role {
    Name,
    Value,
}

fn pair_role(folded: &[u8]) -> Option<Role> {
    match folded {
        b"name" | b"key" | b"header" | b"variable" | b"field" => Some(Role::Name),
        b"value" => Some(Role::Value),
        _ => None,
    }
}

fn enter(place: &mut Place<'_, '_>) -> Result<(), Broken> {
    if place.depth >= DEPTH_MAX {
        return Err(Broken::Deep);
    }
    place.depth = place.depth.saturating_add(1);
    place.cursor.step();
    Ok(())
}

fn spelled_range(plain: &Plain<'_>, start: usize, range: &Range<usize>) -> Range<usize> {
    start.saturating_add(plain.spelled_at(range.start))
        ..start.saturating_add(plain.spelled_at(range.end))
}

/// Worth a try as JSON: an object, an array, or a string in a string.
fn looks_like_json(text: &str) -> bool {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let ends = (text.as_bytes().first(), text.as_bytes().last());
    text.len() > 2
        && matches!(
            ends,
            (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')) | (Some(b'"'), Some(b'"'))
        )
}

/// Whether a text is JSON; beyond [`NESTED_MAX`] levels that is as bad as too deep.
fn probe(text: &str) -> Result<Vec<Edit>, Broken> {
    let mut cursor = Cursor::new(text, 0);
    cursor.value(0).and_then(|_| cursor.end())?;
    Err(Broken::Deep)
}

/// Base64 tokens that start as JSON does.
fn base64_tokens(text: &str) -> Vec<Range<usize>> {
    let is_token = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
    };
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| is_token(byte)).count();
        let token = text.get(at..at.saturating_add(length)).unwrap_or_default();
        if (12..=BASE64_BYTES_MAX).contains(&length)
            && BASE64_STARTS.iter().any(|start| token.starts_with(start))
        {
            tokens.push(at..at.saturating_add(length));
        }
        at = at.saturating_add(length).saturating_add(1);
    }
    tokens
}

fn decode(token: &str) -> Option<String> {
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let token = Cow::Borrowed(token.trim_end_matches('='));
    let bytes = STANDARD_NO_PAD
        .decode(token.as_bytes())
        .or_else(|_| URL_SAFE_NO_PAD.decode(token.as_bytes()))
        .ok()?;
    String::from_utf8(bytes).ok()
}
