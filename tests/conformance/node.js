// @alicloud/fnf-2019-03-15, the Node SDK. It signs RPC v1 (HMAC-SHA1) and sends everything of a POST
// in the form body. The same scenario as scenario.py, with methods of the SDK wherever it has them.
'use strict';

const crypto = require('crypto');
const { isDeepStrictEqual, inspect } = require('util');
const Fnf = require('@alicloud/fnf-2019-03-15');

const env = process.env;
const POST = { method: 'POST' };

function connect(accessKeyId, accessKeySecret) {
  const endpoint = `http://${env.FLOWLEDGER_ENDPOINT}`;
  return new Fnf({ accessKeyId, accessKeySecret, endpoint, opts: { timeout: 10000 } });
}

// FlowLedger's own action: the SDK has no method for it, so it goes through the generic request.
function append(client, FlowName, ExecutionName, events, ExpectedEventId) {
  const params = { FlowName, ExecutionName, Events: JSON.stringify(events) };
  if (ExpectedEventId !== undefined) params.ExpectedEventId = ExpectedEventId;
  return client.request('AppendExecutionEvents', params, { ...POST });
}

// --- checking ------------------------------------------------------------------------------------

let checks = 0;

function passed(what) {
  checks += 1;
  console.log(what);
}

function fail(what, expected, got) {
  throw new Error(`FAILED ${what}\n  expected ${expected}\n  got      ${got}`);
}

function check(what, got, expected) {
  if (!isDeepStrictEqual(got, expected)) {
    if (typeof got === 'string' && typeof expected === 'string') {
      // Long texts: from shortly before the first difference.
      let at = 0;
      while (got[at] === expected[at]) at += 1;
      at = Math.max(0, at - 100);
      fail(`${what}, from character ${at}`, inspect(expected.slice(at, at + 400)), inspect(got.slice(at, at + 400)));
    }
    fail(what, inspect(expected), inspect(got));
  }
  passed(what);
}

function checkForm(what, got, pattern) {
  if (typeof got !== 'string' || !pattern.test(got)) fail(what, pattern, inspect(got));
  passed(what);
}

// The call must fail with this code and HTTP status, and a message that contains `message`.
async function checkError(what, code, status, message, call) {
  const expected = `${status} ${code}: …${message}…`;
  let answer;
  try {
    answer = await call();
  } catch (error) {
    if (!error.entry) fail(what, expected, inspect(error)); // no answer at all, as after a broken connection
    const { statusCode } = error.entry.response;
    if (error.code !== code || statusCode !== status || !error.message.includes(message)) {
      fail(what, expected, `${statusCode} ${error.code}: ${error.message.slice(0, 500)}`);
    }
    passed(`${what}: ${code}`);
    return;
  }
  fail(what, expected, JSON.stringify(answer).slice(0, 500));
}

// --- what is sent --------------------------------------------------------------------------------

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const CONTROLS = Array.from({ length: 31 }, (_, index) => String.fromCharCode(index + 1)).join('');
const AWKWARD = [
  'plain',
  '步骤 一, Übergröße, नमस्ते, שלום',
  'emoji 🚀 👩‍👩‍👧‍👦',
  '"double" \'single\' `back`',
  'backslashes \\ \\\\ \\n \\u0041 C:\\new\\table\\',
  '</script><script>alert(1)</script><!-- ]]>',
  'nul \0 inside',
  'line separators \u2028 \u2029 \u0085',
  `controls ${CONTROLS}\x7f`,
  '%2B+ &=?#/%00%u0041;',
  '\r\nlines\r\rand\ttabs\n',
  ' blanks around ',
  "'; DROP TABLE events; --",
  '\ufeffbyte order mark, \uffff, \u{10ffff}',
  '{not json',
];

const DEFINITION =
  'version: v1\ntype: flow\n# 流程 “awkward” 🚀 %2B+ &=\\n\nsteps:\n  - type: pass\n    name: 步骤\t\r\n\n';
const DESCRIPTION = ' Überblick: 概述\nsecond line, "quoted", %41 + 🚀 ';
const INPUT =
  '{ "订单": "№ 7 + 3 & %2B=\\n", "amount": 1.50, "big": 12345678901234567890, "b": [ ], "a": null }';
const OUTPUT =
  '{"总数":2500,  "text":"done </script> \\u0041 \\"🚀\\"", "exact": 1.50, "nested": {"b":1, "a":[]}}';

// Every documented type that neither starts nor ends an execution, and a newer one.
const TYPES = [
  'StepEntered', 'StepStarted', 'StepSucceeded', 'StepFailed', 'StepExited',
  'BranchEntered', 'BranchExited', 'IterationEntered', 'IterationExited',
  'TaskScheduled', 'TaskStarted', 'TaskSubmitted', 'TaskSubmitFailed',
  'TaskSucceeded', 'TaskFailed', 'TaskTimedOut', 'StateEnter',
];

// A Time as sent, and as answered: in UTC, cut (not rounded) to three digits.
const TIMES = [
  ['2026-03-01T08:00:00.123456+08:00', '2026-03-01T00:00:00.123Z'],
  ['2026-02-28T20:29:59.999999999-03:30', '2026-02-28T23:59:59.999Z'],
  ['2024-02-29T23:59:59Z', '2024-02-29T23:59:59.000Z'],
  ['2026-03-01T00:00:00.5+00:00', '2026-03-01T00:00:00.500Z'],
];

