import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.function.BiFunction;
import java.util.function.Supplier;

/** What the Java drivers check; how each SDK is called stands in the driver itself. */
final class Scenario {
    static final String VERSION = "2019-03-15";

    /**
     * What a driver makes of its SDK: one method for each action used here. Parameters and answers have the names of
     * the API; an error answer is thrown as ApiError.
     */
    interface Client {
        JsonObject createFlow(Map<String, String> parameters);

        JsonObject describeFlow(Map<String, String> parameters);

        JsonObject startExecution(Map<String, String> parameters);

        JsonObject describeExecution(Map<String, String> parameters);

        JsonObject getExecutionHistory(Map<String, String> parameters);

        JsonObject appendExecutionEvents(Map<String, String> parameters);

        /** Any action by name. */
        JsonObject call(String action, String version, Map<String, String> parameters);

        /** What the SDK makes of this text in an answer. */
        default String received(String text) {
            return text;
        }
    }

    /** An error answer, with what the SDK shows of it. Status null: it does not show it. */
    static final class ApiError extends RuntimeException {
        final String code;
        final Integer status;

        ApiError(String code, Integer status, String message) {
            super(message);
            this.code = code;
            this.status = status;
        }
    }

    // --- checking --------------------------------------------------------------------------------

    private static int checks;

    private static void passed(String what) {
        checks++;
        System.out.println(what);
    }

    static void fail(String what, Object expected, Object got) {
        System.err.printf("FAILED %s%n  expected %.500s%n  got      %.500s%n", what, expected, got);
        System.exit(1);
    }

    static void check(String what, Object got, Object expected) {
        if (!Objects.equals(got, expected)) {
            String g = String.valueOf(got), e = String.valueOf(expected);
            // Long texts: from shortly before the first difference.
            int at = 0;
            while (at < Math.min(g.length(), e.length()) && g.charAt(at) == e.charAt(at)) at++;
            at = Math.max(0, at - 100);
            fail(what + ", from character " + at, e.substring(at), g.substring(at));
        }
        passed(what);
    }

    private static void checkForm(String what, String got, String pattern) {
        if (got == null || !got.matches(pattern)) fail(what, pattern, got);
        passed(what);
    }

    /** The call must fail with this code and HTTP status, and a message that contains `message`. */
    static void checkError(String what, String code, int status, String message, Supplier<?> call) {
        String expected = status + " " + code + ": …" + message + "…";
        try {
            fail(what, expected, call.get());
        } catch (ApiError error) {
            boolean sameStatus = error.status == null || error.status == status;
            if (!sameStatus || !code.equals(error.code) || !error.getMessage().contains(message)) {
                fail(what, expected, error.status + " " + error.code + ": " + error.getMessage());
            }
        }
        passed(what + ": " + code);
    }

    static String text(JsonObject answer, String name) {
        JsonElement value = answer.get(name);
        return value == null ? null : value.getAsString();
    }

    private static JsonArray events(JsonObject page) {
        return page.getAsJsonArray("Events");
    }

    /** The same parameters and some more. */
    static Map<String, String> with(Map<String, String> parameters, String... namesAndValues) {
        Map<String, String> more = new LinkedHashMap<>(parameters);
        for (int i = 0; i < namesAndValues.length; i += 2) more.put(namesAndValues[i], namesAndValues[i + 1]);
        return more;
    }

    // --- what is sent ----------------------------------------------------------------------------

    private static final String TIME = "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z";

    private static final String[] AWKWARD = {
        "plain",
        "步骤 一, Übergröße, नमस्ते, שלום",
        "emoji 🚀 👩‍👩‍👧‍👦",
        "\"double\" 'single' `back`",
        "backslashes \\ \\\\ \\n \\u0041 C:\\new\\table\\",
        "</script><script>alert(1)</script><!-- ]]>",
        "nul \0 inside",
        "line separators \u2028 \u2029 \u0085",
        "controls " + controls() + "\u007f",
        "%2B+ &=?#/%00%u0041;",
        "\r\nlines\r\rand\ttabs\n",
        " blanks around ",
        "'; DROP TABLE events; --",
        "\ufeffbyte order mark, \uffff, \udbff\udfff",
        "{not json",
    };

