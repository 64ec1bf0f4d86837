//! `doorward mailbox`: mailboxes of alumni at the mail provider.

use super::admin::Admin;
use super::commands::Mailbox;
use crate::base::percent_encode as segment;
use anyhow::Result;
use std::process::ExitCode;

impl Admin {
    pub(super) async fn mailbox(&self, command: Mailbox) -> Result<ExitCode> {
        let Mailbox::Test { user } = command;
        let answer = self.get(&format!("people/{}/mailbox", segment(&user))).await?;
        self.output.show(&answer, |out, answer| {
            out.fields(answer, &[("mailbox", "address"), ("entry", "entry")])?;
            out.line("The provider knows it, and takes our credentials. Nothing was changed.")
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
