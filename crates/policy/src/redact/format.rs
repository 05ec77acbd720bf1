//! Secret formats known by sight.
//!
//! A format is a regular expression whose group `secret`, if it has one, is what is cut; literals of
//! which at least one stands in every match (so that one pass over a text rules most formats out);
//! and a check for what an expression cannot say. Sources: each vendor's documentation of its key
//! prefixes; RFC 7519 (JWT), RFC 7468 (PEM), RFC 6750 and RFC 7617 (`Authorization`), RFC 3986 (user
//! information in URLs).

use base64::Engine as _;

/// A secret format.
#[derive(Debug)]
pub(crate) struct Format {
    /// Name, as in `format = "github-token"`.
    pub(crate) name: &'static str,
    /// Literals, any case: every match holds one.
    pub(crate) literals: &'static [&'static str],
    /// The expression.
    pub(crate) pattern: &'static str,
    /// Whether a match is one after all, given the part to cut.
    pub(crate) check: fn(&str) -> bool,
}

/// The format of a name.
pub(crate) fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

const fn is_any(_: &str) -> bool {
    true
}

/// Three digits or more: separates keys from words joined by dashes.
fn has_digits(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_digit).count() >= 3
}

/// A digit, or longer than any word: separates credentials from prose such as `bearer of news`.
fn is_opaque(text: &str) -> bool {
    text.len() >= 24 || text.bytes().any(|byte| byte.is_ascii_digit())
}

/// `user:password` in base64 (RFC 7617).
fn is_user_and_password(text: &str) -> bool {
    base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(text.trim_end_matches('='))
        .is_ok_and(|plain| plain.contains(&b':'))
}

/// Not a placeholder such as `postgres://user:${PASSWORD}@host`, which names a secret and holds none.
fn is_no_placeholder(text: &str) -> bool {
    let shell = text.starts_with("${") && text.ends_with('}');
    let angle = text.starts_with('<') && text.ends_with('>');
    !(shell || angle)
}

/// Not a port and path, as in `postgres://host:5432/db?user=a@b`, and not a placeholder.
fn is_database_password(text: &str) -> bool {
    let after_port = text.trim_start_matches(|char: char| char.is_ascii_digit());
    let port = after_port.len() < text.len() && after_port.starts_with(['/', '?', ',']);
    !port && is_no_placeholder(text)
}

const fn format(
    name: &'static str,
    literals: &'static [&'static str],
    pattern: &'static str,
) -> Format {
    Format {
        name,
        literals,
        pattern,
        check: is_any,
    }
}

const fn checked(
    name: &'static str,
    literals: &'static [&'static str],
    pattern: &'static str,
    check: fn(&str) -> bool,
) -> Format {
    Format {
        name,
        literals,
        pattern,
        check,
    }
}

