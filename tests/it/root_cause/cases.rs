//! Failed histories, and what all views must say of them.

/// A failed history and what is said of it.
pub struct Case {
    pub name: &'static str,
    /// One event per line, 10 ms apart: `Type step <cause {detail}`, all but the type optional. ExecutionStarted is
    /// event 1, so the first line is event 2.
    pub history: &'static str,
    /// The labels of the failing span and those around it, joined by ` › `; empty: the execution itself.
    pub path: &'static str,
    /// `failed`, `was not finished`, `timed out` or `failed after N attempts`.
    pub what: &'static str,
    /// `error: cause`, in the order in which they are shown.
    pub reasons: &'static [&'static str],
    /// The spans that are shown as caught.
    pub caught: &'static [&'static str],
    /// The step that `stats` calls fatal, and how many of its visits failed.
    pub fatal: Option<(&'static str, u64)>,
}

pub const RESERVE_FAILS: &str = r#"
    StepEntered reserve
    StepStarted reserve
    StepFailed reserve {"error":"NoStock","cause":"shelf 7"}
    StepExited reserve
"#;

pub const CASES: &[Case] = &[
    Case {
        name: "caught-then-timeout",
        history: r#"$RESERVE_FAILS
            StepEntered ask
            StepStarted ask
            TaskScheduled ask
            TaskStarted ask
            TaskSubmitted ask
            ExecutionTimedOut {"error":"FlowTimeout","cause":"60 s"}"#,
        path: "ask",
        what: "was not finished",
        reasons: &["FlowTimeout: 60 s"],
        caught: &["reserve"],
        fatal: Some(("ask", 0)),
    },
    Case {
        name: "caught-then-fail-step",
        history: r#"$RESERVE_FAILS
            StepEntered give-up
            StepStarted give-up
            StepFailed give-up {"error":"OrderRejected","cause":"by rule"}
            StepExited give-up
            ExecutionFailed {"error":"OrderRejected","cause":"by rule"}"#,
        path: "give-up",
        what: "failed",
        reasons: &["OrderRejected: by rule"],
        caught: &["reserve"],
        fatal: Some(("give-up", 1)),
    },
    Case {
        name: "fails-by-itself-after-success",
        history: r#"$RESERVE_FAILS
            StepEntered tell
            StepStarted tell
            StepSucceeded tell
            StepExited tell
            ExecutionFailed {"error":"OutputTooLarge","cause":"40 KiB"}"#,
        path: "",
        what: "failed",
        reasons: &["OutputTooLarge: 40 KiB"],
        caught: &["reserve"],
        fatal: None,
    },
    Case {
        name: "caught-without-exit",
        history: r#"StepEntered reserve
            StepStarted reserve
            StepFailed reserve {"error":"NoStock"}
            StepEntered ask
            ExecutionTimedOut {"error":"FlowTimeout"}"#,
        path: "ask",
        what: "was not finished",
        reasons: &["FlowTimeout"],
        caught: &["reserve"],
        fatal: Some(("ask", 0)),
    },
    Case {
        name: "caught-at-an-outer-level",
        history: r#"StepEntered both
            StepStarted both
            BranchEntered both {"branch":0}
            StepEntered pay
            StepStarted pay
            StepFailed pay {"error":"NoMoney"}
            StepExited pay
            BranchExited both {"branch":0}
            StepExited both
            StepEntered refund
            StepStarted refund
            StepFailed refund {"error":"NoAccount"}
            StepExited refund
            ExecutionFailed {"error":"NoAccount"}"#,
        path: "refund",
        what: "failed",
        reasons: &["NoAccount"],
        caught: &["both", "branch 0", "pay"],
        fatal: Some(("refund", 1)),
    },
    Case {
        name: "failure-inside-a-step-that-succeeded",
        history: r#"StepEntered each
            StepStarted each
            IterationEntered each
            StepEntered item
            StepStarted item
            StepFailed item {"error":"Bad"}
            StepExited item
            IterationExited each
            StepSucceeded each
            StepExited each
            ExecutionFailed {"error":"TooMany"}"#,
        path: "",
        what: "failed",
        reasons: &["TooMany"],
        caught: &["iteration 0", "item"],
        fatal: None,
    },
    Case {
        name: "step-says-nothing",
        history: r#"StepEntered pay
            StepStarted pay
            StepFailed pay
            StepExited pay
            ExecutionFailed {"error":"PaymentDeclined","cause":"card expired"}"#,
        path: "pay",
        what: "failed",
        reasons: &["PaymentDeclined: card expired"],
        caught: &[],
        fatal: Some(("pay", 1)),
    },
    Case {
        name: "end-says-nothing",
        history: r#"StepEntered pay
            StepStarted pay
            TaskScheduled pay
            TaskSubmitFailed pay {"errorCode":"FC.ResourceExhausted","errorMessage":"limit 5"}
            StepFailed pay {"error":"","cause":null}
            StepExited pay
            ExecutionFailed {"error":null}"#,
        path: "pay",
        what: "failed",
        reasons: &["FC.ResourceExhausted: limit 5"],
        caught: &[],
        fatal: Some(("pay", 1)),
    },
    Case {
        name: "end-and-step-agree",
        history: r#"StepEntered pay
            StepStarted pay
            StepFailed pay {"Error":"Declined","Cause":"card expired"}
            StepExited pay
            ExecutionFailed {"Error":"Declined","Cause":"step pay failed"}"#,
        path: "pay",
        what: "failed",
        reasons: &["Declined: card expired", "Declined: step pay failed"],
        caught: &[],
        fatal: Some(("pay", 1)),
    },
    Case {
        name: "end-and-step-disagree",
        history: r#"StepEntered pay
            StepStarted pay
            StepFailed pay {"error":"Declined","cause":"card expired"}
            ExecutionTimedOut {"error":"FlowTimeout","cause":"60 s"}"#,
        path: "pay",
        what: "failed",
        reasons: &["FlowTimeout: 60 s", "Declined: card expired"],
        caught: &[],
        fatal: Some(("pay", 1)),
    },
    Case {
        name: "timeout-between-two-attempts",
        history: r#"StepEntered pay
            StepStarted pay
            TaskScheduled pay
            TaskStarted pay
            TaskFailed pay {"error":"FC.Unknown","cause":"503"}
            ExecutionTimedOut {"error":"FlowTimeout"}"#,
        path: "pay",
        what: "was not finished",
        reasons: &["FlowTimeout"],
        caught: &[],
        fatal: Some(("pay", 0)),
    },
    Case {
        name: "task-failed-directly-before-the-end",
        history: r#"StepEntered pay
            StepStarted pay
            TaskScheduled pay
            TaskStarted pay
            TaskFailed pay {"error":"FC.Unknown","cause":"503"}
            ExecutionFailed"#,
        path: "pay",
        what: "failed",
        reasons: &["FC.Unknown: 503"],
        caught: &[],
        fatal: Some(("pay", 1)),
    },
    Case {
        name: "task-timed-out-directly-before-the-end",
        history: r#"StepEntered pay
            StepStarted pay
            TaskScheduled pay
            TaskStarted pay
            TaskTimedOut pay {"error":"FnF.TaskTimeout"}
            ExecutionFailed {}"#,
        path: "pay",
        what: "failed",
        reasons: &["FnF.TaskTimeout"],
        caught: &[],
        fatal: Some(("pay", 1)),
    },
    Case {
        name: "iteration-without-exit-of-its-step",
        history: r#"StepEntered each
            StepStarted each
            IterationEntered each
            StepEntered item
            StepStarted item
            StepFailed item {"error":"Bad","cause":"row 3"}
            IterationExited each
            StepExited each
            ExecutionFailed"#,
        path: "each › iteration 0 › item",
        what: "failed",
        reasons: &["Bad: row 3"],
        caught: &[],
        fatal: Some(("item", 1)),
    },
    Case {
        name: "iteration-that-says-why",
        history: r#"StepEntered each
            StepStarted each
            IterationEntered each
            IterationExited each {"error":"Bad","cause":"row 3"}
            StepFailed each
            StepExited each
            ExecutionFailed {}"#,
        path: "each › iteration 0",
        what: "failed",
        reasons: &["Bad: row 3"],
        caught: &[],
        fatal: Some(("each", 1)),
    },
    Case {
        name: "first-branch-to-fail",
        history: r#"StepEntered both
            StepStarted both
            BranchEntered both <3 {"branch":0}
            BranchEntered both <3 {"branch":1}
            StepEntered a <4
            StepEntered b <5
            StepFailed b <7 {"error":"B"}
            StepFailed a <6 {"error":"A"}
            StepExited a <9
            BranchExited both <10 {"branch":0}
            StepExited b <8
            BranchExited both <12 {"branch":1}
            StepExited both
            ExecutionFailed"#,
        path: "both › branch 1 › b",
        what: "failed",
        reasons: &["B"],
        caught: &[],
        fatal: Some(("b", 1)),
    },
    Case {
        name: "timeout-waits-for-the-open-branch",
        history: r#"StepEntered both
            StepStarted both
            BranchEntered both <3 {"branch":0}
            BranchEntered both <3 {"branch":1}
            StepEntered a <4
            StepEntered b <5
            StepFailed a <6 {"error":"A"}
            StepExited a <8
            BranchExited both <9 {"branch":0}
            ExecutionTimedOut {"error":"FlowTimeout"}"#,
        path: "both › branch 1 › b",
        what: "was not finished",
        reasons: &["FlowTimeout"],
        caught: &[],
        fatal: Some(("b", 0)),
    },
    Case {
        name: "state-machine",
        history: r#"StateEnter reserve
            StateExec reserve
            StateFailed reserve {"error":"NoStock"}
            StateEnter pay
            StateExec pay
            StateFailed pay {"error":"Declined","cause":"card expired"}
            ExecutionFailed {}"#,
        path: "pay",
        what: "failed",
        reasons: &["Declined: card expired"],
        caught: &["reserve"],
        fatal: Some(("pay", 1)),
    },
    Case {
        name: "reason-in-local",
        history: r#"StepEntered pay
            StepStarted pay
            StepFailed pay {"local":{"error":"Declined","cause":"card expired"}}
            StepExited pay
            ExecutionFailed {"error":"","errorCode":"","cause":{}}"#,
        path: "pay",
        what: "failed",
        reasons: &["Declined: card expired"],
        caught: &[],
        fatal: Some(("pay", 1)),
    },
];
