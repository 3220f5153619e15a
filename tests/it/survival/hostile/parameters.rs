//! Parameters: near-misses of known names, values that two parsers read differently, bodies that do not match their
//! Content-Type.

use super::{Row, call, changed, history, raw};
use crate::support::Call;

const INVALID: (u16, &str) = (400, "InvalidArgument");
const MISSING: (u16, &str) = (400, "MissingRequiredParams");
const NOT: (u16, &str) = (403, "SignatureNotMatch");
const MEDIA: (u16, &str) = (415, "UnsupportedMediaType");

pub fn rows() -> Vec<Row> {
    let mut rows = names();
    rows.extend(added());
    rows.extend(encodings());
    rows.extend(bodies());
    rows
}

/// Names that another parser might read as `FlowName` are unknown parameters here, or refused.
fn names() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, (status, code)) in [
        ("flowName", INVALID),
        ("FLOWNAME", INVALID),
        ("FlowName ", MISSING),
        (" FlowName", MISSING),
        ("FlowName[]", MISSING),
        ("FlowName[0]", MISSING),
        ("FlowName.1", MISSING),
        ("FlowName\0", MISSING),
        ("Flow_Name", MISSING),
        ("flow-name", MISSING),
        ("\u{feff}FlowName", MISSING),
        ("FlowName\u{200b}", MISSING),
        ("ＦlowName", MISSING),
        ("FlоwName", MISSING),
        ("FlowName\u{301}", MISSING),
        ("FlowNаme", MISSING),
        ("amp;FlowName", MISSING),
        ("$FlowName", MISSING),
        ("__proto__[FlowName]", MISSING),
    ] {
        let other = Call::new("GetExecutionHistory")
            .query(name, "f")
            .query("ExecutionName", "e");
        rows.push(call(other, status, code));
    }
    // Beside `FlowName` they are unknown parameters, which are ignored.
    for name in [
        "FlowName[]",
        "FlowName\0",
        "FlоwName",
        "__proto__",
        "constructor",
        "",
        " ",
        "=",
        "&",
    ] {
        rows.push(call(history().query(name, "other"), 200, ""));
    }
    rows
}

/// Parameters added after signing are refused, or empty and ignored.
fn added() -> Vec<Row> {
    let mut rows = Vec::new();
    for (more, (status, code)) in [
        ("FlowName=f&", INVALID),
        ("FlowName=other&", INVALID),
        ("Flow%4Eame=other&", INVALID),
        ("%46%6c%6f%77%4e%61%6d%65&", INVALID),
        ("FlowName&", INVALID),
        ("FLOWname=other&", INVALID),
        ("limit=1000&", INVALID),
        ("action=DeleteFlow&", INVALID),
        ("ACCESSKEYID=x&", INVALID),
        ("Limit=1&", NOT),
        ("Qualifier=&Limit=1&", NOT),
        ("FlowName[]=other&", NOT),
        ("FlowName;x=y&", NOT),
        ("x=1;FlowName=other&", NOT),
        ("=&", (200, "")),
        ("&&&&", (200, "")),
        ("Qualifier=&", (200, "")),
        ("StepName=&EventTypes=&", (200, "")),
        ("x=&=x&", NOT),
        ("%=&", INVALID),
    ] {
        rows.push(changed(history(), "/?", &format!("/?{more}"), status, code));
    }
    for (from, to, (status, code)) in [
        ("FlowName=f", "FlowName=f%20", NOT),
        ("FlowName=f", "FlowName=f%00", NOT),
        ("FlowName=f", "FlowName=F", NOT),
        ("FlowName=f&", "FlowName=f%26", NOT),
        ("FlowName=f&", "FlowName=f;", NOT),
        ("FlowName=f", "FlowName==f", NOT),
        ("FlowName=f", "FlowName=%2566", NOT),
        ("FlowName=f", "%46lowName=%66", (200, "")),
    ] {
        rows.push(changed(history(), from, to, status, code));
    }
    rows
}

