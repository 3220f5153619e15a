//! Times of events and of requests. The input is a time's text.

use flowledger::model::Timestamp;

use super::spec;

pub fn check(data: &[u8]) {
    if let Ok(number) = <[u8; 8]>::try_from(data)
        && let Some(time) = Timestamp::from_millis(i64::from_le_bytes(number))
    {
        reads_back(time);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let expected = spec::time(text);
    let read = Timestamp::parse(text);
    assert_eq!(
        read.map(Timestamp::millis),
        expected.map(|(millis, _)| millis),
        "{text:?}"
    );
    if let Some(time) = read {
        reads_back(time);
    }
    let strict = Timestamp::parse_seconds(text);
    assert_eq!(
        strict,
        read.filter(|_| expected.is_some_and(|(_, strict)| strict)),
        "{text:?}"
    );
    if let Some(time) = strict {
        assert_eq!(time.to_string().replace(".000Z", "Z"), text, "one spelling");
    }
}

fn reads_back(time: Timestamp) {
    let text = time.to_string();
    assert_eq!(text.len(), "2019-01-01T01:01:01.001Z".len());
    assert_eq!(Timestamp::parse(&text), Some(time), "{text}");
    assert_eq!(spec::time(&text), Some((time.millis(), false)), "{text}");
}
