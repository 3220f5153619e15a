//! ListFlows: sorted by name, in pages, only flows that the key sees.

use serde_json::{Value, json};

use crate::support::{Call, Server, backend::Backend};

async fn with_flows(backend: Backend, names: &[&str]) -> Server {
    let server = Server::start_on(backend).await;
    for name in names {
        let create = Call::new("CreateFlow")
            .form("Name", name)
            .form("Definition", "d")
            .form("Type", "FDL");
        let group = if name.len() > 1 { "long" } else { "" };
        server.ok(create.form("ResourceGroupId", group)).await;
    }
    server
}

fn names(page: &Value) -> Vec<&str> {
    page["Flows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flow| flow["Name"].as_str().unwrap())
        .collect()
}

pub async fn list_of_no_flows_is_empty(backend: Backend) {
    let page = Server::start_on(backend)
        .await
        .ok(Call::new("ListFlows"))
        .await;
    assert_eq!((&page["Flows"], page.get("NextToken")), (&json!([]), None));
}

pub async fn flows_are_listed_by_name_in_pages_in_the_form_of_describe_flow(backend: Backend) {
    let server = with_flows(backend, &["c", "a", "_b", "B", "d"]).await;
    let mut call = Call::new("ListFlows").query("Limit", "2");
    let mut pages = Vec::new();
    loop {
        let page = server.ok(call).await;
        pages.push(names(&page).join(" "));
        let Some(token) = page.get("NextToken") else {
            break;
        };
        call = Call::new("ListFlows")
            .query("Limit", "2")
            .query("NextToken", token.as_str().unwrap());
    }
    assert_eq!(pages, ["B _b", "a c", "d"]);
    let mut one = server
        .ok(Call::new("DescribeFlow").query("Name", "B"))
        .await;
    one.as_object_mut().unwrap().remove("RequestId");
    assert_eq!(server.ok(Call::new("ListFlows")).await["Flows"][0], one);
}

pub async fn list_holds_only_flows_that_the_key_sees(backend: Backend) {
    let server = with_flows(
        backend,
        &["exact", "exact-not", "other", "reader-a", "reader-b", "z"],
    )
    .await;
    let list = || Call::new("ListFlows").key("narrow", "narrow-secret");
    assert_eq!(
        names(&server.ok(list()).await),
        ["exact", "reader-a", "reader-b"]
    );
    let page = server.ok(list().query("Limit", "2")).await;
    assert_eq!(
        (names(&page), &page["NextToken"]),
        (vec!["exact", "reader-a"], &json!("reader-b"))
    );
}

pub async fn flows_are_filtered_by_resource_group(backend: Backend) {
    let server = with_flows(backend, &["a", "bb", "cc"]).await;
    assert_eq!(
        names(
            &server
                .ok(Call::new("ListFlows").query("ResourceGroupId", "long"))
                .await
        ),
        ["bb", "cc"]
    );
}

pub async fn invalid_limits_and_tokens_are_refused(backend: Backend) {
    let server = Server::start_on(backend).await;
    for limit in ["0", "1001", "x"] {
        let (status, code, message) = server
            .refused(Call::new("ListFlows").query("Limit", limit))
            .await;
        assert_eq!((status, code.as_str()), (400, "InvalidArgument"));
        assert_eq!(
            message,
            "Parameter error. Limit must be an integer from 1 to 1000."
        );
    }
    server
        .ok(Call::new("ListFlows").query("Limit", "1000"))
        .await;
    assert_eq!(
        server
            .refused(Call::new("ListFlows").query("NextToken", "a b"))
            .await
            .1,
        "InvalidArgument"
    );
}
