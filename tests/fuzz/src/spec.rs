//! A second implementation of the specification: decoding, encoding, what each scheme signs, names, times.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub type Pair = (String, String);

/// The common parameters of every call.
pub const COMMON: [&str; 13] = [
    "AccessKeyId",
    "Action",
    "BearerToken",
    "Format",
    "RegionId",
    "SecurityToken",
    "Signature",
    "SignatureMethod",
    "SignatureNonce",
    "SignatureType",
    "SignatureVersion",
    "Timestamp",
    "Version",
];

/// The pairs of a query or form: `&` between them, `+` a space, `%XX` a byte of UTF-8.
pub fn pairs(text: &[u8]) -> Option<Vec<Pair>> {
    let pairs = text.split(|b| *b == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let equals = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            let value = pair.get(equals + 1..).unwrap_or_default();
            Some((decode(&pair[..equals])?, decode(value)?))
        })
        .collect()
}

fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = text.get(at + 1..at + 3)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                let digits = std::str::from_utf8(digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                at += 2;
            }
            other => bytes.push(other),
        }
        at += 1;
    }
    String::from_utf8(bytes).ok()
}

/// Whether no name is given twice and there are at most 100.
pub fn distinct(pairs: &[Pair]) -> bool {
    let names: std::collections::BTreeSet<_> = pairs.iter().map(|(name, _)| name).collect();
    names.len() == pairs.len() && pairs.len() <= 100
}

/// Whether a name differs from a common one in case only.
pub fn misspelled(name: &str) -> bool {
    let mut common = COMMON.iter();
    common.any(|common| common.eq_ignore_ascii_case(name) && *common != name)
}

/// Percent-encoding by RFC 3986.
pub fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Pairs sorted by name and encoded.
pub fn canonical(pairs: &[Pair]) -> String {
    let mut sorted = pairs.to_vec();
    sorted.sort();
    let sorted: Vec<_> = sorted
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    sorted.join("&")
}

/// What RPC v1 signs: all pairs but the signature itself.
pub fn rpc_v1_text(method: &str, pairs: &[Pair]) -> String {
    let mut signed = pairs.to_vec();
    signed.retain(|(name, _)| name != "Signature");
    format!("{method}&{}&{}", encode("/"), encode(&canonical(&signed)))
}

pub fn rpc_v1_signature(secret: &str, text: &str) -> String {
    let mac = Hmac::<Sha1>::new_from_slice(format!("{secret}&").as_bytes()).expect("any key");
    BASE64_STANDARD.encode(mac.chain_update(text).finalize().into_bytes())
}

/// What ACS3 signs, before it is hashed. `headers` have lower-case names and trimmed values.
pub fn acs3_text(
    method: &str,
    query: &[Pair],
    headers: &[(String, Vec<u8>)],
    signed: &[&str],
    hash: &str,
) -> Vec<u8> {
    let mut text = format!("{method}\n/\n{}\n", canonical(query)).into_bytes();
    for name in signed {
        let mut values: Vec<_> = headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
            .collect();
        values.sort();
        text.extend_from_slice(format!("{name}:").as_bytes());
        text.extend_from_slice(&values.join(&b','));
        text.push(b'\n');
    }
    text.extend_from_slice(format!("\n{}\n{hash}", signed.join(";")).as_bytes());
    text
}

pub fn acs3_signature(secret: &str, canonical_request: &[u8]) -> String {
    let text = format!("ACS3-HMAC-SHA256\n{}", sha256(canonical_request));
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    hex(&mac.chain_update(text).finalize().into_bytes())
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An `Authorization` of ACS3: credential, signed headers, signature.
pub fn authorization(value: &str) -> Option<(&str, Vec<&str>, &str)> {
    let parts: Vec<_> = value
        .strip_prefix("ACS3-HMAC-SHA256 ")?
        .split(',')
        .map(str::trim)
        .collect();
    let part = |name: &str| {
        let mut found = parts
            .iter()
            .filter_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        found.next().filter(|_| found.next().is_none())
    };
    let (id, headers, signature) = (
        part("Credential")?,
        part("SignedHeaders")?,
        part("Signature")?,
    );
    let headers: Vec<_> = headers.split(';').collect();
    let each: std::collections::BTreeSet<_> = headers.iter().collect();
    let digits =
        signature.len() == 64 && signature.bytes().all(|b| b"0123456789abcdef".contains(&b));
    (parts.len() == 3 && !id.is_empty() && each.len() == headers.len() && digits)
        .then_some((id, headers, signature))
}

pub fn is_name(text: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(first) && text.chars().all(rest) && text.chars().count() <= 128
}

/// Whether the text is a UUID in lower case.
pub fn is_uuid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.chars().all(hex))
}

/// Milliseconds since 1970 of an RFC 3339 time, and whether it is `YYYY-MM-DDThh:mm:ssZ`.
pub fn time(text: &str) -> Option<(i64, bool)> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
        digits.parse().ok()
    };
    let mark = |at: usize, mark: &str| text.get(at..at + 1).filter(|found| *found == mark);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    for (at, it) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")] {
        mark(at, it)?;
    }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let valid = (1..=12).contains(&month) && (1..=month_days(month, leap)).contains(&day);
    (valid && hour < 24 && minute < 60 && second < 60).then_some(())?;
    let mut rest = text.get(19..)?;
    let mut millis = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.len()
            - fraction
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .len();
        (digits > 0).then_some(())?;
        millis = format!("{:0<3}", &fraction[..digits])[..3].parse().ok()?;
        rest = &fraction[digits..];
    }
    let east = match rest {
        "Z" => 0,
        _ => {
            let at = text.len().checked_sub(5).filter(|_| rest.len() == 6)?;
            mark(at + 2, ":")?;
            let (hours, minutes) = (number(at, at + 2)?, number(at + 3, at + 5)?);
            (hours < 24 && minutes < 60).then_some(())?;
            let sign = if rest.starts_with('-') { -1 } else { 1 };
            (rest.starts_with(['+', '-'])).then_some(sign * (hours * 60 + minutes))?
        }
    };
    // Days since 1970, by counting the years before.
    let before = year - 1;
    let day_of_year = (1..month).map(|month| month_days(month, leap)).sum::<i64>() + day - 1;
    let leaps = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let days = before * 365 + leaps + day_of_year - 719_162;
    let millis = (((days * 24 + hour) * 60 + minute - east) * 60 + second) * 1000 + millis;
    let years = -62_135_596_800_000..=253_402_300_799_999;
    years
        .contains(&millis)
        .then_some((millis, text.len() == 20))
}

fn month_days(month: i64, leap: bool) -> i64 {
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
