//! What help says is part of the interface: pinned, and the reference page is made of it.

use crate::sandbox::Sandbox;

#[test]
fn every_commands_help_is_pinned_and_makes_the_reference_page() {
    let sandbox = Sandbox::new();
    let mut page = String::from(
        "# Command line\n\nMade from the help of the binary; `UPDATE_SNAPSHOTS=1 cargo test -p affiant-cli` writes it anew.\n",
    );
    let mut todo = vec![Vec::new()];
    while let Some(path) = todo.pop() {
        let help = sandbox.run(path.iter().map(String::as_str).chain(["--help"]));
        assert_eq!(help.code, 0, "{path:?}: {help:?}");
        assert!(
            help.stdout.contains("EXIT CODES"),
            "{path:?} documents no exit codes"
        );
        assert!(
            help.stdout.contains("EXAMPLES"),
            "{path:?} gives no examples"
        );
        let name = std::iter::once("affiant")
            .chain(path.iter().map(String::as_str))
            .collect::<Vec<_>>();
        let text = tidy(&help.stdout);
        page.push_str(&format!(
            "\n## `{}`\n\n```text\n{text}```\n",
            name.join(" ")
        ));
        pin(
            &format!("crates/cli/tests/snapshots/{}.txt", name.join("-")),
            &text,
        );
        for command in subcommands(&help.stdout).into_iter().rev() {
            todo.push(path.iter().cloned().chain([command]).collect());
        }
    }
    pin("docs/reference/cli.md", &page);
}

fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.trim().is_empty());
    names
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(first_word)
        .collect()
}

fn first_word(line: &str) -> Option<String> {
    line.split_whitespace().next().map(str::to_owned)
}

fn tidy(text: &str) -> String {
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

fn pin(path: &str, text: &str) {
    let path = format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs_err::write(&path, text).unwrap();
    }
    let pinned = fs_err::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        pinned, text,
        "{path} is out of date; UPDATE_SNAPSHOTS=1 writes it anew"
    );
}
