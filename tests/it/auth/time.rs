//! A request's time: how far it may be from the server's, and its format.

use super::{MINUTE, SECOND, both, history};
use crate::support::{NOW, Server, call::seconds};

#[tokio::test]
async fn request_time_may_be_fifteen_minutes_off_and_not_a_second_more() {
    let server = Server::with_execution().await;
    for call in both(&history()) {
        for (at, expected) in [
            (NOW - 15 * MINUTE, "OK"),
            (NOW - 15 * MINUTE - SECOND, "RequestTimeTooSkewed"),
            (NOW + 15 * MINUTE, "OK"),
            (NOW + 15 * MINUTE + SECOND, "RequestTimeTooSkewed"),
        ] {
            let call = call.clone().at(at).nonce(&format!("{at} {}", call.acs3));
            assert_eq!(server.code(call).await, expected, "{}", seconds(at));
        }
    }
}

#[tokio::test]
async fn skew_is_checked_to_the_millisecond() {
    let server = Server::with_execution().await;
    for (now, expected) in [
        (NOW + 15 * MINUTE, "OK"),
        (NOW + 15 * MINUTE + 1, "RequestTimeTooSkewed"),
        (NOW - 15 * MINUTE, "OK"),
        (NOW - 15 * MINUTE - 1, "RequestTimeTooSkewed"),
    ] {
        server.set_time(now);
        assert_eq!(server.code(history().at(NOW)).await, expected, "{now}");
    }
}

#[tokio::test]
async fn skew_error_names_both_times() {
    let server = Server::with_execution().await;
    let (status, _, message) = server.refused(history().at(NOW - 60 * MINUTE)).await;
    assert_eq!(status, 403);
    assert_eq!(
        message,
        "The difference between the request time 2026-11-22T11:00:00Z and the current time \
         2026-11-22T12:00:00.000Z is too large."
    );
}

#[tokio::test]
async fn time_in_any_other_format_is_refused() {
    let server = Server::with_execution().await;
    for call in both(&history()) {
        for time in [
            "2026-11-22T12:00:00+00:00",
            "2026-11-22T20:00:00+08:00",
            "2026-11-22T12:00:00.0Z",
            "2026-11-22T12:00:00.000Z",
            "2026-11-22T12:00:00z",
            "2026-11-22t12:00:00Z",
            "2026-11-22 12:00:00Z",
            "2026-11-22T12:00Z",
            "2026-11-22T12:00:0Z",
            "2026-11-22T12:00:00",
            "20261122T120000Z",
            "2026-11-22T12:00:00ZZ",
            "+2026-11-22T12:00:0Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T11:59:60Z",
            "2026-02-30T12:00:00Z",
            "0000-11-22T12:00:00Z",
            "-001-11-22T12:00:00Z",
            "Sun, 22 Nov 2026 12:00:00 GMT",
            "1795348800",
        ] {
            let mut call = call.clone().nonce(&format!("{time} {}", call.acs3));
            time.clone_into(&mut call.time);
            let (status, code, message) = server.refused(call).await;
            assert_eq!((status, code.as_str()), (400, "InvalidArgument"), "{time}");
            assert!(message.contains("YYYY-MM-DDThh:mm:ssZ"), "{message}");
        }
    }
}

#[tokio::test]
async fn digits_of_other_scripts_are_refused() {
    let server = Server::with_execution().await;
    let mut call = history();
    "２０２６-11-22T12:00:00Z".clone_into(&mut call.time);
    assert_eq!(server.code(call).await, "InvalidArgument");
    let mut call = history();
    "٢٠٢٦-11-22T12:0Z".clone_into(&mut call.time);
    assert_eq!(call.time.len(), 20);
    assert_eq!(server.code(call).await, "InvalidArgument");
}

#[tokio::test]
async fn far_past_and_far_future_are_refused_as_skewed() {
    let server = Server::with_execution().await;
    for call in both(&history()) {
        for time in [
            "0001-01-01T00:00:00Z",
            "1970-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ] {
            let mut call = call.clone().nonce(&format!("{time} {}", call.acs3));
            time.clone_into(&mut call.time);
            assert_eq!(server.code(call).await, "RequestTimeTooSkewed", "{time}");
        }
    }
}
