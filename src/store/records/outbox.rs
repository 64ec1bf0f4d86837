//! Messages on their way out. They come in with the end of a login round, in its transaction; what one says is sealed, and
//! erased as soon as it is over. Others come with what they tell of, and carry no code: limits are not for them.

use super::super::seal::Place;
use super::connection::{Connection, Row};
use super::limits::{DAY, over};
use super::query::{Query, Script, places};
use super::transaction::Transaction;
use super::{Records, damaged};
use crate::base::Timestamp;
use crate::domain::message::{Content, Limit, MessageState, NewMessage, SendLimits};
use crate::domain::sent::{CodeId, Purpose};
use crate::store::{AttemptEnd, Attempted, Claimed, MessageStatus, Outbox, OutboxQuery, Result, StoreError};
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use std::time::Duration;
use zeroize::Zeroizing;

/// Messages that are claimed at a time at most.
const MOST: u32 = 64;
/// Why a node that was ended in the middle of sending leaves a dead letter.
const PERHAPS_SENT: &str = "it may have been sent: the node that was sending it ended in the middle of it";
/// What became of one that waited too long.
const TOO_LATE: &str = "too late: what it says was over before it could be sent";
/// What became of one that waited while the same person asked again.
const SUPERSEDED: &str = "a newer code took its place";
/// What became of one that nobody can read.
const DAMAGED: &str = "it cannot be opened";

/// How many there are by state, which the index on it tells: a million of them in less than a tenth of a second.
pub(super) const NUMBERS: &str = "SELECT state, count(*) FROM outbox GROUP BY state ORDER BY state";

fn place<'a>(id: &'a str, person: &'a str, channel: &'a str) -> Place<'a> {
    Place { table: "outbox", row: id, person, kind: channel }
}

/// What the message says, for the database.
pub(super) fn sealed(records: &Records, message: &NewMessage) -> Result<String> {
    let json = serde_json::to_vec(&message.content).map_err(|_| damaged("a message"))?;
    let (id, person) = (message.id.to_string(), message.person.to_string());
    records.seal(place(&id, &person, message.channel.as_str()), &Zeroizing::new(json))
}

/// Whether a message with this code was asked for, and the code was not used yet.
pub(super) async fn carries(connection: &mut Connection, code: CodeId) -> Result<bool> {
    let known =
        Query::new("SELECT id FROM outbox WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM once WHERE id = $2)");
    let known = known.bind(code.to_string()).bind(code.mark());
    Ok(known.fetch_optional(connection).await?.is_some())
}

/// Adds a message, unless that would be over a limit. Those of the same person and purpose that still wait are not sent any
/// more: their codes are void.
pub(super) async fn add(
    connection: &mut Connection,
    message: &NewMessage,
    limits: &SendLimits,
    sealed: String,
) -> Result<Option<Limit>> {
    let destination = HEXLOWER.encode(&message.destination);
    let origin = message.origin.map(|origin| HEXLOWER.encode(&origin));
    if let Some(limit) = over(connection, message, limits, (&destination, &origin)).await? {
        return Ok(Some(limit));
    }
    let older = Query::new(
        "UPDATE outbox SET state = 'dead', content = '', cost = 0, ended = $4, detail = $5
         WHERE person = $1 AND purpose = $2 AND state = 'waiting' AND created > $3",
    );
    let older = older.bind(message.person.to_string()).bind(message.purpose.as_str());
    let older = older.bind((message.created - DAY).millis()).bind(message.created.millis()).bind(SUPERSEDED);
    older.execute(&mut *connection).await?;
    insert(connection, message, (destination, origin, sealed)).await?;
    Ok(None)
}

/// Messages without a code, with what they say, sealed.
pub(super) struct Notices(Vec<(NewMessage, String)>);

impl Notices {
    /// Takes nothing that carries a code: limits are not for these.
    pub(super) fn seal(records: &Records, messages: Vec<NewMessage>) -> Result<Self> {
        let seal = |message: NewMessage| {
            if message.purpose != Purpose::Notice || !message.content.code.is_empty() {
                return Err(StoreError::Conflict("a message that carries a code is no notice".into()));
            }
            let sealed = sealed(records, &message)?;
            Ok((message, sealed))
        };
        messages.into_iter().map(seal).collect::<Result<_>>().map(Self)
    }

    /// Adds them: none takes the place of another.
    pub(super) async fn add(self, connection: &mut Connection) -> Result<()> {
        for (message, sealed) in self.0 {
            let destination = HEXLOWER.encode(&message.destination);
            let origin = message.origin.map(|origin| HEXLOWER.encode(&origin));
            insert(connection, &message, (destination, origin, sealed)).await?;
        }
        Ok(())
    }
}

