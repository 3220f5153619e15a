//! Injection (XSS): with a hostile text in every field, each page has the same tags and attributes as with a harmless
//! text.

use serde_json::json;

use super::{event, request};
use crate::support::{Call, Server, call::encoded};

/// Texts that inject markup or script if anything is not escaped.
pub const PAYLOADS: [&str; 20] = [
    "<script>window.pwned=1</script>",
    "\"><script>window.pwned=1</script>",
    "'><img src=x onerror=window.pwned=1>",
    "</pre><img src=x onerror=\"window.pwned=1\">",
    "</title><svg onload=window.pwned=1>",
    "</textarea></template><iframe srcdoc='<script>parent.pwned=1</script>'>",
    "<svg><script>window.pwned=1</script></svg>",
    "\" onfocus=window.pwned=1 autofocus x=\"",
    "' onmouseover='window.pwned=1",
    "javascript:window.pwned=1",
    "<a href=\"javascript:window.pwned=1\">x</a>",
    "<!--<img src=\"--><img src=x onerror=window.pwned=1//\">",
    "<math><mtext></table><img src=x onerror=window.pwned=1>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "&#60;img src=x onerror=window.pwned=1&#62;",
    "\u{202e}>1=denwop.wodniw=rorreno x=crs gmi<\u{202c}",
    "<style>@import '//evil.test/x.css';</style><meta http-equiv=refresh content='0;url=//evil.test'>",
    "{{7*7}}{% raw %}${window.pwned=1}<%= 1 %>",
    "<x\u{0b}onclick=window.pwned=1>\r\n\r\ndata: x\r\nevent: end",
    "]]></style><base href='//evil.test/'><form action=//evil.test><button>",
];

/// Returns a harmless text of the same length, so that both are truncated at the same place.
fn harmless(text: &str) -> String {
    "x".repeat(text.chars().count())
}

/// Returns tags and attributes in their order, without texts and values.
fn skeleton(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let mut tag = String::new();
        let mut quote = None;
        let mut end = rest.len();
        for (at, c) in rest.char_indices() {
            match (quote, c) {
                (None, '>') => {
                    end = at + 1;
                    break;
                }
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                (None, c) => tag.push(c),
                (Some(_), _) => {}
            }
        }
        rest = &rest[end..];
        tags.push(tag);
    }
    // Marks an escaped hidden character.
    tags.retain(|tag| tag != "i" && tag != "/i");
    tags
}

/// A server with flow `f` and execution `e` that have this text in every field.
pub async fn full_of(text: &str) -> Server {
    let server = Server::start().await;
    let create = Call::new("CreateFlow")
        .form("Name", "f")
        .form("Definition", text)
        .form("Description", text)
        .form("Type", "FDL");
    server.ok(create).await;
    fill(&server, text).await;
    server
}

/// Starts execution `e` of `f` and lets it fail, with this text in every field.
async fn fill(server: &Server, text: &str) {
    server
        .start_one("f", "e", &json!({ text: text }).to_string())
        .await;
    let fault = json!({"error": text, "cause": text});
    let raw = json!({"Type": "TaskScheduled", "StepName": text, "EventDetail": format!("no JSON: {text}")});
    let newer = event(35, "Note", text, &json!({ text: [text] }));
    server
        .append_to(
            "f",
            "e",
            &json!([
                event(10, "StepEntered", text, &json!({"input": text})),
                event(20, "StepStarted", text, &json!({})),
                raw,
                event(30, "TaskFailed", text, &fault),
                newer,
                event(40, "StepFailed", text, &fault),
                event(
                    50,
                    "ExecutionFailed",
                    text,
                    &json!({"output": {text: text}, "error": text, "cause": text})
                ),
            ]),
        )
        .await;
}

#[tokio::test]
async fn stored_texts_are_escaped_on_every_page() {
    for payload in PAYLOADS {
        let (hostile, tame) = (full_of(payload).await, full_of(&harmless(payload)).await);
        for path in [
            "/ui/",
            "/ui/flows/f",
            "/ui/flows/f/executions/e",
            "/ui/flows/f/executions/e?event=2",
            "/ui/flows/f/executions/e?event=4",
            "/ui/flows/f/executions/e/events/6",
        ] {
            let (hostile, tame) = (hostile.page(path).await, tame.page(path).await);
            assert_eq!(
                skeleton(&hostile),
                skeleton(&tame),
                "{payload} on {path}:\n{hostile}"
            );
        }
    }
}

#[tokio::test]
async fn parts_of_the_url_are_escaped() {
    let server = full_of("text").await;
    let cookie = server.session("testid", "testsecret").await;
    for payload in PAYLOADS {
        for (path, name) in [
            ("/ui/", "q"),
            ("/ui/flows/f", "prefix"),
            ("/ui/flows/f", "status"),
            ("/ui/flows/f", "from"),
            ("/ui/flows/f", "at"),
            ("/ui/flows/f/executions/e", "type"),
            ("/ui/flows/f/executions/e", "step"),
            ("/ui/flows/f/executions/e", "order"),
            ("/ui/flows/f/executions/e", "open"),
            ("/ui/flows/f/executions/e", "event"),
            ("/ui/flows/f/executions/e", "unknown"),
        ] {
            let ask = async |text: &str| {
                let path = format!("{path}?{name}={}", encoded(text));
                server.get(&path, &[&cookie]).await
            };
            let (hostile, tame) = (ask(payload).await, ask(&harmless(payload)).await);
            assert_eq!(hostile.status, tame.status, "{payload} as {name}");
            assert_eq!(
                skeleton(&hostile.text),
                skeleton(&tame.text),
                "{payload} as {name}"
            );
        }
        let path = format!("/ui/flows/{}", encoded(payload));
        let (hostile, tame) = (
            server.get(&path, &[&cookie]).await,
            server.get("/ui/flows/-", &[&cookie]).await,
        );
        assert_eq!(
            skeleton(&hostile.text),
            skeleton(&tame.text),
            "{payload} as a path"
        );
        let (hostile, tame) = (
            server.sign_in(payload, "x").await,
            server.sign_in("x", "x").await,
        );
        assert_eq!(
            skeleton(&hostile.text),
            skeleton(&tame.text),
            "{payload} as a key"
        );
    }
}

#[tokio::test]
async fn host_header_is_escaped() {
    let server = Server::start().await;
    let cookie = server.session("testid", "testsecret").await;
    let request = request("GET", "/ui/", &[&cookie], "").replace("flowledger.test", "<b>\"x");
    let answer = server.send(request.as_bytes()).await;
    assert!(!answer.text.contains("<b>"), "{}", answer.text);
}

#[test]
fn check_detects_an_injection() {
    assert_eq!(skeleton("<p title=\"a>b\">x</p>"), ["p title=", "/p"]);
    assert_ne!(
        skeleton("<p title=\"\" onfocus=x \"\">"),
        skeleton("<p title=\"\">")
    );
    assert_ne!(skeleton("<p>a<b>c</p>"), skeleton("<p>ac</p>"));
}