const LAST = 2500;
const DETAIL_MAX = 65536;
const NAME_MAX = 256;
const LARGE_DETAILS = {
  1200: 'a'.repeat(DETAIL_MAX),
  1201: `{"text":"${'b'.repeat(DETAIL_MAX - 11)}"}`,
  1777: '\\'.repeat(DETAIL_MAX),
  2200: 'c'.repeat(DETAIL_MAX),
  2201: '步'.repeat(DETAIL_MAX / 3) + 'd', // the limit counts bytes of UTF-8
};
const LONG_NAMES = { 700: 'n'.repeat(NAME_MAX), 701: '🚀'.repeat(NAME_MAX) }; // that limit counts characters

// Event `number` as it is sent: any field but Type is there in some events and not in others.
function eventToSend(number) {
  if (number === LAST) return { Type: 'ExecutionSucceeded', EventDetail: `{"output":${OUTPUT}}` };
  const event = { Type: TYPES[number % TYPES.length] };
  const text = AWKWARD[Math.floor(number / 4) % AWKWARD.length];
  if (number % 5 !== 0) event.StepName = LONG_NAMES[number] || AWKWARD[number % AWKWARD.length];
  if (LARGE_DETAILS[number]) event.EventDetail = LARGE_DETAILS[number];
  else if (number % 4 === 1) event.EventDetail = JSON.stringify({ n: number, text });
  else if (number % 4 === 2) event.EventDetail = text;
  if (number % 3 === 0) event.ScheduleEventId = Math.floor(number / 2);
  else if (number % 9 === 1) event.ScheduleEventId = 0;
  if (number % 2 === 0) event.Time = TIMES[(number / 2) % TIMES.length][0];
  if (number % 7 === 0) event.EventId = number;
  return event;
}

// The same event as it must be answered. Time undefined: the server's own.
function eventToGet(number) {
  const defaults = { StepName: '', EventDetail: '{}', ScheduleEventId: number - 1 };
  if (number === 1) {
    return { ...defaults, EventId: 1, Type: 'ExecutionStarted', EventDetail: `{"input":${INPUT}}`, Time: undefined };
  }
  const sent = eventToSend(number);
  return { ...defaults, ...sent, EventId: number, Time: new Map(TIMES).get(sent.Time) };
}

function eventsToSend(first, last) {
  return Array.from({ length: last - first + 1 }, (_, index) => eventToSend(first + index));
}

// --- the scenario --------------------------------------------------------------------------------

async function flows(client, Name) {
  const RoleArn = 'acs:ram::1234:role/conformance';
  const flow = { Name, Definition: DEFINITION, Description: DESCRIPTION, Type: 'FDL', RoleArn };
  const created = await client.createFlow(flow);
  const described = await client.describeFlow({ Name });
  for (const field of Object.keys(flow)) check(`DescribeFlow ${field}`, described[field], flow[field]);
  checkForm('DescribeFlow Id', described.Id, /^[0-9a-f-]{36}$/);
  checkForm('DescribeFlow CreatedTime', described.CreatedTime, TIME);
  checkForm('DescribeFlow LastModifiedTime', described.LastModifiedTime, TIME);
  checkForm('DescribeFlow RequestId', described.RequestId, /^[0-9A-F-]{36}$/);
  check('every answer has its own RequestId', new Set([created.RequestId, described.RequestId]).size, 2);
  delete created.RequestId;
  delete described.RequestId;
  check('CreateFlow answers the flow', created, described);
  await checkError('CreateFlow again', 'FlowAlreadyExists', 409, `Flow '${Name}' already exists.`, () =>
    client.createFlow(flow));
}

async function starting(client, FlowName) {
  const main = { FlowName, ExecutionName: 'main' };
  await client.startExecution({ ...main, Input: INPUT });
  const execution = await client.describeExecution(main);
  check('DescribeExecution FlowName', execution.FlowName, FlowName);
  check('DescribeExecution Name', execution.Name, 'main');
  check('DescribeExecution Status', execution.Status, 'Running');
  check('DescribeExecution Input', execution.Input, INPUT);
  check('DescribeExecution FlowDefinition', execution.FlowDefinition, DEFINITION);
  checkForm('DescribeExecution StartedTime', execution.StartedTime, TIME);
  const again = await client.startExecution({ ...main, Input: '{}' });
  for (const field of ['StartedTime', 'Input', 'Status']) {
    check(`StartExecution while it runs: ${field}`, again[field], execution[field]);
  }
  const page = await client.getExecutionHistory(main);
  check('the history begins with one event', page.Events.length, 1);
  check('the only page has no NextToken', 'NextToken' in page, false);
  return execution.StartedTime;
}

