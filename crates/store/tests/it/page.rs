//! The page of tables and columns is made of the code.

use affiant_store::columns;

const PAGE: &str = "../../docs/reference/store.md";
const MARK: &str =
    "<!-- columns: made by `UPDATE_SNAPSHOTS=1 cargo test -p affiant-store --test it page` -->\n";

#[test]
fn the_reference_page_names_every_column() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(MARK).unwrap();
    let after = rest.split_once(MARK).unwrap().1;
    let mut table = String::from("| Column | Type | |\n|---|---|---|\n");
    for (name, kind, meaning) in columns() {
        table.push_str(&format!("| `{name}` | {kind} | {} |\n", meaning.trim()));
    }
    let wanted = format!("{before}{MARK}{table}{MARK}{after}");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(
        page == wanted,
        "docs/reference/store.md is out of date; UPDATE_SNAPSHOTS=1 writes it anew"
    );
}
