//! What it takes to check a signature does not grow with the parameters.

use flowledger::{
    auth::{Authenticator, Request, keys::Keys},
    model::Timestamp,
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
                headers: request.headers(),
                body: request.body(),
            };
            authenticator
                .authenticate(&request, &mut params, now, |_| false)
                .unwrap();
        };
        allocation_counter::measure(check).count_total
    };
    counted(&call.with_new_nonce()); // makes room for nonces
    counted(call)
}

#[test]
fn checking_a_signature_allocates_nothing_for_a_parameter_that_is_spelled_as_it_is() {
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
