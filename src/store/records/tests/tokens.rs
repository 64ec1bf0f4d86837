//! The inventory: what is whose, and that no counter is ever forgotten.

use super::*;
use crate::domain::token::{TokenId, TokenState};
use crate::domain::yubikey::KeyOwner;
use crate::store::{Assignment, NewToken, Settled, StoreError, TokenQuery};
use crate::wire::yubico::{Key, PublicId};

claims! {
    imported_key_comes_back_whole_and_its_secrets_only_in_its_row
    import_adds_all_or_none
    token_becomes_a_factor_of_one_person_only
    revoked_key_is_not_usable_and_comes_back_with_its_counter
    revoking_the_factor_marks_the_token
    password_that_proves_an_owner_is_used_up
    key_that_nobody_knew_is_added_with_its_owner
    new_master_key_seals_tokens_anew
    inventory_is_listed_by_kind_state_owner_and_number
    yubikey_outside_the_inventory_is_refused
    position_of_a_token_in_stock_only_rises_and_its_entry_says_so
    owner_who_may_not_log_in_is_told_apart
    ; parallel
    of_many_that_use_one_position_of_a_token_in_stock_one_does
    of_many_that_want_a_token_one_gets_it
}

pub(super) fn public_id(number: u8) -> PublicId {
    PublicId::new(&[0xff, 0, 0, 0, 0, number]).unwrap()
}

pub(super) fn material(number: u8) -> Material {
    let key = Key { aes: Secret::new([number; 16]), private_id: Secret::new([number; 6]) };
    Material::Yubikey { public_id: public_id(number), key: Some(key) }
}

pub(super) fn new_token(number: u8) -> NewToken {
    NewToken {
        id: TokenId::from_uuid(uuid::Uuid::now_v7()),
        kind: FactorKind::Yubikey,
        name: public_id(number).to_string(),
        serial: format!("50{number}"),
        material: material(number),
        next: 0,
        created: NOW,
    }
}

pub(super) fn to(person: PersonId, token: &NewToken) -> Assignment {
    let material = token.material.clone();
    Assignment {
        token: token.id,
        new: None,
        factor: new_factor(person, token.kind, FactorState::Active, material),
        proven: None,
        revoked: false,
    }
}

impl Store {
    pub(super) async fn import(&self, number: u8) -> NewToken {
        let new = new_token(number);
        self.stock().import(vec![new.clone()].into(), entry("token.import")).await.unwrap();
        new
    }

    pub(super) async fn assign(&self, wanted: Assignment) -> Result<FactorId, StoreError> {
        let id = wanted.factor.id;
        self.tokens().assign(wanted, entry("token.assign")).await.map(|()| id)
    }

    async fn owner(&self, number: u8) -> KeyOwner {
        self.tokens().owner(&public_id(number)).await.unwrap()
    }

    pub(super) async fn login(&self, person: PersonId, factor: FactorId, at: u64) -> Settled {
        self.logins().settle(Box::new(settlement(person, Some(position(factor, at))))).await.unwrap()
    }
}

pub(super) fn conflict(result: Result<FactorId, StoreError>) -> String {
    let Err(StoreError::Conflict(why)) = result else { panic!("{result:?}") };
    why
}

async fn imported_key_comes_back_whole_and_its_secrets_only_in_its_row(kit: Kit) {
    let store = kit.store().await;
    let (one, two) = (store.import(1).await, store.import(2).await);
    for named in [one.id.to_string(), public_id(1).to_string(), "501".to_owned()] {
        let found = store.tokens().find(&named).await.unwrap();
        let [token] = found.as_slice() else { panic!("{found:?}") };
        let Material::Yubikey { public_id: id, key: Some(key) } = &token.material else { panic!() };
        assert_eq!((*id, *key.aes.expose(), *key.private_id.expose()), (public_id(1), [1; 16], [1; 6]));
        assert_eq!((token.state, token.person, token.next), (TokenState::Stock, None, 0));
    }
    assert_eq!((store.owner(1).await, store.owner(9).await), (KeyOwner::Nobody, KeyOwner::Unknown));
    let swap = "UPDATE tokens SET material = (SELECT o.material FROM tokens o WHERE o.serial = '502') WHERE serial = '501'";
    store.sql(swap).await;
    let moved = store.tokens().find(&one.id.to_string()).await;
    assert!(matches!(moved, Err(StoreError::Sealed(_))), "{moved:?}");
    assert!(store.tokens().find(&two.id.to_string()).await.is_ok());
}

