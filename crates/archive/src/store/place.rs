//! Where an archive is, as people write it.

use std::path::PathBuf;

/// `file:///srv/archive` or a path, or `s3://bucket/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A directory.
    Dir(PathBuf),
    /// A bucket, and what keys in it begin with.
    S3 {
        /// The bucket.
        bucket: String,
        /// Without a `/` at either end; may be empty.
        prefix: String,
    },
}

/// A text names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is neither `file:///DIRECTORY` nor `s3://BUCKET[/PREFIX]`")]
pub struct PlaceError {
    /// The text.
    pub text: String,
}

impl std::str::FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PlaceError {
            text: text.to_owned(),
        };
        if let Some(path) = text.strip_prefix("file://") {
            return match path.starts_with('/') {
                true => Ok(Self::Dir(PathBuf::from(path))),
                false => Err(wrong()),
            };
        }
        let rest = text.strip_prefix("s3://").ok_or_else(wrong)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let part =
            |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain);
        if part(bucket) && (prefix.is_empty() || prefix.split('/').all(part)) {
            return Ok(Self::S3 {
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
            });
        }
        Err(wrong())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dir(path) => write!(f, "file://{}", path.display()),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_strictly() {
        let s3 = |bucket: &str, prefix: &str| Place::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        assert_eq!("s3://b".parse(), Ok(s3("b", "")));
        assert_eq!("s3://b/x/y/".parse(), Ok(s3("b", "x/y")));
        assert_eq!(
            "file:///srv/a".parse(),
            Ok(Place::Dir(PathBuf::from("/srv/a")))
        );
        for bad in [
            "",
            "s3://",
            "s3:///x",
            "s3://b/../x",
            "s3://b//x",
            "file://x",
            "http://b/x",
            "s3://b/x?y",
            "/srv",
        ] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