    private static String controls() {
        StringBuilder all = new StringBuilder();
        for (char c = 1; c < 32; c++) all.append(c);
        return all.toString();
    }

    static final String DEFINITION =
        "version: v1\ntype: flow\n# 流程 “awkward” 🚀 %2B+ &=\\n\nsteps:\n  - type: pass\n    name: 步骤\t\r\n\n";
    private static final String DESCRIPTION = " Überblick: 概述\nsecond line, \"quoted\", %41 + 🚀 ";
    static final String INPUT =
        "{ \"订单\": \"№ 7 + 3 & %2B=\\n\", \"amount\": 1.50, \"big\": 12345678901234567890, \"b\": [ ], \"a\": null }";
    private static final String OUTPUT =
        "{\"总数\":2500,  \"text\":\"done </script> \\u0041 \\\"🚀\\\"\", \"exact\": 1.50, \"nested\": {\"b\":1, \"a\":[]}}";

    // Every documented type that neither starts nor ends an execution, and a newer one.
    private static final String[] TYPES = {
        "StepEntered", "StepStarted", "StepSucceeded", "StepFailed", "StepExited",
        "BranchEntered", "BranchExited", "IterationEntered", "IterationExited",
        "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSubmitFailed",
        "TaskSucceeded", "TaskFailed", "TaskTimedOut", "StateEnter",
    };

    // A Time as sent, and as answered: in UTC, cut (not rounded) to three digits.
    private static final String[][] TIMES = {
        {"2026-03-01T08:00:00.123456+08:00", "2026-03-01T00:00:00.123Z"},
        {"2026-02-28T20:29:59.999999999-03:30", "2026-02-28T23:59:59.999Z"},
        {"2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000Z"},
        {"2026-03-01T00:00:00.5+00:00", "2026-03-01T00:00:00.500Z"},
    };

    private static final int LAST = 2500;
    private static final int DETAIL_MAX = 65536;
    private static final int NAME_MAX = 256;

    private static final Map<Integer, String> LARGE_DETAILS = Map.of(
        1200, "a".repeat(DETAIL_MAX),
        1201, "{\"text\":\"" + "b".repeat(DETAIL_MAX - 11) + "\"}",
        1777, "\\".repeat(DETAIL_MAX),
        2200, "c".repeat(DETAIL_MAX),
        2201, "步".repeat(DETAIL_MAX / 3) + "d"); // the limit counts bytes of UTF-8
    private static final Map<Integer, String> LONG_NAMES = Map.of(
        700, "n".repeat(NAME_MAX), 701, "🚀".repeat(NAME_MAX)); // that limit counts characters

    // Gson spells <, >, &, =, ' and U+2028 as escapes; the server must not keep that spelling of the request.
    static final Gson GSON = new Gson();

    /** Event `number` as it is sent: any field but Type is there in some events and not in others. */
    private static Map<String, Object> eventToSend(int number) {
        Map<String, Object> event = new LinkedHashMap<>();
        if (number == LAST) {
            event.put("Type", "ExecutionSucceeded");
            event.put("EventDetail", "{\"output\":" + OUTPUT + "}");
            return event;
        }
        event.put("Type", TYPES[number % TYPES.length]);
        String text = AWKWARD[number / 4 % AWKWARD.length];
        if (number % 5 != 0) {
            event.put("StepName", LONG_NAMES.getOrDefault(number, AWKWARD[number % AWKWARD.length]));
        }
        if (LARGE_DETAILS.containsKey(number)) event.put("EventDetail", LARGE_DETAILS.get(number));
        else if (number % 4 == 1) event.put("EventDetail", GSON.toJson(Map.of("n", number, "text", text)));
        else if (number % 4 == 2) event.put("EventDetail", text);
        if (number % 3 == 0) event.put("ScheduleEventId", number / 2);
        else if (number % 9 == 1) event.put("ScheduleEventId", 0);
        if (number % 2 == 0) event.put("Time", TIMES[number / 2 % TIMES.length][0]);
        if (number % 7 == 0) event.put("EventId", number);
        return event;
    }