async fn import_adds_all_or_none(kit: Kit) {
    let store = kit.store().await;
    store.import(7).await;
    let refused = store
        .stock()
        .import((1..=200).map(new_token).collect::<Vec<_>>().into(), entry("token.import"))
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let names = |numbers: &mut dyn Iterator<Item = u8>| {
        numbers.map(|number| (FactorKind::Yubikey, public_id(number).to_string())).collect::<Vec<_>>()
    };
    let known = store.stock().known(names(&mut (1..=200))).await.unwrap();
    assert_eq!(known.iter().map(|token| token.name.clone()).collect::<Vec<_>>(), [public_id(7).to_string()]);
    let rest = (1..=200).filter(|number| *number != 7).map(new_token).collect::<Vec<_>>();
    store.stock().import(rest.into(), entry("token.import")).await.unwrap();
    assert_eq!(store.stock().known(names(&mut (1..=200))).await.unwrap().len(), 200);
    assert_eq!(store.actions().await, ["token.import", "token.import"], "one entry for each file");
}

async fn token_becomes_a_factor_of_one_person_only(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    let token = store.import(1).await;
    assert!(store.people().account(&name("alice")).await.unwrap().unwrap().factors.is_empty());
    let factor = store.assign(to(alice, &token)).await.unwrap();
    let account = store.people().account(&name("alice")).await.unwrap().unwrap();
    assert_eq!(account.factors.iter().map(|factor| factor.id).collect::<Vec<_>>(), [factor]);
    assert!(matches!(&account.factors[0].material, Material::Yubikey { key: Some(_), .. }));
    assert_eq!(store.owner(1).await, KeyOwner::Person(alice));
    let why = conflict(store.assign(to(bob, &token)).await);
    assert!(why.contains("belongs to another person") && !why.contains("alice"), "{why}");
    assert!(conflict(store.assign(to(alice, &token)).await).contains("theirs already"));
    assert!(store.factors().of(bob).await.unwrap().is_empty());
    assert_eq!(store.factors().of(alice).await.unwrap().len(), 1);
}

async fn revoked_key_is_not_usable_and_comes_back_with_its_counter(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    let token = store.import(1).await;
    let first = store.assign(to(alice, &token)).await.unwrap();
    assert_eq!(store.login(alice, first, 500).await, Settled::Done);
    store.tokens().revoke(token.id, entry("token.revoke")).await.unwrap();
    assert_eq!(store.owner(1).await, KeyOwner::Revoked);
    assert!(store.people().account(&name("alice")).await.unwrap().unwrap().factors.is_empty());
    assert_eq!(store.login(alice, first, 600).await, Settled::Replayed);
    assert!(conflict(store.assign(to(bob, &token)).await).contains("was revoked"));
    let again = Assignment { revoked: true, ..to(bob, &token) };
    let second = store.assign(again).await.unwrap();
    assert_eq!(store.login(bob, second, 500).await, Settled::Replayed, "what alice has typed");
    assert_eq!(store.login(bob, second, 501).await, Settled::Done);
}

async fn revoking_the_factor_marks_the_token(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let token = store.import(1).await;
    let factor = store.assign(to(alice, &token)).await.unwrap();
    assert_eq!(store.login(alice, factor, 9).await, Settled::Done);
    store.factors().revoke(factor, None, entry("factor.revoke")).await.unwrap();
    let found = store.tokens().find("501").await.unwrap().remove(0);
    assert_eq!((found.state, found.person, found.factor), (TokenState::Revoked, None, None));
    assert_eq!(found.next, 10);
    store.tokens().revoke(token.id, entry("token.revoke")).await.unwrap();
    let missing = store.tokens().revoke(new_token(5).id, entry("token.revoke")).await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))), "{missing:?}");
}

