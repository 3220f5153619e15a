// @alicloud/fnf-2019-03-15, the Node SDK. It signs RPC v1 (HMAC-SHA1) and sends everything of a POST in the form body.
//
// Reads calls from standard input and prints their answers; README.md describes the lines.
'use strict';

const Fnf = require('@alicloud/fnf-2019-03-15');

const env = process.env;

function connect(accessKeyId, accessKeySecret) {
  const endpoint = `http://${env.FLOWLEDGER_ENDPOINT}`;
  return new Fnf({ accessKeyId, accessKeySecret, endpoint, opts: { timeout: 10000 } });
}

// Calls the SDK's own method if it has one, such as client.createFlow({ Name, Definition, Type }) or
// client.getExecutionHistory({ FlowName, ExecutionName, Limit, NextToken }).
function call(client, request) {
  const { Action, Method, Version, Nonce, Time } = request;
  const parameters = { ...request.Parameters };
  for (const [name, value] of Object.entries(parameters)) {
    if (typeof value === 'object') parameters[name] = JSON.stringify(value); // Events
  }
  // A parameter of the same name replaces what the SDK would have sent.
  if (Version) parameters.Version = Version;
  if (Nonce) parameters.SignatureNonce = Nonce;
  if (Time) parameters.Timestamp = Time;

  const method = Action[0].toLowerCase() + Action.slice(1);
  // The SDK's own method refuses a call without FlowName.
  const missesFlow = Action === 'GetExecutionHistory' && parameters.FlowName === undefined;
  if (!client[method] || Method || missesFlow) {
    // The generic request: a GET with everything in the query unless it says POST. AppendExecutionEvents,
    // FlowLedger's own action, has no method of its own.
    return client.request(Action, parameters, Method === 'GET' ? {} : { method: 'POST' });
  }
  const wait = parameters.WaitTimeSeconds;
  return client[method](parameters, wait > 0 ? { timeout: (wait + 10) * 1000 } : {});
}

const clients = new Map();

async function answer(request) {
  const key = request.Key || [env.FLOWLEDGER_ACCESS_KEY_ID, env.FLOWLEDGER_ACCESS_KEY_SECRET];
  if (!clients.has(key[0] + key[1])) clients.set(key[0] + key[1], connect(...key));
  try {
    return { Answer: await call(clients.get(key[0] + key[1]), request) };
  } catch (error) {
    if (!error.entry) throw error; // no answer, as after a broken connection
    return { Error: { Code: error.code, Status: error.entry.response.statusCode, Message: error.message } };
  }
}

async function serve() {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) {
    const lines = (text + chunk).split('\n');
    text = lines.pop();
    for (const line of lines) console.log(JSON.stringify(await answer(JSON.parse(line))));
  }
}

serve();
