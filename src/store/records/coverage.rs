//! How far people have come with registering, by campus and role.

use super::query::Query;
use super::{Records, damaged};
use crate::domain::campus::Campuses;
use crate::domain::person::Role;
use crate::store::{Coverage, Result};
use std::collections::BTreeSet;

/// Counts of each list of roles at each campus. Who has a factor is found once and not for each person.
fn query(campuses: &Campuses) -> Query {
    let mut values = Vec::new();
    let mut parameter = |value: String| {
        values.push(value);
        format!("${}", values.len())
    };
    // As `Campuses::of` says: the realm comes before the directory.
    let mut cases = String::new();
    for (at, campus) in campuses.0.iter().enumerate() {
        for realm in &campus.realms {
            // Names of hosts: nothing in them stands for anything else.
            let realm = parameter(format!("%@{}", realm.to_lowercase()));
            cases += &format!(" WHEN lower(username) LIKE {realm} THEN {at}");
        }
    }
    for (at, campus) in campuses.0.iter().enumerate() {
        for directory in &campus.directories {
            let directory = parameter(directory.clone());
            cases += &format!(" WHEN directory = {directory} THEN {at}");
        }
    }
    let campus = if cases.is_empty() { "NULL".to_owned() } else { format!("CASE{cases} ELSE NULL END") };
    let text = format!(
        "SELECT roles, CAST({campus} AS BIGINT) AS campus, count(*), sum(CASE fresh WHEN 1 THEN 1 ELSE 0 END),
                sum(CASE WHEN registered IS NULL THEN 0 ELSE 1 END),
                sum(CASE WHEN id IN (SELECT person FROM factors WHERE state = 'active' AND kind IN ('totp', 'hotp', 'yubikey'))
                         THEN 1 ELSE 0 END)
         FROM people WHERE departed IS NULL AND status <> 'disabled' GROUP BY roles, 2"
    );
    values.into_iter().fold(Query::new(text), Query::bind)
}

pub(super) async fn count(records: &Records, campuses: &Campuses) -> Result<Vec<Coverage>> {
    let names: Vec<_> = campuses.0.iter().map(|campus| Some(campus.name.clone())).chain([None]).collect();
    let roles: Vec<_> = Role::ALL.into_iter().map(Some).chain([None]).collect();
    let nobody = |campus: &Option<String>, role: Option<Role>| Coverage {
        campus: campus.clone(),
        role,
        people: 0,
        new: 0,
        registered: 0,
        factor: 0,
    };
    let mut all: Vec<_> =
        names.iter().flat_map(|name| roles.iter().map(|role| nobody(name, *role))).collect();
    for row in &query(campuses).fetch_all(&records.0.readers).await? {
        let roles: BTreeSet<Role> =
            serde_json::from_str(row.text(0)?).map_err(|_| damaged("a list of roles"))?;
        let at = row.optional_number(1)?.and_then(|at| usize::try_from(at).ok());
        let campus = at.and_then(|at| campuses.0.get(at)).map(|campus| &campus.name);
        let count = |at: usize| row.number(at).map(|count| u64::try_from(count).unwrap_or_default());
        let counts = [count(2)?, count(3)?, count(4)?, count(5)?];
        for of in all.iter_mut().filter(|of| of.campus.as_ref() == campus) {
            if of.role.map_or(roles.is_empty(), |role| roles.contains(&role)) {
                let counted = [&mut of.people, &mut of.new, &mut of.registered, &mut of.factor];
                counted.into_iter().zip(counts).for_each(|(sum, count)| *sum += count);
            }
        }
    }
    Ok(all)
}