async fn password_that_proves_an_owner_is_used_up(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let token = store.import(1).await;
    let factor = store.assign(Assignment { proven: Some(70), ..to(alice, &token) }).await.unwrap();
    assert_eq!(store.login(alice, factor, 70).await, Settled::Replayed);
    assert_eq!(store.login(alice, factor, 71).await, Settled::Done);
    store.factors().revoke(factor, None, entry("factor.revoke")).await.unwrap();
    let old = Assignment { proven: Some(71), revoked: true, ..to(alice, &token) };
    assert!(conflict(store.assign(old).await).contains("used before"));
    let fresh = Assignment { proven: Some(72), revoked: true, ..to(alice, &token) };
    assert!(store.assign(fresh).await.is_ok());
}

async fn key_that_nobody_knew_is_added_with_its_owner(kit: Kit) {
    let store = kit.store().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    let remote = || {
        let material = Material::Yubikey { public_id: public_id(3), key: None };
        NewToken { material, serial: String::new(), ..new_token(3) }
    };
    let (new, other) = (remote(), remote());
    let wanted = Assignment { new: Some(new.clone()), ..to(alice, &new) };
    store.assign(wanted).await.unwrap();
    assert_eq!(store.owner(3).await, KeyOwner::Person(alice));
    let account = store.people().account(&name("alice")).await.unwrap().unwrap();
    assert!(matches!(account.factors[0].material, Material::Yubikey { key: None, .. }));
    conflict(store.assign(Assignment { new: Some(other.clone()), ..to(bob, &other) }).await);
    assert!(store.factors().of(bob).await.unwrap().is_empty());
}

async fn new_master_key_seals_tokens_anew(kit: Kit) {
    let store = kit.store().await;
    store.import(1).await;
    store.close().await;
    keys::rotate(&store).await;
    let new = store.open(ring(&[("k2", 2)])).await.unwrap();
    assert_eq!(new.tokens().find("501").await.unwrap().len(), 1);
}

async fn inventory_is_listed_by_kind_state_owner_and_number(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let one = store.import(1).await;
    let hotp = NewToken {
        kind: FactorKind::Hotp,
        name: "A_77".into(),
        material: Material::Hotp { seed: Secret::new(vec![1; 20]), digits: 6 },
        ..new_token(2)
    };
    store.stock().import(vec![hotp.clone(), new_token(3)].into(), entry("token.import")).await.unwrap();
    store.assign(to(alice, &one)).await.unwrap();
    let names = async |query: TokenQuery| -> Vec<String> {
        store.tokens().list(&query).await.unwrap().into_iter().map(|token| token.name).collect()
    };
    let (first, third) = (public_id(1).to_string(), public_id(3).to_string());
    assert_eq!(names(TokenQuery::default()).await.len(), 3);
    let kind = TokenQuery { kind: Some(FactorKind::Hotp), ..TokenQuery::default() };
    assert_eq!(names(kind).await, ["A_77"]);
    let stock = TokenQuery {
        state: Some(TokenState::Stock),
        kind: Some(FactorKind::Yubikey),
        ..TokenQuery::default()
    };
    assert_eq!(names(stock).await, [third]);
    let hers = TokenQuery { person: Some(alice), ..TokenQuery::default() };
    assert_eq!(names(hers.clone()).await, [first]);
    assert_eq!(store.tokens().list(&hers).await.unwrap()[0].user.as_deref(), Some("alice"));
    for (matching, count) in [("a_7", 1), ("50", 3), ("%", 0)] {
        let query = TokenQuery { matching: Some(matching.to_owned()), ..TokenQuery::default() };
        assert_eq!(names(query).await.len(), count, "{matching}");
    }
    let page = TokenQuery { limit: 2, ..TokenQuery::default() };
    let after = store.tokens().list(&page).await.unwrap()[1].id.clone();
    assert_eq!(names(TokenQuery { after: Some(after), ..page }).await.len(), 1);
}

