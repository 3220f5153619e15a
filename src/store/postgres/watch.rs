//! Wakes long polls and live pages for appends of other processes: the executions that have subscriptions are polled by
//! key, all in one statement, at a bounded rate.

use std::{collections::HashMap, time::Duration};

use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::{
    fault::Fault,
    keys::{self, FlowKeys},
};
use crate::store::notify::Notifier;

/// Pause between two polls. The longest time by which a notification of another process is late, about.
pub(super) const POLL_PAUSE: Duration = Duration::from_millis(250);
/// Executions that one statement polls. Bounds its time to some milliseconds.
const POLL_MAX_EXECUTIONS: usize = 250;

/// The status and the last EventId of executions, and whether their flow is not deleted.
const POLL: &str = "
    SELECT x.execution, x.status = 'Running' AND d.flow IS NULL,
        (SELECT max(e.event_id) FROM events e WHERE e.flow = x.flow AND e.execution = x.execution)
    FROM executions x LEFT JOIN deleted_flows d ON d.flow = x.flow
    WHERE x.flow = ANY($1) AND x.execution = ANY($2)";

/// Polls every execution that has subscriptions once.
pub(super) async fn poll(
    pool: &PgPool,
    notifier: &Notifier,
    flows: &FlowKeys,
) -> Result<(), Fault> {
    let subscribed = notifier.subscribed();
    for some in subscribed.chunks(POLL_MAX_EXECUTIONS) {
        let keyed = some.iter().map(|(flow, execution)| {
            let key = flows.get(flow);
            (keys::execution(key, execution), (key, flow, execution))
        });
        // A subscriber reads first, which finds the key of its flow.
        let known = keyed.filter(|(_, (flow, _, _))| !flow.is_nil());
        let mut known: HashMap<Uuid, _> = known.collect();
        let mut of_flows: Vec<_> = known.values().map(|(flow, _, _)| *flow).collect();
        of_flows.sort();
        of_flows.dedup();
        let executions: Vec<_> = known.keys().copied().collect();
        if executions.is_empty() {
            continue;
        }
        let rows = sqlx::query(POLL)
            .bind(of_flows)
            .bind(executions)
            .fetch_all(pool)
            .await?;
        for row in &rows {
            if let Some((_, flow, execution)) = known.remove(&row.try_get(0)?) {
                let last_event_id = row.try_get::<Option<i64>, _>(2)?.unwrap_or(0);
                notifier.observe(flow, execution, last_event_id, !row.try_get::<bool, _>(1)?);
            }
        }
        for (_, flow, execution) in known.into_values() {
            notifier.notify(flow, execution, true); // its flow was deleted and purged
        }
    }
    Ok(())
}
