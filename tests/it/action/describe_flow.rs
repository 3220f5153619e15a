//! DescribeFlow: the fields of a flow.

use crate::support::{Call, Server, backend::Backend};

pub async fn describe_flow_answers_what_create_flow_answered(backend: Backend) {
    let server = Server::start_on(backend).await;
    let create = Call::new("CreateFlow")
        .form("Name", "f")
        .form("Definition", "定义\n\n")
        .form("Type", "FDL");
    let mut created = server.ok(create.form("RoleArn", "acs:ram::1:role/x")).await;
    let mut described = server
        .ok(Call::new("DescribeFlow").query("Name", "f"))
        .await;
    for flow in [&mut created, &mut described] {
        flow.as_object_mut().unwrap().remove("RequestId");
    }
    assert_eq!(created, described);
}

pub async fn missing_flow_is_404_and_named(backend: Backend) {
    let server = Server::start_on(backend).await;
    assert_eq!(
        server
            .refused(Call::new("DescribeFlow").query("Name", "f"))
            .await,
        (
            404,
            "FlowNotExists".to_owned(),
            "Flow 'f' does not exist.".to_owned()
        )
    );
}

pub async fn version_of_a_flow_is_refused(backend: Backend) {
    let server = Server::with_execution_on(backend).await;
    let describe = || Call::new("DescribeFlow").query("Name", "f");
    server.ok(describe().query("FlowVersion", "")).await;
    let (status, code, message) = server.refused(describe().query("FlowVersion", "1")).await;
    assert_eq!((status, code.as_str()), (400, "InvalidArgument"));
    assert!(
        message.contains("FlowVersion must be empty, because flows have no versions here"),
        "{message}"
    );
}

pub async fn invalid_and_missing_name_are_refused(backend: Backend) {
    let server = Server::start_on(backend).await;
    assert_eq!(
        server
            .refused(Call::new("DescribeFlow").query("Name", "1f"))
            .await
            .1,
        "InvalidArgument"
    );
    assert_eq!(
        server.refused(Call::new("DescribeFlow")).await.1,
        "MissingRequiredParams"
    );
}
