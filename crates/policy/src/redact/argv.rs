//! Command lines: secrets by flag, by assignment, and by form.

use super::redactor::Redactor;

/// Redacts each argument in the light of the one before it.
pub(crate) fn redact(redactor: &Redactor, argv: &[String]) -> Vec<String> {
    let mut marker: Option<String> = None;
    let mut out = Vec::with_capacity(argv.len());
    for argument in argv {
        let dashes = argument.starts_with('-');
        match marker.take() {
            Some(marker) if !argument.starts_with("--") => out.push(marker),
            _ => {
                marker = if dashes {
                    flag_marker(redactor, argument)
                } else {
                    None
                };
                out.push(one(redactor, argument));
            }
        }
    }
    out
}

/// The marker for what follows `--api-key` or `-token`.
fn flag_marker(redactor: &Redactor, argument: &str) -> Option<String> {
    redactor.marker_of_key(argument.trim_start_matches('-'))
}

/// `--token=X` and `KEY=value` are cut to the end of the argument, spaces and all; then the rest.
fn one(redactor: &Redactor, argument: &str) -> String {
    if let Some((name, value)) = argument.split_once('=')
        && !value.is_empty()
        && !name.contains([' ', '?', '&', '/', ':'])
        && let Some(marker) = redactor.marker_of_key(name.trim_start_matches('-'))
    {
        return format!("{name}={marker}");
    }
    redactor.redact_text_whole(argument, None)
}
