//! Compares pages near the end of a long history and of a long list with first pages: keyset pagination must not
//! slow down with the position.

use std::{cell::RefCell, path::Path};

use rusqlite::Connection;

use crate::{
    call::seconds,
    report::{self, Contender},
    served::{self, EXECUTION, Served},
};

/// Events of the history, and executions of the list.
const LENGTH: i64 = 100_000;
/// Events or executions before the far page.
const FAR: i64 = 99_000;

const CONNECTIONS: usize = 4;
const PAGES: usize = 200;

/// Copies the one execution, each copy started a millisecond after the one before. Rows in `executions` suffice,
/// because lists do not read events.
const COPIES: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
    INSERT INTO executions (flow, name, status, last_event_id, history_bytes, started_at, definition, input)
    SELECT flow, iif(i % 2, 'odd-', 'even-') || i, iif(i % 3, 'Succeeded', 'Failed'), 0, 0, started_at + i,
        definition, '{}'
    FROM executions, n WHERE name = ?2";

const NEWEST: &str = "
    SELECT started_at, id FROM executions ORDER BY started_at DESC, id DESC LIMIT 1 OFFSET ?1";

/// A request for a list or a history, and the `NextToken` of its far page.
struct Case {
    name: String,
    action: &'static str,
    parameters: Vec<(&'static str, String)>,
    far: String,
}

impl Case {
    fn request(&self, far: bool) -> Vec<u8> {
        let parameters = self.parameters.iter();
        let mut parameters: Vec<_> = parameters.map(|(name, value)| (*name, &**value)).collect();
        if far {
            parameters.push(("NextToken", &self.far));
        }
        served::read(self.action, &parameters)
    }
}

/// Returns the cases of GetExecutionHistory: both directions, with and without a filter.
fn histories() -> Vec<Case> {
    let filters = [
        ("", "", 100),
        ("EventTypes", "TaskFailed,TaskSucceeded", 100),
        ("StepName", "step-7", 10),
    ];
    let mut cases = Vec::new();
    for (direction, reverse, far) in [
        ("", "false", FAR + 1),
        (", newest first", "true", LENGTH - FAR),
    ] {
        for (filter, value, limit) in filters {
            let mut parameters = vec![
                ("ExecutionName", EXECUTION.to_owned()),
                ("Reverse", reverse.to_owned()),
                ("Limit", limit.to_string()),
            ];
            let mut name = format!("history{direction}");
            if !filter.is_empty() {
                parameters.push((filter, value.to_owned()));
                name = format!("{name}, `{filter}`, {limit} events");
            }
            let (action, far) = ("GetExecutionHistory", far.to_string());
            cases.push(Case {
                name,
                action,
                parameters,
                far,
            });
        }
    }
    cases
}

/// Returns the cases of ListExecutions, which is always newest first: with and without a filter.
fn lists(file: &Path) -> Vec<Case> {
    let database = Connection::open(file).unwrap();
    database.execute(COPIES, (LENGTH - 1, EXECUTION)).unwrap();
    let position = |nth: i64| {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let position: rusqlite::Result<(i64, i64)> = database.query_row(NEWEST, [nth], row);
        position.unwrap()
    };
    let ((newest, _), (far, far_id), (oldest, _)) =
        (position(0), position(FAR), position(LENGTH - 1));
    let filters = [
        vec![],
        vec![("Status", "Failed".to_owned())],
        vec![
            ("StartedTimeBegin", seconds(oldest)),
            ("StartedTimeEnd", seconds(newest)),
        ],
        vec![("ExecutionNamePrefix", "odd-".to_owned())],
    ];
    let case = |filter: Vec<(&'static str, String)>| {
        let names: String = filter
            .iter()
            .map(|(name, _)| format!(", `{name}`"))
            .collect();
        let mut parameters = filter;
        parameters.push(("Limit", "100".to_owned()));
        Case {
            name: format!("list{names}"),
            action: "ListExecutions",
            parameters,
            far: format!("{far}.{far_id}"),
        }
    };
    filters.map(case).into()
}

pub fn run() {
    let folder = served::folder("positions");
    let server = Served::start(&folder);
    let mut client = server.connect(1);
    served::create_flow(&mut client);
    served::start_execution(&mut client, EXECUTION);
    served::fill(&mut client, EXECUTION, LENGTH);
    server.stop();
    let cases = histories()
        .into_iter()
        .chain(lists(&folder.join("bench.db")));

    let server = Served::start(&folder);
    let client = RefCell::new(server.connect(CONNECTIONS));
    report::head(
        "Pages of 100 after 99,000 others",
        &["page", "first, µs", "far, µs", "far / first"],
    );
    for case in cases {
        let send = |far| {
            let requests: Vec<_> = (0..PAGES).map(|_| case.request(far)).collect();
            (PAGES, client.borrow_mut().send(&requests))
        };
        let rates = report::alternate(&mut [
            Box::new(|| send(false)) as Contender<'_>,
            Box::new(|| send(true)),
        ]);
        report::line(&[
            case.name.clone(),
            format!("{:.0}", rates.micros(0)),
            format!("{:.0}", rates.micros(1)),
            format!("{:.2}", 1. / rates.ratio(1, 0)),
        ]);
    }
}
