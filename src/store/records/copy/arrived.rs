//! Whether everything has arrived: row by row, and the audit trail as a chain.

use super::super::audit;
use super::super::connection::Connection;
use super::super::query::Query;
use super::{CopyError, CopyProgress, PAGE, Table, shown};
use crate::store::Result;
use crate::store::seal::Keyring;

/// Reads both sides in the same order.
pub(super) async fn compare(
    table: &Table,
    total: u64,
    (source, target): (&mut Connection, &mut Connection),
    progress: &mut impl FnMut(CopyProgress),
) -> Result<(), CopyError> {
    let count = table.count(target).await?;
    if count != total {
        return Err(CopyError::Differs(format!("{count} of {total} rows of {} have arrived", table.name)));
    }
    // As bytes, whatever the order of the database's language is.
    let order = table.key_names(" COLLATE \"C\"");
    let (names, name) = (table.names(), table.name);
    // Each has a name of its own, because its statements are kept with the columns that they give.
    let cursor =
        format!("DECLARE rows_of_{name} NO SCROLL CURSOR FOR SELECT {names} FROM {name} ORDER BY {order}");
    Query::new(cursor).execute(target).await?;
    let (mut rows, mut after) = (0, None);
    loop {
        progress(CopyProgress { table: table.name, comparing: true, rows, total });
        let here = table.page(source, after.take()).await?;
        let there = Query::new(format!("FETCH {PAGE} FROM rows_of_{name}")).fetch_all(&mut *target).await?;
        let there = there.iter().map(|row| table.values(row)).collect::<Result<Vec<_>>>()?;
        if let Some(at) = (0..here.len().max(there.len())).find(|at| here.get(*at) != there.get(*at)) {
            let row = here.get(at).or_else(|| there.get(at));
            let key = row.map(|row| shown(&table.key_of(row))).unwrap_or_default();
            return Err(CopyError::Differs(format!("the row {key} of {name} is not the same")));
        }
        let Some(last) = here.last() else { break };
        rows += here.len() as u64;
        after = Some(table.key_of(last));
    }
    Query::new(format!("CLOSE rows_of_{name}")).execute(target).await?;
    Ok(())
}

/// The audit trail that has arrived.
pub(super) async fn verify(target: &mut Connection, keyring: &Keyring) -> Result<(), CopyError> {
    audit::whole(target, keyring).await?.map(drop).map_err(CopyError::Differs)
}
