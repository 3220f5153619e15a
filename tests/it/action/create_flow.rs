//! CreateFlow: which fields are stored, and which arguments are refused.

use serde_json::json;

use crate::support::{Call, NOW, Server, backend::Backend, call::seconds, invalid_names};

const DEFINITION: &str = "version: v1\ntype: flow\nsteps:\n  - name: 步骤 *~+/%&=\n\n";

fn create(name: &str) -> Call {
    Call::new("CreateFlow")
        .form("Name", name)
        .form("Definition", DEFINITION)
        .form("Type", "FDL")
}

pub async fn created_flow_is_answered_with_all_parameters(backend: Backend) {
    let server = Server::start_on(backend).await;
    let mut flow = server
        .ok(create("f")
            .form("Description", "two\nlines \"quoted\"\n")
            .form("RoleArn", "acs:ram::1:role/x")
            .form("ExecutionMode", "Express")
            .form(
                "Environment",
                r#"{"Variables":[{"Name":"k","Value":"v","Description":"d"}]}"#,
            )
            .form("ExternalStorageLocation", "/bucket/x")
            .form("ResourceGroupId", "rg-1"))
        .await;
    let taken = flow.as_object_mut().unwrap();
    assert!(taken.remove("RequestId").is_some());
    assert_eq!(taken.remove("Id").unwrap().as_str().unwrap().len(), 36);
    let time = seconds(NOW).replace('Z', ".000Z");
    assert_eq!(
        flow,
        json!({
            "Name": "f", "Definition": DEFINITION, "Description": "two\nlines \"quoted\"\n", "Type": "FDL",
            "RoleArn": "acs:ram::1:role/x", "ExecutionMode": "Express",
            "Environment": {"Variables": [{"Name": "k", "Value": "v", "Description": "d"}]},
            "ExternalStorageLocation": "/bucket/x", "ResourceGroupId": "rg-1",
            "CreatedTime": time, "LastModifiedTime": time,
        })
    );
}

pub async fn unset_fields_are_left_out_and_an_empty_description_is_kept(backend: Backend) {
    let server = Server::start_on(backend).await;
    let flow = server
        .ok(create("f").form("Description", "").form("RoleArn", ""))
        .await;
    assert_eq!(
        (&flow["Description"], &flow["ExecutionMode"]),
        (&json!(""), &json!("Standard"))
    );
    for absent in [
        "RoleArn",
        "Environment",
        "ExternalStorageLocation",
        "ResourceGroupId",
    ] {
        assert_eq!(flow.get(absent), None);
    }
}

pub async fn type_is_kept_as_it_was_sent(backend: Backend) {
    let server = Server::start_on(backend).await;
    for kind in ["FDL", "DEFAULT"] {
        let create = Call::new("CreateFlow")
            .form("Name", kind)
            .form("Definition", "d")
            .form("Type", kind);
        assert_eq!(server.ok(create).await["Type"], kind);
        let describe = Call::new("DescribeFlow").query("Name", kind);
        assert_eq!(server.ok(describe).await["Type"], kind);
    }
    let listed = server.ok(Call::new("ListFlows")).await;
    assert_eq!(
        (&listed["Flows"][0]["Type"], &listed["Flows"][1]["Type"]),
        (&json!("DEFAULT"), &json!("FDL"))
    );
}

pub async fn creating_a_flow_of_an_existing_name_is_refused(backend: Backend) {
    let server = Server::start_on(backend).await;
    server.ok(create("f")).await;
    assert_eq!(
        server.refused(create("f")).await,
        (
            409,
            "FlowAlreadyExists".to_owned(),
            "Flow 'f' already exists.".to_owned()
        )
    );
    server.ok(create("F")).await;
}

pub async fn invalid_arguments_are_refused_by_name_and_nothing_is_written(backend: Backend) {
    let server = Server::start_on(backend).await;
    let call = |kind: &str| {
        Call::new("CreateFlow")
            .form("Name", "f")
            .form("Definition", "d")
            .form("Type", kind)
    };
    for (parameter, call) in [
        ("Type", call("fdl")),
        ("Type", call("Default")),
        ("Type", call("FDL,DEFAULT")),
        ("ExecutionMode", call("FDL").form("ExecutionMode", "Fast")),
        ("Environment", call("FDL").form("Environment", "[]")),
        (
            "Environment",
            call("FDL").form("Environment", "{\"a\":1,\"a\":2}"),
        ),
        ("Description", call("FDL").form("Description", "\0")),
        (
            "Definition",
            Call::new("CreateFlow")
                .form("Name", "f")
                .form("Definition", "a\0b")
                .form("Type", "FDL"),
        ),
    ] {
        let (status, code, message) = server.refused(call).await;
        assert_eq!(
            (status, code.as_str()),
            (400, "InvalidArgument"),
            "{parameter}"
        );
        assert!(
            message.starts_with(&format!("Parameter error. {parameter} must ")),
            "{message}"
        );
    }
    for name in invalid_names() {
        assert_eq!(
            server.refused(create(&name)).await.1,
            "InvalidArgument",
            "{name:?}"
        );
    }
    assert_eq!(
        server
            .refused(Call::new("DescribeFlow").query("Name", "f"))
            .await
            .1,
        "FlowNotExists"
    );
}

pub async fn missing_parameter_is_named(backend: Backend) {
    let server = Server::start_on(backend).await;
    for missing in ["Name", "Definition", "Type"] {
        let mut call = create("f");
        call.form.retain(|(name, _)| name != missing);
        let message = format!("The HTTP query '{missing}' must be specified.");
        assert_eq!(
            server.refused(call).await,
            (400, "MissingRequiredParams".to_owned(), message)
        );
    }
}