async function appending(client, flow) {
  const appended = async (first, last, expectedEventId) => {
    const answer = await append(client, flow, 'main', eventsToSend(first, last), expectedEventId);
    check(`append ${last - first + 1} events`, [answer.FirstEventId, answer.LastEventId], [first, last]);
  };
  const conflict = (what, events, expectedEventId) =>
    checkError(what, 'ConcurrentUpdateError', 409, '', () => append(client, flow, 'main', events, expectedEventId));

  await appended(2, 1001, 2); // 1000 events, as many as a batch may hold
  await appended(2, 1001, 2); // a repeat answers the same ids and writes nothing
  await appended(2, 3, 2); // so does a part of it
  const changed = eventsToSend(2, 1001);
  changed[500].EventDetail = 'changed';
  await conflict('the same ids with another detail', changed, 2);
  await conflict('a batch half over the end', eventsToSend(1000, 1003), 1000);
  await conflict('a batch that leaves a gap', eventsToSend(1003, 1003), 1003);
  await appended(1002, 1002); // ExpectedEventId may be left out
  await appended(1003, 1600, 1003);
  await appended(1601, 2100, 1601);
  await appended(2101, LAST, 2101);
  await appended(2101, LAST, 2101); // a repeat is answered after the end, too
  const completed = `Execution 'main' for flow '${flow}' has already completed.`;
  await checkError('append after the end', 'ExecutionAlreadyCompleted', 400, completed, () =>
    append(client, flow, 'main', [{ Type: 'StepEntered' }], LAST + 1));
}

async function ending(client, FlowName) {
  const main = { FlowName, ExecutionName: 'main' };
  const execution = await client.describeExecution(main);
  check('ended: Status', execution.Status, 'Succeeded');
  check('ended: Output', execution.Output, OUTPUT);
  check('ended: Input', execution.Input, INPUT);
  checkForm('ended: StoppedTime', execution.StoppedTime, TIME);
  const exists = `Execution 'main' for flow '${FlowName}' already exists.`;
  await checkError('start again after the end', 'ExecutionAlreadyExists', 400, exists, () =>
    client.startExecution({ ...main, Input: INPUT }));
  return execution.StoppedTime;
}

async function paging(client, FlowName, started, ended) {
  const main = { FlowName, ExecutionName: 'main' };
  for (const limit of [null, 1000, 999, 60, 7, 1]) {
    const query = limit ? { ...main, Limit: limit } : { ...main };
    const events = [];
    const sizes = [];
    for (;;) {
      const page = await client.getExecutionHistory(query);
      events.push(...page.Events);
      sizes.push(page.Events.length);
      if (!('NextToken' in page)) break;
      query.NextToken = page.NextToken;
      const next = String(events.length + 1);
      if (page.NextToken !== next) fail(`NextToken, Limit ${limit}`, inspect(next), inspect(page.NextToken));
    }
    const size = limit || 60;
    const last = sizes.pop();
    check(`number of pages, Limit ${limit}`, sizes.length + 1, Math.ceil(LAST / size));
    check(`events on a page, Limit ${limit}`, new Set(sizes), new Set([size]));
    check(`events on the last page, Limit ${limit}`, last, LAST % size || size);
    checkEvents(`all ${LAST} events, Limit ${limit}`, events, started, ended);
  }

  const first = await client.getExecutionHistory({ ...main, Limit: 3, NextToken: '' });
  check('an empty NextToken is none', first.Events.map((event) => event.EventId), [1, 2, 3]);
  for (const NextToken of [String(LAST + 1), '9223372036854775807']) {
    const page = await client.getExecutionHistory({ ...main, NextToken });
    check(`beyond the end, NextToken ${NextToken}: Events`, page.Events, []);
    check(`beyond the end, NextToken ${NextToken}: NextToken`, 'NextToken' in page, false);
  }
}

function checkEvents(what, events, started, ended) {
  events.forEach((event, index) => {
    const expected = eventToGet(index + 1);
    if (expected.Time === undefined) { // the server's own: it lies within the execution
      if (!TIME.test(event.Time) || event.Time < started || event.Time > ended) {
        fail(`${what}: Time of event ${index + 1}`, `${started} to ${ended}`, event.Time);
      }
      expected.Time = event.Time;
    }
    for (const field of Object.keys({ ...expected, ...event })) {
      if (event[field] === expected[field]) continue;
      check(`${what}: ${field} of event ${index + 1}`, event[field], expected[field]);
    }
  });
  check(what, events.length, LAST);
  check(`${what}: the first at StartedTime`, events[0].Time, started);
  check(`${what}: the last at StoppedTime`, events[LAST - 1].Time, ended);
}

async function otherEnds(client, FlowName) {
  const refused = { FlowName, ExecutionName: 'refused' };
  await client.startExecution(refused);
  await refusedEvents(client, FlowName);
  check('refused batches left nothing', (await client.getExecutionHistory(refused)).Events.length, 1);
  check('refused batches ended nothing', (await client.describeExecution(refused)).Status, 'Running');

  for (const status of ['Failed', 'Stopped', 'TimedOut']) {
    const ExecutionName = status;
    await client.startExecution({ FlowName, ExecutionName });
    const end = [{ Type: `Execution${status}`, EventDetail: '{"error":"E","cause":"步骤"}' }];
    check(`${status}: LastEventId`, (await append(client, FlowName, status, end, 2)).LastEventId, 2);
    const execution = await client.describeExecution({ FlowName, ExecutionName });
    check(`${status}: Status`, execution.Status, status);
    checkForm(`${status}: StoppedTime`, execution.StoppedTime, TIME);
    await checkError(`${status}: append after the end`, 'ExecutionAlreadyCompleted', 400, `'${status}'`, () =>
      append(client, FlowName, status, [{ Type: 'StepEntered' }]));
  }
}