/// Every known format, by name.
pub(crate) const FORMATS: &[Format] = &[
    format(
        "age-secret-key",
        &["age-secret-key-1"],
        r"(?i-u:AGE-SECRET-KEY-1[0-9a-z]{20,})",
    ),
    format(
        "airtable-token",
        &["pat"],
        r"(?-u:\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64})",
    ),
    format(
        "anthropic-key",
        &["sk-ant-"],
        r"(?-u:\bsk-ant-[A-Za-z0-9_-]{16,})",
    ),
    format(
        "atlassian-token",
        &["ATATT3", "ATCTT3"],
        r"(?-u:\bAT[AC]TT3[A-Za-z0-9_=-]{40,})",
    ),
    format(
        "aws-access-key-id",
        &["AKIA", "ASIA", "ABIA", "ACCA"],
        r"(?-u:\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b)",
    ),
    format(
        "azure-client-secret",
        &["7Q~", "8Q~"],
        r"(?-u:[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34})",
    ),
    format(
        "azure-devops-token",
        &["AZDO"],
        r"(?-u:\b[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}\b)",
    ),
    format(
        "azure-sas",
        &["sig="],
        r"(?-u:[?&;]sig=(?P<secret>[A-Za-z0-9%+/=_-]{20,}))",
    ),
    checked(
        "basic-auth",
        &["basic"],
        r"(?i-u:\bbasic[ \t]+(?P<secret>[a-z0-9+/]{4,}={0,2}))",
        is_user_and_password,
    ),
    checked(
        "bearer-token",
        &["bearer"],
        r"(?i-u:\bbearer[ \t]+(?P<secret>[a-z0-9._~+/=-]{8,}))",
        is_opaque,
    ),
    checked(
        "connection-string",
        &["://"],
        r#"(?xi) \b (?: postgres (?:ql)? | mysql | mariadb | mongodb | rediss? | amqps? | mssql | sqlserver | oracle
            | clickhouse | couchbase | nats | ldaps? | s?ftp | smtps? ) (?: \+ [a-z0-9]+ )? ://
            [^\x00-\x20/?\#:@"'<>]* : (?P<secret> [^\x00-\x20"'<>]+ ) @ [^\x00-\x20"'@/] "#,
        is_database_password,
    ),
    format("crates-io-token", &["cio"], r"(?-u:\bcio[A-Za-z0-9]{32}\b)"),
    format("databricks-token", &["dapi"], r"(?-u:\bdapi[0-9a-f]{32})"),
    format(
        "digitalocean-token",
        &[
            "do_v1_", "oo_v1_", "or_v1_", "dop_v1_", "doo_v1_", "dor_v1_",
        ],
        r"(?-u:\bdo[opr]_v1_[0-9a-f]{40,})",
    ),
    format(
        "discord-webhook",
        &["/api/webhooks/"],
        r"(?-u:discord(?:app)?\.com/api/webhooks/[0-9]+/(?P<secret>[A-Za-z0-9_-]{30,}))",
    ),
    format(
        "docker-token",
        &["dckr_"],
        r"(?-u:\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,})",
    ),
    format(
        "doppler-token",
        &["dp."],
        r"(?-u:\bdp\.(?:ct|pt|st|sa|scim|audit)\.(?:[a-z0-9_-]+\.)?[A-Za-z0-9]{40,})",
    ),
    format(
        "dynatrace-token",
        &["dt0"],
        r"(?-u:\bdt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{60,})",
    ),
    format(
        "figma-token",
        &["figd_"],
        r"(?-u:\bfigd_[A-Za-z0-9_-]{30,})",
    ),
    format(
        "fly-token",
        &["fm1", "fm2_"],
        r"(?-u:\bfm(?:1[ar]|2)_[A-Za-z0-9+/=_-]{40,})",
    ),
    format("gcp-api-key", &["AIza"], r"(?-u:\bAIza[0-9A-Za-z_-]{35})"),
    format(
        "github-token",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        r"(?-u:\b(?:gh[pousr]|github_pat)_[A-Za-z0-9_]{20,})",
    ),
    format(
        "gitlab-token",
        &[
            "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-",
            "glsoat-", "gloas-", "glffct-", "glwt-",
        ],
        r"(?-u:\bgl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|oas|ffct|wt)-[A-Za-z0-9_.-]{16,})",
    ),
    format(
        "google-oauth",
        &["ya29.", "GOCSPX-", "1//0"],
        r"(?-u:\b(?:ya29\.|GOCSPX-|1//0)[0-9A-Za-z_-]{20,})",
    ),
    format(
        "grafana-token",
        &["glsa_", "glc_"],
        r"(?-u:\bgl(?:sa|c)_[A-Za-z0-9+/=_]{32,})",
    ),
    format("groq-key", &["gsk_"], r"(?-u:\bgsk_[A-Za-z0-9]{40,})"),
    format("heroku-key", &["HRKU-"], r"(?-u:\bHRKU-[A-Za-z0-9_-]{36,})"),
    format(
        "huggingface-token",
        &["hf_", "api_org_"],
        r"(?-u:\b(?:hf|api_org)_[A-Za-z0-9]{30,})",
    ),
    format(
        "jwt",
        &["eyJ"],
        r"(?-u:\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,3})",
    ),
    format(
        "linear-key",
        &["lin_api_", "lin_oauth_"],
        r"(?-u:\blin_(?:api|oauth)_[A-Za-z0-9]{32,})",
    ),
    format(
        "mailchimp-key",
        &["-us"],
        r"(?-u:\b[0-9a-f]{32}-us[0-9]{1,2}\b)",
    ),
    format("mailgun-key", &["key-"], r"(?-u:\bkey-[0-9a-f]{32}\b)"),
    format(
        "newrelic-key",
        &["NRAK-", "NRII-", "NRJS-"],
        r"(?-u:\bNR(?:AK|II|JS)-[A-Za-z0-9_-]{19,})",
    ),
    format(
        "notion-token",
        &["ntn_", "secret_"],
        r"(?-u:\b(?:ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43}\b))",
    ),
    format("npm-token", &["npm_"], r"(?-u:\bnpm_[A-Za-z0-9]{36})"),
    checked(
        "openai-key",
        &["sk-"],
        r"(?-u:\bsk-(?:proj-|svcacct-|admin-|or-v1-|None-)?[A-Za-z0-9_-]{20,})",
        has_digits,
    ),
    format(
        "perplexity-key",
        &["pplx-"],
        r"(?-u:\bpplx-[A-Za-z0-9]{40,})",
    ),
    format(
        "planetscale-token",
        &["pscale_"],
        r"(?-u:\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{32,})",
    ),
    format(
        "postman-key",
        &["PMAK-"],
        r"(?-u:\bPMAK-[0-9a-f]{24}-[0-9a-f]{34})",
    ),
    format(
        "private-key",
        &["PRIVATE KEY"],
        r"(?s:-{4,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}.*?(?:-{4,5} ?END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}|\z))",
    ),
    format("pulumi-token", &["pul-"], r"(?-u:\bpul-[0-9a-f]{40}\b)"),
    format("pypi-token", &["pypi-"], r"(?-u:\bpypi-[A-Za-z0-9_-]{40,})"),
    format("replicate-key", &["r8_"], r"(?-u:\br8_[A-Za-z0-9]{30,})"),
    format(
        "rubygems-key",
        &["rubygems_"],
        r"(?-u:\brubygems_[0-9a-f]{40,})",
    ),
    format(
        "sendgrid-key",
        &["SG."],
        r"(?-u:\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})",
    ),
    format(
        "sentry-token",
        &["sntrys_", "sntryu_"],
        r"(?-u:\bsntry[su]_[A-Za-z0-9+/=_-]{40,})",
    ),
    format(
        "shopify-token",
        &["shpat_", "shpca_", "shppa_", "shpss_"],
        r"(?-u:\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32})",
    ),
    format(
        "slack-token",
        &["xox", "xapp-"],
        r"(?-u:\b(?:xox[a-z](?:\.xox[a-z])?|xapp)-[A-Za-z0-9-]{10,})",
    ),
    format(
        "slack-webhook",
        &["hooks.slack.com/"],
        r"(?-u:hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9/_-]{16,}))",
    ),
    format(
        "square-token",
        &["sq0"],
        r"(?-u:\bsq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,})",
    ),
    format(
        "stripe-key",
        &[
            "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "sk_org_",
        ],
        r"(?-u:\b(?:[sr]k_(?:live|test|org)|whsec)_[A-Za-z0-9_+/=]{16,})",
    ),
    format(
        "supabase-key",
        &["sbp_", "sb_secret_"],
        r"(?-u:\b(?:sbp_[0-9a-f]{40}|sb_secret_[A-Za-z0-9_-]{20,}))",
    ),
    format(
        "telegram-bot-token",
        &[":AA"],
        r"(?-u:\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33})",
    ),
    format(
        "terraform-token",
        &[".atlasv1."],
        r"(?-u:\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{40,})",
    ),
    format(
        "twilio-key",
        &[
            "SK0", "SK1", "SK2", "SK3", "SK4", "SK5", "SK6", "SK7", "SK8", "SK9", "SKa", "SKb",
            "SKc", "SKd", "SKe", "SKf",
        ],
        r"(?-u:\bSK[0-9a-f]{32}\b)",
    ),
    checked(
        "url-password",
        &["://"],
        r#"://[^\x00-\x20/?#:@"'<>]*:(?P<secret>[^\x00-\x20/?#"']+)@[^\x00-\x20/?#"'@]"#,
        is_no_placeholder,
    ),
    format(
        "vault-token",
        &["hvs.", "hvb.", "hvr."],
        r"(?-u:\bhv[sbr]\.[A-Za-z0-9_-]{24,})",
    ),
    format("xai-key", &["xai-"], r"(?-u:\bxai-[A-Za-z0-9]{40,})"),
];

#[cfg(test)]
mod tests {
    use super::FORMATS;

    #[test]
    fn every_format_compiles_and_is_named_once_in_order() {
        for format in FORMATS {
            regex::Regex::new(format.pattern).expect(format.name);
            assert!(
                format.literals.iter().all(|literal| literal.len() >= 3),
                "{}",
                format.name
            );
        }
        assert!(FORMATS.is_sorted_by(|a, b| a.name < b.name));
    }
}
