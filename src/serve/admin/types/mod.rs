//! JSON of the calls, by what they are about.

mod clients;
mod factors;
mod keys;
mod people;
mod status;
mod sync;
mod tokens;
mod trail;

pub(super) use clients::*;
pub(super) use factors::*;
pub(super) use keys::*;
pub(super) use people::*;
pub(super) use status::*;
pub(super) use sync::*;
pub(super) use tokens::*;
pub(super) use trail::*;

use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Id {
    pub(super) id: String,
}