async function refusedEvents(client, flow) {
  const good = { Type: 'StepEntered', StepName: 'good' };
  const refused = [
    ['no event', 'Events', []],
    ['1001 events', 'Events', Array(1001).fill(good)],
    ['an event without Type', 'Type', [good, { StepName: 'x' }]],
    ['an unknown field', 'Colour', [good, { Type: 'StepEntered', Colour: 'red' }]],
    ['a Type that is no word', 'Type', [good, { Type: 'Step Entered' }]],
    ['a Type of 65 letters', 'Type', [good, { Type: 'T'.repeat(65) }]],
    ['a detail that is no string', 'Events[1]', [good, { Type: 'StepEntered', EventDetail: {} }]],
    ['a detail over 64 KiB', 'EventDetail', [good, { Type: 'StepEntered', EventDetail: 'a'.repeat(DETAIL_MAX + 1) }]],
    ['a StepName over 256', 'StepName', [good, { Type: 'StepEntered', StepName: '步'.repeat(NAME_MAX + 1) }]],
    ['a Time that is none', 'Time', [good, { Type: 'StepEntered', Time: 'yesterday' }]],
    ['its own id as cause', 'ScheduleEventId', [good, { Type: 'StepEntered', ScheduleEventId: 3 }]],
    ['a start in the middle', 'Events', [good, { Type: 'ExecutionStarted' }]],
    ['an event after the end', 'Events', [{ Type: 'ExecutionFailed' }, good]],
    ['an object in place of the list', 'Events', good],
  ];
  for (const [what, message, events] of refused) {
    await checkError(what, 'InvalidArgument', 400, message, () => append(client, flow, 'refused', events, 2));
  }
  const broken = { FlowName: flow, ExecutionName: 'refused', Events: '[{"Type":"StepEntered"}' };
  await checkError('Events that are no JSON', 'InvalidArgument', 400, 'Events', () =>
    client.request('AppendExecutionEvents', broken, { ...POST }));
  const tooLarge = 'The payload size exceeds maximum allowed size (1048576 bytes).';
  for (const count of [20, 50]) {
    const large = Array(count).fill({ ...good, EventDetail: 'a'.repeat(60000) });
    await checkError(`a body of ${count * 60} KB`, 'EntityTooLarge', 400, tooLarge, () =>
      append(client, flow, 'refused', large, 2));
  }
}

async function requestArguments(client, FlowName) {
  const main = { FlowName, ExecutionName: 'main' };
  const step = [{ Type: 'StepEntered' }];
  const noFlow = { FlowName: 'no-such-flow', ExecutionName: 'main' };
  for (const [what, call] of [
    ['getExecutionHistory', () => client.getExecutionHistory(noFlow)],
    ['describeFlow', () => client.describeFlow({ Name: 'no-such-flow' })],
    ['describeExecution', () => client.describeExecution(noFlow)],
    ['startExecution', () => client.startExecution(noFlow)],
    ['append', () => append(client, 'no-such-flow', 'main', step)],
  ]) {
    const message = "Flow 'no-such-flow' does not exist.";
    await checkError(`${what} of an unknown flow`, 'FlowNotExists', 404, message, call);
  }
  const noExecution = { FlowName, ExecutionName: 'no-such-one' };
  for (const [what, call] of [
    ['getExecutionHistory', () => client.getExecutionHistory(noExecution)],
    ['describeExecution', () => client.describeExecution(noExecution)],
    ['append', () => append(client, FlowName, 'no-such-one', step)],
  ]) {
    const message = `Execution 'no-such-one' for flow '${FlowName}' does not exist.`;
    await checkError(`${what} of an unknown one`, 'ExecutionNotExists', 404, message, call);
  }
  for (const Limit of [0, 1001, -1, 'ten', '1.0']) {
    await checkError(`Limit ${Limit}`, 'InvalidArgument', 400, 'Limit', () =>
      client.getExecutionHistory({ ...main, Limit }));
  }
  for (const NextToken of ['abc', '0', '-1', '1.0', '9223372036854775808']) {
    await checkError(`NextToken ${NextToken}`, 'InvalidArgument', 400, 'NextToken', () =>
      client.getExecutionHistory({ ...main, NextToken }));
  }
  for (const name of ['bad name', '1-digit-first', '步骤', 'n'.repeat(129)]) {
    await checkError(`FlowName ${name.slice(0, 20)}`, 'InvalidArgument', 400, 'FlowName', () =>
      client.getExecutionHistory({ ...main, FlowName: name }));
    await checkError(`Name ${name.slice(0, 20)}`, 'InvalidArgument', 400, 'Name', () =>
      client.createFlow({ Name: name, Definition: DEFINITION, Description: '', Type: 'FDL' }));
  }
  // The SDK's own method refuses a call without FlowName, so this one goes through the generic request.
  await checkError('no FlowName', 'MissingRequiredParams', 400, "The HTTP query 'FlowName' must be specified.", () =>
    client.request('GetExecutionHistory', { ExecutionName: 'main' }));
  for (const action of ['ListSchedules', 'MadeUp']) {
    const message = `The requested API operation '${action}' is incorrect. Please check.`;
    await checkError(`action ${action}`, 'ActionNotSupported', 400, message, () =>
      client.request(action, { FlowName }));
  }

  // A parameter of the same name replaces what the SDK would have sent.
  await checkError('version 2016-01-01', 'APIVersionNotSupported', 400,
    "The requested API version '2016-01-01' is not supported yet. Please check.", () =>
      client.describeFlow({ Name: FlowName, Version: '2016-01-01' }));
  const once = { Name: FlowName, SignatureNonce: crypto.randomUUID() };
  await client.describeFlow(once);
  await checkError('a nonce used before', 'SignatureNonceUsed', 400, '', () => client.describeFlow(once));
  for (const minutes of [-20, 20]) {
    const Timestamp = new Date(Date.now() + minutes * 60000).toISOString().replace(/\.\d+/, '');
    await checkError(`a request ${minutes} minutes from now`, 'RequestTimeTooSkewed', 403,
      'The difference between the request time', () => client.describeFlow({ Name: FlowName, Timestamp }));
  }
}

