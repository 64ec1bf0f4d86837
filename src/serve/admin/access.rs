//! Who calls, and what that role may do.

use super::State;
use super::error::Failure;
use crate::config::{Admin, AdminRole};
use crate::engine::desk::Actor;
use crate::serve::http::LocalPeer;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use nix::unistd::{Gid, Uid, User, getgrouplist};
use std::ffi::CString;

/// The process at the other end of the connection, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What a call does, and with that who may do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    /// See people, factors and status.
    Look,
    /// Lock, unlock, revoke, resynchronise, hand out temporary codes.
    Help,
    /// Add people, set passwords, enroll, reload.
    Manage,
    /// Read the audit trail.
    Audit,
}

impl Permission {
    pub(super) const fn belongs_to(self, role: AdminRole) -> bool {
        match role {
            AdminRole::Administrator => true,
            AdminRole::Helpdesk => matches!(self, Permission::Look | Permission::Help),
            AdminRole::Auditor => matches!(self, Permission::Look | Permission::Audit),
        }
    }
}

impl Peer {
    /// `uid:1000(alice)`.
    pub(super) fn name(self) -> String {
        match User::from_uid(Uid::from_raw(self.uid)) {
            Ok(Some(user)) => format!("uid:{}({})", self.uid, user.name),
            _ => format!("uid:{}", self.uid),
        }
    }

    /// The role of the first rule that fits; without one, root and the daemon's own user are administrators.
    pub(super) fn role(self, admin: &Admin) -> Option<AdminRole> {
        let groups = self.groups();
        let fits = |rule: &&crate::config::AdminRule| {
            rule.uids.contains(&self.uid) || rule.gids.iter().any(|gid| groups.contains(gid))
        };
        if let Some(rule) = admin.roles.iter().find(fits) {
            return Some(rule.role);
        }
        self.is_own().then_some(AdminRole::Administrator)
    }

    /// Root, or the daemon's own user.
    fn is_own(self) -> bool {
        self.uid == 0 || self.uid == Uid::effective().as_raw()
    }

    /// Primary group, and those of the system's group database.
    fn groups(self) -> Vec<u32> {
        let mut groups = vec![self.gid];
        let user = User::from_uid(Uid::from_raw(self.uid)).ok().flatten();
        if let Some(user) = user
            && let Ok(name) = CString::new(user.name)
            && let Ok(more) = getgrouplist(&name, Gid::from_raw(self.gid))
        {
            groups.extend(more.into_iter().map(Gid::as_raw));
        }
        groups
    }
}

/// One call: who, with which role, under which id.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) actor: Actor,
    pub(super) role: Option<AdminRole>,
    peer: Peer,
}

impl FromRequestParts<State> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Failure> {
        let peer = parts.extensions.get::<axum::extract::ConnectInfo<LocalPeer>>();
        let peer = peer.map(|ConnectInfo(peer)| Peer { uid: peer.uid, gid: peer.gid });
        let request = uuid::Uuid::now_v7().simple().to_string();
        let Some(peer) = peer else { return Err(Failure::unknown_peer()) };
        let role = peer.role(&state.config.load().admin);
        Ok(Self { actor: Actor { name: peer.name(), request }, role, peer })
    }
}

impl Caller {
    /// Whether the role that the present configuration gives still allows it, for calls that last.
    pub(super) fn may(&self, state: &State, permission: Permission) -> bool {
        let role = self.peer.role(&state.config.load().admin);
        role.is_some_and(|role| permission.belongs_to(role))
    }

    /// Goes on if they are an administrator, or could send the daemon a signal for it, whatever role a rule gives them: the service manager
    /// asks as the daemon's own user.
    pub(super) async fn must_or_signal(&self, state: &State, action: &'static str) -> Result<(), Failure> {
        if self.peer.is_own() {
            tracing::info!(id = %self.actor.request, actor = %self.actor.name, action, "admin call");
            return Ok(());
        }
        self.must(state, Permission::Manage, action, "").await
    }

