//! `kind = "graph"`: mailboxes of a Microsoft 365 tenant, by Microsoft Graph as a registered app.

use super::super::files::Files;
use super::super::report::At;
use super::super::section::Section;
use super::super::smtp::is_loopback;
use crate::base::Secret;

/// What is needed to ask Microsoft Graph.
#[derive(Debug, Clone)]
pub struct GraphSettings {
    /// Where tokens come from, such as `https://login.microsoftonline.com/`.
    pub login: reqwest::Url,
    /// Where Graph is, such as `https://graph.microsoft.com/`.
    pub graph: reqwest::Url,
    /// Directory (tenant) id, or one of its domains.
    pub tenant: String,
    /// Application (client) id.
    pub client: String,
    /// Its client secret.
    pub secret: Secret<String>,
}

/// Whether two settings are the same; both secrets are ours.
impl PartialEq for GraphSettings {
    fn eq(&self, other: &Self) -> bool {
        self.login == other.login
            && self.graph == other.graph
            && self.tenant == other.tenant
            && self.client == other.client
            && self.secret.expose() == other.secret.expose()
    }
}

impl Eq for GraphSettings {}

pub(super) fn graph(section: &Section<'_>, files: &Files<'_>) -> Option<GraphSettings> {
    let login = url(section, "login_url", "https://login.microsoftonline.com");
    let graph = url(section, "graph_url", "https://graph.microsoft.com");
    let tenant = name(section, "tenant", "the tenant's id or domain, such as \"example.onmicrosoft.com\"");
    let client = name(section, "client_id", "the app's \"Application (client) ID\"");
    let secret = secret(section, files);
    Some(GraphSettings { login: login?, graph: graph?, tenant: tenant?, client: client?, secret: secret? })
}

/// What becomes a part of a path, or of a form.
fn name(section: &Section<'_>, key: &str, wanted: &str) -> Option<String> {
    let (text, at) = section.text(key)?;
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if text.is_empty() {
        section.error(section.place(key), format!("`{key}` is missing in [mailbox]"), wanted);
        return None;
    }
    if text.len() > 253 || !text.bytes().all(fine) || !text.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
        section.error(at, format!("`{text}` is nothing for `{key}`"), wanted);
        return None;
    }
    Some(text)
}

/// Scheme and host, nothing behind.
fn url(section: &Section<'_>, key: &str, example: &str) -> Option<reqwest::Url> {
    let (text, at) = section.text(key)?;
    let wanted = format!("such as \"{example}\"");
    let fail = |at: At, message: String, hint: &str| {
        section.error(at, message, hint);
        None
    };
    let url = match reqwest::Url::parse(&text) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.has_host() => url,
        _ => return fail(at, format!("`{text}` is no address for `{key}`"), &wanted),
    };
    if !url.username().is_empty() || url.password().is_some() {
        // What stands there is a password: no error shows the line.
        section.conceal(at);
        return fail(at, format!("`{key}` takes no user and no password"), &wanted);
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return fail(at, format!("`{key}` is the address of a host, without a path"), &wanted);
    }
    if url.scheme() == "http" && !url.host_str().is_some_and(is_loopback) {
        return fail(at, format!("passwords would go to {text} unprotected"), "use https://");
    }
    Some(url)
}

fn secret(section: &Section<'_>, files: &Files<'_>) -> Option<Secret<String>> {
    let given = ["client_secret_file", "client_secret_credential"]
        .map(|key| section.written(key).is_some().then_some(key));
    let key = match given {
        [Some(key), None] | [None, Some(key)] => key,
        _ => {
            let message = "exactly one of `client_secret_file` and `client_secret_credential` is needed here";
            section.error(
                section.at,
                message,
                "the \"Value\" of the app's client secret, not its \"Secret ID\"",
            );
            return None;
        }
    };
    let (name, at) = section.text(key)?;
    let bytes = match key {
        "client_secret_file" => files.secret_file(section, &name, at)?,
        _ => files.credential(section, &name, at)?,
    };
    match std::str::from_utf8(bytes.expose()) {
        Ok(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            // A fresh copy: the other one is wiped with its vector.
            Some(Secret::new(text.to_owned()))
        }
        _ => {
            let message = "the client secret is not one word of ASCII characters";
            section.error(at, message, "the \"Value\" as it was shown once, nothing else");
            None
        }
    }
}
