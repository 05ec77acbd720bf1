//! The text an operator hands over: `affiant-token-v1.<secret>.<SHA-256 of the CA certificate>`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

const PREFIX: &str = "affiant-token-v1";
/// Bytes of the secret, and of the SHA-256 of the CA.
const PART_BYTES: usize = 32;

/// A one-time secret, and the CA it may be shown to.
#[derive(Clone)]
pub struct Token {
    text: Zeroizing<String>,
    ca_sha256: [u8; PART_BYTES],
}

/// A text is not a token. What was given is a secret and is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("token is not `{PREFIX}.<secret>.<digest>`, both of 32 bytes in base64url")]
#[non_exhaustive]
pub struct TokenError;

impl Token {
    /// Reads a token; white space around it is ignored.
    ///
    /// # Errors
    /// When it has another shape.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let mut parts = text.split('.');
        let (Some(PREFIX), Some(secret), Some(digest), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError);
        };
        part(secret)?;
        Ok(Self {
            text: Zeroizing::new(text.to_owned()),
            ca_sha256: part(digest)?,
        })
    }

    /// The text as it was given, without white space around it.
    #[must_use]
    pub fn secret_text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the DER of the CA certificate.
    #[must_use]
    pub const fn ca_sha256(&self) -> &[u8; PART_BYTES] {
        &self.ca_sha256
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

fn part(text: &str) -> Result<[u8; PART_BYTES], TokenError> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError)?);
    bytes.as_slice().try_into().map_err(|_| TokenError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_shape_is_a_token_and_its_debug_does_not_leak() {
        let part = URL_SAFE_NO_PAD.encode([7; 32]);
        let text = format!("affiant-token-v1.{part}.{part}");
        let token = Token::parse(&format!(" {text}\n")).unwrap();
        assert_eq!(token.secret_text(), text);
        assert_eq!(token.ca_sha256(), &[7; 32]);
        assert!(!format!("{token:?}").contains(&part));
        for bad in [
            String::new(),
            part.clone(),
            format!("affiant-token-v2.{part}.{part}"),
            format!("affiant-token-v1.{part}"),
            format!("affiant-token-v1.{part}.{part}."),
            format!("affiant-token-v1.{part}=.{part}"),
            format!(
                "affiant-token-v1.{part}.{}",
                URL_SAFE_NO_PAD.encode([7; 31])
            ),
        ] {
            assert_eq!(Token::parse(&bad).unwrap_err(), TokenError, "{bad}");
        }
    }
}
