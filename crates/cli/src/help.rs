//! The two sections every command's help ends with.

use crate::exit_code::Exit;

/// `EXAMPLES` and `EXIT CODES`.
pub(crate) fn sections(examples: &str, exits: &[Exit]) -> String {
    let mut text = format!("EXAMPLES\n{}\n\nEXIT CODES\n", examples.trim_end());
    for exit in exits {
        text.push_str(&format!("  {}  {}\n", exit.code(), exit.meaning()));
    }
    text
}

/// `EXAMPLES` and `EXIT CODES`, the codes in words of their own.
pub(crate) fn sections_with(examples: &str, codes: &str) -> String {
    format!(
        "EXAMPLES\n{}\n\nEXIT CODES\n{}\n",
        examples.trim_end(),
        codes.trim_end()
    )
}
