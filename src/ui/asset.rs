//! The files that pages need, inside the program. Their addresses hold a hash, so browsers keep them for good.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
};

use super::fault::Fault;
use crate::wire::signature::sha256_hex;

/// Name, content type, content.
const FILES: [(&str, &str, &str); 3] = [
    ("ui.css", "text/css; charset=utf-8", include_str!("ui.css")),
    (
        "ui.js",
        "text/javascript; charset=utf-8",
        include_str!("ui.js"),
    ),
    ("icon.svg", "image/svg+xml", include_str!("icon.svg")),
];

/// Their addresses.
pub(super) struct Files {
    pub css: String,
    pub js: String,
    pub icon: String,
}

pub(super) fn files() -> &'static Files {
    static ADDRESSES: LazyLock<Files> = LazyLock::new(|| {
        let [css, js, icon] =
            FILES.map(|(name, _, text)| format!("/ui/assets/{}/{name}", hash(text)));
        Files { css, js, icon }
    });
    &ADDRESSES
}

fn hash(text: &str) -> String {
    sha256_hex(text.as_bytes())[..16].to_owned()
}

pub(super) async fn serve(Path((hash_asked, name)): Path<(String, String)>) -> Response {
    let found = FILES
        .iter()
        .find(|(known, _, text)| *known == name && hash(text) == hash_asked);
    match found {
        None => Fault::nowhere().into_response(),
        Some((_, kind, text)) => (
            [
                (header::CONTENT_TYPE, *kind),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            *text,
        )
            .into_response(),
    }
}
