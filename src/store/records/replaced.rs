//! What the file that is replaced can still tell: which passcodes were used since the backup was made. Positions only ever go forward.
//!
//! It knows all of it only where it goes on from the backup. Another database, as one that was made by mistake where the old one was
//! lost, or one that is older than the backup, knows some or nothing; what it knows is taken over all the same.

use super::connection::Row;
use super::sqlite::Lite;
use super::{chain, failure};
use crate::store::seal::Keyring;
use crate::store::{Result, StoreError};
use std::path::Path;

/// `r` is the restored file. A token and the factor that it is for somebody stand at one position, and either may have come or gone
/// since: the highest counts. Of a recovery code both must say that it is unused, as far as the old file knows its factor.
const TAKE_OVER: &str = "
UPDATE r.positions SET next = (SELECT max(o.next, r.positions.next) FROM main.positions o WHERE o.factor = r.positions.factor),
    used = (SELECT CASE WHEN o.next >= r.positions.next THEN o.used ELSE r.positions.used END
            FROM main.positions o WHERE o.factor = r.positions.factor)
    WHERE EXISTS (SELECT 1 FROM main.positions o WHERE o.factor = r.positions.factor);
CREATE TEMP TABLE stood AS
    SELECT r.id, r.factor, max(o.next, coalesce(p.next, 0)) AS next, p.used AS used
    FROM r.tokens r JOIN main.tokens o ON o.kind = r.kind AND o.name = r.name LEFT JOIN main.positions p ON p.factor = o.factor;
UPDATE r.tokens SET next = stood.next FROM temp.stood WHERE stood.id = tokens.id AND stood.next > tokens.next;
UPDATE r.positions SET next = stood.next, used = stood.used
    FROM temp.stood WHERE stood.factor = positions.factor AND stood.next > positions.next;
DELETE FROM r.one_time_codes WHERE EXISTS (SELECT 1 FROM main.factors f WHERE f.id = r.one_time_codes.factor) AND NOT EXISTS
    (SELECT 1 FROM main.one_time_codes o WHERE o.factor = r.one_time_codes.factor AND o.digest = r.one_time_codes.digest
     AND o.uses_left > 0);
INSERT INTO r.once (id, expires) SELECT o.id, o.expires FROM main.once o WHERE true ON CONFLICT (id) DO NOTHING;
INSERT INTO r.counters (person, counter, failures, blocked_until)
    SELECT o.person, o.counter, o.failures, o.blocked_until FROM main.counters o WHERE true
    ON CONFLICT (person, counter) DO UPDATE SET failures = max(failures, excluded.failures),
    blocked_until = max(blocked_until, excluded.blocked_until);
";

/// Where the old file goes on from the backup: recovery codes whose factor it has not any more were revoked since, used or not.
const REVOKED: &str = "DELETE FROM r.one_time_codes WHERE NOT EXISTS
    (SELECT 1 FROM main.factors f WHERE f.id = r.one_time_codes.factor)";

/// Factors with counters that were revoked since, and whose positions went with them.
const GONE: &str =
    "SELECT count(*) FROM r.factors f WHERE f.kind IN ('hotp', 'yubikey') AND f.state = 'active'
     AND NOT EXISTS (SELECT 1 FROM main.positions o WHERE o.factor = f.id)
     AND NOT EXISTS (SELECT 1 FROM temp.stood WHERE stood.factor = f.id)";

/// Actions since, that somebody may want to do again.
const UNDONE: &str = "SELECT action, count(*) FROM main.audit WHERE seq > (SELECT seq FROM r.audit_head WHERE id = 1)
     AND outcome = 'done' AND action NOT LIKE '%.list' AND action NOT LIKE '%.show' GROUP BY action ORDER BY action";

/// The backup's last entry as the old file has it, and where the old file's trail begins.
const SAME: &str = "SELECT h.seq, h.link, a.link, (SELECT seq FROM main.audit_head WHERE id = 2)
     FROM r.audit_head h LEFT JOIN main.audit a ON a.seq = h.seq WHERE h.id = 1";

/// What it told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Whether it goes on from the backup, and so knows what was used since.
    pub(super) goes_on: bool,
    /// Factors with counters of which it knows nothing all the same: they were revoked.
    pub(super) gone: u64,
    /// What was done since the backup was made: actions of the trail and how often.
    pub(super) undone: Vec<(String, u64)>,
}

fn count(row: &Row, at: usize) -> Result<u64> {
    Ok(u64::try_from(row.number(at)?).unwrap_or_default())
}

/// Whether the database of the name `schema` has the same keys of its own as the other.
fn is_kin(old: &Lite, keyring: &Keyring) -> Result<bool> {
    let rows = old.rows(
        "SELECT o.sealed, r.sealed FROM main.secrets o JOIN r.secrets r ON r.name = o.name WHERE o.name = 'audit'",
        &[],
    )?;
    let Some(row) = rows.first() else { return Ok(false) };
    let place = chain::KEY_PLACE;
    let keys = (keyring.open(place, row.text(0)?), keyring.open(place, row.text(1)?));
    Ok(matches!(keys, (Ok(old), Ok(new)) if old.expose() == new.expose()))
}

/// Whether the old file is what the backup was made of, as it went on: links stand for all that was before them.
fn goes_on(old: &Lite, keyring: &Keyring) -> Result<bool> {
    let rows = old.rows(SAME, &[])?;
    let Some(row) = rows.first() else { return Ok(false) };
    let (seq, anchor) = (row.number(0)?, row.optional_number(3)?.unwrap_or_default());
    match row.optional_text(2)? {
        Some(link) => Ok(link == row.text(1)?),
        // Of these no entry is there to compare: the time of the backup's last one was over, or it has none.
        None if anchor >= seq => is_kin(old, keyring),
        None => Ok(false),
    }
}

fn all(old: &Lite, keyring: &Keyring) -> Result<Told> {
    let goes_on = goes_on(old, keyring)?;
    old.raw().execute_batch("BEGIN").map_err(failure)?;
    old.raw().execute_batch(TAKE_OVER).map_err(full)?;
    if !goes_on {
        old.raw().execute_batch("COMMIT").map_err(full)?;
        return Ok(Told::default());
    }
    old.raw().execute_batch(REVOKED).map_err(full)?;
    let gone = old.rows(GONE, &[])?;
    let undone = old.rows(UNDONE, &[])?;
    old.raw().execute_batch("COMMIT").map_err(full)?;
    let action = |row: &Row| Ok((row.text(0)?.to_owned(), count(row, 1)?));
    let gone = gone.first().map_or(Ok(0), |row| count(row, 0))?;
    Ok(Told { goes_on, gone, undone: undone.iter().map(action).collect::<Result<_>>()? })
}

/// A disk that is full says nothing about the old file: room is made, and it is asked again. `Conflict`, unlike all else.
fn full(error: rusqlite::Error) -> StoreError {
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) {
        return StoreError::Conflict(
            "the disk is full; nothing was changed. Make room, and restore again".to_owned(),
        );
    }
    failure(error)
}

/// Takes over what the old file knows. `Conflict` where the new one cannot be written; anything else is the old one's.
pub(super) fn take_over(old: &Lite, new: &Path, keyring: &Keyring) -> Result<Told> {
    let name = new.to_str().ok_or_else(|| StoreError::Conflict("its name is no text".to_owned()))?;
    old.run("ATTACH ? AS r", &[&name])?;
    let told = all(old, keyring);
    if !old.raw().is_autocommit() {
        old.plain("ROLLBACK")?;
    }
    old.plain("DETACH r")?;
    told
}
