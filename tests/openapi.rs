//! The document of the admin socket that is checked in is the one that is served.

use std::path::Path;

// R-SOCK-1
#[test]
fn openapi_document_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let served = doorward::serve::admin::document();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, served).expect("docs can be written");
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, served, "UPDATE=1 cargo nextest run --test openapi writes it");
}
