//! LDAP as far as bytes go (RFC 4511): requests, answers, controls, and what results and attribute values mean; names and
//! filters put together by type, so that no value can become grammar.
//!
//! Nothing here recurses into what a server sends, and every length is checked before it is used.

mod ber;
mod control;
mod dn;
mod filter;
mod message;
mod request;
mod result;
mod value;

pub use ber::Malformed;
pub use control::{EntryState, SyncDone, SyncInfo, SyncState, oid, paged_cookie, sync_info};
pub use dn::{Dn, DnError};
pub use filter::{Attribute, Filter, escape as escape_filter};
pub use message::{Entry, MAX_MESSAGE, Message, Outcome, Response, length};
pub use request::{
    Bind, Control, Modification, Request, Scope, Search, bind, extended, modify, password_modify, search,
    unbind,
};
pub use result::{Answer, BindResult, Refusal, bind_result, change_refusal, name_of};
pub use value::{filetime, generalized, generalized_time, guid, hex_id, unicode_password};
