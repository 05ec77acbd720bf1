//! Every environment variable that is read, from which `docs/reference/env.md` is made.

/// The data directory.
pub(crate) const DATA_DIR: &str = "AFFIANT_DATA_DIR";
/// The user on whose behalf the agent acts.
pub(crate) const USER: &str = "AFFIANT_USER";
/// Role of the agent.
pub(crate) const ROLE: &str = "AFFIANT_ROLE";
/// What is logged.
pub(crate) const LOG: &str = "AFFIANT_LOG";
/// No colours, if set and not empty (<https://no-color.org>).
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// State of the user's programs, by the XDG Base Directory Specification.
pub(crate) const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
/// The user's home directory.
pub(crate) const HOME: &str = "HOME";

/// Each variable with what it does.
#[cfg(test)]
const ALL: [(&str, &str); 7] = [
    (
        DATA_DIR,
        "The data directory, where `--data-dir` is not given.",
    ),
    (
        USER,
        "The user on whose behalf the agent acts, where `affiant run --user` is not given.",
    ),
    (
        ROLE,
        "The role of the agent, where `affiant run --role` is not given.",
    ),
    (
        LOG,
        "What is logged, where `--log` is not given: `off`, `error`, `warn` (default), `info`, `debug` or `trace`, or `target=level` pairs with commas between them.",
    ),
    (
        NO_COLOR,
        "If set and not empty, nothing is coloured (<https://no-color.org>).",
    ),
    (
        XDG_STATE_HOME,
        "Without a data directory given, `$XDG_STATE_HOME/affiant` is taken.",
    ),
    (
        HOME,
        "Without `XDG_STATE_HOME`, `$HOME/.local/state/affiant` is taken.",
    ),
];

/// The value of a variable, if it is set and not empty.
pub(crate) fn var(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_is_up_to_date() {
        let mut page = "# Environment variables\n\n\
            Made from `crates/cli/src/env.rs`; `UPDATE_SNAPSHOTS=1 cargo test -p affiant-cli` writes it anew.\n\
            A flag goes before its variable. An empty variable counts as not set.\n\n\
            | Variable | What it does |\n|---|---|\n"
            .to_owned();
        for (name, what) in ALL {
            page.push_str(&format!("| `{name}` | {what} |\n"));
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/env.md");
        if var("UPDATE_SNAPSHOTS").is_some() {
            fs_err::write(path, &page).unwrap();
        }
        assert_eq!(
            fs_err::read_to_string(path).unwrap_or_default(),
            page,
            "docs/reference/env.md is out of date"
        );
    }
}
