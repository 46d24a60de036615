//! A page with pictures, and a download beside it: what priorities are for. The
//! origin says them in its responses (RFC 9218, section 8), and whoever sends
//! them on goes by that.

use std::fmt::Write;

use http_body_util::{BodyExt, Full};
use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue},
};

use crate::{
    body::{Outgoing, text},
    origin::bytes,
};

const PRIORITY: HeaderName = HeaderName::from_static("priority");

const IMAGES: usize = 24;
/// Pixels; a row is a multiple of four octets, as BMP has it.
const WIDTH: usize = 96;
const HEIGHT: usize = 64;

const DOWNLOAD: u64 = 20_000_000;

/// After everything else.
const LAST: HeaderValue = HeaderValue::from_static("u=7");
/// What a page is not seen without.
const FIRST: HeaderValue = HeaderValue::from_static("u=1");
const PICTURE: HeaderValue = HeaderValue::from_static("u=2");

/// The page itself.
pub(crate) fn html() -> Response<Outgoing> {
    let mut page = format!(
        "<!doctype html>
<meta charset=\"utf-8\">
<title>Priorities</title>
<p>{IMAGES} pictures, and <a href=\"/download\">a download</a> that is less urgent.
<button id=\"alone\">Pictures alone</button>
<button id=\"beside\">Pictures beside two downloads</button>
<span id=\"said\"></span>
<p>
"
    );
    for i in 1..=IMAGES {
        let _ = writeln!(
            page,
            "<img src=\"/page/{i}.bmp\" width=\"{WIDTH}\" height=\"{HEIGHT}\" alt=\"\">"
        );
    }
    page += SCRIPT;
    full(page.into(), "text/html; charset=utf-8", FIRST)
}

const SCRIPT: &str = r"<script>
async function load(downloads) {
  const end = new AbortController();
  const drop = () => new WritableStream();
  for (let i = 0; i < downloads; i++)
    fetch('/download', { signal: end.signal }).then(d => d.body.pipeTo(drop())).catch(() => {});
  if (downloads) await new Promise(begun => setTimeout(begun, 50));
  const start = performance.now();
  await Promise.all([...document.images].map((image, i) => new Promise(loaded => {
    image.onload = loaded;
    image.src = `/page/${i + 1}.bmp?${Math.random()}`;
  })));
  document.getElementById('said').textContent = `${Math.round(performance.now() - start)} ms`;
  end.abort();
}
document.getElementById('alone').onclick = () => load(0);
document.getElementById('beside').onclick = () => load(2);
</script>
";

/// `N.bmp`, from 1 on.
pub(crate) fn image(name: &str) -> Response<Outgoing> {
    let number = name.strip_suffix(".bmp").and_then(|n| n.parse().ok());
    match number.filter(|n| (1..=IMAGES).contains(n)) {
        Some(number) => full(bitmap(number), "image/bmp", PICTURE),
        None => text(StatusCode::NOT_FOUND, "no such picture\n"),
    }
}

/// Some time's worth of octets, with the urgency `u=N` of the query.
pub(crate) fn download(query: Option<&str>) -> Response<Outgoing> {
    let priority = match query {
        None => LAST,
        Some(query) => match HeaderValue::from_str(query) {
            Ok(value) if is_urgency(query) => value,
            _ => return text(StatusCode::BAD_REQUEST, "u=0 to u=7, please\n"),
        },
    };
    let mut response = bytes(DOWNLOAD);
    response.headers_mut().insert(PRIORITY, priority);
    response
}

fn is_urgency(query: &str) -> bool {
    matches!(query.as_bytes(), [b'u', b'=', b'0'..=b'7'])
}

fn full(octets: Vec<u8>, kind: &'static str, priority: HeaderValue) -> Response<Outgoing> {
    let body = Full::new(octets.into()).map_err(|e| match e {});
    let mut response = Response::new(body.boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRIORITY, priority);
    response
}

/// A Windows bitmap of 24 bits a pixel: 54 octets of head, and 18 KiB of a slope
/// from one colour to another.
fn bitmap(number: usize) -> Vec<u8> {
    const HEAD: usize = 54;
    const OCTETS: usize = HEAD + 3 * WIDTH * HEIGHT;
    let mut image = Vec::with_capacity(OCTETS);
    image.extend(b"BM");
    for field in [OCTETS, 0, HEAD, 40, WIDTH, HEIGHT] {
        image.extend((field as u32).to_le_bytes());
    }
    // One plane of 24 bits, no compression; the rest is up to the reader.
    image.extend([1, 0, 24, 0]);
    image.resize(HEAD, 0);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let slope = |size: usize, at: usize| (at * 255 / size) as u8;
            let [blue, green] = [slope(WIDTH, x), slope(HEIGHT, y)];
            image.extend([blue, green, slope(IMAGES, number)]);
        }
    }
    image
}