async function keys(admin, reader, flow) {
  const stranger = connect('no-such-key', env.FLOWLEDGER_ACCESS_KEY_SECRET);
  const impostor = connect(env.FLOWLEDGER_ACCESS_KEY_ID, 'wrong-secret');
  await checkError('unknown key', 'InvalidAccessKeyID', 403, 'no-such-key', () =>
    stranger.describeFlow({ Name: flow }));
  await checkError('wrong secret', 'SignatureNotMatch', 403,
    'The request signature we calculated does not match the signature you provided.', () =>
      impostor.describeFlow({ Name: flow }));

  const own = `reader-${crypto.randomBytes(8).toString('hex')}`;
  const main = { FlowName: own, ExecutionName: 'main' };
  const another = { Name: `${own}-2`, Definition: DEFINITION, Description: '', Type: 'FDL' };
  await admin.createFlow({ ...another, Name: own });
  await admin.startExecution({ ...main, Input: INPUT });
  check('a reader reads its flows', (await reader.describeFlow({ Name: own })).Definition, DEFINITION);
  check('a reader reads their histories', (await reader.getExecutionHistory(main)).Events.length, 1);
  const denied = "The resources doesn't belong to you.";
  const refused = [
    ['another flow', () => reader.describeFlow({ Name: flow })],
    ["another flow's history", () => reader.getExecutionHistory({ FlowName: flow, ExecutionName: 'main' })],
    ['another flow, whether it exists or not', () => reader.describeFlow({ Name: 'no-such-flow' })],
    ['creating', () => reader.createFlow(another)],
    ['starting', () => reader.startExecution({ FlowName: own, ExecutionName: 'second' })],
    ['appending', () => append(reader, own, 'main', [{ Type: 'StepEntered' }])],
  ];
  for (const [what, call] of refused) {
    await checkError(`a reader is refused ${what}`, 'AccessDenied', 403, denied, call);
  }
  check('a refused append left nothing', (await admin.getExecutionHistory(main)).Events.length, 1);

  // A generic request without a method is a GET with everything in the query.
  const byGet = { ...main, Events: '[{"Type":"StepEntered","StepName":"步骤 %2B+ &="}]' };
  check('append by GET', (await admin.request('AppendExecutionEvents', byGet)).LastEventId, 2);
}

async function newFlow(client, prefix = 'conformance-') {
  const Name = prefix + crypto.randomBytes(8).toString('hex');
  const RoleArn = 'acs:ram::1234:role/conformance';
  await client.createFlow({ Name, Definition: DEFINITION, Description: DESCRIPTION, Type: 'FDL', RoleArn });
  return Name;
}

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });
const noFlow = "Flow 'no-such-flow' does not exist.";

async function updating(client) {
  const Name = await newFlow(client);
  await client.startExecution({ FlowName: Name, ExecutionName: 'before' });
  const before = await client.describeFlow({ Name });
  await pause(2); // so that the update comes at another millisecond
  const Definition = 'version: v1\n# 新的 🚀\n';
  const updated = await client.updateFlow({ Name, Definition });
  check('UpdateFlow Definition', updated.Definition, Definition);
  for (const field of ['Description', 'RoleArn', 'Id', 'Type', 'CreatedTime']) {
    check(`UpdateFlow keeps ${field}`, updated[field], before[field]);
  }
  check('UpdateFlow LastModifiedTime', updated.LastModifiedTime > before.LastModifiedTime, true);
  const described = await client.describeFlow({ Name });
  for (const field of ['Definition', 'Description', 'RoleArn', 'Type', 'LastModifiedTime']) {
    check(`DescribeFlow after UpdateFlow: ${field}`, described[field], updated[field]);
  }

  await client.startExecution({ FlowName: Name, ExecutionName: 'after' });
  for (const [ExecutionName, definition] of [['before', DEFINITION], ['after', Definition]]) {
    const execution = await client.describeExecution({ FlowName: Name, ExecutionName });
    check(`an execution keeps the definition it began with: ${ExecutionName}`, execution.FlowDefinition, definition);
  }
  const cleared = await client.updateFlow({ Name, Description: '', RoleArn: '' });
  check('an empty Description clears it', cleared.Description, '');
  check('an empty RoleArn clears it', 'RoleArn' in cleared, false);
  check('and nothing else', cleared.Definition, Definition);
  await checkError('UpdateFlow of an unknown flow', 'FlowNotExists', 404, noFlow, () =>
    client.updateFlow({ Name: 'no-such-flow', Description: 'x' }));
}

