//! Values: events, times and names, read back as they were written.

use flowledger::model::{Name, NewEvent, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use super::{config, text};
use crate::support::test_store::at;

/// From the first to the last millisecond of the years 1 to 9999.
fn millis() -> impl Strategy<Value = i64> {
    prop_oneof![
        -62_135_596_800_000..=253_402_300_799_999_i64,
        -2000..2000_i64,
        Just(-62_135_596_800_000),
        Just(253_402_300_799_999),
    ]
}

fn rendered(event: &NewEvent, id: i64) -> String {
    let mut json = Vec::new();
    event.render(id, at(0), &mut json);
    String::from_utf8(json).unwrap()
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn event_is_read_back_byte_for_byte(
        event_type in "[A-Za-z]{1,64}",
        step_name in text(40),
        event_detail in text(200),
        time in prop::option::of(millis()),
        cause in prop::option::of(0..=i64::MAX),
        id in 1..=i64::MAX,
    ) {
        let event = NewEvent {
            event_type: event_type.clone(),
            time: time.map(|millis| Timestamp::from_millis(millis).unwrap()),
            schedule_event_id: cause,
            event_id: None,
            step_name: step_name.clone(),
            event_detail: event_detail.clone(),
        };
        let json = rendered(&event, id);
        prop_assert!(!json.contains(['\n', '\r', '\0']), "one line of text: {json}");
        let read: Value = serde_json::from_str(&json).unwrap();
        let fields = read.as_object().unwrap();
        prop_assert_eq!(fields.len(), 6);
        prop_assert_eq!(fields["Type"].as_str(), Some(event_type.as_str()));
        prop_assert_eq!(fields["EventId"].as_i64(), Some(id));
        prop_assert_eq!(fields["ScheduleEventId"].as_i64(), Some(cause.unwrap_or(id - 1)));
        prop_assert_eq!(fields["StepName"].as_str(), Some(step_name.as_str()));
        prop_assert_eq!(fields["EventDetail"].as_str(), Some(event_detail.as_str()));
        let stored = Timestamp::parse(fields["Time"].as_str().unwrap());
        prop_assert_eq!(stored, Some(event.time.unwrap_or(at(0))));
        prop_assert!(event.is_stored_as(id, json.as_bytes()));
        let other = NewEvent { step_name: format!("{step_name}."), ..event };
        prop_assert!(!other.is_stored_as(id, json.as_bytes()));
    }

    /// The classic Java SDK takes the six characters of `\u6b65` for the letters u6b65.
    #[test]
    fn only_control_characters_without_a_short_escape_are_written_as_unicode_escapes(detail in text(200)) {
        let event = NewEvent { event_detail: detail, ..crate::support::test_store::event("A") };
        let json = rendered(&event, 1).replace("\\\\", "");
        for (at, _) in json.match_indices("\\u") {
            let number = u8::from_str_radix(&json[at + 2..at + 6], 16).unwrap();
            prop_assert!(number < 0x20 && !b"\x08\t\n\x0c\r".contains(&number), "{number} in {json}");
        }
    }

    #[test]
    fn output_is_found_byte_for_byte(text in text(60), before in text(20)) {
        let output = format!(" [ {} ,1.50]", Value::from(text));
        let detail = format!("{{{}:0,\"output\":{output} }}", Value::from(format!("_{before}")));
        let event = NewEvent { event_detail: detail, ..crate::support::test_store::event("A") };
        prop_assert_eq!(event.output(), Some(output.trim_start()));
    }

    #[test]
    fn time_is_read_back_as_written(millis in millis()) {
        let time = Timestamp::from_millis(millis).unwrap();
        let text = time.to_string();
        prop_assert_eq!(text.len(), "2019-01-01T01:01:01.001Z".len());
        prop_assert_eq!(Timestamp::parse(&text), Some(time));
        prop_assert_eq!(serde_json::to_value(time).unwrap(), Value::from(text));
        prop_assert_eq!(time.millis(), millis);
    }

    #[test]
    fn equal_times_in_any_offset_are_equal(
        millis in 0..253_000_000_000_000_i64,
        offset in -1439..=1439_i64,
        finer in "[0-9]{0,9}",
    ) {
        let local = Timestamp::from_millis(millis + offset * 60_000);
        prop_assume!(local.is_some());
        let local = local.unwrap().to_string();
        let sign = if offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
        let text = format!("{}{finer}{sign}{hours:02}:{minutes:02}", local.trim_end_matches('Z'));
        prop_assert_eq!(Timestamp::parse(&text), Timestamp::from_millis(millis), "{}", text);
    }

    #[test]
    fn time_in_seconds_has_one_spelling(seconds in -62_135_596_800..=253_402_300_799_i64, at in 0..20_usize, other in super::character()) {
        let time = Timestamp::from_millis(seconds * 1000).unwrap();
        let text = time.to_string().replace(".000Z", "Z");
        prop_assert_eq!(Timestamp::parse_seconds(&text), Some(time));
        let mut invalid: Vec<char> = text.chars().collect();
        invalid[at] = other;
        let invalid = String::from_iter(invalid);
        if let Some(read) = Timestamp::parse_seconds(&invalid) {
            prop_assert_eq!(read.to_string().replace(".000Z", "Z"), invalid, "read means written so");
        }
    }

    #[test]
    fn time_needs_upper_case_letters(millis in 0..253_000_000_000_000_i64, offset in 0..1400_i64) {
        let text = Timestamp::from_millis(millis).unwrap().to_string();
        prop_assert_eq!(Timestamp::parse(&text.replace('T', "t")), None);
        prop_assert_eq!(Timestamp::parse(&text.replace('Z', "z")), None);
        prop_assert_eq!(Timestamp::parse(&text.replace('T', " ")), None);
        let with_offset = text.replace('Z', &format!("+{:02}:{:02}", offset / 60, offset % 60));
        prop_assert!(Timestamp::parse(&with_offset).is_some());
        for with_fraction_or_offset in [text, with_offset] {
            prop_assert_eq!(Timestamp::parse_seconds(&with_fraction_or_offset), None);
        }
    }

    #[test]
    fn invalid_time_never_panics(text in text(30), number in any::<i64>(), near in -2..=2_i64) {
        if let Some(time) = Timestamp::parse(&text) {
            prop_assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
        }
        let years = -62_135_596_800_000..=253_402_300_799_999;
        for number in [number, years.start() + near, years.end() + near] {
            prop_assert_eq!(Timestamp::from_millis(number).is_some(), years.contains(&number));
        }
    }

    #[test]
    fn name_is_valid_by_its_characters(good in "[A-Za-z_][A-Za-z0-9_-]{0,127}", at in 0..128_usize, other in super::character()) {
        let name = Name::parse(&good).unwrap();
        prop_assert_eq!(name.as_str(), &good);
        prop_assert_eq!(name.to_string(), &*good);
        prop_assert!(Name::parse(&format!("{good:_<129}")).is_none(), "too long");
        prop_assert!(Name::parse("").is_none());
        let mut invalid: Vec<char> = good.chars().collect();
        let at = at % invalid.len();
        invalid[at] = other;
        let allowed = other == '_' || other.is_ascii_alphabetic() || at > 0 && (other == '-' || other.is_ascii_digit());
        prop_assert_eq!(Name::parse(&String::from_iter(invalid)).is_some(), allowed);
    }

    #[test]
    fn execution_name_may_also_be_a_lower_case_uuid(
        name in "[A-Za-z_][A-Za-z0-9_-]{0,127}", bits in any::<u128>(), at in 0..36_usize, other in super::character()
    ) {
        prop_assert!(Name::parse_execution(&name).is_some());
        let uuid = uuid::Uuid::from_u128(bits).to_string();
        let parsed = Name::parse_execution(&uuid).unwrap();
        prop_assert_eq!(parsed.as_str(), &uuid);
        let mut changed: Vec<char> = uuid.chars().collect();
        let hyphen = changed[at] == '-';
        changed[at] = other;
        let changed = String::from_iter(changed);
        let still = if hyphen { other == '-' } else { "0123456789abcdef".contains(other) };
        prop_assert_eq!(
            Name::parse_execution(&changed).is_some(),
            still || Name::parse(&changed).is_some()
        );
        for wrong in [&uuid[..35], &format!("1{uuid}"), &format!("1{}", &uuid[1..].to_uppercase().replace('-', "."))] {
            prop_assert_eq!(Name::parse_execution(wrong).is_some(), Name::parse(wrong).is_some());
        }
    }
}