    /** The same event as it must be answered. No Time: the server's own. */
    private static JsonObject eventToGet(Client client, int number) {
        Map<String, Object> event = new HashMap<>();
        if (number == 1) {
            event.put("Type", "ExecutionStarted");
            event.put("EventDetail", "{\"input\":" + INPUT + "}");
        } else {
            event.putAll(eventToSend(number));
        }
        event.put("EventId", number);
        event.putIfAbsent("ScheduleEventId", number - 1);
        event.putIfAbsent("StepName", "");
        event.putIfAbsent("EventDetail", "{}");
        for (String[] time : TIMES) event.replace("Time", time[0], time[1]);
        for (String name : List.of("StepName", "EventDetail")) {
            event.put(name, client.received((String) event.get(name)));
        }
        return GSON.toJsonTree(event).getAsJsonObject();
    }

    private static List<Map<String, Object>> batch(int from, int to) {
        List<Map<String, Object>> events = new ArrayList<>();
        for (int number = from; number <= to; number++) events.add(eventToSend(number));
        return events;
    }

    /** A name that no earlier run used. */
    static String randomName(String prefix) {
        return prefix + UUID.randomUUID();
    }

    /** A time stamp as the SDKs write it, so many minutes from now. */
    static String fromNow(int minutes) {
        return Instant.now().plus(minutes, ChronoUnit.MINUTES).truncatedTo(ChronoUnit.SECONDS).toString();
    }

    // --- the scenario ----------------------------------------------------------------------------

    /** Checks everything that every SDK can do, then what the driver adds. */
    static void run(BiFunction<String, String, Client> connect, Runnable... more) {
        Map<String, String> env = System.getenv();
        Client admin = connect.apply(env.get("FLOWLEDGER_ACCESS_KEY_ID"), env.get("FLOWLEDGER_ACCESS_KEY_SECRET"));
        Client reader = connect.apply(env.get("FLOWLEDGER_READER_KEY_ID"), env.get("FLOWLEDGER_READER_KEY_SECRET"));
        String flow = randomName("conformance-");
        try {
            flows(admin, flow);
            String started = starting(admin, flow);
            appending(admin, flow);
            String ended = ending(admin, flow);
            paging(admin, flow, started, ended);
            otherEnds(admin, flow);
            arguments(admin, flow);
            keys(connect, admin, reader, flow);
            for (Runnable part : more) part.run();
        } catch (ApiError error) {
            String got = error.status + " " + error.code + ": " + error.getMessage();
            fail("a call after check " + checks, "a success", got);
        }
        System.out.println("ok: " + checks + " checks");
        System.exit(0); // the SDKs leave threads behind
    }

    private static void flows(Client client, String flow) {
        Map<String, String> sent = Map.of(
            "Name", flow, "Definition", DEFINITION, "Description", DESCRIPTION, "Type", "FDL",
            "RoleArn", "acs:ram::1234:role/conformance");
        JsonObject created = client.createFlow(sent);
        JsonObject described = client.describeFlow(Map.of("Name", flow));
        sent.forEach((name, value) -> check("DescribeFlow " + name, text(described, name), value));
        checkForm("DescribeFlow Id", text(described, "Id"), "[0-9a-f-]{36}");
        checkForm("DescribeFlow CreatedTime", text(described, "CreatedTime"), TIME);
        checkForm("DescribeFlow LastModifiedTime", text(described, "LastModifiedTime"), TIME);
        checkForm("DescribeFlow RequestId", text(described, "RequestId"), "[0-9A-F-]{36}");
        boolean same = created.remove("RequestId").equals(described.remove("RequestId"));
        check("every answer has its own RequestId", same, false);
        check("CreateFlow answers the flow", created, described);
        checkError("CreateFlow again", "FlowAlreadyExists", 409, "Flow '" + flow + "' already exists.",
            () -> client.createFlow(sent));
    }