// Everything that a list answers, and the sizes of its pages.
async function pages(list, items, query) {
  const all = [];
  const sizes = [];
  for (let token; ;) {
    const page = await list(token === undefined ? query : { ...query, NextToken: token });
    all.push(...page[items]);
    sizes.push(page[items].length);
    if (!('NextToken' in page)) return { all, sizes };
    token = page.NextToken;
  }
}

async function listingExecutions(client) {
  const FlowName = await newFlow(client);
  const list = (query) => client.listExecutions(query);
  const none = await client.listExecutions({ FlowName });
  check('no executions', none.Executions, []);
  check('no executions: NextToken', 'NextToken' in none, false);
  const ends = {
    'a-1': 'Succeeded', 'a-2': 'Running', 'b-1': 'Failed', b_2: 'Succeeded', 'a-3': 'TimedOut',
    'A-4': 'Running', 'a-5': 'Stopped',
  };
  for (const [ExecutionName, status] of Object.entries(ends)) {
    await client.startExecution({ FlowName, ExecutionName, Input: INPUT });
    if (status !== 'Running') await append(client, FlowName, ExecutionName, [{ Type: `Execution${status}` }]);
  }
  const newestFirst = Object.keys(ends).reverse();
  const names = async (query) =>
    (await pages(list, 'Executions', { FlowName, ...query })).all.map((execution) => execution.Name);

  for (const [Limit, expected] of [[100, [7]], [7, [7]], [3, [3, 3, 1]], [1, [1, 1, 1, 1, 1, 1, 1]]]) {
    const { all, sizes } = await pages(list, 'Executions', { FlowName, Limit });
    check(`pages of executions, Limit ${Limit}`, sizes, expected);
    check(`executions, Limit ${Limit}`, all.map((execution) => execution.Name), newestFirst);
  }
  for (const execution of (await client.listExecutions({ FlowName })).Executions) {
    const described = await client.describeExecution({ FlowName, ExecutionName: execution.Name });
    delete described.RequestId;
    check(`ListExecutions answers what DescribeExecution does: ${execution.Name}`, execution, described);
  }
  for (const Status of ['Running', 'Succeeded', 'Failed', 'TimedOut', 'Stopped', 'Starting']) {
    const expected = newestFirst.filter((name) => ends[name] === Status);
    check(`executions that are ${Status}`, await names({ Status, Limit: 1 }), expected);
  }
  for (const ExecutionNamePrefix of ['a-', 'b', 'A', 'a-1', 'a-11', 'a_', '%']) {
    const expected = newestFirst.filter((name) => name.startsWith(ExecutionNamePrefix));
    check(`executions named ${ExecutionNamePrefix}…`, await names({ ExecutionNamePrefix }), expected);
  }
  check('both filters', await names({ ExecutionNamePrefix: 'a-', Status: 'Running' }), ['a-2']);
  const early = '2000-01-01T00:00:00Z';
  const late = '2100-01-01T08:00:00+08:00';
  check('executions of a time', await names({ StartedTimeBegin: early, StartedTimeEnd: late }), newestFirst);
  check('executions before their time', await names({ StartedTimeEnd: early }), []);
  check('executions after their time', await names({ StartedTimeBegin: late }), []);
  for (const execution of (await client.listExecutions({ FlowName, MetadataOnly: true })).Executions) {
    const { Name } = execution;
    const texts = ['Input', 'Output', 'FlowDefinition'].filter((field) => execution[field]);
    check(`MetadataOnly leaves out the texts of ${Name}`, texts, []);
    check(`MetadataOnly: Status of ${Name}`, execution.Status, ends[Name]);
  }
  const invalid = { Limit: [0, 101], Status: ['Done'], StartedTimeBegin: ['noon'], NextToken: ['?'] };
  for (const [field, values] of Object.entries(invalid)) {
    for (const value of values) {
      await checkError(`ListExecutions ${field} ${value}`, 'InvalidArgument', 400, field, () =>
        client.listExecutions({ FlowName, [field]: value }));
    }
  }
  await checkError('ListExecutions of an unknown flow', 'FlowNotExists', 404, noFlow, () =>
    client.listExecutions({ FlowName: 'no-such-flow' }));
}

async function listingFlows(client, reader, flow) {
  const own = await newFlow(client, 'reader-');
  const list = (query) => client.listFlows(query);
  const { all } = await pages(list, 'Flows', { Limit: 1000 });
  const names = all.map((one) => one.Name);
  check('flows come by name', names, [...new Set(names)].sort());
  check('ListFlows knows the flows', names.includes(flow) && names.includes(own), true);
  const described = await client.describeFlow({ Name: flow });
  delete described.RequestId;
  check('ListFlows answers what DescribeFlow does', all[names.indexOf(flow)], described);
  const small = await pages(list, 'Flows', { Limit: 2 });
  check('pages of 2 flows', small.sizes.length, Math.ceil(names.length / 2));
  check('all flows in pages of 2', small.all.map((one) => one.Name), names);
  const seen = (await pages((query) => reader.listFlows(query), 'Flows', {})).all.map((one) => one.Name);
  check('a reader lists the flows it may see', seen, names.filter((name) => name.startsWith('reader-')));
  for (const Limit of [0, 1001]) {
    await checkError(`ListFlows Limit ${Limit}`, 'InvalidArgument', 400, 'Limit', () => client.listFlows({ Limit }));
  }
}