fn encodings() -> Vec<Row> {
    let mut rows = Vec::new();
    for broken in [
        "x=%u0041",
        "x=%C0%AF",
        "x=%E0%80%AF",
        "x=%F0%80%80%AF",
        "x=%F4%90%80%80",
        "x=%ED%A0%BD%ED%B8%80",
        "x=%FE%FF%00a",
        "x=%80",
        "x=%E6%AD",
        "x=%%20",
        "x=%2",
        "x=%４1",
        "%C1%81=x",
    ] {
        rows.push(changed(
            history(),
            "/?",
            &format!("/?{broken}&"),
            400,
            "InvalidArgument",
        ));
    }
    // Signed text that some decoders misread is accepted as text.
    for text in [
        "%2566",
        "a+b",
        "+",
        "%",
        "&amp;",
        "a;b",
        "\u{0}",
        "\u{7f}",
        "\u{feff}",
        "\u{fffd}",
        "\u{10ffff}",
        "\r\n",
        "a=b&c=d",
        "../../etc/passwd",
    ] {
        rows.push(call(history().query("Note", text), 200, ""));
    }
    rows
}

fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// `FlowName=f`, compressed with gzip.
const GZIP: &[u8] =
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03s\xcb\xc9/\xf7K\xccM\xb5M\x03\0\x9aE\x9f\xc6\x0a\0\0\0";

fn bodies() -> Vec<Row> {
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let json = "Content-Type: application/json\r\n";
    let xml = b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>";
    let many = |count: usize| (0..count).map(|at| format!("p{at}=&")).collect::<String>();
    let (hundred, more) = (many(100), many(101));
    let cases: &[(&str, &[u8], (u16, &'static str))] = &[
        (form, GZIP, INVALID),
        (
            "Content-Encoding: gzip\r\nContent-Type: application/json\r\n",
            GZIP,
            MEDIA,
        ),
        (
            "Content-Encoding: GZIP\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            GZIP,
            MEDIA,
        ),
        (
            "Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\n",
            GZIP,
            MEDIA,
        ),
        (
            "Content-Encoding: zstd\r\nContent-Type: application/json\r\n",
            b"{}",
            MEDIA,
        ),
        ("Content-Type: application/gzip\r\n", GZIP, MEDIA),
        ("Content-Type: application/xml\r\n", xml, MEDIA),
        ("Content-Type: application/yaml\r\n", b"Action: x", MEDIA),
        ("Content-Type: application/json5\r\n", b"{}", MEDIA),
        ("Content-Type: application/vnd.api+json\r\n", b"{}", MEDIA),
        ("Content-Type: application /json\r\n", b"{}", MEDIA),
        (
            "Content-Type: application/json, application/x-www-form-urlencoded\r\n",
            b"{}",
            MEDIA,
        ),
        ("Content-Type: \"application/json\"\r\n", b"{}", MEDIA),
        ("Content-Type: */*\r\n", b"{}", MEDIA),
        ("", b"{}", MEDIA),
        ("", b"\0", MEDIA),
        (json, b"{}", MISSING),
        (json, b"", MISSING),
        (json, b" ", INVALID),
        (json, b"null", INVALID),
        (json, b"{\"a\":1}x", INVALID),
        (json, b"\xef\xbb\xbf{}", INVALID),
        (json, b"{\0\"\0a\0\"\0:\x001\0}\0", INVALID),
        (json, b"a=b", INVALID),
        (form, b"{}", MISSING),
        (form, b"a=b&a=b", INVALID),
        (form, b"a=\xff", INVALID),
        (form, b"\xef\xbb\xbfAction=x", MISSING),
        (form, b"\xfe\xff\0a\0=\0b", INVALID),
        (form, b"Action=DeleteFlow\r\n\r\n", MISSING),
        (form, hundred.as_bytes(), MISSING),
        (form, more.as_bytes(), INVALID),
        (form, &[b'&'; 500_000], MISSING),
        (form, &[b'='; 500_000], MISSING),
    ];
    let refused = |&(headers, body, (status, code)): &(&str, &[u8], (u16, &'static str))| {
        raw(post(headers, body), status, code)
    };
    let mut rows: Vec<_> = cases.iter().map(refused).collect();
    rows.push(raw(
        post(form, &vec![b'%'; 1_048_577]),
        400,
        "EntityTooLarge",
    ));
    // Only ACS3 signs a JSON body.
    rows.push(call(
        history().body("application/json", "{\"Limit\":1}"),
        400,
        "InvalidArgument",
    ));
    rows.push(call(
        history().acs3().body("application/json", "{\"Limit\":1}"),
        200,
        "",
    ));
    rows.push(call(
        history()
            .acs3()
            .body("application/json", "{\"FlowName\":\"f\"}"),
        400,
        "InvalidArgument",
    ));
    rows
}
