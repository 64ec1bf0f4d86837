//! What becomes of a token of a file when one of that name may be in the inventory already.

use super::{Found, Token, TokenState};
use crate::domain::factor::Material;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// It comes in.
    Add,
    /// It overwrites the one that is there. `same`: its secrets are the old ones, so the counter goes on.
    Replace {
        /// Whether nothing that was used before may be good again.
        same: bool,
    },
    /// A validation server has judged this key so far, and its own counter is not known here: the AES key waits for a touch that
    /// the server accepts, which says where the counter stands.
    Wait,
    /// It stays out, for this reason.
    Refuse(String),
}

/// Whether two keys make the same passcodes at the same positions.
fn same(one: &Material, other: &Material) -> bool {
    match (one, other) {
        (Material::Hotp { seed, .. }, Material::Hotp { seed: other, .. }) => seed.expose() == other.expose(),
        (Material::Totp { seed, period, .. }, Material::Totp { seed: other, period: others, .. }) => {
            period == others && seed.expose() == other.expose()
        }
        (Material::Yubikey { key: Some(key), .. }, Material::Yubikey { key: Some(other), .. }) => {
            key.aes.expose() == other.aes.expose() && key.private_id.expose() == other.private_id.expose()
        }
        _ => false,
    }
}

impl Found {
    /// What is to be done with it, where `known` is there under its name.
    pub fn plan(&self, known: Option<&Token>, replace: bool) -> Plan {
        let Some(known) = known else { return Plan::Add };
        let what = format!("{} {}", self.kind, self.name);
        match (&known.material, &self.material) {
            (Material::Yubikey { key: None, .. }, Material::Yubikey { key: Some(_), .. }) => Plan::Wait,
            _ if !replace => {
                let maker = match self.maker {
                    Some(_) => "; if that is another maker's, give this one another name with --prefix",
                    None => "",
                };
                Plan::Refuse(format!("{what} is in the inventory already{maker}"))
            }
            _ if known.state == TokenState::Assigned => Plan::Refuse(format!(
                "{what} is somebody's, and is not replaced under their hands; take it back first (`doorward token revoke {}`)",
                self.name
            )),
            (Material::Yubikey { key: Some(_), .. }, Material::Yubikey { key: None, .. }) => {
                Plan::Refuse(format!("the AES key of {what} is here, and the file has none"))
            }
            (before, now) => Plan::Replace { same: same(before, now) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Secret, Timestamp};
    use crate::domain::factor::FactorKind;
    use crate::domain::token::TokenId;
    use crate::wire::yubico::{Key, PublicId};

    fn key(aes: Option<u8>) -> Material {
        let key = aes.map(|aes| Key { aes: Secret::new([aes; 16]), private_id: Secret::new([1; 6]) });
        Material::Yubikey { public_id: PublicId::parse("vvccccbcdefg").unwrap(), key }
    }

    fn found(material: Material) -> Found {
        let (name, serial) = ("vvccccbcdefg".to_owned(), String::new());
        let kind = material.token().unwrap().0;
        Found { line: 1, name, serial, kind, material, next: 0, maker: None, origin: None }
    }

    fn known(material: Material, state: TokenState) -> Token {
        Token {
            id: TokenId::from_uuid(uuid::Uuid::nil()),
            kind: FactorKind::Yubikey,
            name: "vvccccbcdefg".into(),
            serial: String::new(),
            state,
            person: None,
            factor: None,
            next: 7,
            created: Timestamp::default(),
            material,
        }
    }

    #[test]
    fn what_nobody_has_is_replaced_if_that_is_meant_and_what_somebody_has_never() {
        let plan = |state, replace| found(key(Some(2))).plan(Some(&known(key(Some(1)), state)), replace);
        let refused = |plan: Plan, part: &str| matches!(&plan, Plan::Refuse(why) if why.contains(part));
        assert_eq!(found(key(Some(1))).plan(None, false), Plan::Add);
        assert!(refused(plan(TokenState::Stock, false), "in the inventory already"));
        assert!(refused(plan(TokenState::Assigned, true), "doorward token revoke vvccccbcdefg"));
        assert_eq!(plan(TokenState::Stock, true), Plan::Replace { same: false });
        assert_eq!(plan(TokenState::Revoked, true), Plan::Replace { same: false });
        let again = found(key(Some(1))).plan(Some(&known(key(Some(1)), TokenState::Stock)), true);
        assert_eq!(again, Plan::Replace { same: true });
    }

    #[test]
    fn aes_key_of_a_key_that_a_server_judged_waits_whoever_has_it() {
        for state in TokenState::ALL {
            for replace in [false, true] {
                assert_eq!(found(key(Some(2))).plan(Some(&known(key(None), state)), replace), Plan::Wait);
            }
        }
        let back = found(key(None)).plan(Some(&known(key(Some(1)), TokenState::Stock)), true);
        assert!(matches!(back, Plan::Refuse(_)), "an AES key is not forgotten");
    }

    #[test]
    fn same_seed_with_another_period_counts_other_steps() {
        let totp = |period| Material::Totp {
            seed: Secret::new(vec![1; 20]),
            algorithm: crate::domain::factor::Algorithm::Sha1,
            digits: 6,
            period,
        };
        assert!(same(&totp(30), &totp(30)) && !same(&totp(30), &totp(60)));
    }
}