const REASON = '步骤 "x" failed\n\\ </script> 🚀';

async function stopping(client, FlowName) {
  const main = { FlowName, ExecutionName: 'to-stop' };
  await client.startExecution(main);
  const stopped = await client.stopExecution({ ...main, Error: 'E.stop', Cause: REASON });
  check('StopExecution Status', stopped.Status, 'Stopped');
  checkForm('StopExecution StoppedTime', stopped.StoppedTime, TIME);
  const { StoppedTime } = await client.describeExecution(main);
  check('DescribeExecution after StopExecution', StoppedTime, stopped.StoppedTime);
  const last = (await client.getExecutionHistory({ ...main, NextToken: 2 })).Events[0];
  check('StopExecution: Type', last.Type, 'ExecutionStopped');
  check('StopExecution: Time', last.Time, StoppedTime);
  check('StopExecution: EventDetail', JSON.parse(last.EventDetail), { error: 'E.stop', cause: REASON });
  const completed = `Execution 'to-stop' for flow '${FlowName}' has already completed.`;
  await checkError('StopExecution again', 'ExecutionAlreadyCompleted', 400, completed, () =>
    client.stopExecution(main));
  await checkError('append after StopExecution', 'ExecutionAlreadyCompleted', 400, completed, () =>
    append(client, FlowName, 'to-stop', [{ Type: 'StepEntered' }], 3));
  await checkError('StopExecution of an unknown one', 'ExecutionNotExists', 404, "'no-such-one'", () =>
    client.stopExecution({ FlowName, ExecutionName: 'no-such-one' }));
  const another = { FlowName, ExecutionName: 'to-stop-too' };
  await client.startExecution(another);
  await client.stopExecution(another);
  const bare = (await client.getExecutionHistory({ ...another, NextToken: 2 })).Events[0];
  check('StopExecution without a reason: EventDetail', bare.EventDetail, '{}');
  for (const [what, length] of [['Error', 129], ['Cause', 4097]]) {
    await checkError(`StopExecution with a long ${what}`, 'InvalidArgument', 400, what, () =>
      client.stopExecution({ FlowName, ExecutionName: 'refused', [what]: 'x'.repeat(length) }));
  }
}

async function waiting(client, FlowName) {
  const main = { FlowName, ExecutionName: 'to-wait' };
  await client.startExecution(main);
  const wait = async (WaitTimeSeconds) => {
    const began = Date.now();
    const { Status } = await client.describeExecution({ ...main, WaitTimeSeconds });
    return { Status, took: Date.now() - began };
  };
  const vain = await wait(1);
  check('a wait that ends without an end: Status', vain.Status, 'Running');
  check('a wait that ends without an end took its time', vain.took >= 1000 && vain.took < 8000, true);
  // Less than the time-out in connect(). Who waits for longer must raise that.
  const [ended] = await Promise.all([
    wait(9),
    pause(500).then(() => append(client, FlowName, 'to-wait', [{ Type: 'ExecutionSucceeded' }])),
  ]);
  check('a wait for an end: Status', ended.Status, 'Succeeded');
  check('a wait for an end is over when it comes', ended.took < 8000, true);
  const after = await wait(60);
  check('a wait after the end: Status', after.Status, 'Succeeded');
  check('a wait after the end is over at once', after.took < 8000, true);
  for (const seconds of [61, -1]) {
    await checkError(`WaitTimeSeconds ${seconds}`, 'InvalidArgument', 400, 'WaitTimeSeconds', () => wait(seconds));
  }
}