async fn insert(
    connection: &mut Connection,
    message: &NewMessage,
    (destination, origin, sealed): (String, Option<String>, String),
) -> Result<()> {
    Query::new(
        "INSERT INTO outbox (id, person, purpose, channel, masked, destination, origin, content, state, created, due,
                             expires, ended, attempts, claimed, provider, detail, cost)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', $9, $9, $10, NULL, 0, NULL, '', '', $11)",
    )
    .bind(message.id.to_string())
    .bind(message.person.to_string())
    .bind(message.purpose.as_str())
    .bind(message.channel.as_str())
    .bind(&message.masked)
    .bind(destination)
    .bind(origin)
    .bind(sealed)
    .bind(message.created.millis())
    .bind(message.expires.millis())
    .bind(message.cost)
    .execute(connection)
    .await
    .map_err(|error| match error {
        StoreError::Conflict(_) => damaged("a message of this id is there already"),
        other => other,
    })?;
    Ok(())
}

/// One that was claimed, not opened yet.
struct Taken {
    id: String,
    person: String,
    channel: String,
    sealed: String,
    attempt: u32,
    expires: Timestamp,
}

fn taken(row: &Row) -> Result<Taken> {
    Ok(Taken {
        id: row.text(0)?.to_owned(),
        person: row.text(1)?.to_owned(),
        channel: row.text(2)?.to_owned(),
        sealed: row.text(3)?.to_owned(),
        attempt: u32::try_from(row.number(4)?).map_err(|_| damaged("a number of attempts"))? + 1,
        expires: Timestamp::from_millis(row.number(5)?),
    })
}

fn opened(records: &Records, taken: &Taken) -> Result<Claimed> {
    let place = place(&taken.id, &taken.person, &taken.channel);
    let json = records.0.keyring.open(place, &taken.sealed)?;
    let content: Content = serde_json::from_slice(json.expose()).map_err(|_| damaged("a message"))?;
    Ok(Claimed {
        id: taken.id.parse().map_err(|_| damaged("a message's id"))?,
        channel: taken.channel.parse().map_err(|()| damaged("a channel"))?,
        content,
        attempt: taken.attempt,
        expires: taken.expires,
    })
}

async fn claim(
    transaction: &mut Transaction,
    (most, patience, now): (u32, Duration, Timestamp),
) -> Result<Vec<Taken>> {
    let connection = &mut transaction.connection;
    for (sql, why, before) in [
        (
            "UPDATE outbox SET state = 'dead', content = '', ended = $1, detail = $2
             WHERE state = 'sending' AND claimed <= $3",
            PERHAPS_SENT,
            now - patience,
        ),
        (
            "UPDATE outbox SET state = 'dead', content = '', cost = 0, ended = $1, detail = $2
             WHERE state = 'waiting' AND expires <= $3",
            TOO_LATE,
            now,
        ),
    ] {
        let ended = Query::new(sql).bind(now.millis()).bind(why).bind(before.millis());
        ended.execute(connection).await?;
    }
    let rows = Query::new(
        "SELECT id, person, channel, content, attempts, expires FROM outbox
         WHERE state = 'waiting' AND due <= $1 ORDER BY due, id LIMIT $2",
    );
    let rows = rows.bind(now.millis()).bind(most.min(MOST)).fetch_all(&mut *connection).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        match taken(row) {
            Ok(one) => all.push(one),
            Err(error) => bury(connection, row.text(0)?, &error, now).await?,
        }
    }
    if !all.is_empty() {
        let mut script = Script::default();
        script.statement("UPDATE outbox SET state = 'sending', attempts = attempts + 1, claimed = ");
        script.value(now.millis().into());
        script.add(" WHERE state = 'waiting' AND id IN ");
        let ids = all.iter().map(|one| one.id.as_str().into());
        script.row(ids.chain(std::iter::repeat_n("".into(), places(all.len()) - all.len())));
        script.execute(connection).await?;
    }
    Ok(all)
}

/// Ends one that cannot be read. It was not sent, and says nothing about the others.
async fn bury(connection: &mut Connection, id: &str, why: &StoreError, now: Timestamp) -> Result<()> {
    tracing::error!(id, error = %why, "a message cannot be opened, and is not sent");
    Query::new(
        "UPDATE outbox SET state = 'dead', content = '', cost = 0, claimed = NULL, ended = $2, detail = $3
         WHERE id = $1 AND state IN ('waiting', 'sending')",
    )
    .bind(id)
    .bind(now.millis())
    .bind(DAMAGED)
    .execute(connection)
    .await?;
    Ok(())
}

