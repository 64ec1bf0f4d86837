//! What was sent: mails, texts and calls of a demonstration, the newest first. Elsewhere there is no such page.

use super::super::browser::Browser;
use axum::response::Response;
use maud::html;
use std::path::Path;

/// So many are shown.
const MOST: usize = 20;

/// The newest files of the folder, whole. Their names sort by time.
fn newest(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().rev().take(MOST).filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

pub(super) async fn show(browser: Browser) -> Response {
    let Some(folder) = browser.state.sent.clone() else { return super::missing(browser).await };
    let messages = tokio::task::spawn_blocking(move || newest(&folder)).await.unwrap_or_default();
    let title = browser.view().say("demo-sent");
    let body = html! {
        h1 { (title) }
        @for message in &messages { pre.sent { (message) } }
    };
    browser.page(&title, body).await
}
