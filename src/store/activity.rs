//! When flows last started and last failed, for every backend: keyset pagination on the time and the name, or on the
//! name alone.

use std::collections::BTreeMap;

use super::{
    Error, FlowActivity, FlowOrder, FlowPosition, ListFlowActivity, Listed, Visible, scans::Scans,
};

/// Flows of one slice: some milliseconds of one core.
const SLICE: usize = 250;

/// Lists flows with their activity. By name it reads until the page is full. By time it reads all flows, in slices, and
/// keeps those that belong to the page: no index has the newest time of each flow. `read` returns up to so many flows
/// from a name on.
pub(super) async fn list_flow_activity<R, E: From<Error>>(
    scans: &Scans,
    list: &ListFlowActivity,
    visible: Visible<'_>,
    read: impl Fn(String, usize) -> R,
) -> Result<Listed<FlowActivity, FlowPosition>, E>
where
    R: Future<Output = Result<Vec<FlowActivity>, E>>,
{
    let _scan = scans.begin().await?;
    let by_name = list.order == FlowOrder::Name;
    let first = list.from.as_ref().filter(|_| by_name);
    let mut from = first.map_or(String::new(), |first| first.name.to_string());
    // The page in its order, and the flow with which the next page begins.
    let mut page = BTreeMap::new();
    loop {
        let mut flows = {
            let _slice = scans.slice().await;
            read(from, SLICE + 1).await?
        };
        // The one beyond the slice, which tells whether there is more.
        let beyond = if flows.len() > SLICE {
            flows.pop()
        } else {
            None
        };
        for flow in flows {
            let position = flow.position(list.order);
            let is_before = list.from.as_ref().is_some_and(|from| position < *from);
            if is_before || !visible(&flow.name) {
                continue;
            }
            page.insert(position, flow);
            if page.len() > list.limit + 1 {
                page.pop_last();
            }
        }
        match beyond {
            Some(flow) if !by_name || page.len() <= list.limit => from = flow.name.to_string(),
            _ => break,
        }
    }
    let next = match page.len() > list.limit {
        true => page.pop_last().map(|(position, _)| position),
        false => None,
    };
    Ok(Listed {
        items: page.into_values().collect(),
        next,
    })
}