    /// Goes on if the role allows it; a refusal is audited.
    pub(super) async fn must(
        &self,
        state: &State,
        permission: Permission,
        action: &'static str,
        subject: &str,
    ) -> Result<(), Failure> {
        tracing::info!(id = %self.actor.request, actor = %self.actor.name, action, subject, "admin call");
        if self.role.is_some_and(|role| permission.belongs_to(role)) {
            return Ok(());
        }
        self.note(state, action, subject, "refused", "not allowed").await?;
        Err(Failure::forbidden(&self.actor.name, self.role))
    }

    /// Audits something that changes nothing: a read, a refusal, a failure.
    pub(super) async fn note(
        &self,
        state: &State,
        action: &'static str,
        subject: &str,
        outcome: &'static str,
        detail: &str,
    ) -> Result<(), Failure> {
        let mut entry = state.desk.entry(&self.actor, action, subject, None);
        entry.outcome = outcome;
        entry.detail = detail.to_owned().into();
        Ok(state.desk.audit.append(entry).await?)
    }

    /// Passes a result on; a failure is audited with its code.
    pub(super) async fn audited<T, E: Into<Failure>>(
        &self,
        state: &State,
        action: &'static str,
        subject: &str,
        result: Result<T, E>,
    ) -> Result<T, Failure> {
        let failure = match result {
            Ok(value) => return Ok(value),
            Err(error) => error.into(),
        };
        // When the store is what failed, its entry cannot be written either: the log has to do.
        if failure.is_unavailable() {
            tracing::error!(id = %self.actor.request, action, "admin call failed: {failure}");
        } else {
            self.note(state, action, subject, "failed", failure.code()).await?;
        }
        Err(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AdminRule;

    fn admin(rules: &[(AdminRole, u32, u32)]) -> Admin {
        let rule = |(role, uid, gid): &(AdminRole, u32, u32)| AdminRule {
            role: *role,
            uids: vec![*uid],
            gids: vec![*gid],
        };
        Admin { socket: "x".into(), mode: 0o600, roles: rules.iter().map(rule).collect() }
    }

    #[test]
    fn stranger_has_no_role_and_root_is_administrator_unless_a_rule_says_otherwise() {
        let (stranger, root) = (Peer { uid: 4_000_000, gid: 4_000_000 }, Peer { uid: 0, gid: 0 });
        assert_eq!(stranger.role(&admin(&[])), None);
        assert_eq!(root.role(&admin(&[])), Some(AdminRole::Administrator));
        assert_eq!(root.role(&admin(&[(AdminRole::Auditor, 0, 9999)])), Some(AdminRole::Auditor));
    }

    #[test]
    fn only_root_and_the_daemons_own_user_can_signal_it() {
        let own = Uid::effective().as_raw();
        assert!(Peer { uid: own, gid: 4_000_000 }.is_own() && Peer { uid: 0, gid: 4_000_000 }.is_own());
        assert!(!Peer { uid: 4_000_000, gid: own }.is_own());
    }

    #[test]
    fn first_rule_that_fits_by_user_or_group_decides() {
        let peer = Peer { uid: 4_000_000, gid: 4_000_001 };
        let by_group = (AdminRole::Helpdesk, 1, 4_000_001);
        let by_user = (AdminRole::Auditor, 4_000_000, 1);
        assert_eq!(peer.role(&admin(&[by_group, by_user])), Some(AdminRole::Helpdesk));
        assert_eq!(peer.role(&admin(&[by_user, by_group])), Some(AdminRole::Auditor));
    }

    #[test]
    fn help_desk_may_neither_manage_nor_audit_and_an_auditor_changes_nothing() {
        let may = |role| {
            [Permission::Look, Permission::Help, Permission::Manage, Permission::Audit]
                .map(|p| p.belongs_to(role))
        };
        assert_eq!(may(AdminRole::Administrator), [true; 4]);
        assert_eq!(may(AdminRole::Helpdesk), [true, true, false, false]);
        assert_eq!(may(AdminRole::Auditor), [true, false, false, true]);
    }
}