async function tasks(client, FlowName) {
  const main = { FlowName, ExecutionName: 'tasks' };
  await client.startExecution(main);
  const submitted = [
    { Type: 'TaskScheduled', StepName: '步骤' },
    { Type: 'TaskSubmitted', StepName: '步骤' },
    { Type: 'TaskSubmitted', StepName: 'another' },
  ];
  const { TaskTokens } = await append(client, FlowName, 'tasks', submitted, 2);
  check('a token for each task', Object.keys(TaskTokens).sort(), ['3', '4']);
  const again = await append(client, FlowName, 'tasks', submitted, 2);
  check('a repeat answers the same tokens', again.TaskTokens, TaskTokens);
  const succeed = (TaskToken, Output) => client.reportTaskSucceeded({ TaskToken, Output });
  const failTask = (TaskToken, Error, Cause) => client.reportTaskFailed({ TaskToken, Error, Cause });
  check('ReportTaskSucceeded EventId', (await succeed(TaskTokens[3], INPUT)).EventId, 5);
  check('ReportTaskFailed EventId', (await failTask(TaskTokens[4], 'E.task', REASON)).EventId, 6);
  const { Events } = await client.getExecutionHistory({ ...main, NextToken: 5 });
  const facts = Events.map((event) => [event.Type, event.StepName, event.ScheduleEventId]);
  check('reported tasks', facts, [['TaskSucceeded', '步骤', 3], ['TaskFailed', 'another', 4]]);
  check('TaskSucceeded: EventDetail', Events[0].EventDetail, `{"output":${INPUT}}`);
  check('TaskFailed: EventDetail', JSON.parse(Events[1].EventDetail), { error: 'E.task', cause: REASON });
  for (const [what, call] of [
    ['ReportTaskSucceeded again', () => succeed(TaskTokens[3], '{}')],
    ['ReportTaskFailed after it succeeded', () => failTask(TaskTokens[3], 'E', 'C')],
    ['ReportTaskSucceeded after it failed', () => succeed(TaskTokens[4], '{}')],
  ]) await checkError(what, 'TaskAlreadyCompleted', 400, 'has already completed.', call);
  for (const [what, message, call] of [
    ['a token that is none', 'TaskToken', () => succeed('no-such-token', '{}')],
    ['a token that was changed', 'TaskToken', () => succeed(`${TaskTokens[3].slice(0, -1)}?`, '{}')],
    ['an Output that is no JSON', 'Output', () => succeed(TaskTokens[3], '{')],
    ['an Error too long', 'Error', () => failTask(TaskTokens[3], 'e'.repeat(129), 'C')],
  ]) await checkError(what, 'InvalidArgument', 400, message, call);
  check('refused reports left nothing', (await client.getExecutionHistory(main)).Events.length, 6);
}

async function deleting(client, reader) {
  const Name = await newFlow(client, 'reader-');
  const old = { FlowName: Name, ExecutionName: 'old' };
  const step = [{ Type: 'StepEntered' }];
  await client.startExecution({ ...old, Input: INPUT });
  const TaskToken = (await append(client, Name, 'old', [{ Type: 'TaskSubmitted' }])).TaskTokens[2];
  for (const [what, call] of [
    ['updating', () => reader.updateFlow({ Name })],
    ['deleting', () => reader.deleteFlow({ Name })],
    ['stopping', () => reader.stopExecution(old)],
    ['reporting a task', () => reader.reportTaskSucceeded({ TaskToken, Output: '{}' })],
  ]) await checkError(`a reader is refused ${what}`, 'AccessDenied', 403, "The resources doesn't belong to you.", call);
  const before = await client.describeFlow({ Name });
  check('DeleteFlow answers', Object.keys(await client.deleteFlow({ Name })), ['RequestId']);
  for (const [what, call] of [
    ['DescribeFlow', () => client.describeFlow({ Name })],
    ['GetExecutionHistory', () => client.getExecutionHistory(old)],
    ['DescribeExecution', () => client.describeExecution(old)],
    ['ListExecutions', () => client.listExecutions({ FlowName: Name })],
    ['StartExecution', () => client.startExecution(old)],
    ['AppendExecutionEvents', () => append(client, Name, 'old', step)],
    ['ReportTaskSucceeded', () => client.reportTaskSucceeded({ TaskToken, Output: '{}' })],
    ['DeleteFlow', () => client.deleteFlow({ Name })],
  ]) await checkError(`${what} of a deleted flow`, 'FlowNotExists', 404, `Flow '${Name}' does not exist.`, call);
  const { all } = await pages((query) => client.listFlows(query), 'Flows', { Limit: 1000 });
  check('ListFlows without a deleted flow', all.some((flow) => flow.Name === Name), false);

  await client.createFlow({ Name, Definition: DEFINITION, Description: '', Type: 'FDL' });
  check('a flow of that name is another', (await client.describeFlow({ Name })).Id !== before.Id, true);
  check('it has no old executions', (await client.listExecutions({ FlowName: Name })).Executions, []);
  await checkError('it has no old history', 'ExecutionNotExists', 404, "'old'", () =>
    client.getExecutionHistory(old));
  await client.startExecution(old);
  check('an execution of that name is another', (await client.getExecutionHistory(old)).Events.length, 1);
}

async function run() {
  const admin = connect(env.FLOWLEDGER_ACCESS_KEY_ID, env.FLOWLEDGER_ACCESS_KEY_SECRET);
  const reader = connect(env.FLOWLEDGER_READER_KEY_ID, env.FLOWLEDGER_READER_KEY_SECRET);
  const flow = `conformance-${crypto.randomBytes(8).toString('hex')}`;
  await flows(admin, flow);
  const started = await starting(admin, flow);
  await appending(admin, flow);
  const ended = await ending(admin, flow);
  await paging(admin, flow, started, ended);
  await otherEnds(admin, flow);
  await requestArguments(admin, flow);
  await keys(admin, reader, flow);
  await updating(admin);
  await listingExecutions(admin);
  await listingFlows(admin, reader, flow);
  await stopping(admin, flow);
  await waiting(admin, flow);
  await tasks(admin, flow);
  await deleting(admin, reader);
  console.log(`ok: ${checks} checks`);
}

run().catch((error) => {
  if (error.entry) { // an error answer that no check asked for
    const got = `${error.entry.response.statusCode} ${error.code}: ${error.message}`;
    console.error(`FAILED a call after check ${checks}\n  expected a success\n  got      ${got}`);
  } else {
    console.error(error.message.startsWith('FAILED') ? error.message : error);
  }
  process.exit(1);
});
