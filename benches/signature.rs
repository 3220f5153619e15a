//! Compares the check of a signature with hashing as many bytes and nothing else, and counts its allocations.

use std::cell::RefCell;

use flowledger::{
    auth::{Authenticator, Request, keys::Keys},
    model::Timestamp,
    wire::{
        params::{BodyKind, Params},
        signature::{acs3, hex, rpc_v1},
    },
};
use hmac::{Hmac, KeyInit, Mac, digest::Update};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::{
    NOW,
    call::Call,
    events,
    report::{self, Contender, timed},
};

const KEY: (&str, &str) = ("bench", "bench-secret");

/// How often the requests are checked in a round. They are few, so that they are in the CPU's cache like a request
/// that has just arrived.
const PASSES: usize = 100;

/// A substitute for a hash that keeps its input.
#[derive(Default)]
struct Text(Vec<u8>);

impl Update for Text {
    fn update(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }
}

type Arrived = http::Request<Vec<u8>>;

fn params(request: &Arrived) -> Params<'_> {
    let form = (BodyKind::Form, &request.body()[..]);
    let form = Some(form).filter(|(_, bytes)| !bytes.is_empty());
    Params::parse(request.uri().query().unwrap(), form).unwrap()
}

fn check(request: &Arrived, params: &mut Params<'_>, authenticator: &Authenticator) {
    let now = Timestamp::from_millis(NOW).unwrap();
    let request = Request {
        method: request.method().as_str(),
        path: "/",
        headers: request.headers(),
        body: request.body(),
    };
    let caller = authenticator.authenticate(&request, params, now);
    std::hint::black_box(caller.unwrap());
}

/// Returns an authenticator that has seen no nonce yet.
fn authenticator() -> Authenticator {
    let admin = (KEY.0.to_owned(), KEY.1.to_owned());
    Authenticator::new(Keys::load(None, Some(admin)).unwrap())
}

/// The bytes that the check of a request hashes: first those of plain SHA-256, then those of the HMAC.
struct Hashed {
    plain: Vec<Vec<u8>>,
    keyed: Vec<u8>,
}

impl Hashed {
    fn of(request: &Arrived) -> Self {
        let (params, headers) = (params(request), request.headers());
        let method = request.method().as_str();
        let mut text = Text::default();
        let Some(authorization) = headers.get("authorization") else {
            rpc_v1::string_to_sign(method, params.all(), &mut text);
            return Hashed {
                plain: Vec::new(),
                keyed: text.0,
            };
        };
        let names = acs3::Authorization::parse(authorization.to_str().unwrap()).unwrap();
        let names = names.signed_headers;
        let hash = hex(Sha256::digest(request.body()));
        let (root, query) = (acs3::ROOT, params.of_query());
        acs3::canonical_request(method, root, query, headers, &names, &hash, &mut text);
        let canonical = Sha256::new().chain_update(&text.0);
        Hashed {
            plain: vec![request.body().clone(), text.0],
            keyed: acs3::string_to_sign(canonical).into_bytes(),
        }
    }

    fn bytes(&self) -> usize {
        self.plain.iter().map(Vec::len).sum::<usize>() + self.keyed.len()
    }

    /// Hashes the same bytes, with HMACs that are already initialised with the key.
    fn hash(&self, rpc_v1: &Hmac<Sha1>, sha256: &Hmac<Sha256>) {
        for text in &self.plain {
            std::hint::black_box(Sha256::digest(text));
        }
        if self.plain.is_empty() {
            let mac = Mac::chain_update(rpc_v1.clone(), &self.keyed);
            std::hint::black_box(mac.finalize());
        } else {
            let mac = Mac::chain_update(sha256.clone(), &self.keyed);
            std::hint::black_box(mac.finalize());
        }
    }
}

fn history() -> Call {
    let call = Call::new("GetExecutionHistory")
        .query("FlowName", events::FLOW)
        .query("ExecutionName", "order-00001234")
        .query("Limit", "100");
    as_sdks_send(call)
}

fn append() -> Call {
    let call = Call::new("AppendExecutionEvents")
        .form("FlowName", events::FLOW)
        .form("ExecutionName", "order-00001234")
        .form("Events", &events::batch(2, 100))
        .form("ExpectedEventId", "2");
    as_sdks_send(call)
}

fn as_sdks_send(call: Call) -> Call {
    call.key(KEY.0, KEY.1)
        .header("User-Agent", "AlibabaCloud (Linux; amd64) bench/1.0")
        .header("Accept", "application/json")
}

pub fn run() {
    report::head(
        "Signature check",
        &[
            "request",
            "scheme",
            "bytes hashed",
            "hash, µs",
            "check, µs",
            "check / hash",
            "with parameters, µs",
        ],
    );
    for (name, call, count) in [("history", history(), 64), ("100 events", append(), 8)] {
        for (scheme, call) in [("RPC v1", call.clone()), ("ACS3", call.acs3())] {
            let requests: Vec<_> = (0..count)
                .map(|_| call.with_new_nonce().to_request())
                .collect();
            let hashed: Vec<_> = requests.iter().map(Hashed::of).collect();
            let rpc_v1 = Hmac::new_from_slice(format!("{}&", KEY.1).as_bytes()).unwrap();
            let sha256 = Hmac::new_from_slice(KEY.1.as_bytes()).unwrap();
            // A new authenticator for each pass, because it refuses a nonce that it has seen.
            let each = |work: &dyn Fn(usize, &Authenticator)| {
                let authenticators: Vec<_> = (0..PASSES).map(|_| authenticator()).collect();
                let elapsed = timed(|| {
                    for authenticator in &authenticators {
                        (0..count).for_each(|nth| work(nth, authenticator));
                    }
                });
                (count * PASSES, elapsed)
            };
            let read: Vec<_> = requests.iter().map(|it| RefCell::new(params(it))).collect();
            let rates = report::alternate(&mut [
                Box::new(|| each(&|nth, _| hashed[nth].hash(&rpc_v1, &sha256))) as Contender<'_>,
                Box::new(|| {
                    each(&|nth, authenticator| {
                        check(&requests[nth], &mut read[nth].borrow_mut(), authenticator);
                    })
                }),
                Box::new(|| {
                    each(&|nth, authenticator| {
                        check(&requests[nth], &mut params(&requests[nth]), authenticator);
                    })
                }),
            ]);
            let micros = |contender| format!("{:.2}", 1e6 / rates.of(contender));
            report::line(&[
                name.to_owned(),
                scheme.to_owned(),
                hashed[0].bytes().to_string(),
                micros(0),
                micros(1),
                format!("{:.2}", rates.ratio(0, 1)),
                micros(2),
            ]);
        }
    }
    allocations();
}

fn allocations() {
    report::head(
        "Allocations to parse parameters and check the signature",
        &["more parameters", "RPC v1", "ACS3"],
    );
    for count in [5, 20, 85] {
        let call = (0..count).fold(history(), |call, n| {
            call.query(&format!("parameter-{n}"), &n.to_string())
        });
        let [rpc_v1, acs3] = [call.clone(), call.acs3()].map(|call| {
            let authenticator = authenticator();
            let [_, allocated] = [call.with_new_nonce(), call.with_new_nonce()].map(|call| {
                let request = call.to_request();
                let check = || check(&request, &mut params(&request), &authenticator);
                allocation_counter::measure(check).count_total
            });
            allocated.to_string()
        });
        report::line(&[count.to_string(), rpc_v1, acs3]);
    }
}
