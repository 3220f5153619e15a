//! `ReportTaskSucceeded` and `ReportTaskFailed` of the store.

use sqlx::Row;

use super::{
    fault::Fault,
    write::{Command, Transaction},
};
use crate::{
    model::{Name, Status},
    store::{
        Error, Refusal, ReportTask,
        checksum::{self, EventKey},
        notify::Notifier,
    },
};

impl Command for ReportTask {
    type Answer = i64;

    async fn perform(
        &self,
        transaction: &mut Transaction<'_>,
    ) -> Result<Result<i64, Refusal>, Fault> {
        let place = match transaction.find(&self.flow, &self.execution).await? {
            Ok(place) => place,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let row = sqlx::query(
            "SELECT e.json, e.checksum, t.event_id IS NOT NULL \
             FROM events e LEFT JOIN ended_tasks t ON t.flow = $1 AND t.execution = $2 AND t.event_id = $3 \
             WHERE e.flow = $1 AND e.execution = $2 AND e.event_id = $3",
        )
        .bind(place.flow)
        .bind(place.execution)
        .bind(self.submitted)
        .fetch_optional(&mut *transaction.connection)
        .await?;
        let (Some(row), Some(history)) = (row, &place.history) else {
            return Ok(Err(Refusal::FlowNotExists));
        };
        if place.flow_id != self.flow_id {
            return Ok(Err(Refusal::FlowNotExists));
        }
        let json: &str = row.try_get(0)?;
        let key = EventKey::hashed(place.flow, place.execution, self.submitted);
        if !checksum::matches(key, json.as_bytes(), row.try_get(1)?) {
            return Err(Error::damaged("submitted task").into());
        }
        if row.try_get(2)? || history.status != Status::Running {
            return Ok(Err(Refusal::TaskAlreadyCompleted(self.submitted)));
        }
        let event = self.event(json)?;
        let appended = transaction.append_one(&place, event, self.at).await?;
        Ok(appended.map(|appended| appended.first))
    }

    fn execution(&self) -> Option<(&Name, &Name)> {
        Some((&self.flow, &self.execution))
    }

    fn notify(&self, notifier: &Notifier, event_id: &i64) {
        notifier.appended(&self.flow, &self.execution, *event_id, false);
    }
}