    private static String starting(Client client, String flow) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "main");
        client.startExecution(with(main, "Input", INPUT));
        JsonObject execution = client.describeExecution(main);
        check("DescribeExecution FlowName", text(execution, "FlowName"), flow);
        check("DescribeExecution Name", text(execution, "Name"), "main");
        check("DescribeExecution Status", text(execution, "Status"), "Running");
        check("DescribeExecution Input", text(execution, "Input"), INPUT);
        check("DescribeExecution FlowDefinition", text(execution, "FlowDefinition"), DEFINITION);
        checkForm("DescribeExecution StartedTime", text(execution, "StartedTime"), TIME);
        JsonObject again = client.startExecution(with(main, "Input", "{}"));
        for (String name : List.of("StartedTime", "Input", "Status")) {
            check("StartExecution while it runs: " + name, text(again, name), text(execution, name));
        }
        JsonObject page = client.getExecutionHistory(main);
        check("the history begins with one event", events(page).size(), 1);
        check("the only page has no NextToken", text(page, "NextToken"), null);
        return text(execution, "StartedTime");
    }

    private static void appending(Client client, String flow) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "main");

        appended(client, main, 2, 1001, "ExpectedEventId", "2"); // 1000 events, as many as a batch may hold
        appended(client, main, 2, 1001, "ExpectedEventId", "2"); // a repeat answers the same ids and writes nothing
        appended(client, main, 2, 3, "ExpectedEventId", "2"); // so does a part of it
        List<Map<String, Object>> changed = batch(2, 1001);
        changed.get(500).put("EventDetail", "changed");
        conflict("the same ids with another detail", client, main, changed, 2);
        conflict("a batch half over the end", client, main, batch(1000, 1003), 1000);
        conflict("a batch that leaves a gap", client, main, batch(1003, 1003), 1003);
        appended(client, main, 1002, 1002); // ExpectedEventId may be left out
        appended(client, main, 1003, 1600, "ExpectedEventId", "1003");
        appended(client, main, 1601, 2100, "ExpectedEventId", "1601");
        appended(client, main, 2101, LAST, "ExpectedEventId", "2101");
        appended(client, main, 2101, LAST, "ExpectedEventId", "2101"); // a repeat is answered after the end, too
        checkError("append after the end", "ExecutionAlreadyCompleted", 400,
            "Execution 'main' for flow '" + flow + "' has already completed.",
            () -> client.appendExecutionEvents(with(main, "Events", "[{\"Type\":\"StepEntered\"}]")));
    }

    private static void appended(Client client, Map<String, String> main, int from, int to, String... expected) {
        JsonObject answer =
            client.appendExecutionEvents(with(with(main, "Events", GSON.toJson(batch(from, to))), expected));
        check("append " + (to - from + 1) + " events",
            List.of(answer.get("FirstEventId").getAsLong(), answer.get("LastEventId").getAsLong()),
            List.of((long) from, (long) to));
    }

    private static void conflict(String what, Client client, Map<String, String> main, Object events, int expected) {
        checkError(what, "ConcurrentUpdateError", 409, "", () -> client.appendExecutionEvents(
            with(main, "Events", GSON.toJson(events), "ExpectedEventId", "" + expected)));
    }

    private static String ending(Client client, String flow) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "main");
        JsonObject execution = client.describeExecution(main);
        check("ended: Status", text(execution, "Status"), "Succeeded");
        check("ended: Output", text(execution, "Output"), OUTPUT);
        check("ended: Input", text(execution, "Input"), INPUT);
        checkForm("ended: StoppedTime", text(execution, "StoppedTime"), TIME);
        checkError("start again after the end", "ExecutionAlreadyExists", 400,
            "Execution 'main' for flow '" + flow + "' already exists.", () -> client.startExecution(main));
        return text(execution, "StoppedTime");
    }

    private static void paging(Client client, String flow, String started, String ended) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "main");
        for (int limit : new int[] {0, 1000, 999, 60, 7, 1}) {
            Map<String, String> parameters = limit == 0 ? with(main) : with(main, "Limit", "" + limit);
            int size = limit == 0 ? 60 : limit; // the default is 60
            JsonArray events = new JsonArray();
            for (int pages = 1; ; pages++) {
                JsonObject page = client.getExecutionHistory(parameters);
                events.addAll(events(page));
                String token = text(page, "NextToken");
                if (token == null) {
                    check("number of pages, Limit " + limit, pages, (LAST + size - 1) / size);
                    break;
                }
                String next = "" + (events.size() + 1);
                if (events(page).size() != size) fail("events on a page, Limit " + limit, size, events(page).size());
                if (!token.equals(next)) fail("NextToken, Limit " + limit, next, token);
                parameters.put("NextToken", token);
            }
            checkEvents("all " + LAST + " events, Limit " + limit, client, events, started, ended);
        }

        JsonArray first = events(client.getExecutionHistory(with(main, "Limit", "3", "NextToken", "")));
        check("an empty NextToken is none", List.of(first.size(), text(first.get(0).getAsJsonObject(), "EventId")),
            List.of(3, "1"));
        for (String token : List.of("" + (LAST + 1), "9223372036854775807")) {
            JsonObject page = client.getExecutionHistory(with(main, "NextToken", token));
            check("beyond the end, NextToken " + token + ": Events", events(page), new JsonArray());
            check("beyond the end, NextToken " + token + ": NextToken", text(page, "NextToken"), null);
        }
    }

    private static void checkEvents(String what, Client client, JsonArray events, String started, String ended) {
        check(what + ": their number", events.size(), LAST);
        for (int number = 1; number <= LAST; number++) {
            JsonObject event = events.get(number - 1).getAsJsonObject();
            JsonObject expected = eventToGet(client, number);
            if (!expected.has("Time")) { // the server's own: it lies within the execution
                String time = text(event, "Time");
                if (!time.matches(TIME) || time.compareTo(started) < 0 || time.compareTo(ended) > 0) {
                    fail(what + ": Time of event " + number, started + " to " + ended, time);
                }
                expected.addProperty("Time", time);
            }
            if (event.equals(expected)) continue;
            for (String name : expected.keySet()) {
                check(what + ": " + name + " of event " + number, event.get(name), expected.get(name));
            }
            check(what + ": fields of event " + number, event.keySet(), expected.keySet());
        }
        passed(what);
        check(what + ": the first at StartedTime", text(events.get(0).getAsJsonObject(), "Time"), started);
        check(what + ": the last at StoppedTime", text(events.get(LAST - 1).getAsJsonObject(), "Time"), ended);
    }

    private static void otherEnds(Client client, String flow) {
        Map<String, String> refused = Map.of("FlowName", flow, "ExecutionName", "refused");
        client.startExecution(refused);
        refusedEvents(client, refused);
        check("refused batches left nothing", events(client.getExecutionHistory(refused)).size(), 1);
        check("refused batches ended nothing", text(client.describeExecution(refused), "Status"), "Running");

        for (String status : List.of("Failed", "Stopped", "TimedOut")) {
            Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", status);
            client.startExecution(main);
            String end = GSON.toJson(List.of(
                Map.of("Type", "Execution" + status, "EventDetail", "{\"error\":\"E\",\"cause\":\"步骤\"}")));
            JsonObject answer = client.appendExecutionEvents(with(main, "Events", end, "ExpectedEventId", "2"));
            check(status + ": LastEventId", text(answer, "LastEventId"), "2");
            JsonObject execution = client.describeExecution(main);
            check(status + ": Status", text(execution, "Status"), status);
            checkForm(status + ": StoppedTime", text(execution, "StoppedTime"), TIME);
            checkError(status + ": append after the end", "ExecutionAlreadyCompleted", 400, "'" + status + "'",
                () -> client.appendExecutionEvents(with(main, "Events", "[{\"Type\":\"StepEntered\"}]")));
        }
    }

    private static void refusedEvents(Client client, Map<String, String> main) {
        Map<String, Object> good = Map.of("Type", "StepEntered", "StepName", "good");
        String[][] refused = {
            {"no event", "Events", "[]"},
            {"1001 events", "Events", GSON.toJson(Collections.nCopies(1001, good))},
            {"an event without Type", "Type", GSON.toJson(List.of(good, Map.of("StepName", "x")))},
            {"an unknown field", "Colour", second("Colour", "red")},
            {"a Type that is no word", "Type", second("Type", "Step Entered")},
            {"a Type of 65 letters", "Type", second("Type", "T".repeat(65))},
            {"a detail that is no string", "Events[1]", second("EventDetail", Map.of())},
            {"a detail over 64 KiB", "EventDetail", second("EventDetail", "a".repeat(DETAIL_MAX + 1))},
            {"a StepName over 256", "StepName", second("StepName", "步".repeat(NAME_MAX + 1))},
            {"a Time that is none", "Time", second("Time", "yesterday")},
            {"its own id as cause", "ScheduleEventId", second("ScheduleEventId", 3)},
            {"a start in the middle", "Events", second("Type", "ExecutionStarted")},
            {"an event after the end", "Events", GSON.toJson(List.of(Map.of("Type", "ExecutionFailed"), good))},
            {"an object in place of the list", "Events", GSON.toJson(good)},
            {"text that is no JSON", "Events", "[{\"Type\":\"StepEntered\"}"},
        };
        for (String[] one : refused) {
            checkError(one[0], "InvalidArgument", 400, one[1],
                () -> client.appendExecutionEvents(with(main, "Events", one[2], "ExpectedEventId", "2")));
        }
        for (int count : new int[] {20, 50}) {
            Map<String, Object> large = Map.of("Type", "StepEntered", "EventDetail", "a".repeat(60000));
            checkError("a body of " + count * 60 + " KB", "EntityTooLarge", 400,
                "The payload size exceeds maximum allowed size (1048576 bytes).",
                () -> client.appendExecutionEvents(with(main, "Events", GSON.toJson(Collections.nCopies(count, large)))));
        }
    }

    /** A good event and one with this field. */
    private static String second(String name, Object value) {
        Map<String, Object> event = new HashMap<>(Map.of("Type", "StepEntered"));
        event.put(name, value);
        return GSON.toJson(List.of(Map.of("Type", "StepEntered"), event));
    }

    private static void arguments(Client client, String flow) {
        Map<String, String> main = Map.of("FlowName", flow, "ExecutionName", "main");
        Map<String, String> noFlow = Map.of(
            "Name", "no-such-flow", "FlowName", "no-such-flow", "ExecutionName", "main",
            "Events", "[{\"Type\":\"StepEntered\"}]");
        Map<String, Supplier<?>> calls = Map.of(
            "getExecutionHistory", () -> client.getExecutionHistory(noFlow),
            "describeFlow", () -> client.describeFlow(noFlow),
            "describeExecution", () -> client.describeExecution(noFlow),
            "startExecution", () -> client.startExecution(noFlow),
            "appendExecutionEvents", () -> client.appendExecutionEvents(noFlow));
        calls.forEach((what, call) -> checkError(what + " of an unknown flow", "FlowNotExists", 404,
            "Flow 'no-such-flow' does not exist.", call));
        Map<String, String> noExecution = with(noFlow, "FlowName", flow, "ExecutionName", "no-such-one");
        calls = Map.of(
            "getExecutionHistory", () -> client.getExecutionHistory(noExecution),
            "describeExecution", () -> client.describeExecution(noExecution),
            "appendExecutionEvents", () -> client.appendExecutionEvents(noExecution));
        calls.forEach((what, call) -> checkError(what + " of an unknown one", "ExecutionNotExists", 404,
            "Execution 'no-such-one' for flow '" + flow + "' does not exist.", call));

        for (String limit : List.of("0", "1001", "-1")) {
            checkError("Limit " + limit, "InvalidArgument", 400, "Limit",
                () -> client.getExecutionHistory(with(main, "Limit", limit)));
        }
        for (String token : List.of("abc", "0", "-1", "1.0", "9223372036854775808")) {
            checkError("NextToken " + token, "InvalidArgument", 400, "NextToken",
                () -> client.getExecutionHistory(with(main, "NextToken", token)));
        }
        for (String name : List.of("bad name", "1-digit-first", "步骤", "n".repeat(129))) {
            checkError("FlowName " + name, "InvalidArgument", 400, "FlowName",
                () -> client.getExecutionHistory(with(main, "FlowName", name)));
            checkError("Name " + name, "InvalidArgument", 400, "Name",
                () -> client.createFlow(Map.of("Name", name, "Definition", DEFINITION, "Type", "FDL")));
        }
        checkError("no FlowName", "MissingRequiredParams", 400, "The HTTP query 'FlowName' must be specified.",
            () -> client.getExecutionHistory(Map.of("ExecutionName", "main")));
        for (String action : List.of("ListSchedules", "MadeUp")) {
            checkError("action " + action, "ActionNotSupported", 400,
                "The requested API operation '" + action + "' is incorrect. Please check.",
                () -> client.call(action, VERSION, Map.of("FlowName", flow)));
        }
        checkError("version 2016-01-01", "APIVersionNotSupported", 400,
            "The requested API version '2016-01-01' is not supported yet. Please check.",
            () -> client.call("DescribeFlow", "2016-01-01", Map.of("Name", flow)));
    }

    private static void keys(BiFunction<String, String, Client> connect, Client admin, Client reader, String flow) {
        Client stranger = connect.apply("no-such-key", System.getenv("FLOWLEDGER_ACCESS_KEY_SECRET"));
        Client impostor = connect.apply(System.getenv("FLOWLEDGER_ACCESS_KEY_ID"), "wrong-secret");
        Map<String, String> another = Map.of("Name", flow, "FlowName", flow, "ExecutionName", "main");
        checkError("unknown key", "InvalidAccessKeyID", 403, "no-such-key", () -> stranger.describeFlow(another));
        checkError("wrong secret", "SignatureNotMatch", 403,
            "The request signature we calculated does not match the signature you provided.",
            () -> impostor.describeFlow(another));

        String name = randomName("reader-");
        Map<String, String> own = Map.of(
            "Name", name, "Definition", DEFINITION, "Description", "", "Type", "FDL",
            "FlowName", name, "ExecutionName", "main", "Input", INPUT, "Events", "[{\"Type\":\"StepEntered\"}]");
        admin.createFlow(own);
        admin.startExecution(own);
        check("a reader reads its flows", text(reader.describeFlow(own), "Definition"), DEFINITION);
        check("a reader reads their histories", events(reader.getExecutionHistory(own)).size(), 1);
        Map<String, Supplier<?>> calls = Map.of(
            "another flow", () -> reader.describeFlow(another),
            "another flow's history", () -> reader.getExecutionHistory(another),
            "another flow, whether it exists or not", () -> reader.describeFlow(Map.of("Name", "no-such-flow")),
            "creating", () -> reader.createFlow(own),
            "starting", () -> reader.startExecution(own),
            "appending", () -> reader.appendExecutionEvents(own));
        calls.forEach((what, call) -> checkError("a reader is refused " + what, "AccessDenied", 403,
            "The resources doesn't belong to you.", call));
        check("a refused append left nothing", events(admin.getExecutionHistory(own)).size(), 1);
    }
}
