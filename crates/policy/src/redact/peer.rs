//! Free text of a peer as it stands in a message: a raw JSON value.

use affiant_entry::Unredacted;

use super::{Echoes, Redactor};

impl Redactor {
    /// [`Redactor::redact_text`] for a raw JSON value, such as the `reason` of
    /// `notifications/cancelled`: of a string its text, of anything else its JSON.
    #[must_use]
    pub fn redact_peer_text(&self, raw: &Unredacted, echoes: Option<&Echoes>) -> String {
        let text = serde_json::from_slice::<String>(raw.expose())
            .unwrap_or_else(|_| String::from_utf8_lossy(raw.expose()).into_owned());
        self.redact_text(&text, echoes)
    }
}
