//! The whole inventory as a file for another installation, page by page.

use super::desk::{Actor, Desk, DeskError, Result};
use crate::base::Secret;
use crate::domain::token::{Owner, Record};
use crate::store::{Stock, Whole};
use crate::wire::sealed_lines::{Lines, SHORTEST};
use std::fmt::Write;
use std::sync::Arc;

/// Tokens at a time.
const PAGE: u32 = 500;

/// An export on its way.
pub struct Export {
    stock: Arc<dyn Stock>,
    /// None: it has ended.
    lines: Option<Lines>,
    /// The last token that was read.
    after: String,
    /// Nothing was given out yet.
    fresh: bool,
}

impl Desk {
    /// Begins an export; what it gives out is sealed under the passphrase.
    pub async fn export_tokens(&self, actor: &Actor, passphrase: Secret<String>) -> Result<Export> {
        if passphrase.expose().chars().count() < SHORTEST {
            return Err(DeskError::Passphrase(SHORTEST));
        }
        let mut salt = [0; 16];
        self.random.fill(&mut salt);
        let work = move || Lines::begin(&passphrase, salt);
        let lines = tokio::task::spawn_blocking(work).await.ok().flatten();
        let lines = lines.ok_or_else(|| DeskError::Unavailable("the key could not be derived".to_owned()))?;
        // Before anything is given out.
        self.audit.append(self.entry(actor, "token.export", "", None)).await?;
        Ok(Export { stock: Arc::clone(&self.stock), lines: Some(lines), after: String::new(), fresh: true })
    }
}

impl Export {
    /// The next lines; none at the end.
    pub async fn next(&mut self) -> Result<Option<String>> {
        let Some(mut lines) = self.lines.take() else { return Ok(None) };
        let mut text = String::new();
        if std::mem::take(&mut self.fresh) {
            text = format!("{}\n", lines.head());
        }
        let page = self.stock.page(&self.after, PAGE).await?;
        for Whole { token, waiting, user, label, used } in &page {
            let owner = Owner { user: user.as_deref(), label: label.as_deref(), used: *used };
            let record = Record::of(token, waiting.as_ref(), owner).bytes();
            // A `String` takes anything.
            let _ = writeln!(text, "{}", lines.line(record.expose()));
        }
        match page.last() {
            Some(last) => {
                self.after = last.token.id.to_string();
                self.lines = Some(lines);
            }
            None => {
                let _ = writeln!(text, "{}", lines.end());
            }
        }
        Ok(Some(text))
    }
}
