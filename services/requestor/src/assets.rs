//! The page: the files of `page/`, in the program itself, with the headers that keep a browser strict about them.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

/// What the page may do: run and show its own files, and speak to where it came from. No inline script or style, nothing
/// from elsewhere, no text that becomes HTML, no frames around it.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// A file of the page.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

/// One line a file, so that a new one is one more line.
macro_rules! assets {
    ($($path:literal $file:literal $type:literal)*) => {
        &[$(Asset { path: $path, content_type: $type, text: include_str!(concat!("../page/", $file)) }),*]
    };
}

const ASSETS: &[Asset] = assets! {
    "/" "index.html" "text/html; charset=utf-8"
    "/app.css" "app.css" "text/css; charset=utf-8"
    "/icon.svg" "icon.svg" "image/svg+xml"
    "/api.js" "api.js" "text/javascript; charset=utf-8"
    "/app.js" "app.js" "text/javascript; charset=utf-8"
    "/chart.js" "chart.js" "text/javascript; charset=utf-8"
    "/document.js" "document.js" "text/javascript; charset=utf-8"
    "/dom.js" "dom.js" "text/javascript; charset=utf-8"
    "/field.js" "field.js" "text/javascript; charset=utf-8"
    "/form.js" "form.js" "text/javascript; charset=utf-8"
    "/format.js" "format.js" "text/javascript; charset=utf-8"
    "/list.js" "list.js" "text/javascript; charset=utf-8"
    "/live.js" "live.js" "text/javascript; charset=utf-8"
    "/operations.js" "operations.js" "text/javascript; charset=utf-8"
    "/report.js" "report.js" "text/javascript; charset=utf-8"
    "/store.js" "store.js" "text/javascript; charset=utf-8"
    "/submit.js" "submit.js" "text/javascript; charset=utf-8"
    "/table.js" "table.js" "text/javascript; charset=utf-8"
};

const LINK_GONE: &str = include_str!("../page/link.html");

/// Serves the files of the page under their names, and the page itself at `/`.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        let tag = tag(asset.text);
        router.route(asset.path, get(move |headers: HeaderMap| async move { serve(asset, &tag, &headers) }))
    })
}

/// The answer to a one-time link that was used or is too old: status 410, and a page that says whom to ask.
pub fn link_gone() -> Response {
    let mut answer = (StatusCode::GONE, strict(), LINK_GONE).into_response();
    answer.headers_mut().insert(CONTENT_TYPE, axum::http::HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}

fn serve(asset: &'static Asset, tag: &str, headers: &HeaderMap) -> Response {
    let known = headers.get(IF_NONE_MATCH).is_some_and(|value| value.as_bytes() == tag.as_bytes());
    // Asked for again each time, and answered by the tag alone: after an update no browser mixes old files with new.
    let shared = [(ETAG, tag), (CACHE_CONTROL, "no-cache"), (CONTENT_TYPE, asset.content_type)];
    let status = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    (status, strict(), shared, if known { "" } else { asset.text }).into_response()
}

fn strict() -> [(axum::http::HeaderName, &'static str); 3] {
    [(CONTENT_SECURITY_POLICY, POLICY), (X_CONTENT_TYPE_OPTIONS, "nosniff"), (REFERRER_POLICY, "no-referrer")]
}

fn tag(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]

    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    async fn ask(path: &str, tag: Option<&str>) -> Response {
        let mut request = Request::get(path);
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        router::<()>().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    /// Each `src="/…"`, `href="/…"` and `from "./…"` of a file.
    fn named(text: &str) -> Vec<String> {
        let marks = ["src=\"/", "href=\"/", "from \"./"];
        let found =
            |mark: &'static str| text.split(mark).skip(1).map(|rest| format!("/{}", rest.split('"').next().unwrap()));
        marks.into_iter().flat_map(found).collect()
    }

    #[tokio::test]
    async fn whatever_the_page_names_is_served_strictly() {
        for asset in ASSETS {
            for path in named(asset.text).iter().map(String::as_str).chain([asset.path]) {
                let answer = ask(path, None).await;
                assert_eq!(answer.status(), StatusCode::OK, "{path}, which {} names", asset.path);
                assert_eq!(answer.headers()[CONTENT_SECURITY_POLICY], POLICY);
                assert_eq!(answer.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
            }
        }
        assert!(named(LINK_GONE).iter().all(|path| ASSETS.iter().any(|asset| asset.path == path)));
    }

    #[tokio::test]
    async fn a_browser_that_has_a_file_does_not_get_it_again() {
        let first = ask("/app.js", None).await;
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        let second = ask("/app.js", Some(&tag)).await;
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert!(to_bytes(second.into_body(), 1024).await.unwrap().is_empty());
        assert_eq!(ask("/app.js", Some("\"other\"")).await.status(), StatusCode::OK);
    }

    #[test]
    fn no_file_has_inline_script_or_style() {
        for text in ASSETS.iter().map(|asset| asset.text).chain([LINK_GONE]) {
            for forbidden in
                ["innerHTML", "insertAdjacentHTML", "document.write", " style=\"", " onclick=\"", "<style", "eval("]
            {
                assert!(!text.contains(forbidden), "{forbidden}");
            }
        }
    }
}
