//! Allocations of reading and checking a request: they do not grow with what an anonymous caller sends.

use flowledger::{
    auth::{Authenticator, Request, keys::Keys},
    model::{
        Timestamp,
        event::{FILTER_MAX_TYPES, parse_types},
    },
    wire::params::{BodyKind, Params},
};

use crate::support::{Call, KEYS, NOW};

/// Allocations from the parameters' bytes to the caller.
fn allocations(call: &Call) -> u64 {
    let authenticator = Authenticator::new(Keys::load(Some(KEYS), None).unwrap());
    let now = Timestamp::from_millis(NOW).unwrap();
    let counted = |call: &Call| {
        let request = call.to_request();
        let check = || {
            let form = (BodyKind::Form, &request.body()[..]);
            let form = Some(form).filter(|(_, bytes)| !bytes.is_empty());
            let mut params = Params::parse(request.uri().query().unwrap(), form).unwrap();
            let request = Request {
                method: request.method().as_str(),
                path: "/",
                headers: request.headers(),
                body: request.body(),
            };
            authenticator
                .authenticate(&request, &mut params, now)
                .unwrap();
        };
        allocation_counter::measure(check).count_total
    };
    counted(&call.with_new_nonce()); // makes room for nonces
    counted(call)
}

#[test]
fn checking_a_signature_allocates_nothing_per_unescaped_parameter() {
    for acs3 in [false, true] {
        for in_form in [false, true] {
            let with = |count: usize| {
                (0..count).fold(Call::new("GetExecutionHistory"), |call, n| {
                    let (name, value) = (format!("parameter-{n}"), n.to_string());
                    match in_form {
                        true => call.form(&name, &value),
                        false => call.query(&name, &value),
                    }
                })
            };
            let [few, more, most] = [5, 20, 90].map(|count| {
                let call = with(count);
                allocations(&if acs3 { call.acs3() } else { call })
            });
            assert_eq!((more, most), (few, few), "ACS3: {acs3}, form: {in_form}");
            assert!(few < 20, "{few} allocations");
        }
    }
}

#[test]
fn reading_too_many_parameters_stops_at_the_limit() {
    let pairs = "a=%41&".repeat(100_000);
    let members = (0..100_000).map(|n| format!("\"{n}\":\"\\n\""));
    let object = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    let nulls = object.replace("\"\\n\"", "null");
    for (kind, body) in [
        (BodyKind::Form, pairs),
        (BodyKind::Json, object),
        (BodyKind::Json, nulls),
    ] {
        let parse = || {
            let refused = Params::parse("", Some((kind, body.as_bytes()))).unwrap_err();
            assert!(refused.message.contains("at most 100 parameters"));
        };
        let count = allocation_counter::measure(parse).count_total;
        assert!(count < 1000, "{count} allocations");
    }
}

#[test]
fn reading_a_list_of_types_allocates_once_for_each_distinct_type() {
    let count = |text: &str| allocation_counter::measure(|| drop(parse_types(text))).count_total;
    assert_eq!(count(&("A,B,".repeat(1000) + "A")), count("A,B"));
    let distinct: Vec<_> = (1..=FILTER_MAX_TYPES)
        .map(|length| "a".repeat(length))
        .collect();
    let most = count(&distinct.join(","));
    assert!(most < 100, "{most} allocations");
    let more: Vec<_> = ('a'..='z')
        .flat_map(|a| ('a'..='z').map(move |b| format!("{a}{b}")))
        .collect();
    assert_eq!(count(&more.join(",")), most, "it stops at the limit");
}
