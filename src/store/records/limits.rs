//! Limits on messages that carry a code: what is in the outbox already is counted before one more comes in, in its transaction.

use super::connection::Connection;
use super::query::Query;
use crate::base::Timestamp;
use crate::domain::message::{Limit, NewMessage, SendLimits};
use crate::store::Result;
use std::time::Duration;

/// Over which the messages of a person are counted once more.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
/// Counts what may have been taken, or may still be: dead ones that keep `claimed` are in doubt. One that would lose its
/// place to the new one is none of them, nor is one without a code. What anybody can ask for (`Purpose::is_open`) and what
/// a password was typed for are counted apart, of a person and of a destination: else strangers use up somebody's logins.
const COUNTS: &str = "SELECT (SELECT count(*) FROM outbox WHERE person = $1 AND created > $5 AND purpose <> 'notice'
             AND CASE WHEN purpose IN ('reset', 'activation') THEN 1 ELSE 0 END = CAST($8 AS BIGINT)
             AND NOT (state = 'dead' AND cost = 0 AND claimed IS NULL)
             AND NOT (state = 'waiting' AND purpose = $4)),
            (SELECT count(*) FROM outbox WHERE person = $1 AND created > $6 AND purpose <> 'notice'
             AND CASE WHEN purpose IN ('reset', 'activation') THEN 1 ELSE 0 END = CAST($8 AS BIGINT)
             AND NOT (state = 'dead' AND cost = 0 AND claimed IS NULL)
             AND NOT (state = 'waiting' AND purpose = $4)),
            (SELECT count(*) FROM outbox WHERE destination = $2 AND created > $5 AND purpose <> 'notice'
             AND CASE WHEN purpose IN ('reset', 'activation') THEN 1 ELSE 0 END = CAST($8 AS BIGINT)
             AND NOT (state = 'dead' AND cost = 0 AND claimed IS NULL)
             AND NOT (state = 'waiting' AND person = $1 AND purpose = $4)),
            (SELECT count(*) FROM outbox WHERE origin = $3 AND created > $5 AND purpose <> 'notice'),
            (SELECT CAST(coalesce(sum(cost), 0) AS BIGINT) FROM outbox WHERE created >= $7 AND purpose <> 'notice')
            - (SELECT CAST(coalesce(sum(cost), 0) AS BIGINT) FROM outbox
               WHERE person = $1 AND created > $6 AND created >= $7 AND state = 'waiting' AND purpose = $4)";

/// Which limit one more would be over. Nobody else writes meanwhile, so that it is counted right.
pub(super) async fn over(
    connection: &mut Connection,
    message: &NewMessage,
    limits: &SendLimits,
    (destination, origin): (&String, &Option<String>),
) -> Result<Option<Limit>> {
    // Where there is no cap, the cost of no day is summed.
    let day = limits.daily_cost.map_or(i64::MAX, |_| midnight(message.created));
    let counts = Query::new(COUNTS).bind(message.person.to_string()).bind(destination).bind(origin);
    let counts = counts.bind(message.purpose.as_str()).bind((message.created - limits.window).millis());
    let counts = counts.bind((message.created - DAY).millis()).bind(day);
    let counts = counts.bind(i64::from(message.purpose.is_open())).fetch_one(connection).await?;
    let of_each = [
        (Limit::Person, limits.per_person),
        (Limit::Person, limits.per_person_day),
        (Limit::Destination, limits.per_destination),
        (Limit::Origin, limits.per_origin),
    ];
    for (at, (limit, most)) in of_each.into_iter().enumerate() {
        if counts.number(at)? >= i64::from(most) && (limit != Limit::Origin || origin.is_some()) {
            return Ok(Some(limit));
        }
    }
    let spent = u64::try_from(counts.number(of_each.len())?).unwrap_or_default();
    let cost = spent.saturating_add(message.cost.into());
    Ok(limits.daily_cost.is_some_and(|cap| cost > cap).then_some(Limit::Cost))
}

/// When the day of this moment began (UTC).
pub(super) const fn midnight(at: Timestamp) -> i64 {
    let day = 24 * 3600 * 1000;
    at.millis().div_euclid(day) * day
}