async fn finish(connection: &mut Connection, end: AttemptEnd) -> Result<()> {
    let (id, at, again) = (end.id.to_string(), end.at, matches!(end.outcome, Attempted::Again(_)));
    // One that is tried again is still to be paid for.
    let query = match end.outcome {
        Attempted::Again(due) => Query::new(
            "UPDATE outbox SET state = 'waiting', due = $5, claimed = NULL, provider = $3, detail = $4
             WHERE id = $1 AND attempts = $2 AND state = 'sending'",
        )
        .bind(end.id.to_string())
        .bind(end.attempt)
        .bind(end.provider)
        .bind(end.detail)
        .bind(due.millis()),
        over => Query::new(
            "UPDATE outbox SET state = $5, ended = $6, cost = $7, content = '', provider = $3, detail = $4,
                               claimed = CASE WHEN $8 = 1 THEN claimed END
             WHERE id = $1 AND attempts = $2 AND state = 'sending'",
        )
        .bind(end.id.to_string())
        .bind(end.attempt)
        .bind(end.provider)
        .bind(end.detail)
        .bind(if over == Attempted::Sent { MessageState::Sent } else { MessageState::Dead }.as_str())
        .bind(end.at.millis())
        .bind(end.cost)
        .bind(i64::from(over == Attempted::Unknown)),
    };
    query.execute(&mut *connection).await?;
    if again {
        // The person may have asked for another meanwhile.
        let newer = Query::new(
            "UPDATE outbox SET state = 'dead', content = '', cost = 0, ended = $2, detail = $3
             WHERE id = $1 AND state = 'waiting' AND purpose <> 'notice' AND EXISTS
             (SELECT 1 FROM outbox n WHERE n.person = outbox.person AND n.purpose = outbox.purpose AND n.id > $1)",
        );
        newer.bind(id).bind(at.millis()).bind(SUPERSEDED).execute(connection).await?;
    }
    Ok(())
}

fn status(row: &Row) -> Result<MessageStatus> {
    let text = |at: usize| row.text(at).map(str::to_owned);
    let count = |at: usize| Ok::<_, StoreError>(u32::try_from(row.number(at)?).unwrap_or(u32::MAX));
    Ok(MessageStatus {
        id: text(0)?,
        person: text(1)?,
        purpose: text(2)?,
        channel: text(3)?,
        destination: text(4)?,
        state: state(row.text(5)?)?,
        created: Timestamp::from_millis(row.number(6)?),
        due: Timestamp::from_millis(row.number(7)?),
        ended: row.optional_number(8)?.map(Timestamp::from_millis),
        attempts: count(9)?,
        provider: text(10)?,
        detail: text(11)?,
        cost: count(12)?,
    })
}

fn state(text: &str) -> Result<MessageState> {
    text.parse().map_err(|()| damaged("a message's state"))
}

#[async_trait]
impl Outbox for Records {
    async fn claim(&self, most: u32, patience: Duration, now: Timestamp) -> Result<Vec<Claimed>> {
        // Looks first, so that nothing is written where there is nothing to do.
        if self.due(patience).await?.is_none_or(|due| due > now) {
            return Ok(Vec::new());
        }
        let taken = self
            .write(move |transaction| {
                Box::pin(async move { claim(transaction, (most, patience, now)).await })
            })
            .await?;
        let mut all = Vec::with_capacity(taken.len());
        for one in taken {
            match opened(self, &one) {
                Ok(claimed) => all.push(claimed),
                Err(error) => {
                    let buried = self.write(move |transaction| {
                        Box::pin(async move { bury(&mut transaction.connection, &one.id, &error, now).await })
                    });
                    if let Err(error) = buried.await {
                        // It stays claimed, and ends with that.
                        tracing::error!(%error, "a message that cannot be opened was not ended");
                    }
                }
            }
        }
        Ok(all)
    }

    async fn finish(&self, end: AttemptEnd) -> Result<()> {
        self.write(move |transaction| Box::pin(finish(&mut transaction.connection, end))).await
    }

    async fn due(&self, patience: Duration) -> Result<Option<Timestamp>> {
        let row = Query::new(
            "SELECT min(at) FROM (SELECT min(due) AS at FROM outbox WHERE state = 'waiting'
                                  UNION ALL SELECT min(claimed) + $1 FROM outbox WHERE state = 'sending') AS next",
        );
        let patience = i64::try_from(patience.as_millis()).unwrap_or(i64::MAX);
        let row = row.bind(patience).fetch_one(&self.0.readers).await?;
        Ok(row.optional_number(0)?.map(Timestamp::from_millis))
    }

    async fn list(&self, query: &OutboxQuery) -> Result<Vec<MessageStatus>> {
        let limit = if query.limit == 0 { 100 } else { query.limit.min(1000) };
        let rows = Query::new(
            "SELECT o.id, coalesce(p.username, o.person), o.purpose, o.channel, o.masked, o.state, o.created, o.due,
                    o.ended, o.attempts, o.provider, o.detail, o.cost
             FROM outbox o LEFT JOIN people p ON p.id = o.person
             WHERE ($1 = '' OR o.state = $1) AND ($2 = '' OR o.person = $2) AND ($3 = '' OR o.id < $3)
             ORDER BY o.id DESC LIMIT $4",
        )
        .bind(query.state.map_or("", MessageState::as_str))
        .bind(query.person.map(|person| person.to_string()).unwrap_or_default())
        .bind(query.before.map(|before| before.to_string()).unwrap_or_default())
        .bind(limit)
        .fetch_all(&self.0.readers)
        .await?;
        rows.iter().map(status).collect()
    }

    async fn counts(&self) -> Result<Vec<(MessageState, u64)>> {
        let rows = Query::new(NUMBERS).fetch_all(&self.0.readers).await?;
        let count = |row: &Row| Ok((state(row.text(0)?)?, u64::try_from(row.number(1)?).unwrap_or_default()));
        rows.iter().map(count).collect()
    }
}
