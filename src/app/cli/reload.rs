//! `doorward reload`.

use super::admin::Admin;
use crate::app::client::Send;
use anyhow::Result;
use hyper::Method;
use std::process::ExitCode;

impl Admin {
    pub(super) async fn reload(&self) -> Result<ExitCode> {
        let answer = self.client.call(Method::POST, "reload", Send::Nothing).await?;
        self.output.show(&answer, |out, answer| {
            out.line("The new configuration serves.")?;
            out.warnings(answer)
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
