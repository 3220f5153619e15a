//! Empty values: most count as absent, a few clear a field, and one client does not sign them.

use super::{create_flow, file, history, sorted};
use crate::support::{Call, Server};

/// The request of `call` with `more` added to its query after signing.
fn with_query(call: &Call, more: &str) -> Vec<u8> {
    let request = String::from_utf8(call.bytes()).unwrap();
    request
        .replacen("/?", &format!("/?{more}&"), 1)
        .into_bytes()
}

#[test]
fn unsigned_empty_values_of_the_current_java_client_count_as_absent() {
    let recorded = file("java-tea-fnf-2.0.1__history_reserved");
    assert!(recorded.request.target.contains("&NextToken=&"));
    let accepted = recorded.replay(&recorded.request).unwrap();
    let mut expected = recorded.expected.query.clone();
    expected.retain(|(name, _)| name != "NextToken");
    assert_eq!(accepted.params, sorted(expected));
}

#[tokio::test]
async fn added_unsigned_empty_value_changes_nothing() {
    let server = Server::with_execution().await;
    let plain = server.ok(history()).await;
    let answer = server
        .send(&with_query(&history(), "NextToken=&Limit=&Qualifier"))
        .await;
    assert_eq!(answer.json["Events"], plain["Events"], "{}", answer.text);

    let request = with_query(
        &create_flow().form("RoleArn", "acs:ram::1:role/r"),
        "Description=&Environment=",
    );
    let created = server.send(&request).await;
    assert_eq!(
        created.json["RoleArn"], "acs:ram::1:role/r",
        "{}",
        created.text
    );
}

#[tokio::test]
async fn empty_value_clears_a_field_only_if_it_was_signed() {
    let server = Server::start().await;
    let described = create_flow()
        .form("Description", "mine")
        .form("RoleArn", "acs:ram::1:role/r");
    server.ok(described).await;
    let update = || {
        Call::new("UpdateFlow")
            .form("Name", "new")
            .form("Type", "FDL")
    };
    let in_query = with_query(&update(), "Description=&RoleArn=");
    let in_body = String::from_utf8(update().bytes()).unwrap();
    let length = "Name=new&Type=FDL".len();
    let in_body = in_body.replace(
        &format!("Content-Length: {length}"),
        &format!(
            "Content-Length: {}",
            length + "&Description=&RoleArn=".len()
        ),
    ) + "&Description=&RoleArn=";
    for request in [in_query, in_body.into_bytes()] {
        let answer = server.send(&request).await;
        assert_eq!(answer.json["Description"], "mine", "{}", answer.text);
        assert_eq!(
            answer.json["RoleArn"], "acs:ram::1:role/r",
            "{}",
            answer.text
        );
    }
    for call in [update(), update().acs3()] {
        let cleared = call.form("Description", "").form("RoleArn", "");
        let flow = server.ok(cleared).await;
        assert_eq!(
            (flow["Description"].as_str(), flow.get("RoleArn")),
            (Some(""), None)
        );
    }
}

#[tokio::test]
async fn empty_value_cannot_replace_or_duplicate_a_signed_one() {
    let server = Server::with_execution().await;
    let call = history().query("Limit", "1");
    let request = String::from_utf8(call.bytes()).unwrap();
    let emptied = request.replacen("Limit=1", "Limit=", 1);
    assert_eq!(
        server.send(emptied.as_bytes()).await.refusal().1,
        "SignatureNotMatch"
    );
    let doubled = server.send(&with_query(&call, "Limit=")).await;
    assert_eq!(doubled.refusal().1, "InvalidArgument");
}

#[tokio::test]
async fn removing_a_signed_empty_value_is_refused() {
    let server = Server::with_execution().await;
    let call = history().query("NextToken", "");
    server.ok(call.clone().nonce("signed-empty")).await;
    let mixed = server.send(&with_query(&call, "Limit=")).await;
    assert_eq!(mixed.refusal().1, "SignatureNotMatch");
}

#[tokio::test]
async fn empty_common_parameter_is_always_signed() {
    let server = Server::with_execution().await;
    for name in ["SignatureType", "SecurityToken", "BearerToken", "RegionId"] {
        let answer = server
            .send(&with_query(&history(), &format!("{name}=")))
            .await;
        assert_eq!(answer.refusal().1, "SignatureNotMatch", "{name}");
    }
    for name in [
        "Action",
        "Version",
        "Format",
        "Timestamp",
        "SignatureNonce",
        "SignatureMethod",
        "SignatureVersion",
        "AccessKeyId",
    ] {
        let request = String::from_utf8(history().bytes()).unwrap();
        let (before, after) = request.split_once(&format!("&{name}=")).unwrap();
        let (_, after) = after.split_once('&').unwrap();
        let emptied = format!("{before}&{name}=&{after}");
        let code = server.send(emptied.as_bytes()).await.refusal().1;
        assert!(
            ["SignatureNotMatch", "MissingRequiredParams"].contains(&code.as_str()),
            "{name}: {code}"
        );
    }
}

#[tokio::test]
async fn empty_value_counts_as_absent() {
    let server = Server::with_execution().await;
    let plain = server.ok(history()).await;
    for call in [history(), history().acs3()] {
        let call = call.query("NextToken", "").query("Limit", "");
        assert_eq!(server.ok(call).await["Events"], plain["Events"]);
    }
    for (name, other) in [("FlowName", "ExecutionName"), ("ExecutionName", "FlowName")] {
        let call = Call::new("GetExecutionHistory")
            .query(name, "")
            .query(other, "f");
        let (_, code, message) = server.refused(call).await;
        assert_eq!(code, "MissingRequiredParams");
        assert!(message.contains(name), "{message}");
    }
}

#[tokio::test]
async fn created_flow_keeps_an_empty_description_and_drops_an_empty_role() {
    let server = Server::start().await;
    let call = create_flow()
        .form("Description", "")
        .form("RoleArn", "")
        .form("ExecutionMode", "");
    let created = server.ok(call).await;
    assert_eq!(created["Description"], "");
    assert_eq!(created["ExecutionMode"], "Standard");
    assert_eq!(created.get("RoleArn"), None);
}
