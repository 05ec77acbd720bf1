//! Whose records they are.

/// A format that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Request log of agentgateway, JSON lines (`LOG_FORMAT=json`).
    Agentgateway,
    /// Logs, `audit_trails` rows and SIEM events of ContextForge (mcp-context-forge), JSON lines.
    Contextforge,
    /// Audit log of ToolHive, JSON lines.
    Toolhive,
    /// OpenTelemetry logs and spans with the MCP semantic conventions: OTLP, or lines of OTLP JSON.
    Otlp,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Agentgateway,
        Self::Contextforge,
        Self::Toolhive,
        Self::Otlp,
    ];

    /// By its word in a URL and on the command line.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.word() == word)
    }

    /// Its word in a URL and on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Agentgateway => "agentgateway",
            Self::Contextforge => "contextforge",
            Self::Toolhive => "toolhive",
            Self::Otlp => "otlp",
        }
    }

    /// `import.format` of an entry.
    #[must_use]
    pub const fn in_entry(self) -> &'static str {
        match self {
            Self::Agentgateway => "agentgateway",
            Self::Contextforge => "contextforge",
            Self::Toolhive => "toolhive",
            Self::Otlp => "otel-mcp",
        }
    }

    /// Why a field is absent.
    pub(crate) const fn silent(self) -> &'static str {
        match self {
            Self::Agentgateway => "agentgateway did not record it",
            Self::Contextforge => "contextforge did not record it",
            Self::Toolhive => "toolhive did not record it",
            Self::Otlp => "the telemetry does not say",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_word() {
        for format in Format::ALL {
            assert_eq!(Format::parse(format.word()), Some(format));
        }
        assert_eq!(Format::parse("otel"), None);
    }
}
