//! JSON about the inventory of tokens.

use crate::domain::token::Format;
use crate::engine::inventory::Imported as DeskImported;
use crate::serve::admin::error::Line;
use crate::store::TokenStatus;
use crate::store::directory::import::ImportError;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A device of the inventory.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Token {
    id: String,
    /// `yubikey`, `hotp`, `totp`.
    kind: String,
    /// Public id in modhex, or serial number.
    name: String,
    /// Printed on it; may be empty.
    serial: String,
    /// `stock`, `assigned`, `revoked`.
    state: String,
    /// Username of the owner.
    user: Option<String>,
    /// Their factor.
    factor: Option<String>,
    /// RFC 3339.
    created: String,
}

impl From<TokenStatus> for Token {
    fn from(token: TokenStatus) -> Self {
        Self {
            id: token.id,
            kind: token.kind.to_string(),
            name: token.name,
            serial: token.serial,
            state: token.state.to_string(),
            user: token.user,
            factor: token.factor,
            created: token.created.to_string(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct TokenList {
    pub(in crate::serve::admin) tokens: Vec<Token>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct TokenPage {
    /// Only of this kind.
    pub(in crate::serve::admin) kind: Option<String>,
    /// Only in this state.
    pub(in crate::serve::admin) state: Option<String>,
    /// Only of this person.
    pub(in crate::serve::admin) user: Option<String>,
    /// Only those whose name or serial number contains this.
    pub(in crate::serve::admin) matching: Option<String>,
    /// Only after this id.
    pub(in crate::serve::admin) after: Option<String>,
    /// At most so many, up to 1000; 100 if it is missing.
    #[param(value_type = Option<u64>, maximum = 4_294_967_295u64)]
    pub(in crate::serve::admin) limit: Option<u32>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct TokenFile {
    /// `yubikey`: as Yubico's programs write it; `csv`: a table of OATH tokens; `pskc`: a container of them
    /// (RFC 6030); `sealed`: what another Doorward exported.
    #[schema(value_type = String)]
    pub(in crate::serve::admin) format: Format,
    /// The file.
    pub(in crate::serve::admin) content: String,
    /// PSKC: the key agreed on with the maker, in hex.
    pub(in crate::serve::admin) key: Option<String>,
    /// PSKC: the passphrase agreed on; `sealed`: that of the export.
    pub(in crate::serve::admin) passphrase: Option<String>,
    /// Only look what would come of it.
    #[serde(default)]
    pub(in crate::serve::admin) dry_run: bool,
    /// Leave bad lines out instead of refusing the file.
    #[serde(default)]
    pub(in crate::serve::admin) skip_bad: bool,
    /// Overwrite tokens that nobody has.
    #[serde(default)]
    pub(in crate::serve::admin) replace: bool,
    /// Put before the names of OATH tokens, where another maker has the same serial numbers.
    #[serde(default)]
    pub(in crate::serve::admin) prefix: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct ImportedTokens {
    /// How many came in or were overwritten, or would be.
    imported: usize,
    /// Those of them that overwrote one that was there.
    replaced: Vec<String>,
    /// YubiKeys that a validation server has judged so far: they are judged here from their next touch on.
    late_keys: Vec<String>,
    dry_run: bool,
    /// Lines that were left out.
    left_out: Vec<Line>,
    /// What should be known of the others.
    notes: Vec<Line>,
}

impl ImportedTokens {
    pub(in crate::serve::admin) fn new(done: DeskImported, dry_run: bool) -> Self {
        let DeskImported { added, replaced, late, left_out, notes } = done;
        let lines = |lines: Vec<ImportError>| lines.into_iter().map(Line::from).collect();
        let imported = added + replaced.len() + late.len();
        Self { imported, replaced, late_keys: late, dry_run, left_out: lines(left_out), notes: lines(notes) }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct NewExport {
    /// The file is sealed under it.
    pub(in crate::serve::admin) passphrase: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct RemoveTokens {
    /// Public ids, serial numbers or ids.
    pub(in crate::serve::admin) tokens: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct RemovedTokens {
    pub(in crate::serve::admin) removed: usize,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct AssignToken {
    pub(in crate::serve::admin) username: String,
    pub(in crate::serve::admin) label: Option<String>,
    /// Something that the token has just shown, to be sure that it is this one; it is used up.
    pub(in crate::serve::admin) code: Option<String>,
    /// Also if it was revoked. Its counter goes on.
    #[serde(default)]
    pub(in crate::serve::admin) revoked: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct Touch {
    /// What the key types.
    pub(in crate::serve::admin) otp: String,
    pub(in crate::serve::admin) label: Option<String>,
    /// Also if it was revoked. Its counter goes on.
    #[serde(default)]
    pub(in crate::serve::admin) revoked: bool,
}
