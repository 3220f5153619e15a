"""What the Python drivers check; how each SDK is called stands in the driver itself.

A driver runs `main` with `run` and a function connect(key_id, secret). What that returns has one method for each
action used here, taking and answering the names of the API, and raises ApiError for an error answer.
"""

import json
import os
import re
import secrets
import sys
import threading
import time


class ApiError(Exception):
    """An error answer, with what the SDK shows of it."""

    def __init__(self, code, status, message):
        super().__init__(f"{status} {code}: {message}")
        self.code, self.status, self.message = code, status, message


# --- checking ---------------------------------------------------------------------------------

checks = 0


def main(*parts):
    """Runs the parts. Any error answer that no check asked for ends them, too."""
    try:
        for part in parts:
            part()
    except ApiError as error:
        fail(f"a call after check {checks}", "a success", error)
    print(f"ok: {checks} checks")


def passed(what):
    global checks
    checks += 1
    print(what, flush=True)


def fail(what, expected, got):
    sys.exit(f"FAILED {what}\n  expected {expected}\n  got      {got}")


def check(what, got, expected):
    if got != expected or type(got) is not type(expected):
        if isinstance(got, str) and isinstance(expected, str):
            # Long texts: from shortly before the first difference.
            at = max(0, len(os.path.commonprefix([got, expected])) - 100)
            what += f", from character {at}"
            got, expected = got[at:], expected[at:]
        fail(what, repr(expected)[:500], repr(got)[:500])
    passed(what)


def check_form(what, got, pattern):
    if not isinstance(got, str) or not re.fullmatch(pattern, got):
        fail(what, pattern, repr(got))
    passed(what)


def check_error(what, code, status, message, action, *arguments, **named):
    """The call must fail with this code and HTTP status, and a message that contains `message`."""
    expected = f"{status} {code}: …{message}…"
    try:
        answer = action(*arguments, **named)
    except ApiError as error:
        if (error.code, error.status) != (code, status) or message not in error.message:
            fail(what, expected, error)
    else:
        fail(what, expected, answer)
    passed(f"{what}: {code}")


# --- what is sent -----------------------------------------------------------------------------

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"

AWKWARD = [
    "plain",
    "步骤 一, Übergröße, नमस्ते, שלום",
    "emoji 🚀 👩‍👩‍👧‍👦",
    "\"double\" 'single' `back`",
    "backslashes \\ \\\\ \\n \\u0041 C:\\new\\table\\",
    "</script><script>alert(1)</script><!-- ]]>",
    "nul \0 inside",
    "line separators \u2028 \u2029 \u0085",
    "controls " + "".join(map(chr, range(1, 32))) + "\x7f",
    "%2B+ &=?#/%00%u0041;",
    "\r\nlines\r\rand\ttabs\n",
    " blanks around ",
    "'; DROP TABLE events; --",
    "\ufeffbyte order mark, \uffff, \U0010ffff",
    "{not json",
]

DEFINITION = (
    "version: v1\ntype: flow\n# 流程 “awkward” 🚀 %2B+ &=\\n\n"
    "steps:\n  - type: pass\n    name: 步骤\t\r\n\n"
)
DESCRIPTION = " Überblick: 概述\nsecond line, \"quoted\", %41 + 🚀 "
INPUT = '{ "订单": "№ 7 + 3 & %2B=\\n", "amount": 1.50, "big": 12345678901234567890, "b": [ ], "a": null }'
OUTPUT = '{"总数":2500,  "text":"done </script> \\u0041 \\"🚀\\"", "exact": 1.50, "nested": {"b":1, "a":[]}}'

# Every documented type that neither starts nor ends an execution, and a newer one.
TYPES = [
    "StepEntered", "StepStarted", "StepSucceeded", "StepFailed", "StepExited",
    "BranchEntered", "BranchExited", "IterationEntered", "IterationExited",
    "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSubmitFailed",
    "TaskSucceeded", "TaskFailed", "TaskTimedOut", "StateEnter",
]

# A Time as sent, and as answered: in UTC, cut (not rounded) to three digits.
TIMES = [
    ("2026-03-01T08:00:00.123456+08:00", "2026-03-01T00:00:00.123Z"),
    ("2026-02-28T20:29:59.999999999-03:30", "2026-02-28T23:59:59.999Z"),
    ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000Z"),
    ("2026-03-01T00:00:00.5+00:00", "2026-03-01T00:00:00.500Z"),
]

