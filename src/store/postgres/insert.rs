//! Inserts of many rows by multi-row `VALUES`: on Citus `unnest` took more than five times as long.

use std::fmt::Write;

/// Rows of one statement; the binds and the bytes of so many are within the limits of every engine.
const ROWS_MAX: usize = 512;
/// Up to so many rows, each number has a statement of its own. Beyond, only powers of two have one: a connection
/// keeps the last hundred statements prepared.
const ROWS_EXACT: usize = 16;

/// Splits rows into those of one statement each.
pub(super) fn statements<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let power = 1_usize.checked_shl(rows.len().checked_ilog2()?)?;
        let count = match rows.len() {
            exact @ ..=ROWS_EXACT => exact,
            _ => power.min(ROWS_MAX),
        };
        let (now, later) = rows.split_at(count);
        rows = later;
        Some(now)
    })
}

/// Returns an INSERT of `rows` rows that leaves out those whose key is taken. The first `shared` columns have the same
/// values in all rows; each row has `own` values.
pub(super) fn sql(into: &str, shared: usize, own: usize, rows: usize) -> String {
    let mut sql = format!("INSERT INTO {into} VALUES ");
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        let first = shared + row * own;
        for (at, parameter) in (0..shared).chain(first..first + own).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let _ = write!(sql, "{comma}${}", parameter + 1);
        }
        sql.push(')');
    }
    sql + " ON CONFLICT DO NOTHING"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_all_rows_are_numbered_and_shared_ones_once() {
        assert_eq!(
            sql("t (a, b, c, d)", 2, 2, 2),
            "INSERT INTO t (a, b, c, d) VALUES ($1, $2, $3, $4), ($1, $2, $5, $6) ON CONFLICT DO NOTHING"
        );
    }

    #[test]
    fn any_number_of_rows_takes_few_different_statements() {
        let mut counts = std::collections::BTreeSet::new();
        for number in 0..=1000 {
            let rows: Vec<_> = (0..number).collect();
            let parts: Vec<_> = statements(&rows).collect();
            assert_eq!(parts.concat(), rows, "all rows, in order");
            counts.extend(parts.iter().map(|part| part.len()));
        }
        assert_eq!(counts.len(), 16 + 5, "{counts:?}");
        assert_eq!(counts.last(), Some(&512));
    }
}
