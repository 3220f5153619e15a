//! The static files of the pages, compiled into the program. Their URLs hold a hash of their content, so browsers
//! may cache them for good.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
};

use super::error_page::PageError;
use crate::wire::signature::sha256_hex;

/// Name, content type and content.
const FILES: [(&str, &str, &str); 3] = [
    ("ui.css", "text/css; charset=utf-8", include_str!("ui.css")),
    (
        "ui.js",
        "text/javascript; charset=utf-8",
        include_str!("ui.js"),
    ),
    ("icon.svg", "image/svg+xml", include_str!("icon.svg")),
];

pub(super) struct AssetUrls {
    pub css: String,
    pub js: String,
    pub icon: String,
}

/// Returns the URLs that the layout links, without the base path.
pub(super) fn asset_urls() -> &'static AssetUrls {
    static URLS: LazyLock<AssetUrls> = LazyLock::new(|| {
        let [css, js, icon] =
            FILES.map(|(name, _, text)| format!("/ui/assets/{}/{name}", hash(text)));
        AssetUrls { css, js, icon }
    });
    &URLS
}

fn hash(text: &str) -> String {
    sha256_hex(text.as_bytes())[..16].to_owned()
}

/// `/ui/assets/{hash}/{name}`
pub(super) async fn serve(Path((requested_hash, name)): Path<(String, String)>) -> Response {
    let found = FILES
        .iter()
        .find(|(known, _, text)| *known == name && hash(text) == requested_hash);
    match found {
        None => PageError::not_found().into_response(),
        Some((_, content_type, text)) => (
            [
                (header::CONTENT_TYPE, *content_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            *text,
        )
            .into_response(),
    }
}