async fn yubikey_outside_the_inventory_is_refused(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let new = new_factor(alice, FactorKind::Yubikey, FactorState::Active, material(1));
    let refused = store.factors().add(new, Among::Others, entry("factor.add")).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
}

async fn of_many_that_want_a_token_one_gets_it(kit: Kit) {
    let store = kit.store().await;
    let token = store.import(1).await;
    let mut people = Vec::new();
    for number in 0..12 {
        people.push(store.person(&format!("person{number}")).await);
    }
    let nodes = [store.records.clone(), store.open(ring(&[("k1", 1)])).await.unwrap()];
    let mut tasks = tokio::task::JoinSet::new();
    for (number, person) in people.iter().enumerate() {
        let (tokens, wanted) = (nodes[number % 2].tokens(), to(*person, &token));
        tasks.spawn(async move { tokens.assign(wanted, entry("token.assign")).await.is_ok() });
    }
    let won = tasks.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
    let mut factors = 0;
    for person in people {
        factors += store.factors().of(person).await.unwrap().len();
    }
    assert_eq!(factors, 1);
}

impl Store {
    async fn use_up(&self, token: TokenId, at: u64) -> bool {
        self.tokens().use_up(token, at, mark(&format!("{token} {at}")), entry("used")).await.unwrap()
    }
}

fn mark(name: &str) -> (String, Timestamp) {
    (name.to_owned(), NOW)
}

async fn position_of_a_token_in_stock_only_rises_and_its_entry_says_so(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let token = store.import(1).await;
    let (one, other) = (token.id, store.import(2).await.id);
    let mut used = Vec::new();
    for at in [5, 5, 4, 6, 0] {
        used.push(store.use_up(one, at).await);
    }
    assert_eq!(used, [true, false, false, true, false]);
    assert!(store.use_up(other, 0).await, "each has its own");
    assert_eq!(store.actions().await.iter().filter(|action| *action == "used").count(), 3);
    // The mark comes with the position, and holds by itself.
    let marked = async |name: String| store.logins().is_marked(&name).await.unwrap();
    assert!(marked(format!("{one} 5")).await && !marked(format!("{one} 4")).await);
    assert!(!store.tokens().use_up(one, 7, mark(&format!("{one} 5")), entry("used")).await.unwrap());
    assert!(
        store.logins().mark(mark("otp")).await.unwrap() && !store.logins().mark(mark("otp")).await.unwrap()
    );
    assert!(marked("otp".to_owned()).await);
    // Given to somebody, it goes on where it stood, and not here.
    let factor = store.assign(to(alice, &token)).await.unwrap();
    assert!(!store.use_up(one, 100).await, "it is somebody's");
    assert_eq!(store.login(alice, factor, 6).await, Settled::Replayed);
    assert_eq!(store.login(alice, factor, 7).await, Settled::Done);
    store.tokens().revoke(one, entry("token.revoke")).await.unwrap();
    assert!(!store.use_up(one, 100).await, "it was revoked");
}

async fn owner_who_may_not_log_in_is_told_apart(kit: Kit) {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    let may = async |at| store.tokens().owner_may_log_in(alice, at).await.unwrap();
    assert!(may(NOW).await);
    assert_eq!(NOW.millis(), 1_000_000_000);
    store.sql("UPDATE people SET valid_until = 1000000000").await;
    assert!(!may(NOW).await && may(NOW - std::time::Duration::from_secs(1)).await);
    store.sql("UPDATE people SET valid_until = NULL, status = 'disabled'").await;
    assert!(!may(NOW).await);
    let nobody = PersonId::from_uuid(uuid::Uuid::from_u128(1));
    assert!(!store.tokens().owner_may_log_in(nobody, NOW).await.unwrap());
}

async fn of_many_that_use_one_position_of_a_token_in_stock_one_does(kit: Kit) {
    let store = kit.store().await;
    let token = store.import(1).await.id;
    let nodes = [store.records.clone(), store.open(ring(&[("k1", 1)])).await.unwrap()];
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..24 {
        let tokens = nodes[number % 2].tokens();
        tasks.spawn(async move { tokens.use_up(token, 7, mark("request"), entry("used")).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|used| *used).count(), 1);
}
