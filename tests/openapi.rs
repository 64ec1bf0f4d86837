//! The documents that are checked in are those that are served.

#![expect(clippy::expect_used, reason = "helpers of tests fail by panicking")]

use std::path::Path;

// R-SOCK-1
#[test]
fn openapi_document_is_up_to_date() {
    is_up_to_date("docs/openapi.json", doorward::serve::admin::document());
}

// R-API-1
#[test]
fn openapi_document_for_applications_is_up_to_date() {
    is_up_to_date("docs/applications.json", doorward::serve::api::document());
}

fn is_up_to_date(name: &str, served: String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, served).expect("docs can be written");
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, served, "UPDATE=1 cargo nextest run --test openapi writes it");
}