LAST = 2500
DETAIL_MAX = 65536
NAME_MAX = 256
LARGE_DETAILS = {
    1200: "a" * DETAIL_MAX,
    1201: '{"text":"' + "b" * (DETAIL_MAX - 11) + '"}',
    1777: "\\" * DETAIL_MAX,
    2200: "c" * DETAIL_MAX,
    2201: "步" * (DETAIL_MAX // 3) + "d",  # the limit counts bytes of UTF-8
}
LONG_NAMES = {700: "n" * NAME_MAX, 701: "🚀" * NAME_MAX}  # that limit counts characters


def event_to_send(number):
    """Event `number` as it is sent: any field but Type is there in some events and not in others."""
    if number == LAST:
        return {"Type": "ExecutionSucceeded", "EventDetail": '{"output":' + OUTPUT + "}"}
    event = {"Type": TYPES[number % len(TYPES)]}
    text = AWKWARD[number // 4 % len(AWKWARD)]
    if number % 5 != 0:
        event["StepName"] = LONG_NAMES.get(number, AWKWARD[number % len(AWKWARD)])
    if number in LARGE_DETAILS:
        event["EventDetail"] = LARGE_DETAILS[number]
    elif number % 4 == 1:
        event["EventDetail"] = json.dumps({"n": number, "text": text}, ensure_ascii=False)
    elif number % 4 == 2:
        event["EventDetail"] = text
    if number % 3 == 0:
        event["ScheduleEventId"] = number // 2
    elif number % 9 == 1:
        event["ScheduleEventId"] = 0
    if number % 2 == 0:
        event["Time"] = TIMES[number // 2 % len(TIMES)][0]
    if number % 7 == 0:
        event["EventId"] = number
    return event


def event_to_get(number):
    """The same event as it must be answered. Time None: the server's own."""
    if number == 1:
        return {
            "EventId": 1, "Type": "ExecutionStarted", "ScheduleEventId": 0, "StepName": "",
            "EventDetail": '{"input":' + INPUT + "}", "Time": None,
        }
    event = event_to_send(number)
    event["EventId"] = number
    event["Time"] = dict(TIMES).get(event.get("Time"))
    event.setdefault("ScheduleEventId", number - 1)
    event.setdefault("StepName", "")
    event.setdefault("EventDetail", "{}")
    return event


# --- the scenario -----------------------------------------------------------------------------


def run(connect):
    admin = connect(os.environ["FLOWLEDGER_ACCESS_KEY_ID"], os.environ["FLOWLEDGER_ACCESS_KEY_SECRET"])
    reader = connect(os.environ["FLOWLEDGER_READER_KEY_ID"], os.environ["FLOWLEDGER_READER_KEY_SECRET"])
    flow = "conformance-" + secrets.token_hex(8)
    flows(admin, flow)
    started = starting(admin, flow)
    appending(admin, flow)
    ended = ending(admin, flow)
    paging(admin, flow, started, ended)
    other_ends(admin, flow)
    arguments(admin, flow)
    keys(connect, admin, reader, flow)
    updating(admin)
    listing_executions(admin)
    listing_flows(admin, reader, flow)
    stopping(admin, flow)
    waiting(connect, admin, flow)
    tasks(admin, flow)
    deleting(admin, reader)


def flows(client, flow):
    created = client.create_flow(flow, DEFINITION, DESCRIPTION, "acs:ram::1234:role/conformance")
    described = client.describe_flow(flow)
    check("DescribeFlow Name", described["Name"], flow)
    check("DescribeFlow Definition", described["Definition"], DEFINITION)
    check("DescribeFlow Description", described["Description"], DESCRIPTION)
    check("DescribeFlow Type", described["Type"], "FDL")
    check("DescribeFlow RoleArn", described["RoleArn"], "acs:ram::1234:role/conformance")
    check_form("DescribeFlow Id", described["Id"], r"[0-9a-f-]{36}")
    check_form("DescribeFlow CreatedTime", described["CreatedTime"], TIME)
    check_form("DescribeFlow LastModifiedTime", described["LastModifiedTime"], TIME)
    request_ids = created.pop("RequestId"), described.pop("RequestId")
    check_form("DescribeFlow RequestId", request_ids[1], r"[0-9A-F-]{36}")
    check("every answer has its own RequestId", len(set(request_ids)), 2)
    check("CreateFlow answers the flow", created, described)
    check_error(
        "CreateFlow again", "FlowAlreadyExists", 409, f"Flow '{flow}' already exists.",
        client.create_flow, flow, DEFINITION, DESCRIPTION,
    )


def starting(client, flow):
    client.start_execution(flow, "main", INPUT)
    execution = client.describe_execution(flow, "main")
    check("DescribeExecution FlowName", execution["FlowName"], flow)
    check("DescribeExecution Name", execution["Name"], "main")
    check("DescribeExecution Status", execution["Status"], "Running")
    check("DescribeExecution Input", execution["Input"], INPUT)
    check("DescribeExecution FlowDefinition", execution["FlowDefinition"], DEFINITION)
    check_form("DescribeExecution StartedTime", execution["StartedTime"], TIME)
    again = client.start_execution(flow, "main", "{}")
    check("StartExecution while it runs: StartedTime", again["StartedTime"], execution["StartedTime"])
    check("StartExecution while it runs: Input", again["Input"], INPUT)
    check("StartExecution while it runs: Status", again["Status"], "Running")
    page = client.get_execution_history(flow, "main")
    check("the history begins with one event", len(page["Events"]), 1)
    check("the only page has no NextToken", "NextToken" in page, False)
    return execution["StartedTime"]


def appending(client, flow):
    def append(first, events, expected=None):
        answer = client.append_execution_events(flow, "main", json.dumps(events), expected)
        ids = answer["FirstEventId"], answer["LastEventId"]
        check(f"append {len(events)} events", ids, (first, first + len(events) - 1))

    def batch(first, last):
        return [event_to_send(number) for number in range(first, last + 1)]

    def conflict(what, events, expected):
        check_error(
            what, "ConcurrentUpdateError", 409, "", client.append_execution_events,
            flow, "main", json.dumps(events), expected,
        )

    append(2, batch(2, 1001), expected=2)  # 1000 events, as many as a batch may hold
    append(2, batch(2, 1001), expected=2)  # a repeat answers the same ids and writes nothing
    append(2, batch(2, 3), expected=2)  # so does a part of it
    changed = batch(2, 1001)
    changed[500]["EventDetail"] = "changed"
    conflict("the same ids with another detail", changed, 2)
    conflict("a batch half over the end", batch(1000, 1003), 1000)
    conflict("a batch that leaves a gap", batch(1003, 1003), 1003)
    append(1002, batch(1002, 1002))  # ExpectedEventId may be left out
    append(1003, batch(1003, 1600), expected=1003)
    append(1601, batch(1601, 2100), expected=1601)
    append(2101, batch(2101, LAST), expected=2101)
    append(2101, batch(2101, LAST), expected=2101)  # a repeat is answered after the end, too
    check_error(
        "append after the end", "ExecutionAlreadyCompleted", 400,
        f"Execution 'main' for flow '{flow}' has already completed.",
        client.append_execution_events, flow, "main", '[{"Type":"StepEntered"}]', LAST + 1,
    )


def ending(client, flow):
    execution = client.describe_execution(flow, "main")
    check("ended: Status", execution["Status"], "Succeeded")
    check("ended: Output", execution["Output"], OUTPUT)
    check("ended: Input", execution["Input"], INPUT)
    check_form("ended: StoppedTime", execution["StoppedTime"], TIME)
    check_error(
        "start again after the end", "ExecutionAlreadyExists", 400,
        f"Execution 'main' for flow '{flow}' already exists.",
        client.start_execution, flow, "main", INPUT,
    )
    return execution["StoppedTime"]


def paging(client, flow, started, ended):
    for limit in [None, 1000, 999, 60, 7, 1]:
        events, sizes, token = [], [], None
        while True:
            page = client.get_execution_history(flow, "main", limit, token)
            events += page["Events"]
            sizes.append(len(page["Events"]))
            if "NextToken" not in page:
                break
            token = page["NextToken"]
            if token != str(len(events) + 1):
                fail(f"NextToken, Limit {limit}", repr(str(len(events) + 1)), repr(token))
        size = limit or 60
        check(f"number of pages, Limit {limit}", len(sizes), -(-LAST // size))
        check(f"events on a page, Limit {limit}", set(sizes[:-1]), {size})
        check(f"events on the last page, Limit {limit}", sizes[-1], LAST % size or size)
        check_events(f"all {LAST} events, Limit {limit}", events, started, ended)

    page = client.get_execution_history(flow, "main", 3, "")
    check("an empty NextToken is none", [event["EventId"] for event in page["Events"]], [1, 2, 3])
    for token in [str(LAST + 1), str(2**63 - 1)]:
        page = client.get_execution_history(flow, "main", None, token)
        check(f"beyond the end, NextToken {token}: Events", page["Events"], [])
        check(f"beyond the end, NextToken {token}: NextToken", "NextToken" in page, False)


def check_events(what, events, started, ended):
    for number, event in enumerate(events, start=1):
        expected = event_to_get(number)
        if expected["Time"] is None:  # the server's own: it lies within the execution
            if not re.fullmatch(TIME, event["Time"]) or not started <= event["Time"] <= ended:
                fail(f"{what}: Time of event {number}", f"{started} to {ended}", event["Time"])
            expected["Time"] = event["Time"]
        if event != expected:
            for field in sorted(expected.keys() | event.keys()):
                check(f"{what}: {field} of event {number}", event.get(field), expected.get(field))
    check(what, len(events), LAST)
    check(f"{what}: the first at StartedTime", events[0]["Time"], started)
    check(f"{what}: the last at StoppedTime", events[-1]["Time"], ended)


def other_ends(client, flow):
    client.start_execution(flow, "refused")
    check_refused_events(client, flow)
    check("refused batches left nothing", len(client.get_execution_history(flow, "refused")["Events"]), 1)
    check("refused batches ended nothing", client.describe_execution(flow, "refused")["Status"], "Running")

    for status in ["Failed", "Stopped", "TimedOut"]:
        client.start_execution(flow, status)
        end = [{"Type": "Execution" + status, "EventDetail": '{"error":"E","cause":"步骤"}'}]
        appended = client.append_execution_events(flow, status, json.dumps(end), 2)
        check(f"{status}: LastEventId", appended["LastEventId"], 2)
        check(f"{status}: Status", client.describe_execution(flow, status)["Status"], status)
        check_form(f"{status}: StoppedTime", client.describe_execution(flow, status)["StoppedTime"], TIME)
        check_error(
            f"{status}: append after the end", "ExecutionAlreadyCompleted", 400, f"'{status}'",
            client.append_execution_events, flow, status, '[{"Type":"StepEntered"}]',
        )


def check_refused_events(client, flow):
    good = {"Type": "StepEntered", "StepName": "good"}
    for what, message, events in [
        ("no event", "Events", []),
        ("1001 events", "Events", [good] * 1001),
        ("an event without Type", "Type", [good, {"StepName": "x"}]),
        ("an unknown field", "Colour", [good, {"Type": "StepEntered", "Colour": "red"}]),
        ("a Type that is no word", "Type", [good, {"Type": "Step Entered"}]),
        ("a Type of 65 letters", "Type", [good, {"Type": "T" * 65}]),
        ("a detail that is no string", "Events[1]", [good, {"Type": "StepEntered", "EventDetail": {}}]),
        ("a detail over 64 KiB", "EventDetail", [good, {"Type": "StepEntered", "EventDetail": "a" * 65537}]),
        ("a StepName over 256", "StepName", [good, {"Type": "StepEntered", "StepName": "步" * 257}]),
        ("a Time that is none", "Time", [good, {"Type": "StepEntered", "Time": "yesterday"}]),
        ("its own id as cause", "ScheduleEventId", [good, {"Type": "StepEntered", "ScheduleEventId": 3}]),
        ("a start in the middle", "Events", [good, {"Type": "ExecutionStarted"}]),
        ("an event after the end", "Events", [{"Type": "ExecutionFailed"}, good]),
        ("an object in place of the list", "Events", good),
    ]:
        check_error(
            what, "InvalidArgument", 400, message,
            client.append_execution_events, flow, "refused", json.dumps(events), 2,
        )
    check_error(
        "Events that are no JSON", "InvalidArgument", 400, "Events",
        client.append_execution_events, flow, "refused", '[{"Type":"StepEntered"}', 2,
    )
    for count in [20, 50]:
        large = json.dumps([dict(good, EventDetail="a" * 60000)] * count)
        check_error(
            f"a body of {count * 60} KB", "EntityTooLarge", 400,
            "The payload size exceeds maximum allowed size (1048576 bytes).",
            client.append_execution_events, flow, "refused", large, 2,
        )


def arguments(client, flow):
    history = client.get_execution_history
    missing = "Flow 'no-such-flow' does not exist."
    for action, *values in [
        (history, "no-such-flow", "main"),
        (client.describe_flow, "no-such-flow"),
        (client.describe_execution, "no-such-flow", "main"),
        (client.start_execution, "no-such-flow", "main"),
        (client.append_execution_events, "no-such-flow", "main", '[{"Type":"StepEntered"}]'),
    ]:
        check_error(f"{action.__name__} of an unknown flow", "FlowNotExists", 404, missing, action, *values)
    missing = f"Execution 'no-such-one' for flow '{flow}' does not exist."
    for action, *values in [
        (history, flow, "no-such-one"),
        (client.describe_execution, flow, "no-such-one"),
        (client.append_execution_events, flow, "no-such-one", '[{"Type":"StepEntered"}]'),
    ]:
        check_error(f"{action.__name__} of an unknown one", "ExecutionNotExists", 404, missing, action, *values)
    for limit in [0, 1001, -1]:
        check_error(f"Limit {limit}", "InvalidArgument", 400, "Limit", history, flow, "main", limit)
    for token in ["abc", "0", "-1", "1.0", str(2**63)]:
        check_error(f"NextToken {token}", "InvalidArgument", 400, "NextToken", history, flow, "main", None, token)
    for name in ["bad name", "1-digit-first", "步骤", "n" * 129]:
        check_error(f"FlowName {name[:20]}", "InvalidArgument", 400, "FlowName", history, name, "main")
        check_error(f"Name {name[:20]}", "InvalidArgument", 400, "Name", client.create_flow, name, DEFINITION, "")
    check_error(
        "no FlowName", "MissingRequiredParams", 400, "The HTTP query 'FlowName' must be specified.",
        history, None, "main",
    )
    for action in ["ListSchedules", "MadeUp"]:
        check_error(
            f"action {action}", "ActionNotSupported", 400,
            f"The requested API operation '{action}' is incorrect. Please check.",
            client.call, action, {"FlowName": flow},
        )
    check_error(
        "version 2016-01-01", "APIVersionNotSupported", 400,
        "The requested API version '2016-01-01' is not supported yet. Please check.",
        client.call, "DescribeFlow", {"Name": flow}, version="2016-01-01",
    )


def keys(connect, admin, reader, flow):
    stranger = connect("no-such-key", os.environ["FLOWLEDGER_ACCESS_KEY_SECRET"])
    impostor = connect(os.environ["FLOWLEDGER_ACCESS_KEY_ID"], "wrong-secret")
    check_error("unknown key", "InvalidAccessKeyID", 403, "no-such-key", stranger.describe_flow, flow)
    check_error(
        "wrong secret", "SignatureNotMatch", 403,
        "The request signature we calculated does not match the signature you provided.",
        impostor.describe_flow, flow,
    )

    own = "reader-" + secrets.token_hex(8)
    admin.create_flow(own, DEFINITION, "")
    admin.start_execution(own, "main", INPUT)
    check("a reader reads its flows", reader.describe_flow(own)["Definition"], DEFINITION)
    check("a reader reads their histories", len(reader.get_execution_history(own, "main")["Events"]), 1)
    denied = "The resources doesn't belong to you."
    for what, action, *values in [
        ("another flow", reader.describe_flow, flow),
        ("another flow's history", reader.get_execution_history, flow, "main"),
        ("another flow, whether it exists or not", reader.describe_flow, "no-such-flow"),
        ("creating", reader.create_flow, own + "2", DEFINITION, ""),
        ("starting", reader.start_execution, own, "second"),
        ("appending", reader.append_execution_events, own, "main", '[{"Type":"StepEntered"}]'),
    ]:
        check_error(f"a reader is refused {what}", "AccessDenied", 403, denied, action, *values)
    check("a refused append left nothing", len(admin.get_execution_history(own, "main")["Events"]), 1)


def new_flow(client, prefix="conformance-"):
    flow = prefix + secrets.token_hex(8)
    client.create_flow(flow, DEFINITION, DESCRIPTION, "acs:ram::1234:role/conformance")
    return flow


def updating(client):
    flow = new_flow(client)
    client.start_execution(flow, "before")
    before = client.describe_flow(flow)
    time.sleep(0.002)  # so that the update comes at another millisecond
    updated = client.update_flow(flow, definition="version: v1\n# 新的 🚀\n")
    check("UpdateFlow Definition", updated["Definition"], "version: v1\n# 新的 🚀\n")
    check("UpdateFlow keeps the description", updated["Description"], DESCRIPTION)
    check("UpdateFlow keeps the role", updated["RoleArn"], before["RoleArn"])
    check("UpdateFlow keeps Id", updated["Id"], before["Id"])
    check("UpdateFlow keeps CreatedTime", updated["CreatedTime"], before["CreatedTime"])
    check("UpdateFlow LastModifiedTime", updated["LastModifiedTime"] > before["LastModifiedTime"], True)
    described = client.describe_flow(flow)
    for field in ["Definition", "Description", "RoleArn", "Type", "LastModifiedTime"]:
        check(f"DescribeFlow after UpdateFlow: {field}", described[field], updated[field])

    client.start_execution(flow, "after")
    for name, definition in [("before", DEFINITION), ("after", updated["Definition"])]:
        execution = client.describe_execution(flow, name)
        check(f"an execution keeps the definition it began with: {name}", execution["FlowDefinition"], definition)
    cleared = client.update_flow(flow, description="", role_arn="")
    check("an empty Description clears it", cleared["Description"], "")
    check("an empty RoleArn clears it", "RoleArn" in cleared, False)
    check("and nothing else", cleared["Definition"], updated["Definition"])
    check_error(
        "UpdateFlow of an unknown flow", "FlowNotExists", 404, "Flow 'no-such-flow' does not exist.",
        client.update_flow, "no-such-flow", description="x",
    )


def pages(action, items, *arguments, **named):
    """Everything that a list answers, and the sizes of its pages."""
    all, sizes, token = [], [], None
    while True:
        page = action(*arguments, **named, next_token=token)
        all += page[items]
        sizes.append(len(page[items]))
        if "NextToken" not in page:
            return all, sizes
        token = page["NextToken"]


def listing_executions(client):
    flow = new_flow(client)
    page = client.list_executions(flow)
    check("no executions", page["Executions"], [])
    check("no executions: NextToken", "NextToken" in page, False)
    ends = {
        "a-1": "Succeeded", "a-2": "Running", "b-1": "Failed", "b_2": "Succeeded", "a-3": "TimedOut",
        "A-4": "Running", "a-5": "Stopped",
    }
    for name, status in ends.items():
        client.start_execution(flow, name, INPUT)
        if status != "Running":
            client.append_execution_events(flow, name, json.dumps([{"Type": "Execution" + status}]))
    newest_first = list(reversed(ends))

    def names(**filters):
        return [execution["Name"] for execution in pages(client.list_executions, "Executions", flow, **filters)[0]]

    for limit, sizes in [(None, [7]), (100, [7]), (7, [7]), (3, [3, 3, 1]), (1, [1] * 7)]:
        executions, got = pages(client.list_executions, "Executions", flow, limit=limit)
        check(f"pages of executions, Limit {limit}", got, sizes)
        check(f"executions, Limit {limit}", [execution["Name"] for execution in executions], newest_first)
    for execution in executions:
        described = client.describe_execution(flow, execution["Name"])
        described.pop("RequestId")
        check(f"ListExecutions answers what DescribeExecution does: {execution['Name']}", execution, described)
    for status in ["Running", "Succeeded", "Failed", "TimedOut", "Stopped", "Starting"]:
        expected = [name for name in newest_first if ends[name] == status]
        check(f"executions that are {status}", names(status=status, limit=1), expected)
    for prefix in ["a-", "b", "A", "a-1", "a-11", "a_", "%"]:
        expected = [name for name in newest_first if name.startswith(prefix)]
        check(f"executions named {prefix}…", names(prefix=prefix), expected)
    check("both filters", names(prefix="a-", status="Running"), ["a-2"])
    everything = dict(begin="2000-01-01T00:00:00Z", end="2100-01-01T08:00:00+08:00")
    check("executions of a time", names(**everything), newest_first)
    check("executions before their time", names(end=everything["begin"]), [])
    check("executions after their time", names(begin=everything["end"]), [])
    for execution in client.list_executions(flow, metadata_only=True)["Executions"]:
        texts = {"Input", "Output", "FlowDefinition"} & {name for name, text in execution.items() if text}
        check(f"MetadataOnly leaves out the texts of {execution['Name']}", texts, set())
        check(f"MetadataOnly: Status of {execution['Name']}", execution["Status"], ends[execution["Name"]])
    for what, parameter, filters in [
        ("Limit 0", "Limit", {"limit": 0}), ("Limit 101", "Limit", {"limit": 101}),
        ("Status Done", "Status", {"status": "Done"}), ("StartedTimeBegin", "StartedTimeBegin", {"begin": "noon"}),
        ("NextToken", "NextToken", {"next_token": "?"}),
    ]:
        check_error(
            f"ListExecutions {what}", "InvalidArgument", 400, parameter,
            lambda filters: client.list_executions(flow, **filters), filters,
        )
    check_error(
        "ListExecutions of an unknown flow", "FlowNotExists", 404, "Flow 'no-such-flow' does not exist.",
        client.list_executions, "no-such-flow",
    )


def listing_flows(client, reader, flow):
    own = new_flow(client, "reader-")
    flows, sizes = pages(client.list_flows, "Flows", limit=1000)
    names = [flow["Name"] for flow in flows]
    check("flows come by name", names, sorted(set(names)))
    check("ListFlows knows the flows", {flow, own} <= set(names), True)
    described = client.describe_flow(flow)
    described.pop("RequestId")
    check("ListFlows answers what DescribeFlow does", flows[names.index(flow)], described)
    flows, sizes = pages(client.list_flows, "Flows", limit=2)
    check("pages of 2 flows", {*sizes[:-1], 2}, {2})
    check("all flows in pages of 2", [flow["Name"] for flow in flows], names)
    seen = [flow["Name"] for flow in pages(reader.list_flows, "Flows")[0]]
    check("a reader lists the flows it may see", seen, [name for name in names if name.startswith("reader-")])
    for limit in [0, 1001]:
        check_error(f"ListFlows Limit {limit}", "InvalidArgument", 400, "Limit", client.list_flows, limit)


REASON = "步骤 \"x\" failed\n\\ </script> 🚀"


def stopping(client, flow):
    client.start_execution(flow, "to-stop")
    stopped = client.stop_execution(flow, "to-stop", "E.stop", REASON)
    check("StopExecution Status", stopped["Status"], "Stopped")
    check_form("StopExecution StoppedTime", stopped["StoppedTime"], TIME)
    described = client.describe_execution(flow, "to-stop")
    check("DescribeExecution after StopExecution", described["StoppedTime"], stopped["StoppedTime"])
    last = client.get_execution_history(flow, "to-stop")["Events"][-1]
    check("StopExecution: EventId", last["EventId"], 2)
    check("StopExecution: Type", last["Type"], "ExecutionStopped")
    check("StopExecution: Time", last["Time"], stopped["StoppedTime"])
    check("StopExecution: EventDetail", json.loads(last["EventDetail"]), {"error": "E.stop", "cause": REASON})
    completed = f"Execution 'to-stop' for flow '{flow}' has already completed."
    check_error(
        "StopExecution again", "ExecutionAlreadyCompleted", 400, completed, client.stop_execution, flow, "to-stop"
    )
    check_error(
        "append after StopExecution", "ExecutionAlreadyCompleted", 400, completed,
        client.append_execution_events, flow, "to-stop", '[{"Type":"StepEntered"}]', 3,
    )
    check_error(
        "StopExecution of an unknown one", "ExecutionNotExists", 404, "'no-such-one'",
        client.stop_execution, flow, "no-such-one",
    )
    client.start_execution(flow, "to-stop-too")
    client.stop_execution(flow, "to-stop-too")
    last = client.get_execution_history(flow, "to-stop-too")["Events"][-1]
    check("StopExecution without a reason: EventDetail", last["EventDetail"], "{}")
    for what, error, cause in [("Error", "e" * 129, None), ("Cause", None, "c" * 4097)]:
        check_error(
            f"StopExecution with a long {what}", "InvalidArgument", 400, what,
            client.stop_execution, flow, "refused", error, cause,
        )


def waiting(connect, client, flow):
    client.start_execution(flow, "to-wait")

    def wait(seconds):
        began = time.monotonic()
        return client.describe_execution(flow, "to-wait", seconds)["Status"], time.monotonic() - began

    status, took = wait(1)
    check("a wait that ends without an end: Status", status, "Running")
    check("a wait that ends without an end took its time", 1 <= took < 8, True)

    def end():
        other = connect(os.environ["FLOWLEDGER_ACCESS_KEY_ID"], os.environ["FLOWLEDGER_ACCESS_KEY_SECRET"])
        other.append_execution_events(flow, "to-wait", '[{"Type":"ExecutionSucceeded"}]')

    # Less than the SDK's read time-out of 10 s. Who waits for longer must raise that.
    threading.Timer(0.5, end).start()
    status, took = wait(9)
    check("a wait for an end: Status", status, "Succeeded")
    check("a wait for an end is over when it comes", took < 8, True)
    status, took = wait(60)
    check("a wait after the end: Status", status, "Succeeded")
    check("a wait after the end is over at once", took < 8, True)
    for seconds in [61, -1]:
        check_error(
            f"WaitTimeSeconds {seconds}", "InvalidArgument", 400, "WaitTimeSeconds",
            client.describe_execution, flow, "to-wait", seconds,
        )


def tasks(client, flow):
    client.start_execution(flow, "tasks")
    submitted = json.dumps(
        [
            {"Type": "TaskScheduled", "StepName": "步骤"},
            {"Type": "TaskSubmitted", "StepName": "步骤"},
            {"Type": "TaskSubmitted", "StepName": "another"},
        ]
    )
    tokens = client.append_execution_events(flow, "tasks", submitted, 2)["TaskTokens"]
    check("a token for each task", sorted(tokens), ["3", "4"])
    again = client.append_execution_events(flow, "tasks", submitted, 2)["TaskTokens"]
    check("a repeat answers the same tokens", again, tokens)
    check("ReportTaskSucceeded EventId", client.report_task_succeeded(tokens["3"], INPUT)["EventId"], 5)
    check("ReportTaskFailed EventId", client.report_task_failed(tokens["4"], "E.task", REASON)["EventId"], 6)
    succeeded, failed = client.get_execution_history(flow, "tasks", None, "5")["Events"]
    for event, type, step, task in [(succeeded, "TaskSucceeded", "步骤", 3), (failed, "TaskFailed", "another", 4)]:
        check(f"{type}: Type", event["Type"], type)
        check(f"{type}: StepName", event["StepName"], step)
        check(f"{type}: ScheduleEventId is its task's EventId", event["ScheduleEventId"], task)
    check("TaskSucceeded: EventDetail", succeeded["EventDetail"], '{"output":' + INPUT + "}")
    check("TaskFailed: EventDetail", json.loads(failed["EventDetail"]), {"error": "E.task", "cause": REASON})
    for what, action, *values in [
        ("ReportTaskSucceeded again", client.report_task_succeeded, tokens["3"], "{}"),
        ("ReportTaskFailed after it succeeded", client.report_task_failed, tokens["3"], "E", None),
        ("ReportTaskSucceeded after it failed", client.report_task_succeeded, tokens["4"], "{}"),
    ]:
        check_error(what, "TaskAlreadyCompleted", 400, "has already completed.", action, *values)
    for what, parameter, action, *values in [
        ("a token that is none", "TaskToken", client.report_task_succeeded, "no-such-token", "{}"),
        ("a token that was changed", "TaskToken", client.report_task_succeeded, tokens["3"][:-1] + "?", "{}"),
        ("an Output that is no JSON", "Output", client.report_task_succeeded, tokens["3"], "{"),
        ("an Error too long", "Error", client.report_task_failed, tokens["3"], "e" * 129, None),
    ]:
        check_error(what, "InvalidArgument", 400, parameter, action, *values)
    check("refused reports left nothing", len(client.get_execution_history(flow, "tasks")["Events"]), 6)


def deleting(client, reader):
    flow = new_flow(client, "reader-")
    client.start_execution(flow, "old", INPUT)
    tokens = client.append_execution_events(flow, "old", '[{"Type":"TaskSubmitted"}]')["TaskTokens"]
    denied = "The resources doesn't belong to you."
    for what, action, *values in [
        ("updating", reader.update_flow, flow),
        ("deleting", reader.delete_flow, flow),
        ("stopping", reader.stop_execution, flow, "old"),
        ("reporting a task", reader.report_task_succeeded, tokens["2"], "{}"),
    ]:
        check_error(f"a reader is refused {what}", "AccessDenied", 403, denied, action, *values)
    before = client.describe_flow(flow)
    check("DeleteFlow answers", list(client.delete_flow(flow)), ["RequestId"])
    gone = [
        ("DescribeFlow", client.describe_flow, flow),
        ("GetExecutionHistory", client.get_execution_history, flow, "old"),
        ("DescribeExecution", client.describe_execution, flow, "old"),
        ("ListExecutions", client.list_executions, flow),
        ("StartExecution", client.start_execution, flow, "new"),
        ("AppendExecutionEvents", client.append_execution_events, flow, "old", '[{"Type":"StepEntered"}]'),
        ("ReportTaskSucceeded", client.report_task_succeeded, tokens["2"], "{}"),
        ("DeleteFlow", client.delete_flow, flow),
    ]
    for what, action, *values in gone:
        check_error(
            f"{what} of a deleted flow", "FlowNotExists", 404, f"Flow '{flow}' does not exist.", action, *values
        )
    names = [flow["Name"] for flow in pages(client.list_flows, "Flows", limit=1000)[0]]
    check("ListFlows without a deleted flow", flow in names, False)

    client.create_flow(flow, DEFINITION, "")
    check("a flow of that name is another", client.describe_flow(flow)["Id"] != before["Id"], True)
    check("it has no old executions", client.list_executions(flow)["Executions"], [])
    check_error(
        "it has no old history", "ExecutionNotExists", 404, "'old'", client.get_execution_history, flow, "old"
    )
    client.start_execution(flow, "old")
    check("an execution of that name is another", len(client.get_execution_history(flow, "old")["Events"]), 1)


def out_of_time(seconds):
    """A time stamp as the SDKs write it, so many seconds from now."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
